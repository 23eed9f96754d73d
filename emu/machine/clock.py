"""Virtual time in nanoseconds: a count of retired instructions, and the timers that hang on it.

now = base + retired * step. `base` moves only when a halted CPU skips to the next event, so time is
a function of the run alone and every run of the same input sees the same times.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.errors import ConfigurationError


class Timer:
    """One alarm of one device. `deadline` is the virtual time in ns at which `callback()` is due, or
    None. A timer fires once per `arm`; a periodic device arms it again from its callback. `wakes()` says
    whether firing could interrupt a halted CPU as things are programmed now."""

    __slots__ = ("name", "callback", "deadline", "wakes", "_clock")

    def __init__(self, clock: Clock, name: str, callback: Callable[[], None]) -> None:
        self._clock = clock
        self.name = name
        self.callback = callback
        self.deadline: int | None = None
        self.wakes: Callable[[], bool] = lambda: True

    def arm(self, at_ns: int) -> None:
        """Fire at virtual time `at_ns`; a time that has passed means: at the next chance."""
        previous, self.deadline = self.deadline, at_ns
        self._clock._moved(previous, at_ns)

    def cancel(self) -> None:
        """Never fire, until armed again."""
        previous, self.deadline = self.deadline, None
        if previous is not None:
            self._clock._moved(previous, None)


class Clock:
    """Virtual time. `step` is the ns that one instruction takes (1 or more); `retired` is a callable
    that counts instructions, exact even while a device is being accessed.

    `on_earlier`, if set, is called when a timer is armed for earlier than anything before: the slice
    that is running was computed for a later event and must end after the current instruction.
    """

    def __init__(self, retired: Callable[[], int] = lambda: 0, step: int = 1) -> None:
        if step < 1:
            raise ConfigurationError(f"the clock's step is {step} ns an instruction", "give 1 or more")
        self.retired = retired
        self.step = step
        self.base = 0
        self.timers: list[Timer] = []
        self.on_earlier: Callable[[], None] | None = None
        self._next: int | None = None

    @property
    def now(self) -> int:
        """Nanoseconds of virtual time since power-on."""
        return self.base + self.retired() * self.step

    def timer(self, name: str, callback: Callable[[], None]) -> Timer:
        """A new, unarmed timer. Timers due at the same time fire in the order of their creation."""
        timer = Timer(self, name, callback)
        self.timers.append(timer)
        return timer

    def next_deadline(self) -> int | None:
        """The earliest deadline in ns, or None when no timer is armed. May lie in the past."""
        return self._next

    def can_wake(self) -> bool:
        """Is a timer armed that could interrupt a halted CPU?"""
        return any(t.deadline is not None and t.wakes() for t in self.timers)

    def fire_due(self) -> int:
        """Call back every timer whose deadline has come, earliest first; returns how many.

        A callback may arm timers, itself included; one that is due again at once fires again only
        at the next call, so this returns whatever the guest programs.
        """
        if self._next is None or self._next > self.now:
            return 0
        now = self.now
        due = sorted((t for t in self.timers if t.deadline is not None and t.deadline <= now), key=lambda t: t.deadline)
        fired = 0
        for timer in due:
            # An earlier callback may have cancelled or postponed this one.
            if timer.deadline is not None and timer.deadline <= now:
                timer.deadline = None
                fired += 1
                timer.callback()
        self.recompute()
        return fired

    def skip_to(self, ns: int) -> int:
        """Move time forward to `ns` with no instruction retired; returns the ns skipped (0 if past)."""
        skipped = max(0, ns - self.now)
        self.base += skipped
        return skipped

    def recompute(self) -> None:
        """The earliest deadline anew: somebody has set timers' deadlines directly."""
        self._next = min((t.deadline for t in self.timers if t.deadline is not None), default=None)

    def _moved(self, previous: int | None, deadline: int | None) -> None:
        if deadline is not None and (self._next is None or deadline < self._next):
            self._next = deadline
            if self.on_earlier is not None:
                self.on_earlier()
        elif previous is not None and previous == self._next:
            self.recompute()
