"""What commands print: JSON for programs, rich's tables for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_json(data: Any) -> None:
    """One JSON object on standard output, indented."""
    json.dump(data, sys.stdout, indent=2)
    print()


def console(stderr: bool = False) -> Console:
    """A rich console that leaves text as it is: no markup, no highlighting of numbers."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """One line about what the command does, on standard error so that output stays the guest's."""
    print(f"ringzero: {text}", file=sys.stderr)


def count(value: float) -> str:
    """A number with its scale: 950, 12.3 k, 4.56 M."""
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value < 100 * scale else f"{value / scale:.0f} {unit}"
    return f"{value:.0f}"
