"""The names of Linux's numbers, held against the headers that C programs are compiled with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emu.guest import names, structures

HEADERS = """sys/types.h sys/stat.h sys/mman.h sys/mount.h sys/wait.h sys/file.h sys/socket.h sys/epoll.h sys/eventfd.h sys/resource.h sys/time.h
    sys/prctl.h sys/reboot.h sys/ioctl.h sys/random.h sys/syscall.h asm/prctl.h linux/futex.h linux/kvm.h linux/fs.h linux/nsfs.h
    errno.h linux/close_range.h linux/sched.h fcntl.h poll.h sched.h signal.h stdio.h time.h unistd.h""".split()
#: Different in the C library, or not there at all.
OTHER = {"O_LARGEFILE", "CLONE_DETACHED", "RB_HALT_SYSTEM", "RB_POWER_OFF", "O_DIRECTORY"}


def all_names() -> dict[str, int]:
    found = {f"__NR_{name}" if kind == "system_call" else name: value for kind, values in names.CHOICES.items() for value, name in values.items()}
    found |= {name: value for kind in names.BITS.values() for value, _, name in kind}
    found |= {name: number for number, name in names.errors().items() if not name.startswith("ERESTART")}
    return found | {name: number for number, name in names.signals().items()}


def test_values_are_the_headers(tmp_path):
    """A C file asserts each name that the headers define; nearly all of them must be."""
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install ziglang")
    text = "".join(f"#include <{header}>\n" for header in HEADERS)
    for name, value in all_names().items():
        if name not in OTHER:
            text += f'#ifdef {name}\n_Static_assert((unsigned long long)({name}) == {value & 0xFFFFFFFFFFFFFFFF}ULL || '
            text += f'(unsigned)({name}) == {value & 0xFFFFFFFF}U, "{name}");\nint defined_{name};\n#endif\n'
    source = tmp_path / "names.c"
    source.write_text("#define _GNU_SOURCE\n" + text)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-w"]
    result = subprocess.run([*command, "-E", str(source)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    checked = result.stdout.count("int defined_")
    assert checked > 0.9 * len(all_names()), f"only {checked} of {len(all_names())} names are in the headers"
    result = subprocess.run([*command, "-c", str(source), "-o", str(tmp_path / "names.o")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("kind", "value", "text"), [
    ("open_flags", 0, "O_RDONLY"), ("open_flags", 0o2000102, "O_RDWR|O_CREAT|O_CLOEXEC"), ("open_flags", 3, "0x3"),
    ("open_flags", 0o20200002, "O_RDWR|O_TMPFILE"), ("open_flags", 0o4010001, "O_WRONLY|O_SYNC"), ("open_flags", 0o10000, "O_RDONLY|O_DSYNC"),
    ("mmap_prot", 0, "PROT_NONE"), ("mmap_flags", 0x80000022, "MAP_PRIVATE|MAP_ANONYMOUS|0x80000000"), ("mmap_flags", 3, "MAP_SHARED_VALIDATE"),
    ("at_flags", 0, "0"), ("rusage_who", 0xFFFFFFFF, "RUSAGE_CHILDREN"), ("seek_from", 9, "0x9"), ("futex_operation", 0x80, "FUTEX_WAIT|FUTEX_PRIVATE_FLAG"),
    ("fcntl_command", 1030, "F_DUPFD_CLOEXEC"), ("file_type", 0o100000, "S_IFREG"), ("file_type", 0o141000, "S_IFSOCK|S_ISVTX"),
])  # fmt: skip
def test_numbers_in_words(kind, value, text):
    assert names.value(kind, value) == text


def test_small_structures():
    assert structures.mode(0o104755) == "S_IFREG|S_ISUID|0755" and structures.mode(0o644) == "0644"
    assert structures.signal_set(0b10) == "[INT]" and structures.signal_set((1 << 64) - 1 - (1 << 8)) == "~[KILL]"
    assert structures.wait_status(0x137F) == "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"
    assert structures.wait_status(0x8B) == "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"
    assert structures.device(0x103) == "makedev(0x1, 0x3)"
    assert structures.quoted(b'a"\\\n\x001\x07\xff', 32) == r'"a\"\\\n\0001\a\377"'
    assert structures.quoted(b"abc", 2) == '"ab"...'
    assert structures.socket_address(b"\1\0\0name") == '{sa_family=AF_UNIX, sun_path=@"name"}'
    assert structures.socket_address(b"\2\0\0\x50\x7f\0\0\1") == '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}'
    assert names.signal(9) == "SIGKILL" and names.signal(34) == "SIGRT_2" and names.signal(65) == "65"
