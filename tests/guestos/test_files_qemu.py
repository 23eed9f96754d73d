"""Files, terminals and the user programs under QEMU: our own disk, unmodified busybox, and e2fsck after it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from guestos import build, images, subjects
from tests.guestos import qemu, usertests


@pytest.fixture(scope="module")
def kernel() -> Path:
    qemu.require_tools()
    return build.build_kernel()


@pytest.fixture(scope="module")
def tree(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[images.Entry]:
    """The default disk's entries."""
    return images.default_tree(build.build_user())


@pytest.fixture
def disk(tree: list[images.Entry], tmp_path: Path) -> Path:
    return images.build_image(tree, tmp_path / "disk.img", 16 << 20)


@pytest.fixture
def busybox_disk(tree: list[images.Entry], tmp_path: Path) -> Path:
    try:
        busybox = subjects.busybox()
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    return images.build_image([*tree, images.file("/bin/busybox", busybox, 0o755)], tmp_path / "disk.img", 16 << 20)


def run(kernel: Path, disk: Path, script: str, *more: str) -> qemu.Result:
    assert '"' not in script, "the kernel command line has double quotes of its own"
    return qemu.run(kernel, f'quiet root=/dev/vda init=/bin/init -- -c "{script}"', disk)


def check(disk: Path) -> None:
    """The file system is right after a power-off: no finding of a forced check."""
    if not shutil.which("e2fsck"):
        pytest.skip("e2fsck is not installed: apt-get install e2fsprogs")
    result = subprocess.run(["e2fsck", "-fn", str(disk)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def stored(disk: Path, path: str) -> bytes:
    if not shutil.which("debugfs"):
        pytest.skip("debugfs is not installed: apt-get install e2fsprogs")
    return subprocess.run(["debugfs", "-R", f"cat {path}", str(disk)], capture_output=True, check=True).stdout


def test_status_of_the_command(kernel: Path, disk: Path) -> None:
    assert run(kernel, disk, "exit 42").status == 42
    assert run(kernel, disk, "kill -KILL $$").status == (128 + 9) & 0x7F
    assert run(kernel, disk, "nosuch").status == 127


def test_changes_reach_the_disk(kernel: Path, disk: Path) -> None:
    script = """cd /root; mkdir -p a/b; echo one > a/f; ln a/f a/g; ln -s f a/s; cp /bin/sh a/sh; mv a/f a/b/f2; rm a/sh;
    i=0; while [ $i -lt 200 ]; do echo $i > a/name-$i; i=$((i+1)); done; rm a/name-1*; ls a | wc -l; cat a/g; mv a/b c;
    cat /bin/sh /bin/sh /bin/sh /bin/sh > big; rmdir a; sync"""
    result = run(kernel, disk, " ".join(script.split()))
    assert result.text == f"{200 - 111 + 3}\none\nrmdir: a: Directory not empty\n"
    check(disk)
    assert stored(disk, "/root/c/f2") == b"one\n"
    assert stored(disk, "/root/a/name-99") == b"99\n"
    assert stored(disk, "/root/big") == stored(disk, "/bin/sh") * 4


def test_full_disk(kernel: Path, disk: Path) -> None:
    result = run(kernel, disk, "cat /dev/zero > /root/all; ls -l /root/all | wc -l; rm /root/all; echo room > /root/x; cat /root/x")
    assert result.text == "cat: /dev/zero: No space left on device\n1\nroom\n" or "No space left" in result.text
    assert result.text.endswith("1\nroom\n")
    check(disk)


def test_one_kib_blocks(kernel: Path, tree: list[images.Entry], tmp_path: Path) -> None:
    disk = images.build_image(tree, tmp_path / "small.img", 12 << 20, block_size=1024)
    result = run(kernel, disk, "cat /bin/* > /root/all; chmod 755 /root; usertests -j -d /root files directories links; rm /root/all")
    usertests.check(result.text, "guest", {"files", "directories", "links"})
    check(disk)


def test_the_next_boot_sees_it(kernel: Path, disk: Path) -> None:
    run(kernel, disk, "echo kept > /root/note")
    assert run(kernel, disk, "cat /root/note").text == "kept\n"


def test_modern_virtio(kernel: Path, disk: Path) -> None:
    command = qemu.command(kernel, 'quiet root=/dev/vda init=/bin/init -- -c "echo modern > /root/x; cat /root/x"', disk)
    command += ["-global", "virtio-mmio.force-legacy=false"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.stdout, done.returncode) == (b"modern\r\n", 1)
    check(disk)


def test_a_disk_that_is_none(kernel: Path, tmp_path: Path) -> None:
    disk = tmp_path / "noise.img"
    disk.write_bytes(bytes(range(256)) * 4096)
    result = qemu.run(kernel, "root=/dev/vda init=/bin/init", disk)
    assert "no ext2 magic number" in result.text and "can't mount /dev/vda as ext2" in result.text


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("x=5; if [ $x -eq 5 ]; then echo yes; else echo no; fi", "yes\n"),
        ("for f in a 'b c'; do echo .$f.; done | sort -r", ".b c.\n.a.\n"),
        ("i=0; until [ $i = 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3\n"),
        ("false || echo or; true && echo and; ! true; echo $?", "or\nand\n1\n"),
        ("(cd /tmp; pwd); pwd; echo $(echo in; false) $?", "/tmp\n/\nin 1\n"),
        ("cat /missing 2>/dev/null || echo gone > /tmp/x; cat < /tmp/x", "gone\n"),
        ("sleep 0.05 & wait; echo $((7 * (2 + 1) % 5))", "1\n"),
        ("echo '$x' \\$x ${none:-other}; echo /etc/pass*", "$x $x other\n/etc/passwd\n"),
    ],
)
def test_shell(kernel: Path, disk: Path, script: str, expected: str) -> None:
    assert run(kernel, disk, script).text == expected


def test_session_on_the_terminal(kernel: Path, disk: Path) -> None:
    """Editing, signals from keys, job control, and the shell's end as the machine's."""
    console = qemu.Console(kernel, "quiet root=/dev/vda init=/bin/init", disk)
    try:
        console.expect("/root # ")
        console.send("echo wromg\x7f\x7fng\n")
        console.expect("\nwrong\n/root # ")
        # The job says itself that it runs: a key that comes before is the shell's, and ignored.
        console.send("sh -c 'echo on; sleep 100'\n")
        console.expect("\non\n")
        console.send("\x03")
        console.expect("/root # ")
        console.send("echo status $?\n")
        console.expect("\nstatus 130\n/root # ")
        console.send("cat\n")
        console.expect("cat\n")
        console.send("line\n\x04")
        console.expect("line\nline\n/root # ")
        console.send("sh -c 'echo on; sleep 100'\n")
        console.expect("\non\n")
        console.send("\x1a")
        console.expect("stopped sh -c")
        console.expect("/root # ")
        console.send("fg\n")
        console.expect("fg\nsh -c 'echo on; sleep 100'\n")
        console.send("\x1c")
        console.expect("/root # ")
        console.send("jobs; tty\n")
        console.expect("jobs; tty\n/dev/ttyS0\n")
        console.send("exit 3\n")
        assert console._qemu.wait(timeout=20) == 7
    finally:
        console.close()
    check(disk)


def test_busybox_files(kernel: Path, busybox_disk: Path) -> None:
    script = """B=/bin/busybox; cd /root; $B sh -c 'echo a|cat|wc -c'; $B seq 1 100000 | $B md5sum; $B tar cf t.tar /etc 2>/dev/null;
    $B tar tf t.tar | $B head -n 1; $B cp -a /etc e; $B diff -r /etc e && echo same; $B truncate -s 100000 sparse;
    $B stat -c '%s %b' sparse; $B find e -type f | $B sort | $B tail -n 1; $B mkfifo ff; (echo through > ff) & $B cat ff;
    $B su guest -c 'cat /root/t.tar' 2>/dev/null || echo denied; $B dd if=/dev/vda bs=1k skip=1 count=1 2>/dev/null | $B wc -c;
    $B mount -t tmpfs x /mnt; echo y > /mnt/f; $B umount /mnt; ls /mnt"""
    result = run(kernel, busybox_disk, " ".join(script.split()))
    assert result.text == (
        "2\ndea9193b768319cbb4ff1a137ac03113  -\netc/\nsame\n100000 0\ne/profile\nthrough\ndenied\n1024\n"
    )
    check(busybox_disk)


def test_busybox_reads_proc(kernel: Path, busybox_disk: Path) -> None:
    result = run(kernel, busybox_disk, "B=/bin/busybox; $B ps; $B top -b -n 1 | $B head -n 5; $B mount; $B free; $B ls -l /proc/self/exe; $B uptime")
    for expected in ("/bin/busybox ps", "/dev/vda on / type ext3", "Mem:", "/proc/self/exe -> /bin/busybox", "load average", "[writeback]"):
        assert expected in result.text


def test_busybox_vi_edits_a_file(kernel: Path, busybox_disk: Path) -> None:
    console = qemu.Console(kernel, "quiet root=/dev/vda init=/bin/init", busybox_disk)
    try:
        console.expect("/root # ")
        console.send("busybox vi note\n")
        console.expect("note")
        console.expect("1/1 100%")
        console.send("ihello")
        console.expect("hello")
        console.send("\x1b")
        console.expect("[Modified]")
        console.send(":wq\r")
        console.expect("/root # ")
        console.send("cat note; exit\n")
        console.expect("\nhello\n")
        assert console._qemu.wait(timeout=20) == 1
    finally:
        console.close()
    check(busybox_disk)
