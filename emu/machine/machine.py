"""A computer: engine, memory, board and clock, run in slices from one device event to the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emu.boot import cpu_state, elf, flat, multiboot, pvh
from emu.devices.disk import Disk
from emu.engines.engine import Engine, EngineFactory, StopReason
from emu.errors import ConfigurationError, ImageError, ReplayError, RingzeroError
from emu.machine import digest as digests
from emu.machine.board.microvm import Microvm
from emu.machine.bus import Bus
from emu.machine.clock import Clock
from emu.machine.input_log import InputEvent
from emu.machine.memory import PhysicalMemory, parse_memory_size
from emu.machine.result import Reason, RunResult
from emu.machine.snapshots import Snapshot, Snapshots

if TYPE_CHECKING:
    from emu.guest.view import GuestView

#: The date at power-on unless another is given: 2024-01-01 00:00:00 UTC.
DEFAULT_RTC_START = 1_704_067_200

#: A halted CPU that this many timer events have not woken is taken to sleep forever.
IDLE_EVENTS = 1_000_000

#: So much of the latest console output is kept in `Machine.console`.
CONSOLE_KEPT = 16 << 20

_FOREVER = 1 << 62

_STEPPED = RunResult(Reason.LIMIT, 1)
_NATIVE_STOPS = dict(enumerate(StopReason))     # the order in which the compiled engine numbers them; -1: nothing was run


class Machine:
    """A computer of the microvm board.

    memory          RAM size: bytes, or text such as "128M"
    engine          "python", "compiled", None (the fastest there is), or a factory of an `Engine`
    disk            path of a raw image, or a `Disk`; written to only if `writable`
    kernel          path (or contents) of a kernel to load at once, with its `cmdline` and `modules`
    seed            start of the CPU's random numbers (RDRAND)
    step_ns         virtual ns that one instruction takes
    rtc_start       date at power-on, seconds since 1970-01-01 UTC
    on_console      gets serial output, in pieces of bytes as it is made; `console` holds it too
    virtio_console  gets the output of a virtio console; without it there is none
    legacy_virtio   virtio-mmio version 1, as QEMU's default, instead of 2

    Everything wrong with these raises a `RingzeroError`.
    """

    def __init__(self, memory: str | int = "128M", engine: str | EngineFactory | None = None, *,
                 disk: str | os.PathLike | Disk | None = None, writable: bool = False,
                 kernel: str | os.PathLike | bytes | None = None, cmdline: str = "",
                 modules: Sequence[tuple[str | os.PathLike | bytes, str]] = (), seed: int = 0, step_ns: int = 1,
                 rtc_start: int = DEFAULT_RTC_START, on_console: Callable[[bytes], None] | None = None,
                 virtio_console: Callable[[bytes], None] | None = None, legacy_virtio: bool = False) -> None:
        for name, value in (("seed", seed), ("step_ns", step_ns), ("rtc_start", rtc_start)):
            if type(value) is not int:
                raise ConfigurationError(f"{name} must be a whole number, not {value!r}")
        if not 1 <= step_ns <= 1_000_000:
            raise ConfigurationError(f"step_ns is {step_ns}", "give 1 to 1000000 ns an instruction")
        self.memory = PhysicalMemory(parse_memory_size(memory))
        self.clock = Clock(step=step_ns)
        self.bus = Bus(self.memory)
        self.engine: Engine = self._make_engine(engine, seed)
        self.engine.set("tsc_step", step_ns)
        self._step_quietly = getattr(self.engine, "step_quietly", None)
        self.memory.on_code_write = self.engine.invalidate_page
        self.clock.retired = lambda engine=self.engine: engine.retired
        self.clock.on_earlier = self._on_earlier
        self.disk = Disk(disk, writable) if isinstance(disk, (str, os.PathLike)) else disk
        if self.disk is not None:
            self.disk.on_failure = self._leave
        self.on_console = on_console
        self.console = bytearray()
        self.on_virtio_console = virtio_console
        self._unflushed, self._virtio_unflushed = bytearray(), bytearray()
        self._awaited = b""
        self._any_output = False
        self._search_from = 0
        self.board = Microvm(
            self.bus, self.clock, interrupt=self.engine.set_interrupt_line, nmi=self.engine.raise_nmi,
            console=self._console_byte, on_exit=self._on_exit,
            on_power_off=lambda: self._end(RunResult(Reason.POWER_OFF, 0, 0, "the guest switched the machine off")),
            on_reset=lambda: self._end(RunResult(Reason.RESET, 0, None, "the guest asked for a reset")),
            rtc_start=rtc_start, tsc=self._tsc, disk=self.disk,
            virtio_console=None if virtio_console is None else self._virtio_console_bytes, legacy_virtio=legacy_virtio,
        )
        self.input_log: list[InputEvent] = []
        self.snapshots = Snapshots(self)
        self._ended: RunResult | None = None
        self._leaving = self._interrupted = False
        self._quiet_until = 0
        self._idle_events = 0
        self._kernel: bytes | None = None
        self._guest: GuestView | None = None
        if kernel is not None:
            self.load(kernel, cmdline, modules)

    @property
    def guest(self) -> GuestView:
        """What runs on the guest's kernel: processes, namespaces, containers, virtual machines (`emu.guest.view`).

        Raises ImageError unless a kernel with debugging information is loaded."""
        if self._guest is None:
            from emu.guest.view import GuestView

            if self._kernel is None:
                raise ImageError("no kernel is loaded, so there are no processes to see", "give the guest's kernel (ringzero kernel build)")
            self._guest = GuestView.on(self, self._kernel)
        return self._guest

    def _make_engine(self, engine: str | EngineFactory | None, seed: int) -> Engine:
        if callable(engine):
            return engine(self.memory, self.bus, seed)
        from emu.engines import create

        return create(engine, self.memory, self.bus, seed)

    def _tsc(self) -> int:
        """The time-stamp counter as the guest sees it: the clock's step for each retired instruction, plus what it wrote."""
        try:
            return self.engine.retired * self.clock.step + self.engine.get("tsc_offset") & 0xFFFF_FFFF_FFFF_FFFF
        except KeyError:
            return self.clock.now

    # Loading

    def load(self, kernel: str | os.PathLike | bytes, cmdline: str = "",
             modules: Sequence[tuple[str | os.PathLike | bytes, str]] = ()) -> str:
        """Load a kernel file; returns the protocol used: "pvh", "multiboot" or "elf" (plain).

        The places of the virtio devices are appended to `cmdline`. `modules` are (path or contents,
        command line) pairs. Raises `ImageError`.
        """
        data, name = self._read(kernel)
        self._kernel, self._guest = data, None
        parts = [(self._read(module)[0], arguments) for module, arguments in modules]
        line = " ".join(part for part in (cmdline, self.board.virtio_command_line()) if part)
        if data[0x202:0x206] == b"HdrS" and data[:4] != b"\x7fELF":
            raise ImageError(f"{name} is a Linux bzImage, which this board can't load yet",
                             "load the vmlinux inside it (scripts/extract-vmlinux), built with CONFIG_PVH=y")
        image = elf.parse(data, name) if data[:4] == b"\x7fELF" else None
        if image is not None and pvh.entry_point(image) is not None:
            protocol, state = "pvh", pvh.load(self.memory, image, line, parts, name)
        elif multiboot.find_header(data) is not None:
            protocol, state = "multiboot", multiboot.load(self.memory, data, line, parts, name)
        elif image is not None:
            if parts:
                raise ImageError(f"{name} has neither a PVH note nor a multiboot header, so it can't take modules")
            protocol, state = "elf", elf.load_plain(self.memory, image, name)
        else:
            raise ImageError(f"{name} is no kernel: neither ELF nor multiboot",
                             "give an ELF kernel with a PVH note, or load a flat binary with an address")
        cpu_state.apply(self.engine, state)
        return protocol

    def load_flat(self, code: bytes, at: int, entry: int | None = None, ring: int = 0,
                  registers: Mapping[str, int] | None = None) -> None:
        """Put `code` at address `at` and start it in identity-mapped long mode (`emu.boot.flat`)."""
        cpu_state.apply(self.engine, flat.load(self.memory, code, at, entry, ring, registers))

    def fault(self) -> flat.Fault | None:
        """The exception that stopped a flat program, or None."""
        return flat.fault(self.memory, self.engine)

    @staticmethod
    def _read(source: str | os.PathLike | bytes) -> tuple[bytes, str]:
        if isinstance(source, (bytes, bytearray)):
            return bytes(source), "the kernel"
        return elf.read_image(source), repr(os.fspath(source))

    # Running

    @property
    def retired(self) -> int:
        """Instructions retired since power-on."""
        return self.engine.retired

    @property
    def now(self) -> int:
        """Virtual time in ns since power-on."""
        return self.clock.now

    def run(self, limit: int | None = None, idle: Callable[[float | None], bytes | None] | None = None) -> RunResult:
        """Retire exactly `limit` instructions (no limit when None), or say why not sooner.

        A halted CPU skips to the next event. With `idle` it waits instead, in step with the wall clock:
        `idle(seconds)` is called with the time to the next event (None: there is none) and returns
        console input, b"" once the time is over, or None to end the run.

        After the machine has ended (power-off, reset, shutdown) it returns that outcome again. Raises
        `DiskError` when the host could not serve the disk; the guest has seen an I/O error and may go on.
        """
        if limit is not None and limit < 0:
            raise ConfigurationError(f"can't run {limit} instructions", "give 0 or more")
        return self._run(self.engine.retired + (_FOREVER if limit is None else limit), 0, idle)

    @property
    def _quiet_until(self) -> int:
        """Retired count up to which no device event is due; 0 when the run loop must look."""
        return self._quiet

    @_quiet_until.setter
    def _quiet_until(self, value: int) -> None:
        self._quiet = value
        if self._step_quietly is not None:
            self.engine.quiet_until = min(value, _FOREVER)

    def step(self) -> RunResult:
        """Retire one instruction; the same as `run(1)`, quicker while no event is due, and past a breakpoint at it."""
        if self._step_quietly is not None:
            if self._step_quietly():
                return _STEPPED
            reason = _NATIVE_STOPS.get(self.engine.last_stop)
        elif self.engine.retired < self._quiet_until:
            reason = self.engine.run(1).reason
            # `_quiet_until` becomes 0 when the instruction has caused anything the run loop must see to.
            if reason is StopReason.LIMIT and self._quiet_until:
                return _STEPPED
        else:
            reason = None
        if reason is StopReason.BREAKPOINT:
            return self.run(1)          # reported once, it is passed
        if reason is StopReason.LIMIT or reason is StopReason.EXIT_REQUEST:
            self._quiet_until = 0
            self._flush_console()
            return self._run(self.engine.retired, 0, None, started=self.engine.retired - 1)
        if reason is not None:
            return self.run(1)
        result = self._run(self.engine.retired + 1, 0, None)
        if result.reason is Reason.BREAKPOINT and not result.retired:
            result = self._run(self.engine.retired + 1, 0, None)
        if result.reason is Reason.LIMIT and self._ended is None:
            deadline = self.clock.next_deadline()
            quiet = _FOREVER if deadline is None else (deadline - self.clock.now - 1) // self.clock.step
            self._quiet_until = self.engine.retired + max(0, quiet)
        return result

    def settle(self, limit: int | None = None, seconds: float = 0.1) -> RunResult:
        """Run until the guest has been halted for so many virtual seconds in all: it waits for somebody. The reason is then
        INTERRUPTED; otherwise as `run`."""
        left = seconds

        def idle(wait: float | None) -> bytes | None:
            nonlocal left
            left -= left + 1 if wait is None else wait
            return None if left < 0 else b""

        return self.run(limit, idle)

    def expect(self, text: str | bytes, limit: int | None = None,
               idle: Callable[[float | None], bytes | None] | None = None) -> RunResult:
        """Run until the serial console has printed `text`, counted from the end of the previous match;
        the reason is then FOUND. Otherwise as `run`."""
        self._awaited = text.encode() if isinstance(text, str) else bytes(text)
        try:
            if self._find_awaited():
                return RunResult(Reason.FOUND, 0)
            started = self.engine.retired
            while True:
                left = None if limit is None else limit - (self.engine.retired - started)
                result = self.run(left, idle)
                if self._find_awaited():
                    return RunResult(Reason.FOUND, self.engine.retired - started)
                if result.reason is not Reason.FOUND:
                    return RunResult(result.reason, self.engine.retired - started, result.status, result.detail)
        finally:
            self._awaited = b""

    @property
    def console_position(self) -> int:
        """Where in `console` the next `expect` begins to search."""
        return self._search_from

    @console_position.setter
    def console_position(self, value: int) -> None:
        self._search_from = value

    def run_until_output(self, limit: int | None = None) -> RunResult:
        """Run until the serial console has printed a byte more than `console_position`; otherwise as `expect`."""
        if len(self.console) > self._search_from:
            return RunResult(Reason.FOUND, 0)
        self._any_output = True
        try:
            result = self.run(limit)
        finally:
            self._any_output = False
        if len(self.console) > self._search_from:
            return RunResult(Reason.FOUND, result.retired)
        return result

    def interrupt(self) -> None:
        """End the current run after the instruction in progress (from a signal handler or a callback)."""
        self._interrupted = True
        self._leave()

    def _run(self, target: int, until_ns: int, idle: Any, started: int | None = None) -> RunResult:
        """Run until `target` instructions are retired and virtual time is at least `until_ns` (which
        it can only reach halted: a replay's way to an instant within a HLT)."""
        engine, clock = self.engine, self.clock
        if started is None:
            started = engine.retired
        if self._ended is not None:
            return self._result(self._ended, 0)
        self._quiet_until = 0
        while True:
            clock.fire_due()
            if self._leaving:
                self._leaving = False
                result = self._left(started)
                if result is not None:
                    return result
            left = target - engine.retired
            if left <= 0 and clock.now >= until_ns:
                return RunResult(Reason.LIMIT, engine.retired - started)
            if left <= 0:
                self._skip(min(until_ns, clock.next_deadline() or until_ns))
                continue
            deadline = clock.next_deadline()
            if deadline is not None:
                # A timer that is due again already still lets one instruction pass.
                left = min(left, max(1, -((clock.now - deadline) // clock.step)))
            before = engine.retired
            stop = engine.run(left)
            if engine.retired != before:
                self._idle_events = 0
            if self._unflushed or self._virtio_unflushed:
                self._flush_console()
            reason = stop.reason
            if reason is StopReason.HALT:
                if engine.retired >= target and clock.now >= until_ns or self._leaving:
                    continue
                result = self._halted(idle, started)
            elif reason is StopReason.SHUTDOWN:
                self._ended = RunResult(Reason.SHUTDOWN, 0, None, stop.detail or "triple fault")
                result = self._result(self._ended, engine.retired - started)
            elif reason is StopReason.BREAKPOINT:
                clock.fire_due()
                result = RunResult(Reason.BREAKPOINT, engine.retired - started, None, stop.detail)
            else:
                continue
            if result is not None:
                return result

    def _halted(self, idle: Any, started: int) -> RunResult | None:
        """Wait for what wakes the CPU; an outcome when nothing will."""
        engine, clock = self.engine, self.clock

        def outcome(reason: Reason, detail: str) -> RunResult:
            return RunResult(reason, engine.retired - started, None, detail)

        if not engine.interrupts_open and not self.board.can_nmi():
            return outcome(Reason.HALTED, "HLT with interrupts disabled")
        deadline = clock.next_deadline()
        self._idle_events += 1
        if self._idle_events > IDLE_EVENTS and idle is None:
            self._idle_events = 0
            return outcome(Reason.HALTED, f"HLT, and no interrupt during {IDLE_EVENTS} timer events")
        if idle is None:
            if not clock.can_wake():
                return outcome(Reason.HALTED, "HLT, and no timer is running" if deadline is None else
                               "HLT, and no timer is running whose interrupt is unmasked")
            self._skip(deadline)
            return None
        ahead = None if deadline is None else max(0, deadline - clock.now)
        before = time.monotonic_ns()
        data = idle(None if ahead is None else ahead / 1e9)
        if data is None:
            return outcome(Reason.INTERRUPTED, "")
        if data:
            # Time moves by what the wait took, and the log keeps the instant.
            waited = time.monotonic_ns() - before
            self._skip(clock.now + (waited if ahead is None else min(waited, ahead)))
            self.type(data)
        elif deadline is not None:
            self._skip(deadline)
        return None

    def _skip(self, ns: int) -> None:
        skipped = self.clock.skip_to(ns)
        if skipped:
            self.engine.tsc_skip(skipped)
        self.clock.fire_due()

    def _left(self, started: int) -> RunResult | None:
        """Why somebody made the engine leave its loop; None if the run just goes on."""
        retired = self.engine.retired - started
        if self._ended is not None:
            return self._result(self._ended, retired)
        if self.disk is not None and self.disk.failure is not None:
            failure, self.disk.failure = self.disk.failure, None
            raise failure
        if self._interrupted:
            self._interrupted = False
            return RunResult(Reason.INTERRUPTED, retired)
        if self._awaited and self.console.find(self._awaited, self._search_from) >= 0 or self._any_output and len(self.console) > self._search_from:
            return RunResult(Reason.FOUND, retired)
        return None

    @staticmethod
    def _result(ended: RunResult, retired: int) -> RunResult:
        return RunResult(ended.reason, retired, ended.status, ended.detail)

    def _end(self, result: RunResult) -> None:
        if self._ended is None:
            self._ended = result
        self._leave()

    def _on_exit(self, status: int) -> None:
        self._end(RunResult(Reason.POWER_OFF, 0, status, "the guest wrote the debug-exit port"))

    def _on_earlier(self) -> None:
        self._quiet_until = 0
        self.engine.request_exit()

    def _leave(self) -> None:
        self._leaving = True
        self._quiet_until = 0
        self.engine.request_exit()

    # Console

    def _console_byte(self, byte: int) -> None:
        console = self.console
        console.append(byte)
        self._unflushed.append(byte)
        self._quiet_until = 0
        if byte == 10:
            # Streamed line by line, but from the run loop: a callback may raise, a device must not.
            self.engine.request_exit()
        if self._any_output or self._awaited and byte == self._awaited[-1] and console.endswith(self._awaited):
            self._leave()
        if len(console) > CONSOLE_KEPT:
            dropped = CONSOLE_KEPT // 2
            del console[:dropped]
            self._search_from = max(0, self._search_from - dropped)

    def _virtio_console_bytes(self, data: bytes) -> None:
        self._virtio_unflushed += data
        self._quiet_until = 0
        self.engine.request_exit()

    def _flush_console(self) -> None:
        for buffer, receiver in ((self._unflushed, self.on_console), (self._virtio_unflushed, self.on_virtio_console)):
            if buffer:
                data = bytes(buffer)
                buffer.clear()
                if receiver is not None:
                    receiver(data)

    def _find_awaited(self) -> bool:
        found = self.console.find(self._awaited, self._search_from)
        if found < 0:
            return False
        self._search_from = found + len(self._awaited)
        return True

    # Input, log and replay

    def type(self, data: str | bytes, device: str = "console") -> None:
        """Input on the serial "console" (or the "virtio-console"), at the current instant; logged."""
        raw = data.encode() if isinstance(data, str) else bytes(data)
        self._inject(device, raw)
        self.input_log.append(InputEvent(self.engine.retired, self.clock.now, device, raw))

    def poke(self, pa: int, data: bytes) -> None:
        """Store into RAM at physical address `pa` at the current instant; logged as input. Raises `MemoryRangeError`."""
        self._inject("memory", raw := pa.to_bytes(8, "little") + bytes(data))
        self.input_log.append(InputEvent(self.engine.retired, self.clock.now, "memory", raw))

    def _inject(self, device: str, data: bytes) -> None:
        self._quiet_until = 0
        if device == "memory":
            self.memory.write(int.from_bytes(data[:8], "little"), data[8:])
        elif device == "console":
            self.board.uart.receive(data)
        elif device == "virtio-console" and self.board.virtio_console is not None:
            self.board.virtio_console.receive(data)
        else:
            raise ReplayError(f"this machine has no input device {device!r}", "use one with the same devices")

    def replay(self, log: Iterable[InputEvent], limit: int | None = None, now: int = 0) -> RunResult:
        """Run with the input of `log`, each piece at its instant, then on to `limit` instructions since
        power-on (default: the last event's) and virtual time `now`.

        The machine must be as it was when the log began. `ReplayError` when the run leaves the log's path.
        """
        for event in list(log):
            result = self._run(event.retired, event.now, None)
            if result.reason is not Reason.LIMIT or self.clock.now != event.now or self.engine.retired != event.retired:
                raise ReplayError(
                    f"the log has input at instruction {event.retired} and {event.now} ns, but this run came to "
                    f"instruction {self.engine.retired} and {self.clock.now} ns ({result.reason.value})",
                    "replay with the same kernel, disk, seed and settings",
                )
            self._inject(event.device, event.data)
            self.input_log.append(event)
        return self._run(self.engine.retired if limit is None else limit, now, None)

    # State

    def device_states(self) -> list[dict[str, Any]]:
        """Every device's state as plain data, in the board's order."""
        return [{"name": device.name} | device.save() for device in self.board.devices]

    def digest(self) -> str:
        """A hash (32 hexadecimal digits) of the whole state: CPU, RAM, devices, disk overlay, time."""
        hasher = digests.new_hasher()
        digests.feed(hasher, [self.engine.retired, self.clock.base, self.clock.step])
        digests.feed(hasher, self.engine.state())
        digests.feed(hasher, self.device_states())
        digests.feed_memory(hasher, self.memory)
        return hasher.hexdigest()

    def checkpoint(self) -> dict[str, Any]:
        """The whole state as plain data, with RAM as {page number: contents}, to continue elsewhere."""
        return {
            "engine": self.engine.state(), "base": self.clock.base, "devices": self.device_states(),
            "memory": dict(digests.pages(self.memory)), "size": self.memory.size, "ended": self._ended,
            "console": bytes(self.console),
        }

    def snapshot(self, name: str = "") -> Snapshot:
        """This moment, to come back to with `restore`: copies nothing now, and later each page before its first write.
        Not from inside a callback. Raises `ConfigurationError` on a machine that writes to its disk image."""
        return self.snapshots.take(name)

    def power_cut(self, seed: int) -> Disk:
        """The disk as it might be found if the power failed now (`Disk.power_cut`), to boot another machine from or to
        `export`, and then to be closed; this machine goes on. Raises ConfigurationError without a disk, DiskError if it
        is written in place."""
        if self.disk is None:
            raise ConfigurationError("this machine has no disk that a power cut could harm", "make it with a disk")
        return self.disk.power_cut(seed)

    def outside_state(self) -> dict[str, Any]:
        """What a snapshot keeps beside CPU, RAM and disk, as plain data."""
        return {"base": self.clock.base, "ended": self._ended, "console": bytes(self.console), "search_from": self._search_from,
                "devices": [device.quick_save() for device in self.board.devices], "input": len(self.input_log)}

    def load_outside_state(self, saved: Mapping[str, Any]) -> None:
        """Continue from `outside_state`; the CPU's state has been loaded."""
        self.clock.base = saved["base"]
        for device, state in zip(self.board.devices, saved["devices"], strict=True):
            device.quick_load(state)
        self.clock.recompute()
        self.engine.set_interrupt_line(self.board.lapic.level)
        self._ended = saved["ended"]
        self.console[:] = saved["console"]
        self._search_from = saved["search_from"]
        del self.input_log[saved["input"]:]
        self._unflushed.clear()
        self._virtio_unflushed.clear()
        self._quiet_until = self._idle_events = 0
        self._leaving = self._interrupted = False

    def restore(self, saved: Snapshot | Mapping[str, Any]) -> None:
        """Go back, or over, to a `snapshot()` of this machine; or continue from the `checkpoint()` of a machine with the
        same memory size and devices, on whichever engine (`RingzeroError` otherwise)."""
        if isinstance(saved, Snapshot):
            return self.snapshots.restore(saved)
        names = [state["name"] for state in saved["devices"]]
        if saved["size"] != self.memory.size or names != [device.name for device in self.board.devices]:
            raise RingzeroError("the checkpoint is of a machine with other memory or devices",
                                "make this machine with the same options")
        present = set(saved["memory"])
        for number, _ in list(digests.pages(self.memory)):
            if number not in present:
                self.memory.write(number << 12, bytes(4096))
        for number, page in saved["memory"].items():
            self.memory.write(number << 12, page)
        self.engine.load_state(saved["engine"])
        self.clock.base = saved["base"]
        for device, state in zip(self.board.devices, saved["devices"], strict=True):
            device.load(state)
        self.engine.set_interrupt_line(self.board.lapic.level)
        self._ended = saved["ended"]
        self.console[:] = saved["console"]
        self._search_from = 0
        self._unflushed.clear()
        self._virtio_unflushed.clear()
        self._quiet_until = self._idle_events = 0

    def close(self) -> None:
        """Release the disk image."""
        if self.disk is not None:
            self.disk.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
