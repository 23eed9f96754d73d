"""procfs and sysfs: the properties of programs/proctests.c, and Debian's ps, top, free and mount reading them."""

from __future__ import annotations

import re

import pytest

from guestos import build, images, subjects
from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("proctests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("proctests")


def test_nothing_leaks():
    properties.check_guest("proctests", "-l")


@pytest.fixture(scope="module")
def busybox_disk(tmp_path_factory):
    try:
        busybox = images.file("/bin/busybox", subjects.busybox(), 0o755)
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    return images.build_image([*images.default_tree(build.build_user()), busybox], tmp_path_factory.mktemp("disk") / "disk.img", 16 << 20)


def busybox(disk, *commands: str) -> str:
    return ours.run("; ".join(f"/bin/busybox {command}" for command in commands), disk, memory="64M").text


def test_ps(busybox_disk):
    lines = busybox(busybox_disk, "ps -o pid,ppid,user,stat,vsz,args").splitlines()
    assert lines[0].split() == ["PID", "PPID", "USER", "STAT", "VSZ", "COMMAND"]
    assert re.search(r"^ +1 +0 root +S .*/bin/init -c", "\n".join(lines), re.M)
    assert re.search(r"^ +\d+ +\d+ root +R .*/bin/busybox ps", "\n".join(lines), re.M)


def test_top_and_free(busybox_disk):
    text = busybox(busybox_disk, "top -b -n1", "free", "uptime")
    assert re.search(r"^Mem: \d+K used, \d+K free", text, re.M) and re.search(r"^CPU: +\d+% usr", text, re.M)
    assert re.search(r"^Load average: \d+\.\d\d", text, re.M) and re.search(r"^ +1 +0 root .*/bin/init", text, re.M)
    total, used, free = map(int, re.search(r"^Mem: +(\d+) +(\d+) +(\d+)", text, re.M).groups())
    assert 50_000 < total < 65_536 and used + free <= total and "load average" in text


def test_pidof(busybox_disk):
    assert busybox(busybox_disk, "pidof init", "pidof nobody", "readlink /proc/1/cwd", "readlink /proc/1/exe") == "1\n/\n/bin/init\n"
