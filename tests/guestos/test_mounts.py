"""Mounts, mount namespaces and roots: the properties of programs/mounttests.c, and Debian's mount, umount and df."""

from __future__ import annotations

import pytest

from guestos import build, images, subjects
from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("mounttests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("mounttests")


def test_nothing_leaks():
    properties.check_guest("mounttests", "-l")


def test_debian_mount_and_df(tmp_path):
    try:
        busybox = images.file("/bin/busybox", subjects.busybox(), 0o755)
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    disk = images.build_image([*images.default_tree(build.build_user()), busybox], tmp_path / "disk.img", 16 << 20)
    script = """cd /tmp; mkdir a b; B=/bin/busybox; $B mount -t tmpfs -o size=1m,noexec none a; $B mount --bind a b;
    $B mount -o remount,ro,bind b; $B mount | grep /tmp/; $B df -a | grep -c /tmp/; echo x > b/f; $B umount b; echo x > a/f;
    cd /; $B umount -a -t tmpfs; $B mount | grep -c tmpfs"""
    text = ours.run(" ".join(script.split()), disk, memory="64M").text
    assert text == ("none on /tmp/a type tmpfs (rw,noexec)\nnone on /tmp/b type tmpfs (ro,noexec)\n2\n"
                    "sh: b/f: Read-only file system\n1\n")
