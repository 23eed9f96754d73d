"""What every device is: declared ports and windows, four access functions, and a plain-data state."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

#: An interrupt output: called with the new level, also when the level does not change.
Line = Callable[[bool], None]


def no_line(level: bool) -> None:
    """An interrupt output that is not connected."""


class Device:
    """A device on the bus. Subclasses set `name`, `ports`, `memory` and `state`, and override what
    they need of the rest.

    Accesses of any width and offset must not raise: what the hardware does not define reads as
    all ones (or as the device's documentation says) and is lost when written. `state` is a dataclass
    of plain data; timers are saved as their deadlines.
    """

    name: str = "device"
    #: False: registers are one byte wide and the bus splits wider port accesses.
    wide_ports: bool = False
    ports: list[range] = []
    memory: list[range] = []
    state: Any = None

    def read_port(self, port: int, width: int) -> int:
        """IN of `width` bytes from `port` of the declared ranges."""
        return (1 << 8 * width) - 1

    def write_port(self, port: int, width: int, value: int) -> None:
        """OUT of `width` bytes to `port` of the declared ranges."""

    def read_memory(self, address: int, width: int) -> int:
        """Load of `width` bytes from physical `address` of the declared windows."""
        return (1 << 8 * width) - 1

    def write_memory(self, address: int, width: int, value: int) -> None:
        """Store of `width` bytes to physical `address` of the declared windows."""

    def reset(self) -> None:
        """Return to the power-on state."""

    def timers(self) -> list[Any]:
        """The device's clock timers, in a fixed order."""
        return []

    def save(self) -> dict[str, Any]:
        """The whole state as plain data, with the timers' deadlines (ns of virtual time)."""
        saved = {"state": dataclasses.asdict(self.state)} if self.state is not None else {}
        saved["deadlines"] = [timer.deadline for timer in self.timers()]
        return saved

    def quick_save(self) -> Any:
        """The state as it is, not copied: for pickling at once, without what media hold. For `quick_load`."""
        return self.state, [timer.deadline for timer in self.timers()]

    def quick_load(self, saved: Any) -> None:
        """Continue from an unpickled `quick_save`, whose parts become this device's own. The clock is told of deadlines
        by who calls this (`Clock.recompute`)."""
        state, deadlines = saved
        if state is not None:
            for name in state.__dataclass_fields__:
                setattr(self.state, name, getattr(state, name))
        for timer, deadline in zip(self.timers(), deadlines, strict=True):
            timer.deadline = deadline
        self.settle()

    def settle(self) -> None:
        """A state has been loaded: bring what is derived from it up to date, without driving lines."""

    def load(self, saved: dict[str, Any]) -> None:
        """Continue from what `save` returned. Interrupt lines are not driven: their levels are part
        of the saved state of the devices they lead to."""
        if self.state is not None:
            values = copy.deepcopy(saved["state"])
            for field in dataclasses.fields(self.state):
                setattr(self.state, field.name, _rebuild(getattr(self.state, field.name), values[field.name]))
        for timer, deadline in zip(self.timers(), saved["deadlines"], strict=True):
            if deadline is None:
                timer.cancel()
            else:
                timer.arm(deadline)
        self.settle()


def _rebuild(current: Any, value: Any) -> Any:
    """`value`, as asdict made it, in the shape of `current`: nested dataclasses become objects again."""
    if dataclasses.is_dataclass(current) and isinstance(value, dict):
        for field in dataclasses.fields(current):
            setattr(current, field.name, _rebuild(getattr(current, field.name), value[field.name]))
        return current
    if isinstance(current, list) and current and dataclasses.is_dataclass(current[0]):
        return [_rebuild(item, new) for item, new in zip(current, value, strict=True)]
    return value
