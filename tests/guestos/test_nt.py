"""A kernel booted with abi=nt: NT's calls and programs on it, and what becomes of Linux's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guestos import build, images, syscalls
from guestos.images.default import nested_tree, nt_tree
from tests.guestos import ours

LINE = "quiet root=/dev/vda abi=nt init=/Windows/System32/smss.exe"


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Path:
    ours.guest()
    where = tmp_path_factory.mktemp("nt")
    tests = build.build_nt_program(ours.PROGRAMS / "nttests.c", where)
    out = where / "disk.img"
    programs = build.build_user()
    entries = [*images.default_tree(programs), *nested_tree(ours.guest().kernel, programs, where), *nt_tree(build.build_nt())]
    images.build_image([*entries, images.file("/bin/nttests.exe", tests, 0o755)], out, 32 << 20)
    return out


def nt(disk: Path, command: str, line: str = LINE, **options) -> ours.Outcome:
    return ours.run(command, disk, line, memory="128M", **options)


def test_the_calls_hold_what_nt_says_of_them(disk):
    done = nt(disk, "C:\\bin\\nttests.exe")
    assert (done.status, done.text.splitlines()[-1]) == (0, "all hold"), done.text


def test_both_engines_do_the_same(disk):
    outcomes = [nt(disk, "hello & C:\\bin\\ls", engine=engine) for engine in ("compiled", "python")]
    assert outcomes[0] == outcomes[1] and outcomes[0].status == 255


@pytest.mark.parametrize("command, status, text", [
    ("ver", 0, "Ringzero, NT calls of version 10.0.17134\n"),
    ("hello a \"b c\"", 0, "hello from NT's system calls a b c\n"),
    ("echo some text > C:\\tmp\\x.txt & type C:\\tmp\\x.txt", 0, "some text\n"),
    ("type nothing", 1, "type: nothing: it does not exist (status 0xc0000034)\n"),
    ("nosuch", 127, "smss: \\??\\C:\\Windows\\System32\\nosuch.exe: it does not exist (status 0xc0000034)\n"),
])  # fmt: skip
def test_programs(disk, command, status, text):
    done = nt(disk, command)
    assert (done.status, done.text) == (status, text)


def test_a_directory_and_the_processes(disk):
    listing = nt(disk, "dir C:\\Windows\\System32").text
    assert "smss.exe" in listing and " <DIR>  .." in listing
    tasks = nt(disk, "tasklist").text.splitlines()
    assert tasks[1].split()[0::3] == ["1", "smss.exe"] and tasks[-1].split()[1] == "1" and "tasklist.exe" in tasks[-1]


def test_a_shell_at_the_console(disk):
    with ours.Computer(disk, LINE) as computer:
        computer.await_text("C:\\> ")
        computer.type("hello\n")
        computer.await_text("hello from NT's system calls\n")
        computer.type("nosuch\nexit\n")
        assert computer.finish().status == 127


def test_a_linux_program_fails_at_its_first_call_and_says_why(disk):
    done = nt(disk, "C:\\bin\\ls C:\\")
    assert done.status == 255
    assert done.text == ("ls: system call 158 is not of this kernel's table (abi=nt): a Linux program needs a Linux kernel; "
                         "`box run --wsl` starts one in a small VM\n")


def test_a_program_of_nts_on_linux_is_no_program_and_the_kernel_says_why(disk):
    done = ours.run("/bin/nttests.exe", disk)
    assert done.status == 126 and "nttests.exe: it makes NT's system calls, which this kernel does not have (abi=linux)" in done.text


def test_an_unknown_abi_is_told_at_boot(disk):
    done = nt(disk, "ver", LINE.replace("abi=nt", "abi=vms"))
    assert done.status == 255 and "abi=vms: expected linux or nt" in done.text


def test_through_the_command():
    done = subprocess.run([sys.executable, "-m", "emu.cli.main", "run", "--append", "abi=nt", "-c", "ver"], capture_output=True, text=True, cwd=build.ROOT)
    assert (done.returncode, done.stdout.replace("\r", "")) == (0, "Ringzero, NT calls of version 10.0.17134\n"), done
    done = subprocess.run([sys.executable, "-m", "emu.cli.main", "run", "--append", "abi=nt", "-c", "nosuch"], capture_output=True, text=True, cwd=build.ROOT)
    assert done.returncode == 127


def test_rows_of_both_tables_are_of_one_form():
    rows = {call.name: call for call in syscalls.load(syscalls.NT_TABLE)}
    assert rows["NtCreateFile"].number == 0x55 and len(rows["NtCreateFile"].arguments) == 11 and rows["NtCreateFile"].function == "NtCreateFile"
    with pytest.raises(syscalls.SyscallTableError, match="at most 6 arguments"):
        syscalls.parse("1 | a | " + ", ".join(f"int a{n}" for n in range(7)) + " | - | -")


# ---- containers there


WHY = ("system call 158 is not of this kernel's table (abi=nt): a Linux program needs a Linux kernel; `box run --wsl` starts one in a small VM\n")
STARTED = "vmm: machine 'wsl' has been started\n"


@pytest.mark.parametrize("command, status, text", [
    ("box run base ls /", 126, "ls: " + WHY),
    ("box run base:latest /bin/uname -a", 126, "uname: " + WHY),
    ("box run nope ls", 125, "box: nope: it does not exist (status 0xc0000034)\n"),
    ("box run base nosuch", 127, "box: nosuch: it does not exist (status 0xc0000034)\n"),
    ("box run --wsl base sh -c \"exit 7\"", 7, STARTED),
    ("box run --wsl base echo \"it's\" a\\\"b", 0, STARTED + "it's a\"b\n"),
    ("box run --wsl nope ls", 125, STARTED + "box: there is no image nope: see `box images`\n"),
])  # fmt: skip
def test_a_container_fails_plainly_and_runs_in_a_machine_with_a_kernel_for_it(disk, command, status, text):
    done = nt(disk, command)
    assert (done.status, done.text) == (status, text)


def test_one_machine_serves_all_commands(disk):
    done = nt(disk, "box run --wsl base uname -s & box run --wsl base ls / & C:\\bin\\vmm ps & tasklist")
    assert done.status == 0 and done.text.count("started") == 1 and done.text.startswith(STARTED + "Linux\nbin\ndev\n"), done.text
    assert done.text.count("/boot/kernel.elf") == 1 and done.text.count("vmm\n") == 1


def test_what_the_machine_writes_is_on_the_disk_of_the_kernel_it_runs_on(disk, tmp_path):
    own = tmp_path / "disk.img"
    own.write_bytes(disk.read_bytes())
    built = nt(own, "C:\\bin\\vmm exec --start wsl \"mkdir /root/b; (echo FROM base; echo RUN echo made \\> /made) > /root/b/Boxfile; box build -t mine /root/b; sync\"", writable=True)
    assert built.status == 0, built.text
    assert nt(own, "box run --wsl mine cat /made").text == STARTED + "made\n", built.text
    ours.check_disk(own)


def test_the_monitor_is_the_only_linux_program_that_is_served(disk):
    done = nt(disk, "C:\\bin\\vmm ps", LINE + " pico=/bin/other")
    assert done.status == 255 and done.text.startswith("vmm: system call ") and "abi=nt" in done.text


def test_exec_carries_all_output_and_the_status(disk):
    """On Linux, too: what a command in a machine says arrives whole, and two commands don't mix."""
    script = ("vmm exec a true; echo $?; vmm exec --start a 'hexdump /bin/ls' | wc -l; hexdump /bin/ls | wc -l; "
              "vmm exec a 'sleep 0.1; echo one' & vmm exec a 'echo two >&2; exit 9'; echo $?; wait")
    done = ours.run(script, disk, memory="128M").text.splitlines()
    assert done[:3] == ["vmm: there is no machine 'a'; vmm ps lists those that run", "2", "vmm: machine 'a' has been started"] and done[3] == done[4], done
    assert sorted(done[5:]) == ["9", "one", "two"], done
