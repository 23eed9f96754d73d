"""vmm, written for Linux's KVM: on this host's Linux where it has one, and in the guest. The guest kernel in it is programs/vmmguest.c
where devices are asked what no driver asks, and ours where a shell is wanted."""

from __future__ import annotations

import functools
import os
import pty
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emu.machine.machine import Machine
from emu.testing.guest import Guest, boot
from guestos import build
from tests.guestos import ours

DISK = b"r" + bytes(510) + b"z" + bytes(15 * 512)
SOURCE = ours.PROGRAMS / "vmmguest.c"
PROPERTIES = re.findall(r"\bT\((\w+)\),", SOURCE.read_text())


@functools.cache
def kernel() -> Path:
    ours.guest()
    flags = [flag for flag in build.KERNEL_FLAGS if flag != "-mcmodel=kernel"]
    return build.build_program([SOURCE], ours.CACHE / "vmmguest", [*flags, "-nostdlib", "-static", "-Wl,-e,start", "-Wl,--image-base=0x200000", "-Wl,--build-id=none", "-w"])


def program() -> Path:
    return next(path for path in build.build_user() if path.name == "vmm")


class Linux:
    """vmm on this host."""

    name = "linux"

    def __init__(self, directory: Path) -> None:
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            pytest.skip("this host has no usable /dev/kvm; on Linux: modprobe kvm-amd or kvm-intel, and be in the group kvm")
        self.directory = directory
        self.environment = dict(os.environ, VMM_DIR=str(directory / "run"))

    def put(self, name: str, data: bytes) -> str:
        (self.directory / name).write_bytes(data)
        return str(self.directory / name)

    def get(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def popen(self, *arguments: str, **options) -> subprocess.Popen:
        return subprocess.Popen([program(), *arguments], env=self.environment, **options)

    def vmm(self, *arguments: str, environment: dict | None = None) -> tuple[int, str, str]:
        done = subprocess.run([program(), *arguments], env=environment or self.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def settle(self) -> None:
        time.sleep(0.2)

    def left(self) -> list[str]:
        return os.listdir(self.directory / "run") if (self.directory / "run").exists() else []


class Inside:
    """vmm in the guest."""

    name = "guest"

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def put(self, name: str, data: bytes) -> str:
        return self.guest.put(f"/tmp/{name}", data)

    def get(self, path: str) -> bytes:
        text = self.guest.run(["hexdump", path]).check().stdout
        return text.encode()

    def vmm(self, *arguments: str) -> tuple[int, str, str]:
        done = self.guest.run(["vmm", *arguments])
        return done.status, done.stdout.replace("\r\n", "\n"), done.stderr

    def settle(self) -> None:
        self.guest.run("sleep 0.2").check()

    def left(self) -> list[str]:
        return self.guest.run("ls /run/vmm 2>&1 || true").stdout.replace("ls: /run/vmm: No such file or directory", "").split()


@functools.cache
def booted() -> Guest:
    return boot(memory="256M")


@pytest.fixture(params=["linux", "guest"])
def place(request, tmp_path) -> Iterator[Linux | Inside]:
    ours.require_compiled()
    where = Linux(tmp_path) if request.param == "linux" else Inside(booted())
    yield where
    for line in where.vmm("ps")[1].splitlines()[1:]:
        where.vmm("stop", line.split()[0])
    assert where.left() == []


@pytest.fixture
def small(place) -> list[str]:
    """Options of `run`: the small kernel and its disk."""
    return ["--kernel", place.put("small", kernel().read_bytes()), "--disk", place.put("disk", DISK), "--memory", "16M"]


def holds() -> str:
    return "".join(f"{name}: ok\n" for name in PROPERTIES)


def test_no_request_breaks_the_device(place, small):
    """V19, V20: what is asked for out of memory, in loops, in lengths, in widths that make no sense."""
    assert place.vmm("run", *small) == (0, holds(), "")


def test_the_boards_own_devices_do_the_same(tmp_path):
    ours.require_compiled()
    (tmp_path / "disk").write_bytes(DISK)
    with Machine("16M", "compiled", kernel=kernel(), disk=tmp_path / "disk") as machine:
        result = machine.run(100_000_000)
        assert (result.status, machine.console.decode().replace("\r\n", "\n")) == (0, holds())


@pytest.mark.parametrize(("mode", "status", "words"), [
    ("off", 0, ""), ("exit", 42, ""),
    ("triple", 1, "the guest crashed: triple fault at rip 0x2"),
    ("fetch", 1, "the guest stopped at an instruction that can't be carried out for it at rip 0xfeb00000"),
    ("reset", 1, "the guest asked for a reset"),
])
def test_how_a_guest_ends(place, small, mode, status, words):
    """V13, V14: with its status, or a reason that has a name."""
    found = place.vmm("run", *small, "--append", f"mode={mode}")
    assert found[0] == status and found[2].startswith(f"vmm: {words}" if words else "") and found[2].count("\n") == bool(words), found
    assert place.vmm("run", *small, "--append", "mode=exit")[0] == 42


@pytest.mark.parametrize(("option", "status", "changed"), [([], 0, False), (["--writable"], 0, True), (["--read-only"], 16 + 128, False)])
def test_disk_is_written_only_when_asked(place, small, option, status, changed):
    before = place.get(small[3])
    assert place.vmm("run", *small, *option, "--append", "mode=write") == (status, "", "")
    assert (place.get(small[3]) != before) == changed


@pytest.mark.parametrize("mode", ["spin", "halt"])
def test_stop(place, small, mode):
    """V16: a guest that never rests, with interrupts off, stops when asked; and so does one that sleeps for ever."""
    assert place.vmm("run", *small, "-d", "--name", "x", "--append", f"mode={mode}") == (0, "x\n", "")
    place.settle()
    assert "x" in place.left()
    assert place.vmm("stop", "x") == (0, "", "")
    assert place.vmm("stop", "x") == (2, "", "vmm: there is no machine 'x'; vmm ps lists those that run\n")


def test_several_at_once(place, small):
    for _ in range(3):
        assert place.vmm("run", *small, "-d", "--append", "mode=echo")[0] == 0
    status, out, err = place.vmm("run", *small, "--name", "vm2", "-d", "--append", "mode=echo")
    assert (status, out, err) == (2, "", "vmm: a machine 'vm2' runs already\n")
    lines = place.vmm("ps")[1].splitlines()
    assert lines[0].split() == ["NAME", "PID", "MEMORY", "SECONDS", "KERNEL"]
    assert [(line.split()[0], line.split()[2], line.split()[4]) for line in lines[1:]] == [(f"vm{n}", "16M", small[1]) for n in (1, 2, 3)]
    assert place.vmm("stop", "vm2")[0] == 0
    assert [line.split()[0] for line in place.vmm("ps")[1].splitlines()] == ["NAME", "vm1", "vm3"]


def random_bytes(n: int) -> bytes:
    return random.Random(4).randbytes(n)


def damaged(offset: int, value: bytes, length: int | None = None) -> bytes:
    image = bytearray(kernel().read_bytes()[:length])
    image[offset : offset + len(value)] = value
    return bytes(image)


#: What is wrong: the option, the file's contents or the option's value, and words of the one line.
MISTAKES = [
    ("--kernel", b"", "is no ELF file: it has 0 bytes"),
    ("--kernel", lambda: random_bytes(10_000), "is no ELF file"),
    ("--kernel", lambda: b"\x7fELF" + random_bytes(10_000), "is no executable for x86-64"),
    ("--kernel", lambda: damaged(18, b"\x28\x00"), "is no executable for x86-64"),
    ("--kernel", lambda: damaged(4, b"\x01"), "is no executable for x86-64"),
    ("--kernel", lambda: damaged(32, b"\xff" * 8), "is cut short: program headers"),
    ("--kernel", lambda: damaged(56, b"\xff\xff"), "is damaged: 65535 program headers"),
    ("--kernel", lambda: damaged(56, b"\0\0"), "is damaged: 0 program headers"),
    ("--kernel", lambda: damaged(0, b"", 800), "is cut short"),
    ("--kernel", lambda: damaged(0, b"", 100), "is cut short: its program headers"),
    ("--kernel", lambda: kernel().read_bytes().replace(b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen", b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xem"), "has no PVH entry"),
    ("--kernel", lambda: kernel().read_bytes().replace(b"\x12\0\0\0Xen\0", b"\x12\0\0\0Xen\0\0\0\0\xff")[: kernel().stat().st_size], "PVH entry 0xff"),
    ("--kernel", "/nowhere/kernel", "can't be opened: No such file or directory"),
    ("--kernel", "/", "is no file"),
    ("--kernel", "/dev/null", "is no file"),
    ("--disk", b"", "has 0 bytes"),
    ("--disk", lambda: random_bytes(10_000), "has 10000 bytes, which is no whole number of sectors of 512"),
    ("--disk", "/nowhere/disk", "can't be opened: No such file or directory"),
    ("--disk", "/", "is no file"),
    ("--disk", "/dev/null", "is no file"),
    ("--memory", "0", "a guest has 4 MiB to 3072 MiB"),
    ("--memory", "4G", "a guest has 4 MiB to 3072 MiB"),
    ("--memory", "5000001", "in whole pages"),
    ("--memory", "18446744073709551616", "is no number of bytes"),
    ("--memory", "99999999999G", "a guest has 4 MiB to 3072 MiB"),
    ("--memory", "-5M", "is no number of bytes"),
    ("--memory", "5MB", "is no number of bytes"),
    ("--memory", "", "is no number of bytes"),
    ("--name", "../x", "is no name for a machine"),
    ("--name", "", "is no name for a machine"),
    ("--name", "x" * 33, "is no name for a machine"),
    ("--append", "x" * 2048, "command line would have"),
]


@pytest.mark.parametrize("detached", [[], ["-d"]])
def test_mistakes(place, small, detached):
    for number, (option, given, words) in enumerate(MISTAKES):
        given = given() if callable(given) else given
        value = place.put(f"bad{number}", given) if isinstance(given, bytes) else given
        status, out, err = place.vmm("run", *small, option, value, "--append", "mode=exit", *detached) if option != "--append" else place.vmm("run", *small, option, value, *detached)
        assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("vmm: ") and words in err, (option, value, status, err)
    assert place.left() == []


def test_kernel_that_needs_more_memory(place, small):
    path = place.put("high", damaged(0, b""))
    image = bytearray(kernel().read_bytes())
    headers = int.from_bytes(image[32:40], "little")
    for n in range(image[56]):
        if image[headers + 56 * n] == 1:
            image[headers + 56 * n + 24 : headers + 56 * n + 32] = (1 << 30).to_bytes(8, "little")
    path = place.put("high", bytes(image))
    status, _, err = place.vmm("run", "--kernel", path, "--memory", "16M", "--disk", "none")
    assert status == 2 and re.search("needs memory at 0x4[0-9a-f]{7}, and the guest has 16 MiB", err)


def test_unknown_words():
    ours.require_compiled()
    inside = Inside(booted())
    for words in (["run", "x"], ["run", "--nonsense"], ["stop"], [], ["ps", "x"], ["run", "--memory"]):
        status, out, err = inside.vmm(*words)
        assert status == 2 and out == "" and err, words


def test_random_headers(tmp_path):
    """Every ELF header and program header, damaged at random: one line and status 2, or a guest that runs or ends; never more."""
    linux, dice = Linux(tmp_path), random.Random(7)
    whole = kernel().read_bytes()
    for n in range(300):
        image = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            image[dice.randrange(64 + 56 * whole[56])] = dice.choice((0, 1, 0xFF, dice.randrange(256)))
        path = linux.put("mutant", bytes(image))
        process = linux.popen("run", "--kernel", path, "--disk", "none", "--memory", "16M", "--append", "mode=exit", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            err = process.communicate(timeout=2)[1]
        except subprocess.TimeoutExpired:
            process.terminate()
            err = process.communicate(timeout=10)[1]
            continue
        assert process.returncode in (0, 1, 2, 42) and err.count(b"\n") <= 1, (n, process.returncode, err)
    linux.settle()
    assert linux.left() == []


def test_a_killed_machine_leaves_its_name(tmp_path):
    linux = Linux(tmp_path)
    small = ["--kernel", str(kernel()), "--disk", "none", "--append", "mode=spin", "-d", "--name", "x"]
    linux.vmm("run", *small)
    os.kill(int(linux.vmm("ps")[1].split("\n")[1].split()[1]), signal.SIGKILL)
    linux.settle()
    assert linux.left() == ["x"]
    assert linux.vmm("run", *small)[0] == 0
    linux.vmm("stop", "x")
    assert linux.left() == []


def test_no_kvm(tmp_path):
    """Where the device can't be opened it says so."""
    ours.require_compiled()
    guest = booted()
    guest.run("mv /dev/kvm /dev/kvm.away || chmod 0 /dev/kvm")
    try:
        done = guest.run("vmm run -c true")
        if done.status != 2:                # the first user may open anything
            pytest.skip("the guest's /dev can't be changed")
        assert done.stderr.startswith("vmm: /dev/kvm can't be opened: ") and done.stderr.count("\n") == 1
    finally:
        guest.run("mv /dev/kvm.away /dev/kvm || chmod 660 /dev/kvm")


def read_until(fd: int, wanted: bytes, seconds: float = 10) -> bytes:
    data, end = b"", time.time() + seconds
    while wanted not in data:
        assert time.time() < end, data
        try:
            piece = os.read(fd, 4096)
        except OSError:
            piece = b""
        assert piece, data
        data += piece
    return data


def test_leaving_and_coming_back(tmp_path):
    """Ctrl-] lets go of a machine that runs; its console shows what it said, and takes keys; the terminal is as it was."""
    linux = Linux(tmp_path)
    pid, fd = pty.fork()
    if not pid:
        os.environ["VMM_DIR"] = str(tmp_path / "run")
        os.execv(program(), ["vmm", "run", "--kernel", str(kernel()), "--disk", "none", "--append", "mode=echo", "--name", "e"])
    read_until(fd, b"ready")
    os.write(fd, b"abc")
    read_until(fd, b"abc")
    os.write(fd, b"\x1d")
    read_until(fd, b"it runs on")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert "e" in linux.left()
    pid, fd = pty.fork()
    if not pid:
        os.environ["VMM_DIR"] = str(tmp_path / "run")
        os.execv(program(), ["vmm", "console", "e"])
    read_until(fd, b"abc")
    os.write(fd, b"def")
    read_until(fd, b"def")
    os.write(fd, b"\x1d")
    read_until(fd, b"runs on")
    os.waitpid(pid, 0)
    with linux.popen("console", "e", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        out, _ = process.communicate(b"xyzq", timeout=10)
    assert b"abcdefxyz" in out
    linux.settle()
    assert linux.left() == []


def test_who_started_it_is_gone(tmp_path):
    linux = Linux(tmp_path)
    process = linux.popen("run", "--kernel", str(kernel()), "--disk", "none", "--append", "mode=echo", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    read_until(process.stdout.fileno(), b"ready")
    process.kill()
    process.communicate()
    linux.settle()
    assert linux.left() == []


def test_two_writers_of_a_disk(tmp_path):
    linux = Linux(tmp_path)
    small = ["--kernel", str(kernel()), "--disk", linux.put("disk", DISK), "--append", "mode=spin", "-d"]
    assert linux.vmm("run", *small, "--writable")[0] == 0
    for option in ([], ["--writable"]):
        status, _, err = linux.vmm("run", *small, *option)
        assert status == 2 and err.endswith("is in use by another machine\n")
    linux.vmm("stop", "vm1")


def shell_options(place) -> list[str]:
    if place.name == "guest":
        return []
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    if not {"svm", "vmx"} & set(flags):
        pytest.skip("this host's KVM has no SVM or VMX beneath it, and carries out too few instructions for a whole kernel")
    return ["--kernel", str(ours.guest().kernel), "--disk", str(ours.guest().own)]


def test_shell(place):
    status, out, _ = place.vmm("run", *shell_options(place), "-c", "echo hi; cat /proc/sys/kernel/hostname; ls -d /bin; exit 3")
    assert (status, out) == (3, "hi\nringzero\n/bin\n")


def test_command_arrives_as_written(place):
    text = "a\"b\\c 'd' $HOME"
    assert place.vmm("run", *shell_options(place), "-c", f"echo {shlex.quote(text)}")[:2] == (0, text + "\n")


def test_a_disk_of_rubbish(place):
    """The kernel says that it can't use it, and the machine ends with 125."""
    path = place.put("rubbish", random_bytes(10_240))
    status, out, err = place.vmm("run", *shell_options(place), "--disk", path, "-c", "true")
    assert status != 0 and "panic" in out.lower(), (status, out, err)


def test_typing_at_a_shell():
    """In the guest, at a terminal: a shell in the machine, left, seen running, and come back to."""
    ours.require_compiled()
    with ours.Computer(ours.default.ensure().disk, "quiet init=/bin/init", memory="128M") as computer:
        computer.await_text("# ")
        computer.type("vmm run --name deep\n")
        computer.await_text("# ")
        computer.type("cat /proc/cmdline\n")
        computer.await_text("virtio_mmio.device=512@0xfeb00e00:12")
        computer.await_text("# ")
        computer.type("\x1d")
        computer.await_text("runs on")
        computer.await_text("# ")
        computer.type("vmm ps\n")
        computer.await_text("deep ")
        computer.await_text("# ")
        computer.type("vmm console deep\n")
        computer.await_text("Ctrl-] leaves deep")
        computer.type("echo $((6*7)); exit 5\n")
        computer.await_text("42")
        computer.await_text("deep has ended")
        computer.await_text("# ")
        computer.type("exit 6\n")
        assert computer.finish().status == 6
