"""The MC146818 real-time clock with its battery-backed RAM.

Motorola MC146818A data sheet: time, alarm, periodic and update-ended interrupts, UIP, BCD and binary,
12 and 24 hours; 114 bytes of RAM, of which 0x32 holds the century as PCs have it. The time is
`rtc_start` plus virtual time: the host's clock is never read. Daylight saving (DSE) is not implemented;
chipsets dropped it. With the square wave nothing is connected.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.devices.device import Device, Line, no_line

_SECOND = 1_000_000_000
#: UIP rises 244 us before the time changes.
_UIP_NS = 244_000

SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D = range(14)
CENTURY = 0x32
_TIME = frozenset((SEC, MIN, HOUR, WEEKDAY, DAY, MONTH, YEAR, CENTURY))
B_SET, B_PIE, B_AIE, B_UIE, B_BINARY, B_24H = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
C_IRQ, C_PF, C_AF, C_UF = 0x80, 0x40, 0x20, 0x10


def _power_on_ram() -> list[int]:
    ram = [0] * 128
    ram[A], ram[B], ram[D] = 0x26, B_24H, 0x80
    return ram


@dataclass(slots=True)
class RtcState:
    """`ram` is all 128 bytes; its time bytes hold only while updates are stopped. `offset` is calendar
    time minus virtual time in ns; `checked` the virtual time up to which flags of C are known."""

    ram: list[int] = field(default_factory=_power_on_ram)
    index: int = 0
    offset: int = 0
    weekday_shift: int = 0
    checked: int = 0
    level: bool = False


class Rtc(Device):
    """Index at 0x70 (bit 7, NMI mask, has no effect), data at 0x71. `start` is the date at power-on in
    seconds since 1970-01-01 UTC; `irq` is the interrupt output (IRQ 8)."""

    name = "rtc"
    ports = [range(0x70, 0x72)]

    def __init__(self, clock, irq: Line = no_line, start: int = 0) -> None:
        self.clock = clock
        self.irq = irq
        self.state = RtcState(offset=start * _SECOND)
        self._timer = clock.timer("rtc", self._on_timer)

    def timers(self) -> list:
        return [self._timer]

    def reset(self) -> None:
        """RESET clears the interrupt enables and flags; time and RAM are battery backed."""
        ram = self.state.ram
        ram[B] &= ~(B_PIE | B_AIE | B_UIE)
        ram[C] = 0
        self._schedule()

    def read_port(self, port: int, width: int) -> int:
        state = self.state
        if not port & 1:
            return 0xFF
        index = state.index
        if index in _TIME:
            return state.ram[index] if self._stopped() else self._registers()[index]
        if index == A:
            position = (self.clock.now + state.offset) % _SECOND
            uip = not self._stopped() and position >= _SECOND - _UIP_NS
            return state.ram[A] | uip << 7
        if index == C:
            self._settle()
            value, state.ram[C] = state.ram[C], 0
            self._schedule()
            return value
        return state.ram[index]

    def write_port(self, port: int, width: int, value: int) -> None:
        state = self.state
        value &= 0xFF
        if not port & 1:
            state.index = value & 0x7F
            return
        index = state.index
        if index in (C, D):
            return
        self._settle()
        if index == A:
            self._change_mode(index, value & 0x7F)
        elif index == B:
            # Stopping the updates drops UIE (data sheet, register B, SET).
            self._change_mode(index, value & ~B_UIE if value & B_SET else value)
        elif index in _TIME:
            if self._stopped():
                state.ram[index] = value
            else:
                registers = self._registers()
                registers[index] = value
                self._set_time(registers, (self.clock.now + state.offset) % _SECOND)
        else:
            state.ram[index] = value
        self._schedule()

    def _stopped(self) -> bool:
        ram = self.state.ram
        return bool(ram[B] & B_SET or ram[A] & 0x60 == 0x60)

    def _change_mode(self, index: int, value: int) -> None:
        """Write A or B: freeze the time bytes when updates stop, take them over when they go on."""
        state = self.state
        before = self._stopped()
        if not before:
            registers = self._registers()
        state.ram[index] = value
        after = self._stopped()
        if after and not before:
            for number, byte in registers.items():
                state.ram[number] = byte
        elif before and not after:
            # After a divider reset the first update comes half a second later.
            self._set_time({number: state.ram[number] for number in _TIME}, _SECOND // 2 if index == A else 0)
            state.checked = self.clock.now

    # Calendar

    def _registers(self) -> dict[int, int]:
        """The time bytes now, in the format register B selects."""
        seconds = (self.clock.now + self.state.offset) // _SECOND
        days, second = divmod(seconds, 86_400)
        year, month, day = civil_from_days(days)
        weekday = (days + 4 + self.state.weekday_shift) % 7 + 1
        return {SEC: self._encode(second % 60), MIN: self._encode(second // 60 % 60),
                HOUR: self._encode_hour(second // 3600), WEEKDAY: self._encode(weekday), DAY: self._encode(day),
                MONTH: self._encode(month), YEAR: self._encode(year % 100),
                CENTURY: self._encode(year // 100 % 100)}

    def _set_time(self, registers: dict[int, int], fraction: int) -> None:
        """Take the time from register bytes, whatever they hold; out-of-range values carry over."""
        value = {number: self._decode(byte) for number, byte in registers.items() if number != HOUR}
        days = days_from_civil(value[CENTURY] * 100 + value[YEAR], value[MONTH], value[DAY])
        seconds = (days * 24 + self._decode_hour(registers[HOUR])) * 3600 + value[MIN] * 60 + value[SEC]
        self.state.offset = seconds * _SECOND + fraction - self.clock.now
        self.state.weekday_shift = (value[WEEKDAY] - 1 - (seconds // 86_400 + 4)) % 7

    def _encode(self, value: int) -> int:
        return value if self.state.ram[B] & B_BINARY else value // 10 << 4 | value % 10

    def _decode(self, byte: int) -> int:
        return byte if self.state.ram[B] & B_BINARY else (byte >> 4) * 10 + (byte & 15)

    def _encode_hour(self, hour: int) -> int:
        if self.state.ram[B] & B_24H:
            return self._encode(hour)
        return self._encode((hour + 11) % 12 + 1) | (0x80 if hour >= 12 else 0)

    def _decode_hour(self, byte: int) -> int:
        if self.state.ram[B] & B_24H:
            return self._decode(byte)
        return self._decode(byte & 0x7F) % 12 + (12 if byte & 0x80 else 0)

    # Interrupts: the flags are brought up to date when somebody looks, or when one is due to interrupt.

    def _next_period(self, after: int) -> int | None:
        rate = self.state.ram[A] & 15
        if rate == 0 or self.state.ram[A] & 0x60 == 0x60:
            return None
        length = 1 << (rate + 6 if rate < 3 else rate - 1)
        ticks = (after * 32_768 // _SECOND // length + 1) * length
        return -(-ticks * _SECOND // 32_768)

    def _next_update(self, after: int) -> int | None:
        if self._stopped():
            return None
        return after + _SECOND - (after + self.state.offset) % _SECOND

    def _next_alarm(self, after: int) -> int | None:
        if self._stopped():
            return None
        ram = self.state.ram
        wanted = (ram[HOUR_ALARM], ram[MIN_ALARM], ram[SEC_ALARM])
        seconds = (after + self.state.offset) // _SECOND + 1
        # At most a day of hours, an hour of minutes and a minute of seconds is searched.
        for _ in range(24 + 60 + 60 + 3):
            of_day = seconds % 86_400
            if wanted[0] < 0xC0 and wanted[0] != self._encode_hour(of_day // 3600):
                seconds += 3600 - of_day % 3600
            elif wanted[1] < 0xC0 and wanted[1] != self._encode(of_day // 60 % 60):
                seconds += 60 - of_day % 60
            elif wanted[2] < 0xC0 and wanted[2] != self._encode(of_day % 60):
                seconds += 1
            else:
                return seconds * _SECOND - self.state.offset
        return None

    def _settle(self) -> None:
        """Set the flags of register C for all that happened since the last look."""
        state = self.state
        now, since = self.clock.now, state.checked
        state.checked = now
        for flag, following in ((C_PF, self._next_period), (C_UF, self._next_update), (C_AF, self._next_alarm)):
            if not state.ram[C] & flag:
                at = following(since)
                if at is not None and at <= now:
                    state.ram[C] |= flag

    def _schedule(self) -> None:
        """Drive the interrupt and arm the timer for the next flag that will assert it."""
        state = self.state
        ram = state.ram
        enabled = ram[B] & (B_PIE | B_AIE | B_UIE)
        # The flags of C have the positions of their enables in B.
        level = bool(ram[C] & enabled)
        ram[C] = (ram[C] & ~C_IRQ) | level << 7
        if level or not enabled:
            # Asserted until C is read: until then nothing can change.
            self._timer.cancel()
        else:
            events = ((B_PIE, self._next_period), (B_UIE, self._next_update), (B_AIE, self._next_alarm))
            times = [following(state.checked) for flag, following in events if enabled & flag]
            at = min((time for time in times if time is not None), default=None)
            if at is None:
                self._timer.cancel()
            else:
                self._timer.arm(at)
        if level != state.level:
            state.level = level
            self.irq(level)

    def _on_timer(self) -> None:
        self._settle()
        self._schedule()


def civil_from_days(days: int) -> tuple[int, int, int]:
    """(year, month 1-12, day 1-31) of the proleptic Gregorian calendar, `days` after 1970-01-01."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; a month or day out of its range carries into the next larger unit."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + of_year - 719_468
