"""The guest kernel under QEMU: boot, the kernel's own properties, and unmodified Debian programs."""
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from guestos import build, images, subjects
from tests.guestos import qemu

APPLETS = "sh ls cat ps sort grep wc vi echo mount sleep kill true head yes uname setsid tty mkdir rm mv find".split()
START = """#!/bin/sh
mount -t proc proc /proc
setsid sh -c 'exec sh -i 0<>/dev/ttyS0 1>&0 2>&0'
"""


@pytest.fixture(scope="session")
def kernel() -> Path:
    qemu.require_tools()
    return build.build_kernel()


@pytest.fixture(scope="session")
def busybox_disk(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with Debian's busybox as all its commands."""
    try:
        busybox = subjects.busybox()
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("disk")
    tree = [images.file("/bin/busybox", busybox, 0o755), images.file("/start", START, 0o755),
            images.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n"), images.directory("/tmp", 0o1777),
            *(images.directory(name) for name in ("/dev", "/proc", "/root")),
            *(images.symlink(f"/bin/{name}", "busybox") for name in APPLETS)]  # fmt: skip
    return images.build_image(tree, folder / "disk.img", 16 << 20)


@pytest.fixture
def disk(busybox_disk: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(busybox_disk, tmp_path / "disk.img"))


def shell(kernel: Path, disk: Path, script: str, **options: str) -> qemu.Result:
    return qemu.run(kernel, f'quiet root=/dev/vda init=/bin/sh -- -c "{script}"', disk, **options)


def test_quiet_boot_prints_what_init_prints_and_nothing_else(kernel, disk):
    result = shell(kernel, disk, "echo a|cat|wc -c")
    assert (result.text, result.status) == ("2\n", 0)


def test_init_status_is_the_machine_status(kernel, disk):
    assert shell(kernel, disk, "exit 42").status == 42


def test_boot_reports_clock_memory_and_init(kernel, disk):
    text = qemu.run(kernel, "root=/dev/vda init=/bin/echo -- hi", disk).text
    assert re.search(r"clock: TSC \d+ kHz.*\nmemory: 12\d MiB", text) and "\nhi\n" in text


def test_command_line_quotes_keep_words_together(kernel, disk):
    assert qemu.run(kernel, 'quiet root=/dev/vda init=/bin/echo -- "two  spaces" x', disk).text == "two  spaces x\n"


def test_missing_init_is_a_panic_with_advice(kernel, disk):
    result = qemu.run(kernel, "root=/dev/vda init=/nowhere", disk)
    assert "kernel panic: init /nowhere can't be run (error 2); give init=PATH" in result.text
    assert re.search(r"backtrace.*\n  ffffffff8020", result.text) and result.status == 0x7F  # 0xff, cut by QEMU's shift


def test_disk_is_clean_afterwards(kernel, disk):
    if not shutil.which("e2fsck"):
        pytest.skip("e2fsck is not installed: apt-get install e2fsprogs")
    assert shell(kernel, disk, "mkdir /d; echo x > /d/f; mv /d/f /g; rm /start; cat /g").text == "x\n"
    check = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


@pytest.mark.parametrize(("script", "expected"), [
    ("(echo b; echo a; echo c) | sort", "a\nb\nc\n"),
    ("echo hello | grep -c ell", "1\n"),
    ("cat /etc/passwd", "root::0:0:root:/root:/bin/sh\n"),
    ("ls -1 /", "bin\ndev\netc\nlost+found\nproc\nroot\nstart\ntmp\n"),
    ("yes | head -2", "y\ny\n"),
    ("uname -sm", "Linux x86_64\n"),
    ("find /etc", "/etc\n/etc/passwd\n"),
    ("mount -t proc proc /proc; ps | grep -c '[[]writeback'", "1\n"),
])  # fmt: skip
def test_debian_busybox(kernel, disk, script, expected):
    assert shell(kernel, disk, script).text == expected


def test_interactive_shell_has_job_control_and_vi(kernel, disk):
    console = qemu.Console(kernel, "quiet root=/dev/vda init=/start", disk)
    try:
        console.expect("# ")
        # A line that cat has copied tells that cat has the terminal; before, a key would be the shell's.
        # And the shell must have let go of the keyboard before: it reads ahead.
        console.send("echo rea''dy; cat\n")
        console.expect("ready\n")
        console.send("one\n")
        console.expect("one\none\n")
        console.send("\x1a")
        console.expect("Stopped")
        console.expect("# ")
        console.send("fg\n")
        console.expect("cat\n")
        console.send("two\n")
        console.expect("two\n")
        console.expect("two\n")
        console.send("\x03")
        console.expect("# ")
        console.send("echo =$?=\n")
        console.expect("=130=\n")
        console.expect("# ")
        console.send("jobs; echo =$?=\n")
        assert "Stopped" not in console.expect("\n=0=")
        console.send("vi /etc/passwd\n")
        console.expect("/etc/passwd 1/1 100%")
        console.send(":q\n")
        console.expect("# ")
    finally:
        console.close()


@pytest.mark.parametrize("memory", ["8M", "128M", "3500M"])
def test_memory_sizes(kernel, disk, memory):
    assert shell(kernel, disk, "echo ok", memory=memory).text == "ok\n"


def test_kernel_has_no_vector_instructions(kernel):
    if not shutil.which("objdump"):
        pytest.skip("objdump is not installed: apt-get install binutils")
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", kernel], capture_output=True, text=True, check=True).stdout
    assert not re.findall(r".*%[xy]mm.*", listing)


def test_kernel_build_is_reproducible(kernel, tmp_path_factory):
    again = build.build_kernel(build.ROOT / "build" / "guest-again")
    try:
        assert again.read_bytes() == kernel.read_bytes()
    finally:
        shutil.rmtree(again.parent)


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor only comment."""
    return sum(bool(line.strip()) for line in re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL).splitlines())


def test_kernel_keeps_its_line_budget():
    lines = {path: code_lines(path) for path in build.KERNEL.rglob("*") if path.suffix in {".c", ".S", ".h", ".ld"}}
    core = sum(n for path, n in lines.items() if path.relative_to(build.KERNEL).parts[0] in {"boot", "arch", "mm", "proc", "sys"})
    assert core <= 4000 and sum(lines.values()) <= 20000
    assert all(len(path.read_text().splitlines()) <= 500 for path in lines)
