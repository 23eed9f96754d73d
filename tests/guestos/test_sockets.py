"""Sockets: the properties of programs/sockettests.c, on Linux and in the guest."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("sockettests", tmp_path)


def test_properties_hold_in_the_guest():
    properties.check_guest("sockettests")


def test_nothing_leaks():
    properties.check_guest("sockettests", "-l")


DEBIAN = "b=/bin/busybox; mount -t tmpfs tmpfs /tmp; mkdir -p /tmp/w; $b mount -t devpts devpts /dev/pts; "


@pytest.mark.parametrize(("script", "expected"), [
    ("(echo there | $b nc -l -p 1234 > /tmp/got) & sleep 0.1; echo back | $b nc 127.0.0.1 1234; wait; cat /tmp/got", "there\nback\n"),
    ("echo page > /tmp/w/index.html; $b httpd -p 80 -h /tmp/w; sleep 0.1; $b wget -q -O - http://127.0.0.1/", "page\n"),
    ("$b nc 127.0.0.1 9", "nc: can't connect to remote host (127.0.0.1): Connection refused\n"),
    ("mount -t proc proc /proc; $b ifconfig lo | $b grep -c -e Loopback -e 127.0.0.1 -e 'UP LOOPBACK RUNNING  MTU:65536'", "3\n"),
    ("$b telnetd -F -p 23 -l /bin/sh & sleep 0.1; (sleep 0.1; echo 'tty; exit'; sleep 0.3) | $b nc 127.0.0.1 23 | $b grep -a pts", "/dev/pts/0\r\n"),
])  # fmt: skip
def test_debian_busybox(script, expected):
    """Unmodified servers and clients over the loopback interface; telnetd's shell has a pseudo-terminal."""
    outcome = ours.run(DEBIAN + script, ours.guest().debian_disk(), ours.DEBIAN_LINE)
    assert outcome.text.replace("\r\n", "\n") == expected.replace("\r\n", "\n")
