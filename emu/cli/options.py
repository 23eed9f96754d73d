"""Options that several subcommands have, and how their values are read."""

from __future__ import annotations

import argparse

from emu.errors import ConfigurationError


def number(text: str) -> int:
    """An integer: decimal, 0x hexadecimal, 0o octal or 0b binary, `_` between digits, with a sign or not."""
    try:
        return int(text.strip(), 0)
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a number", "write 4096, 0x1000 or 0b1000000000000") from None


def address(text: str) -> int:
    """A number from 0 to 2^64 - 1."""
    value = number(text)
    if not 0 <= value < 1 << 64:
        raise ConfigurationError(f"{text} is not a 64-bit address", "give 0 to 0xffffffffffffffff")
    return value


def count(text: str) -> int:
    """A whole number, 0 or more; `1k`, `20M`, `1.5G` count thousands, millions and thousand millions."""
    digits, scale = text.strip(), 1
    if digits[-1:].lower() in ("k", "m", "g") and not digits.lower().startswith("0x"):
        scale = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}[digits[-1].lower()]
        digits = digits[:-1]
    try:
        value = float(digits) * scale if "." in digits else number(digits) * scale
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a number", "write 1000000 or 1M") from None
    if value < 0 or value != int(value):
        raise ConfigurationError(f"{text} is not a number of instructions", "give a whole number, 0 or more")
    return int(value)


def assignment(text: str) -> tuple[str, int]:
    """`REG=VALUE`, the value as 64 bits (-1 is 0xffffffffffffffff)."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigurationError(f"{text!r} sets no register", "write it as rax=5")
    parsed = number(value)
    if not -(1 << 63) <= parsed < 1 << 64:
        raise ConfigurationError(f"{value} does not fit in a 64-bit register", "give -2^63 to 2^64 - 1")
    return name.strip().lower(), parsed & (1 << 64) - 1


def add_machine(parser: argparse.ArgumentParser) -> None:
    """--memory and --engine."""
    parser.add_argument("--memory", default="128M", metavar="SIZE", help="RAM, as 64M or 1G (default 128M)")
    parser.add_argument("--engine", metavar="NAME", help="compiled or python (default: the faster one that is there)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def check_engine(name: str | None) -> None:
    """Raise ConfigurationError for an engine that can't be used, before anything else takes time."""
    from emu.engines import NAMES

    if name is not None and name not in NAMES:
        raise ConfigurationError(f"there is no engine {name!r}", f"choose one of: {', '.join(NAMES)}")
