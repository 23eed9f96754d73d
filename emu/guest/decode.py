"""System calls as text: each argument by the type that its row in syscalls.tbl gives it, results and errors by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.guest import names, structures
from emu.machine.linear import NotMapped

if TYPE_CHECKING:
    from emu.guest.kernel import GuestKernel
    from guestos.syscalls import Argument, Syscall

_SIGNED = {"int": 4, "fd": 4, "pid_t": 4, "uid_t": 4, "gid_t": 4, "off_t": 8, "s64": 8, "ssize_t": 8, "long": 8}
_UNSIGNED = {"unsigned": 4, "u32": 4, "size_t": 8, "u64": 8, "unsigned long": 8}
#: Calls whose result is an address, or is written in octal.
_HEX_RESULTS, _OCTAL_RESULTS = {"mmap", "mremap", "brk", "shmat"}, {"umask"}
_ERRORS = range(-4095, 0)
#: Written by the kernel though the C type doesn't say so; and those read first and written then.
_OUTPUTS = {"string_out", "bytes_out", "directory_entries", "fd_pair", "iovec_out"}
_CHANGED = {"pollfd", "fd_set", "off_t", "timeval_left", "timespec_left"}


@dataclass(slots=True)
class Decoder:
    """Writes the arguments of calls in the memory of the running task.

    `strings`: characters shown of data; `verbose`: structures with all their fields.
    """

    kernel: GuestKernel
    strings: int = 32
    verbose: bool = False

    def arguments(self, call: Syscall, registers: tuple[int, ...], texts: list[str | None], result: int | None = None) -> None:
        """Fill in what is known: with no result what goes into the kernel, with one the rest as well.

        `texts` has an element an argument; those that can't be read yet, for their page is not in memory, stay
        None, and become addresses once there is a result.
        """
        values = _Values(self, call, registers, result)
        for index, argument in enumerate(call.arguments[:len(texts)]):
            back = result is not None
            changed = argument.type.endswith("*") and _word(argument) in _CHANGED and not argument.type.startswith("const")
            if texts[index] is not None and not (back and changed):
                continue
            if not back and not changed and self._is_output(argument, registers):
                continue
            try:
                text = values.text(index)
            except NotMapped:
                text = hex(registers[index]) if back else None
            if back and changed and texts[index] is not None and text is not None:
                text = texts[index] if text == texts[index] or result in _ERRORS else f"{texts[index]} => {text}"
            texts[index] = text

    def lacks(self, call: Syscall, registers: tuple[int, ...], texts: list[str | None]) -> bool:
        """Is there an argument that goes into the kernel and couldn't be read yet?"""
        return any(text is None and not self._is_output(argument, registers) for argument, text in zip(call.arguments, texts, strict=False))

    @staticmethod
    def _is_output(argument: Argument, registers: tuple[int, ...]) -> bool:
        word = _word(argument)
        if word == "ioctl_argument":
            return structures.ioctl_argument(names.value("ioctl_command", registers[1] & 0xFFFFFFFF))[1]
        return word in _OUTPUTS or argument.type.endswith("*") and not argument.type.startswith("const") and word != "void"

    @staticmethod
    def shown(call: Syscall, registers: tuple[int, ...]) -> int:
        """How many of the arguments count: open() has a mode only with O_CREAT."""
        count = len(call.arguments)
        name, flags = call.name, registers
        if name == "open" and not flags[1] & 0o20000100 or name == "openat" and not flags[2] & 0o20000100:
            return count - 1
        if name == "mremap" and not flags[3] & 2:
            return 4
        if name == "fcntl" and names.value("fcntl_command", flags[1] & 0xFFFFFFFF).startswith("F_GET") and flags[1] not in (5, 36):
            return 2
        if name == "futex":
            return {1: 3, 0: 4}.get(flags[1] & 0x7F, count)
        if name == "prctl":
            return 2
        return count

    @staticmethod
    def outcome(call: Syscall, registers: tuple[int, ...], result: int) -> str:
        """What stands behind the equals sign; `result` is signed."""
        if result in _ERRORS:
            name = names.errors().get(-result)
            if name and name.startswith("ERESTART"):
                return f"? {name} (interrupted by a signal)"
            return f"-{name or -result}"
        if call.name in _HEX_RESULTS:
            return hex(result & (1 << 64) - 1)
        if call.name in _OCTAL_RESULTS:
            return f"0{result:o}" if result else "0"
        if call.name == "fcntl" and registers[1] in (1, 3) and result:
            return f"{result:#x} (flags {names.value('open_flags' if registers[1] == 3 else 'fd_flags', result)})"
        return str(result)


def _word(argument: Argument) -> str:
    """The type's name without const, struct and the star."""
    return re.sub(r"\b(const|struct)\b|\*", "", argument.type).strip()


class _Values:
    """The arguments of one call."""

    def __init__(self, decoder: Decoder, call: Syscall, registers: tuple[int, ...], result: int | None) -> None:
        self.kernel, self.strings, self.verbose = decoder.kernel, decoder.strings, decoder.verbose
        self.read = decoder.kernel.read
        self.call, self.registers, self.result = call, registers, result
        self.failed = result in _ERRORS if result is not None else False

    def text(self, index: int) -> str:
        """Raises NotMapped."""
        argument, raw = self.call.arguments[index], self.registers[index]
        word = _word(argument)
        special: Callable[[int, int], str] | None = getattr(self, f"_{word}", None)
        if argument.type.endswith("*"):
            if raw == 0:
                return "NULL"
            if argument.name == "remain":       # written only if a signal came in between
                return self._pointed(word, raw) if self.result in (-4, -512, -516) else hex(raw)
            if self.failed and not argument.type.startswith("const") and word not in _CHANGED:
                return hex(raw)
            return special(index, raw) if special else self._pointed(word, raw)
        if word in names.CHOICES or word in names.BITS:
            return special(index, raw) if special else names.value(word, raw & (1 << 64 if word == "clone_flags" else 1 << 32) - 1)
        if special:
            return special(index, raw)
        if word in _SIGNED:
            return str(_signed(raw, _SIGNED[word]))
        if word in _UNSIGNED:
            return str(raw & (1 << 8 * _UNSIGNED[word]) - 1)
        return hex(raw)

    def _pointed(self, word: str, at: int) -> str:
        size = _SIGNED.get(word) or _UNSIGNED.get(word)
        if size:
            value = int.from_bytes(self.read(at, size), "little")
            return f"[{_signed(value, size) if word in _SIGNED else value}]"
        if word in self.kernel.layouts:
            return structures.text(self.kernel.at(word, at), self.verbose)
        return hex(at)

    def _next(self, index: int) -> int:
        """The argument behind, a length or count."""
        return self.registers[index + 1] & 0xFFFFFFFF if index + 1 < len(self.call.arguments) else 0

    def _array(self, at: int, count: int, size: int, element: Callable[[int], str]) -> str:
        shown = min(count, 1024 if self.verbose else 8)
        parts = [element(at + n * size) for n in range(shown)]
        return f"[{', '.join(parts + ['...'] * (count > shown))}]"

    # Numbers

    def _fd(self, index: int, raw: int) -> str:
        return str(_signed(raw, 4))

    def _dirfd(self, index: int, raw: int) -> str:
        number = _signed(raw, 4)
        return "AT_FDCWD" if number == -100 else str(number)

    def _signal(self, index: int, raw: int) -> str:
        return names.signal(_signed(raw, 4))

    def _mode(self, index: int, raw: int) -> str:
        if self.call.name.startswith("mknod"):
            return structures.mode(raw & 0xFFFF)
        return f"0{raw & 0xFFFFFFFF:o}" if raw & 0xFFFFFFFF else "000"

    def _mode_t(self, index: int, raw: int) -> str:
        return self._mode(index, raw)

    def _device(self, index: int, raw: int) -> str:
        return structures.device(raw)

    def _address(self, index: int, raw: int) -> str:
        return hex(raw) if raw else "NULL"

    def _hex(self, index: int, raw: int) -> str:
        return hex(raw & 0xFFFFFFFF)

    def _clone_flags(self, index: int, raw: int) -> str:
        flags = [names.value("clone_flags", raw & ~0xFF)] if raw & ~0xFF else []
        return "|".join(flags + ([names.signal(raw & 0xFF)] if raw & 0xFF else [])) or "0"

    def _clone_args(self, index: int, raw: int) -> str:
        args = self.kernel.at("clone_args", raw)
        shown = [f"flags={names.value('clone_flags', args.flags)}", f"exit_signal={names.signal(args.exit_signal)}"]
        shown += [f"{name}={getattr(args, name):#x}" for name in ("parent_tid", "child_tid", "stack", "stack_size", "tls") if getattr(args, name)]
        return f"{{{', '.join(shown)}}}"

    def _clock(self, index: int, raw: int) -> str:
        return names.CHOICES["clock"].get(raw) or str(_signed(raw, 4))

    def _futex_operation(self, index: int, raw: int) -> str:
        return names.value("futex_operation", raw & 0xFFFFFFFF).replace("|FUTEX_PRIVATE_FLAG", "_PRIVATE")

    def _fcntl_argument(self, index: int, raw: int) -> str:
        command = names.value("fcntl_command", self.registers[1] & 0xFFFFFFFF)
        if command in ("F_SETFL", "F_SETFD"):
            return names.value("open_flags" if command == "F_SETFL" else "fd_flags", raw & 0xFFFFFFFF)
        if "LK" in command:
            return self._pointed("flock", raw)
        return str(raw)

    def _ioctl_argument(self, index: int, raw: int) -> str:
        kind, _ = structures.ioctl_argument(names.value("ioctl_command", self.registers[1] & 0xFFFFFFFF))
        if kind == "" or raw == 0 or self.failed:
            return hex(raw) if kind or raw > 0xFFFF else str(raw)
        return self._pointed(kind, raw)

    def _prctl_option(self, index: int, raw: int) -> str:
        option = names.value("prctl_option", raw & 0xFFFFFFFF)
        self.prctl_name = option == "PR_SET_NAME"
        return option

    # Text and data

    def string(self, at: int, limit: int | None = None) -> str:
        """The C string at `at` in quotes; of a longer one than `limit` the beginning, and dots."""
        if at == 0:
            return "NULL"
        data = b""
        while b"\0" not in data and len(data) < (4096 if limit is None else limit + 1):
            here = at + len(data)
            data += self.read(here, min(64, 4096 - here % 4096))
        data = data.split(b"\0", 1)[0]
        return structures.quoted(data, len(data) if limit is None else limit)

    def _path(self, index: int, raw: int) -> str:
        return self.string(raw)

    def _string(self, index: int, raw: int) -> str:
        return self.string(raw)

    _mount_data = _string

    def _string_out(self, index: int, raw: int) -> str:
        return hex(raw) if self.failed else self.string(raw)

    def _data(self, at: int, length: int) -> str:
        return structures.quoted(self.read(at, min(length, self.strings + 1)), self.strings, length > self.strings)

    def _char(self, index: int, raw: int) -> str:
        const = self.call.arguments[index].type.startswith("const")
        return self._data(raw, self._next(index) if const or self.result is None else self.result)

    def _bytes_out(self, index: int, raw: int) -> str:
        return hex(raw) if self.failed or raw == 0 else self._data(raw, min(self.result or 0, self._next(index)))

    def _bytes(self, index: int, raw: int) -> str:
        return self._data(raw, self._next(index)) if raw else "NULL"

    def _void(self, index: int, raw: int) -> str:
        return hex(raw)

    def _u64(self, index: int, raw: int) -> str:
        if self.call.name == "prctl" and index == 1:
            if self.registers[0] == 15:
                return self.string(raw)
            return str(raw) if raw < 1 << 16 else hex(raw)
        return self._pointed("u64", raw) if self.call.arguments[index].type.endswith("*") else str(raw)

    def _strings(self, index: int, raw: int) -> str:
        if raw == 0:
            return "NULL"
        pointers: list[int] = []
        while len(pointers) < 4096 and (pointer := int.from_bytes(self.read(raw + 8 * len(pointers), 8), "little")):
            pointers.append(pointer)
        if self.call.arguments[index].name == "envp" and not self.verbose:
            return f"{raw:#x} /* {len(pointers)} var{'s' * (len(pointers) != 1)} */"
        return f"[{', '.join(self.string(pointer, None if self.verbose else 256) for pointer in pointers)}]"

    def _directory_entries(self, index: int, raw: int) -> str:
        if self.failed or self.result is None:
            return hex(raw)
        count = at = 0
        while at < self.result and (length := int.from_bytes(self.read(raw + at + 16, 2), "little")):
            count, at = count + 1, at + length
        return f"{raw:#x} /* {count} entr{'y' if count == 1 else 'ies'} */"

    # Arrays and structures

    def _fd_pair(self, index: int, raw: int) -> str:
        return hex(raw) if self.failed or raw == 0 else self._array(raw, 2, 4, lambda at: str(int.from_bytes(self.read(at, 4), "little", signed=True)))

    def _sigset(self, index: int, raw: int) -> str:
        return structures.signal_set(int.from_bytes(self.read(raw, 8), "little"))

    def _fd_set(self, index: int, raw: int) -> str:
        count = min(self.registers[0] & 0xFFFFFFFF, 1024)
        bits = int.from_bytes(self.read(raw, (count + 63) // 64 * 8), "little")
        return f"[{' '.join(str(n) for n in range(count) if bits >> n & 1)}]"

    def _cpu_set(self, index: int, raw: int) -> str:
        size = self.result if self.call.name.startswith("sched_getaffinity") and self.result else self._previous(index)
        bits = int.from_bytes(self.read(raw, min(size, 128)), "little")
        return f"[{' '.join(str(n) for n in range(bits.bit_length()) if bits >> n & 1)}]"

    def _previous(self, index: int) -> int:
        return self.registers[index - 1] & 0xFFFFFFFF

    def _gid_list(self, index: int, raw: int) -> str:
        count = self._previous(index) if self.result is None or self.call.name == "setgroups" else self.result
        return self._array(raw, count, 4, lambda at: str(int.from_bytes(self.read(at, 4), "little")))

    def _wait_status(self, index: int, raw: int) -> str:
        if not self.result:
            return hex(raw)
        return f"[{structures.wait_status(int.from_bytes(self.read(raw, 4), 'little'))}]"

    def _rlimit(self, index: int, raw: int) -> str:
        values = [int.from_bytes(self.read(raw + 8 * n, 8), "little") for n in range(2)]
        soft, hard = ("RLIM_INFINITY" if value == (1 << 64) - 1 else f"{value >> 10}*1024" if value and not value % 1024 else str(value)
                      for value in values)
        return f"{{rlim_cur={soft}, rlim_max={hard}}}"

    def _timeval_left(self, index: int, raw: int) -> str:
        return self._pointed("timeval", raw)

    def _timespec_left(self, index: int, raw: int) -> str:
        return self._pointed("timespec", raw)

    def _timespec_pair(self, index: int, raw: int) -> str:
        return self._array(raw, 2, 16, lambda at: structures.time(self.read(at, 16)))

    def _msghdr(self, index: int, raw: int) -> str:
        data = self.read(raw, 56)
        name, length, vector, count, control, control_length = (int.from_bytes(data[n : n + size], "little") for n, size in (
            (0, 8), (8, 4), (16, 8), (24, 8), (32, 8), (40, 8)))
        parts = [f"msg_name={structures.socket_address(self.read(name, min(length, 128))) if name and length else hex(name) if name else 'NULL'}"]
        filled = None if self.call.arguments[index].type.startswith("const") else max(self.result or 0, 0)
        parts.append(f"msg_iov={self._buffers(vector, count, filled)}")
        if control and control_length:
            parts.append(f"msg_control={self._control(self.read(control, min(control_length, 1024)))}")
        flags = int.from_bytes(data[48:52], "little")
        return f"{{{', '.join(parts)}, msg_flags={names.value('message_flags', flags)}}}"

    @staticmethod
    def _control(data: bytes) -> str:
        """The messages beside the data: descriptors that are passed."""
        found = []
        while len(data) >= 16:
            length, level, kind = (int.from_bytes(data[n : n + size], "little") for n, size in ((0, 8), (8, 4), (12, 4)))
            if length < 16:
                break
            contents = data[16:length]
            if (level, kind) == (1, 1):
                fds = [str(int.from_bytes(contents[n : n + 4], "little", signed=True)) for n in range(0, len(contents), 4)]
                found.append(f"{{cmsg_type=SCM_RIGHTS, cmsg_data=[{', '.join(fds)}]}}")
            else:
                found.append(f"{{cmsg_level={names.value('socket_level', level)}, cmsg_type={kind:#x}}}")
            data = data[(length + 7) & ~7 :]
        return f"[{', '.join(found)}]"

    def _iovec(self, index: int, raw: int) -> str:
        return self._vector(index, raw, None)

    def _iovec_out(self, index: int, raw: int) -> str:
        return self._vector(index, raw, 0 if self.failed else self.result)

    def _vector(self, index: int, raw: int, filled: int | None) -> str:
        return self._buffers(raw, self._next(index), filled)

    def _buffers(self, raw: int, count: int, filled: int | None) -> str:
        """`filled`: so many bytes are in the buffers; None: all."""
        left = [filled]

        def element(at: int) -> str:
            base, length = (int.from_bytes(self.read(at + n, 8), "little") for n in (0, 8))
            here = length if left[0] is None else min(length, left[0])
            if left[0] is not None:
                left[0] -= here
            data = self._data(base, here) if here or not length else hex(base)
            return f"{{iov_base={data}, iov_len={length}}}"

        return self._array(raw, count, 16, element)

    def _pollfd(self, index: int, raw: int) -> str:
        back = self.result is not None

        def element(at: int) -> str:
            data = self.read(at, 8)
            fd = int.from_bytes(data[:4], "little", signed=True)
            events = int.from_bytes(data[6:] if back else data[4:6], "little")
            return f"{{fd={fd}, {'revents' if back else 'events'}={names.value('poll_events', events)}}}"

        count = self._next(index)
        if back and not self.verbose:       # only those that have something to say
            ready = [at for at in range(raw, raw + 8 * min(count, 1024), 8) if self.read(at + 6, 2) != b"\0\0"]
            return f"[{', '.join(map(element, ready))}]"
        return self._array(raw, count, 8, element)

    def _epoll_event(self, index: int, raw: int) -> str:
        def element(at: int) -> str:
            data = self.read(at, 12)
            return f"{{events={names.value('epoll_events', int.from_bytes(data[:4], 'little'))}, data={int.from_bytes(data[4:], 'little'):#x}}}"

        return element(raw) if self.call.arguments[index].type.startswith("const") else self._array(raw, self.result or 0, 12, element)

    def _sockaddr(self, index: int, raw: int) -> str:
        kind = self.call.arguments[index + 1].type if index + 1 < len(self.call.arguments) else ""
        length = self._next(index)
        if kind.endswith("*"):
            if self.registers[index + 1] == 0:
                return hex(raw)
            length = int.from_bytes(self.read(self.registers[index + 1], 4), "little")
        return structures.socket_address(self.read(raw, min(length, 128)))


def _signed(value: int, size: int) -> int:
    value &= (1 << 8 * size) - 1
    return value - (1 << 8 * size) if value >> 8 * size - 1 else value
