"""The ext2 image builder, checked by the e2fsprogs tools and by reading its own bytes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from emu.errors import DiskError
from guestos.images import build_image, device, directory, entries_of, file, hard_link, symlink

needs_e2fsck = pytest.mark.skipif(not shutil.which("e2fsck"), reason="e2fsck is missing: apt install e2fsprogs")
needs_debugfs = pytest.mark.skipif(not shutil.which("debugfs"), reason="debugfs is missing: apt install e2fsprogs")


def check(image: Path) -> None:
    """e2fsck finds nothing to say about the image."""
    result = subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def debugfs(image: Path, request: str) -> bytes:
    return subprocess.run(["debugfs", "-R", request, str(image)], capture_output=True, check=True).stdout


def sample() -> list:
    return [
        directory("/etc", 0o755),
        file("/etc/motd", "hello\n", 0o640, uid=1000, gid=100_000),
        file("/deep/er/file", b"x" * 5000),
        file("/empty", b""),
        symlink("/fast", "etc/motd"),
        symlink("/slow", "very/" * 30 + "long"),
        hard_link("/again", "/etc/motd"),
        device("/dev/console", "c", 5, 1),
        device("/dev/vda", "b", 254, 0, 0o660),
    ]


@needs_e2fsck
@pytest.mark.parametrize("block_size", [1024, 4096])
def test_sample_is_clean(tmp_path: Path, block_size: int) -> None:
    check(build_image(sample(), tmp_path / "disk", block_size=block_size))


@needs_e2fsck
@pytest.mark.parametrize("block_size", [1024, 4096])
@pytest.mark.parametrize("megabytes", [1, 7, 8, 9, 33, 130, 300])
def test_every_size_is_clean(tmp_path: Path, block_size: int, megabytes: int) -> None:
    out = build_image(sample(), tmp_path / "disk", megabytes << 20, block_size=block_size)
    assert out.stat().st_size == megabytes << 20
    check(out)
    features = subprocess.run(["dumpe2fs", "-h", str(out)], capture_output=True, text=True).stdout
    assert ("has_journal" in features) == (megabytes << 20 >= 2048 * block_size)
    assert "has_journal" not in features or re.search(r"Journal sequence: *0x00000001\nJournal start: *0\n", features)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    first, second = (build_image(sample(), tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


@needs_debugfs
def test_attributes_are_stored(tmp_path: Path) -> None:
    out = build_image(sample(), tmp_path / "disk")
    motd = debugfs(out, "stat /etc/motd").decode()
    for expected in ("Mode:  0640", "User:  1000", "Group: 100000", "Size: 6", "Links: 2"):
        assert expected in motd
    assert 'Fast link dest: "etc/motd"' in debugfs(out, "stat /fast").decode()
    assert debugfs(out, "cat /slow").rstrip(b"\0") == b"very/" * 30 + b"long"
    assert "05:01" in debugfs(out, "stat /dev/console").decode()
    assert debugfs(out, "cat /again") == b"hello\n"


@needs_debugfs
@needs_e2fsck
def test_triple_indirect_and_sparse(tmp_path: Path) -> None:
    """1 KiB blocks map 12 directly, 256, 65536 and 16.7 million through one, two and three levels."""
    source = tmp_path / "sparse"
    places = [0, 11, 12, 267, 268, 65803, 65804, 65805, 65804 + 256, 65804 + 65536, 70000 + 65536 * 2]
    with open(source, "wb") as host:
        for number in places:
            host.seek(number * 1024)
            host.write(b"%020d" % number)
        host.truncate(300 << 20)
    out = build_image([file("/sparse", source)], tmp_path / "disk", block_size=1024)
    assert out.stat().st_size < 16 << 20
    check(out)
    copy = tmp_path / "copy"
    debugfs(out, f"dump /sparse {copy}")
    with open(copy, "rb") as host:
        assert os.fstat(host.fileno()).st_size == 300 << 20
        for number in places:
            host.seek(number * 1024)
            assert host.read(21) == b"%020d\0" % number


@needs_debugfs
@needs_e2fsck
def test_many_files_and_a_big_one(tmp_path: Path) -> None:
    big = bytes(range(256)) * 20_000
    entries = [file(f"/many/file-with-a-long-name-{n}", b"%d" % n) for n in range(3000)]
    out = build_image([*entries, file("/big", big)], tmp_path / "disk", block_size=1024)
    check(out)
    assert debugfs(out, "cat /many/file-with-a-long-name-2999") == b"2999"
    assert debugfs(out, "cat /big") == big


@needs_debugfs
@needs_e2fsck
def test_host_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/tool").write_bytes(b"#!/bin/sh\n")
    (tree / "bin/tool").chmod(0o755)
    os.link(tree / "bin/tool", tree / "bin/other")
    (tree / "link").symlink_to("bin/tool")
    out = build_image(tree, tmp_path / "disk")
    check(out)
    status = debugfs(out, "stat /bin/tool").decode()
    assert "Links: 2" in status and "Mode:  0755" in status
    assert stat.S_ISLNK(next(e for e in entries_of(tree) if e.path == "/link").mode)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("/a", b""), file("/a/b", b"")], "not a directory"),
        ([file("/a", b""), file("/a", b"")], "twice"),
        ([file("a", b"")], "absolute"),
        ([file("/../a", b"")], "absolute"),
        ([file("/" + "n" * 256, b"")], "at most 255"),
        ([hard_link("/a", "/b")], "no /b"),
        ([directory("/d"), hard_link("/a", "/d")], "two names"),
        ([symlink("/s", "")], "target"),
        ([device("/d", "c", 256, 0)], "below 256"),
        ([file("/missing", Path("/nonexistent/file"))], "can't read"),
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, entries: list, message: str) -> None:
    out = tmp_path / "disk"
    out.write_text("kept")
    with pytest.raises(DiskError, match=message):
        build_image(entries, out)
    assert out.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["disk"]


def test_out_of_space(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="out of space at /big"):
        build_image([file("/big", b"x" * (2 << 20))], tmp_path / "disk", 1 << 20)
    with pytest.raises(DiskError, match="too small"):
        build_image([], tmp_path / "disk", 4096)


def test_tree_must_be_a_directory(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="does not exist"):
        build_image(tmp_path / "nothing", tmp_path / "disk")
    with pytest.raises(DiskError, match="block size 2048"):
        build_image([], tmp_path / "disk", block_size=2048)
