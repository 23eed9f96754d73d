"""The 8254 programmable interval timer, and the port 0x61 bits that belong to its channel 2.

Intel 82C54 data sheet (231244): six modes, binary and BCD, counter latch and read-back commands,
gates. The three counters run at 1193182 Hz of virtual time. A counter is not stepped: its value and
output are functions of the ticks since it was loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.devices.device import Device, Line, no_line

FREQUENCY = 1_193_182
_SECOND = 1_000_000_000

#: The DRAM refresh request of port 0x61 bit 4 toggles every 15.085 us.
_REFRESH = 15_085


@dataclass(slots=True)
class Channel:
    """One counter. Ticks are of the 1193182 Hz clock since power-on.

    `count` is the period in ticks (1 to 65536) in use, `start` the tick at which the counter held it;
    `frozen` is the ticks counted so far while the gate stops it. `following` takes over at tick
    `switch` (modes 2 and 3), or with the next trigger (modes 1 and 5).
    """

    mode: int = 3
    access: int = 3
    bcd: bool = False
    gate: bool = True
    count: int = 0x10000
    start: int = 0
    loaded: bool = True
    triggered: bool = False
    frozen: int | None = None
    following: int | None = None
    switch: int | None = None
    low_byte: int | None = None
    second_read: bool = False
    latch: int | None = None
    status_latch: int | None = None


@dataclass(slots=True)
class PitState:
    channels: list[Channel] = field(default_factory=lambda: [Channel(), Channel(), Channel(gate=False)])
    speaker: bool = False
    level: bool = True


class Pit(Device):
    """Counters at 0x40-0x42, control at 0x43, gate and output of channel 2 at 0x61. `irq` is the output
    of channel 0."""

    name = "pit"
    ports = [range(0x40, 0x44), range(0x61, 0x62)]

    def __init__(self, clock, irq: Line = no_line) -> None:
        self.clock = clock
        self.irq = irq
        self.state = PitState()
        self._timer = clock.timer("pit channel 0", self._on_timer)
        self._program_irq()

    def timers(self) -> list:
        return [self._timer]

    def reset(self) -> None:
        self.state = PitState()
        for channel in self.state.channels:
            channel.start = self._tick()
        self._program_irq()

    def read_port(self, port: int, width: int) -> int:
        if port == 0x61:
            channel = self.state.channels[2]
            return (int(channel.gate) | self.state.speaker << 1 | (self.clock.now // _REFRESH & 1) << 4
                    | int(self._output(channel, self._tick())) << 5)
        if port & 3 == 3:
            return 0  # the control register can't be read; the bus of a PC gives 0 here
        return self._read_counter(self.state.channels[port & 3])

    def write_port(self, port: int, width: int, value: int) -> None:
        value &= 0xFF
        if port == 0x61:
            self.state.speaker = bool(value & 2)
            self._set_gate(self.state.channels[2], bool(value & 1))
        elif port & 3 == 3:
            self._control(value)
        else:
            self._write_counter(self.state.channels[port & 3], value)
            if port & 3 == 0:
                self._program_irq()

    def _tick(self) -> int:
        return self.clock.now * FREQUENCY // _SECOND

    # Programming

    def _control(self, value: int) -> None:
        select = value >> 6
        if select == 3:
            for index, channel in enumerate(self.state.channels):
                if value >> (index + 1) & 1:
                    if not value & 0x10 and channel.status_latch is None:
                        channel.status_latch = self._status(channel)
                    if not value & 0x20:
                        self._latch(channel)
            return
        channel = self.state.channels[select]
        access = value >> 4 & 3
        if access == 0:
            self._latch(channel)
            return
        channel.access = access
        channel.mode = value >> 1 & 7
        if channel.mode > 5:
            channel.mode -= 4
        channel.bcd = bool(value & 1)
        channel.loaded = channel.triggered = channel.second_read = False
        channel.frozen = channel.following = channel.switch = None
        channel.low_byte = channel.latch = channel.status_latch = None
        if select == 0:
            self._program_irq()

    def _write_counter(self, channel: Channel, value: int) -> None:
        if channel.access == 3 and channel.low_byte is None:
            channel.low_byte = value
            if channel.mode == 0 and channel.loaded:
                # The first byte stops the counting, the second starts it anew.
                channel.frozen = self._elapsed(channel, self._tick())
                channel.loaded = False
            return
        if channel.access == 3:
            value = channel.low_byte | value << 8
            channel.low_byte = None
        elif channel.access == 2:
            value <<= 8
        self._new_count(channel, _period(value, channel.bcd))

    def _new_count(self, channel: Channel, count: int) -> None:
        tick = self._tick()
        self._settle(channel, tick)
        mode = channel.mode
        if mode in (1, 5):
            channel.following = count
            if not channel.loaded:
                channel.count, channel.start, channel.loaded = count, tick, True
            return
        if mode in (2, 3) and channel.loaded and channel.frozen is None:
            channel.following = count
            channel.switch = self._next_switch(channel, tick)
            return
        channel.count, channel.loaded = count, True
        channel.following = channel.switch = None
        channel.start = tick + 1
        channel.frozen = None if channel.gate else 0

    def _set_gate(self, channel: Channel, gate: bool) -> None:
        if gate == channel.gate:
            return
        tick = self._tick()
        self._settle(channel, tick)
        channel.gate = gate
        mode = channel.mode
        if mode in (1, 5):
            if gate and channel.loaded:
                if channel.following is not None:
                    channel.count, channel.following = channel.following, None
                channel.triggered, channel.start = True, tick + 1
        elif not channel.loaded:
            return
        elif not gate:
            channel.frozen = max(0, self._elapsed(channel, tick))
        elif mode in (2, 3):
            if channel.following is not None:
                channel.count = channel.following
                channel.following = channel.switch = None
            channel.frozen, channel.start = None, tick + 1
        elif channel.frozen is not None:
            channel.start, channel.frozen = tick - channel.frozen, None

    # Counter and output as functions of time

    @staticmethod
    def _elapsed(channel: Channel, tick: int) -> int:
        return channel.frozen if channel.frozen is not None else tick - channel.start

    @staticmethod
    def _next_switch(channel: Channel, tick: int) -> int:
        """When a count written now takes effect: at the end of the cycle, in mode 3 of the half cycle."""
        elapsed = max(0, tick - channel.start)
        position = elapsed % channel.count
        half = (channel.count + 1) // 2
        length = half if channel.mode == 3 and position < half else channel.count
        return channel.start + elapsed - position + length

    @staticmethod
    def _settle(channel: Channel, tick: int) -> None:
        """Let a count take effect whose time has come."""
        if channel.switch is None or channel.following is None or tick < channel.switch:
            return
        low_half = channel.mode == 3 and (channel.switch - channel.start) % channel.count != 0
        channel.count = channel.following
        channel.start = channel.switch - ((channel.count + 1) // 2 if low_half else 0)
        channel.following = channel.switch = None

    def _value(self, channel: Channel, tick: int) -> int:
        """The 16-bit counter as it is read."""
        self._settle(channel, tick)
        count, elapsed = channel.count, max(0, self._elapsed(channel, tick))
        mode = channel.mode
        if mode == 2:
            value = count - elapsed % count
        elif mode == 3:
            position = elapsed % count
            half = (count + 1) // 2
            value = (count & ~1) - 2 * (position if position < half else position - half)
        elif mode in (1, 5) and not channel.triggered:
            value = count
        else:
            value = count - elapsed
        if channel.bcd:
            value %= 10_000
            return value % 10 | value // 10 % 10 << 4 | value // 100 % 10 << 8 | value // 1000 << 12
        return value & 0xFFFF

    def _output(self, channel: Channel, tick: int) -> bool:
        self._settle(channel, tick)
        mode = channel.mode
        if not channel.loaded:
            return mode != 0
        count, elapsed = channel.count, self._elapsed(channel, tick)
        if mode == 0:
            return elapsed >= count
        if mode == 1:
            return not channel.triggered or elapsed >= count or elapsed < 0
        if mode == 4:
            return elapsed != count
        if mode == 5:
            return not channel.triggered or elapsed != count
        if not channel.gate or elapsed < 0:
            return True
        if mode == 2:
            return elapsed % count != count - 1
        return elapsed % count < (count + 1) // 2

    def _next_change(self, channel: Channel, tick: int) -> int | None:
        """The first tick after `tick` at which the output changes; for mode 2, at which it rises."""
        self._settle(channel, tick)
        if not channel.loaded or channel.frozen is not None:
            return None
        mode, count = channel.mode, channel.count
        elapsed = tick - channel.start
        if mode in (0, 1, 4, 5):
            if mode in (1, 5) and not channel.triggered:
                return None
            for change in (0, count) if mode == 1 else (count,) if mode == 0 else (count, count + 1):
                if elapsed < change:
                    return channel.start + change
            return None
        if elapsed < 0:
            # Nothing changes when the count is loaded: the output is high before and after.
            elapsed = 0
        position = elapsed % count
        begin = channel.start + elapsed - position
        half = (count + 1) // 2
        if mode == 3 and position < half < count:
            return begin + half
        return begin + count

    def _status(self, channel: Channel) -> int:
        tick = self._tick()
        output = self._output(channel, tick)
        null = not channel.loaded or channel.following is not None or self._elapsed(channel, tick) < 0
        return output << 7 | null << 6 | channel.access << 4 | channel.mode << 1 | channel.bcd

    # Reading

    def _latch(self, channel: Channel) -> None:
        if channel.latch is None:
            channel.latch = self._value(channel, self._tick())

    def _read_counter(self, channel: Channel) -> int:
        if channel.status_latch is not None:
            value, channel.status_latch = channel.status_latch, None
            return value
        value = channel.latch if channel.latch is not None else self._value(channel, self._tick())
        if channel.access == 3:
            if not channel.second_read:
                channel.second_read = True
                return value & 0xFF
            channel.second_read = False
        channel.latch = None
        return value & 0xFF if channel.access == 1 else value >> 8

    # The interrupt

    def _program_irq(self) -> None:
        channel = self.state.channels[0]
        tick = self._tick()
        level = self._output(channel, tick)
        if level != self.state.level:
            self.state.level = level
            self.irq(level)
        change = self._next_change(channel, tick)
        if change is None:
            self._timer.cancel()
        else:
            self._timer.arm(-(-change * _SECOND // FREQUENCY))

    def _on_timer(self) -> None:
        if self.state.channels[0].mode == 2 and self.state.level:
            # The low pulse of one tick that has just ended was no event of its own.
            self.irq(False)
            self.irq(True)
        self._program_irq()


def _period(value: int, bcd: bool) -> int:
    """Ticks that a 16-bit count stands for: 1 to 65536, in BCD to 10000 (digits above 9 count as such)."""
    if not bcd:
        return value or 0x10000
    return sum((value >> shift & 15) * scale for shift, scale in ((0, 1), (4, 10), (8, 100), (12, 1000))) or 10_000
