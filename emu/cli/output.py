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


def note_engine(asked: str | None, used: str) -> None:
    """Tell somebody who watches that the faster engine isn't there, if they have not chosen."""
    if asked is None and used == "python" and sys.stderr.isatty():
        say("running on the Python engine, some hundred times slower than the compiled one; ringzero info says why")
