"""Errors meant for people: one line that says what was found, what was expected and what to do.

Everything a user can cause by a wrong file, size, name or option is a `RingzeroError`; command-line
programs print `str(error)` and leave with status 2. Any other exception is a bug in the emulator.
Guest actions never raise: a guest's mistake is a fault in the guest.
"""

from __future__ import annotations


class RingzeroError(Exception):
    """A mistake in what the emulator was given.

    `message` says what was expected and what was found; `hint` says what to do about it. Both are
    joined into one line, whatever line breaks the parts (a file name, say) contain.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        super().__init__(f"{self.message}; {self.hint}" if self.hint else self.message)


class ConfigurationError(RingzeroError):
    """An option of the machine (memory size, engine name, step, seed) that can't be used."""


class MemoryRangeError(RingzeroError):
    """An access from outside the guest (loader, debugger, test) to memory that is not RAM."""


class DiskError(RingzeroError):
    """A disk image that can't be opened, read or written."""


class ImageError(RingzeroError):
    """A kernel or program file that can't be loaded: truncated, of another machine, out of RAM."""


class ReplayError(RingzeroError):
    """An input log that doesn't fit the machine it is replayed on."""
