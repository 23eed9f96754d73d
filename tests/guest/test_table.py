"""What is made from the system call table."""

from __future__ import annotations

import pytest

from emu.guest import names
from guestos import build, syscalls

PAGE = build.ROOT / "docs" / "syscalls.md"


def test_the_manual_is_current():
    """`make docs` writes it."""
    assert PAGE.read_text() == syscalls.markdown(sorted(syscalls.load(), key=lambda call: call.number)), "docs/syscalls.md is old: make docs"


def test_numbers_are_linuxs():
    assert {call.number: call.name for call in syscalls.load()}.items() <= names.CHOICES["system_call"].items()


def test_prototypes_have_c_types():
    text = "\n".join(f"{number} | {name} | {arguments} | - | -" for number, name, arguments in [
        (0, "a", "fd, char *buf, size_t count"), (1, "b", "dirfd at, path, open_flags flags, mode"), (2, "c", "const sigset *set, struct path *p"),
        (3, "d", "strings argv, clone_flags flags, fd_pair fds")])
    assert [call.prototype for call in syscalls.parse(text)] == [
        "long sys_a(int fd, char *buf, size_t count)", "long sys_b(int at, const char *path, int flags, mode_t mode)",
        "long sys_c(const u64 *set, struct path *p)", "long sys_d(char **argv, u64 flags, int *fds)"]


@pytest.mark.parametrize(("row", "message"), [
    ("0 | a | pth | - | -", "table:1: expected 'type name' or a word of TYPES as an argument, found 'pth'"),
    ("0 | a | fd | -", "table:1: expected 'number | name"), ("0 | a | fd,fd,fd,fd,fd,fd,fd | - | -", "at most 6 arguments"),
    ("0 | a | void | - | -\n0 | b | void | - | -", "table:2: 0 is already in line 1"),
])  # fmt: skip
def test_mistakes_in_the_table(row, message):
    with pytest.raises(syscalls.SyscallTableError, match=message.replace("|", r"\|")):
        syscalls.parse(row, "table")
