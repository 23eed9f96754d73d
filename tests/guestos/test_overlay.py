"""The overlay file system: the properties of programs/overlaytests.c, and layers on the disk, that outlive a power-off."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from guestos import build
from tests.guestos import ours, properties


def stored(disk: Path, path: str) -> bytes:
    return subprocess.run(["debugfs", "-R", f"cat {path}", str(disk)], capture_output=True, check=True).stdout


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("overlaytests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("overlaytests")


def test_nothing_leaks():
    properties.check_guest("overlaytests", "-l")


def test_layers_on_the_disk(tmp_path):
    """What was changed, removed and made opaque is so after the next boot; the disk is sound after each."""
    disk = shutil.copy(properties.disk(), tmp_path / "disk.img")
    overlay = "mount -t overlay -o lowerdir=a,upperdir=u,workdir=w overlay m"
    first = f"""cd /root; mkdir a u w m; mkdir a/dir a/gone; echo 1 > a/dir/f; echo 2 > a/gone/g; echo 3 > a/h; cp /bin/sh a/big; {overlay};
    cd m; echo 4 >> h; rm dir/f gone/g; rmdir gone; mkdir gone; cat /bin/ls >> big; echo new > gone/n; ls -l /root/u/dir | grep -c ^c"""
    second = f"""cd /root; {overlay}; cat m/h; ls m m/dir m/gone; cat a/gone/g"""
    assert ours.run(" ".join(first.split()), disk, memory="64M", writable=True).text == "1\n"
    ours.check_disk(disk)
    text = ours.run(" ".join(second.split()), disk, memory="64M", writable=True).text
    assert text.split() == ["3", "4", "m:", "big", "dir", "gone", "h", "m/dir:", "m/gone:", "n", "2"]
    ours.check_disk(disk)
    user = {path.name: path for path in build.build_user()}
    assert stored(disk, "/root/a/big") == user["sh"].read_bytes()
    assert stored(disk, "/root/u/big") == user["sh"].read_bytes() + user["ls"].read_bytes()
