"""`ringzero disk`: from Debian packages to a disk that boots."""

from __future__ import annotations

import json

import pytest

from tests.cli.ringzero import ringzero


def test_debian_packages_become_a_disk(guest, tmp_path):
    root, image = tmp_path / "root", tmp_path / "disk.img"
    result = ringzero("disk", "debian", "--json", root, "dash", "sed")
    if b"apt" in result.stderr:
        pytest.skip(result.stderr.decode())
    assert result.returncode == 0, result.stderr
    assert {"dash", "sed", "libc6"} <= set(json.loads(result.stdout)["packages"])
    assert ringzero("disk", "build", root, image).returncode == 0
    result = ringzero("run", "--disk", image, "-c", "echo $((6 * 7)) | sed 's/4/four/'; ls; exit 5")
    assert (result.stdout, result.returncode) == (b"four2\n/bin/sh: 1: ls: not found\n", 5)


def test_packages_that_are_none(tmp_path):
    result = ringzero("disk", "debian", tmp_path / "root", "no-such-package-at-all")
    assert result.returncode == 2 and result.stderr.count(b"\n") == 1 and result.stderr.startswith(b"ringzero: ")
