"""The system call table: reads guestos/kernel/syscalls.tbl and writes what is made from it.

One row a call is the single description of a system call. The kernel build takes two files of it
(prototypes and dispatcher table); the tracer takes the rows themselves; `python -m guestos.syscalls
--markdown` prints the manual's docs/syscalls.md, which `make docs` writes.
"""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from emu.errors import RingzeroError

TABLE = Path(__file__).parent / "kernel" / "syscalls.tbl"
#: NT's, for a kernel booted with abi=nt; rows of the same form.
NT_TABLE = TABLE.with_name("ntcalls.tbl")
#: The most arguments a call has: registers of Linux's convention; NT's go on on the stack.
MOST_ARGUMENTS = {"syscalls.tbl": 6, "ntcalls.tbl": 11}

#: Types that say more of an argument than C's type does, and that C type. How the tracer writes their values
#: is in emu/guest/decode.py; a C type is written as what it is.
TYPES = {
    "fd": "int", "dirfd": "int", "signal": "int", "path": "const char *", "string": "const char *", "strings": "char **",
    "mount_data": "const void *", "bytes": "const void *", "clone_args": "const void *", "string_out": "char *", "bytes_out": "void *", "directory_entries": "void *",
    "fd_pair": "int *", "tid_address": "int *", "futex_word": "u32 *", "mode": "mode_t", "device": "u64", "address": "u64", "hex": "u32", "ptrace_request": "long", "priority_of": "int",
    # What stands behind a pointer.
    "sigset": "u64", "fd_set": "u64", "cpu_set": "u64", "rlimit": "u64", "timespec_pair": "struct timespec",
    "timeval_left": "struct timeval", "timespec_left": "struct timespec", "iovec_out": "struct iovec", "gid_list": "gid_t", "wait_status": "int",
    # Names of values, or of the bits of one.
    "open_flags": "int", "descriptor_flags": "int", "at_flags": "int", "access_mode": "int", "seek_from": "int", "mmap_prot": "int", "mmap_flags": "int",
    "mremap_flags": "int", "advice": "int", "sigmask_how": "int", "itimer": "int", "clone_flags": "u64", "wait_options": "int",
    "fcntl_command": "unsigned", "fcntl_argument": "unsigned long", "ioctl_command": "unsigned", "ioctl_argument": "unsigned long",
    "lock_operation": "int", "resource": "unsigned", "rusage_who": "int", "prctl_option": "int", "arch_prctl_option": "int",
    "mount_flags": "u64", "umount_flags": "int", "reboot_command": "u32", "futex_operation": "int", "clock": "int",
    "timer_flags": "int", "rename_flags": "unsigned", "getrandom_flags": "unsigned", "close_range_flags": "unsigned",
    "socket_domain": "int", "socket_type": "int", "socket_level": "int", "message_flags": "int", "shutdown_how": "int",
    "epoll_operation": "int", "epoll_flags": "int", "eventfd_flags": "int", "memfd_flags": "unsigned", "wait_id_type": "int",
    "unshare_flags": "u64", "msync_flags": "int", "seccomp_operation": "unsigned", "seccomp_flags": "unsigned",
}  # fmt: skip


class SyscallTableError(RingzeroError):
    """A row of the system call table can't be read; the message names file, line and expectation."""


@dataclass(slots=True, frozen=True)
class Argument:
    """One argument: its type as the table has it (C's, or with a word of TYPES in it), and its name."""

    type: str
    name: str

    @property
    def ctype(self) -> str:
        """The type in the declaration of the kernel's function."""
        return re.sub(r"(?<!struct )\b\w+", lambda word: TYPES.get(word[0], word[0]), self.type)


@dataclass(slots=True, frozen=True)
class Syscall:
    """One system call: Linux x86-64 number, arguments (at most 6), the namespace it consults
    ("mnt", "pid", "uts", "user", "time" or None) and the capability it may ask for (or None)."""

    number: int
    name: str
    arguments: tuple[Argument, ...]
    namespace: str | None
    capability: str | None
    since: tuple[int, int] | None = None    #: the Linux that brought it; None: 2.6.39 had it

    @property
    def prototype(self) -> str:
        """C declaration of the kernel function, without a semicolon."""
        arguments = ", ".join(f"{a.ctype}{'' if a.ctype.endswith('*') else ' '}{a.name}" for a in self.arguments)
        return f"long {self.function}({arguments or 'void'})"

    @property
    def function(self) -> str:
        """The kernel's function."""
        return self.name if self.name.startswith("Nt") else f"sys_{self.name}"


def parse(text: str, source: str = "syscalls.tbl") -> list[Syscall]:
    """Rows in the order of the table. Raises SyscallTableError on a malformed or repeated row."""
    calls: list[Syscall] = []
    seen: dict[int | str, int] = {}
    for line_number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        where = f"{source}:{line_number}"
        fields = [field.strip() for field in line.split("|")]
        since = re.fullmatch(r"since=(\d+)\.(\d+)", fields[5]) if len(fields) == 6 else None
        if len(fields) not in (5, 6) or (len(fields) == 6 and not since) or not fields[0].isdigit() or not fields[1].isidentifier():
            raise SyscallTableError(
                f"{where}: expected 'number | name | arguments | namespace | capability [| since=X.Y]', found {line!r}"
            )
        number, name = int(fields[0]), fields[1]
        for key in (number, name):
            if key in seen:
                raise SyscallTableError(f"{where}: {key} is already in line {seen[key]}; one row a call")
            seen[key] = line_number
        calls.append(Syscall(number, name, _arguments(fields[2], where, MOST_ARGUMENTS.get(source, 6)),
                             *(None if field == "-" else field for field in fields[3:5]),
                             (int(since[1]), int(since[2])) if since else None))
    return calls


def _arguments(text: str, where: str, most: int) -> tuple[Argument, ...]:
    if text == "void":
        return ()
    arguments = []
    for part in map(str.strip, text.split(",")):
        match = re.fullmatch(r"(.*?[\s*])(\w+)", part)
        if match:
            arguments.append(Argument(match[1].strip(), match[2]))
        elif part in TYPES:
            arguments.append(Argument(part, part))
        else:
            raise SyscallTableError(f"{where}: expected 'type name' or a word of TYPES as an argument, found {part!r}")
    if len(arguments) > most:
        raise SyscallTableError(f"{where}: expected at most {most} arguments, found {len(arguments)}")
    return tuple(arguments)


def load(path: Path = TABLE) -> list[Syscall]:
    """The table of the guest kernel. Raises SyscallTableError; OSError if the file can't be read."""
    return parse(path.read_text(), path.name)


def header(calls: list[Syscall]) -> str:
    """syscalls.h: numbers and prototypes."""
    structures = sorted({name for call in calls for a in call.arguments
                         for name in re.findall(r"struct (\w+)", a.ctype)})
    lines = ["/* Made from syscalls.tbl by guestos/syscalls.py. */", "#pragma once", '#include "types.h"', ""]
    lines += [f"struct {name};" for name in structures]
    lines += [""] + [f"#define SYS_{call.name} {call.number}" for call in calls]
    lines += [""] + [f"{call.prototype};" for call in calls]
    return "\n".join(lines) + "\n"


def dispatcher(calls: list[Syscall]) -> str:
    """syscall_table.c: functions by number. A listed call whose function isn't linked is ENOSYS."""
    count = max(call.number for call in calls) + 1
    lines = ["/* Made from syscalls.tbl by guestos/syscalls.py. */", '#include "syscalls.h"',
             '#include "dispatch.h"', ""]
    lines += [f"#pragma weak sys_{call.name}" for call in calls]
    lines += ["", f"const u64 syscall_count = {count};", "/* Written to at boot alone, before the kernel makes its constants read-only (nt/personality.c). */",
              f"__attribute__((section(\".rodata.boot\"))) syscall_function syscall_table[{count}] = {{"]
    lines += [f"    [{call.number}] = (syscall_function)(void *)sys_{call.name}," for call in calls]
    lines += ["};", f"const char *const syscall_names[{count}] = {{"]
    lines += [f'    [{call.number}] = "{call.name}",' for call in calls]
    lines += ["};", f"const u16 syscall_since[{count}] = {{"]
    lines += [f"    [{call.number}] = {call.since[0] << 8 | call.since[1]:#x}," for call in calls if call.since]
    lines += ["};"]
    return "\n".join(lines) + "\n"


def nt_header(calls: list[Syscall]) -> str:
    """ntcalls.h: prototypes of NT's calls."""
    return "\n".join(["/* Made from ntcalls.tbl by guestos/syscalls.py. */", "#pragma once", '#include "nt.h"', "",
                      *(f"{call.prototype};" for call in calls)]) + "\n"


def nt_dispatcher(calls: list[Syscall]) -> str:
    """nt_table.c: functions by number, and how many arguments each has."""
    count = max(call.number for call in calls) + 1
    return "\n".join(["/* Made from ntcalls.tbl by guestos/syscalls.py. */", '#include "ntcalls.h"', "",
                      f"const u64 nt_count = {count};", f"const struct nt_call nt_table[{count}] = {{",
                      *(f"    [{call.number}] = {{ (nt_function)(void *){call.function}, {len(call.arguments)} }}," for call in calls), "};"]) + "\n"


def nt_stubs(calls: list[Syscall]) -> str:
    """nt_stubs.S: the functions of ntdll that make the calls, as Windows' own do."""
    return "\n".join(["/* Made from ntcalls.tbl by guestos/syscalls.py. */",
                      *(f".globl {call.name}\n{call.name}:\n    movq %rcx, %r10\n    movl ${call.number}, %eax\n    syscall\n    ret" for call in calls)]) + "\n"


def fuzz_table(calls: list[Syscall]) -> str:
    """fuzz_calls.h: what the arguments of each call are, for the fuzzer guestos/user/sysfuzz."""
    def kind(argument: Argument) -> str:
        word = re.sub(r"const ", "", argument.type)
        if word in ("path", "string", "mount_data", "strings"):
            return "strings" if word == "strings" else "path"
        if word.endswith("*") or word.startswith(("fd_pair", "bytes_out", "string_out", "directory_entries", "tid_address", "futex_word")):
            return "pointer"
        if word in ("size_t", "off_t") or argument.name in ("count", "length", "size", "offset"):
            return "size"
        return {"dirfd": "fd", "pid_t": "pid", "uid_t": "id", "gid_t": "id"}.get(word, word)

    lines = ["/* Made from syscalls.tbl by guestos/syscalls.py. */", "const struct call calls[] = {"]
    for call in calls:
        kinds = ", ".join(f'"{kind(a)}"' for a in call.arguments) or "0"
        lines.append(f'    {{ {call.number}, "{call.name}", {{ {kinds} }} }},')
    return "\n".join([*lines, "    { 0 }", "};"]) + "\n"


def markdown(calls: list[Syscall]) -> str:
    """docs/syscalls.md: every call in order of number."""
    groups = sorted({call.namespace for call in calls if call.namespace})
    lines = [
        "# System calls", "",
        f"The guest kernel's {len(calls)} system calls, in order of number. Numbers, structures and errors are Linux's for x86-64. Any",
        "other call is ENOSYS; a flag that is not supported is EINVAL.", "",
        "What a `const` pointer points to is read, what another points to is written. The last columns say whose namespace",
        "decides what the call means (`ringzero trace -e " + ",".join(f"%{group}" for group in groups) + "` shows such calls alone), and which",
        "capability it asks for where the owner's own rights don't do, and the Linux that brought the call where that is newer than 2.6.39:",
        "with the boot option `release=5.4`, one that is newer is ENOSYS.", "",
        "| number | call | namespace | capability | since |", "|---|---|---|---|---|",
    ]
    for call in calls:
        arguments = ", ".join(a.name if a.type == a.name else f"{a.type}{'' if a.type.endswith('*') else ' '}{a.name}" for a in call.arguments)
        lines.append(f"| {call.number} | `{call.name}({arguments})` | {call.namespace or ''} | {call.capability or ''} | {'.'.join(map(str, call.since or ()))} |")
    words = sorted({word for call in calls for a in call.arguments for word in re.findall(r"(?<!struct )\b\w+", a.type) if word in TYPES})
    lines += ["", "These words stand for C types:", "", "| | |", "|---|---|"]
    by_type: dict[str, list[str]] = {}
    for word in words:
        by_type.setdefault(TYPES[word], []).append(f"`{word}`")
    lines += [f"| `{ctype}` | {', '.join(found)} |" for ctype, found in sorted(by_type.items())]
    return "\n".join([*lines, "", "Made from `guestos/kernel/syscalls.tbl` by `make docs`."]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--markdown"]:
        sys.exit("usage: python -m guestos.syscalls --markdown")
    print(markdown(sorted(load(), key=lambda call: call.number)), end="")
