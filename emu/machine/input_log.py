"""Input from outside, each piece with the instant at which it entered: what a replay needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from emu.errors import ReplayError


@dataclass(frozen=True, slots=True)
class InputEvent:
    """`data` arrived at `device` ("console" or "virtio-console") when `retired` instructions had been
    executed and virtual time was `now` ns. (Time moves without instructions while the CPU is halted.)"""

    retired: int
    now: int
    device: str
    data: bytes


def dump(events: Iterable[InputEvent]) -> str:
    """A log as text, one JSON object a line."""
    return "".join(
        json.dumps({"retired": e.retired, "now": e.now, "device": e.device, "data": e.data.hex()}) + "\n" for e in events
    )


def parse(text: str) -> list[InputEvent]:
    """The log that `dump` wrote; `ReplayError` names the first line that is not one of its lines."""
    events: list[InputEvent] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            event = InputEvent(item["retired"], item["now"], item["device"], bytes.fromhex(item["data"]))
            good = type(event.retired) is int and type(event.now) is int and isinstance(event.device, str)
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise ReplayError(f"line {number} of the input log is not an event", "use a log written by this program")
        if events and (event.retired, event.now) < (events[-1].retired, events[-1].now):
            raise ReplayError(f"line {number} of the input log is earlier than the one before", "keep the lines in order")
        events.append(event)
    return events
