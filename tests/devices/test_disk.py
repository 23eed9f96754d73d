"""The disk backend: what it refuses, and that the image stays as it was."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.devices.disk import Disk
from emu.errors import DiskError


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * 64)  # 16 KiB
    return path


def test_reads(image):
    with_disk = Disk(image)
    assert with_disk.sectors == 32
    assert with_disk.read(255, 3) == b"\xff\0\1"
    assert with_disk.read(16384 - 4, 4) == b"\xfc\xfd\xfe\xff"
    assert with_disk.read(16384 - 4, 5) is None and with_disk.read(-1, 1) is None
    with_disk.close()
    assert with_disk.read(0, 1) is None and with_disk.failure is not None


@given(st.lists(st.tuples(st.integers(0, 16383), st.binary(min_size=1, max_size=9000)), max_size=8))
def test_overlay_is_a_disk_and_the_image_is_untouched(tmp_path_factory, writes):
    path = tmp_path_factory.getbasetemp() / "overlay.img"
    original = bytes(range(256)) * 64
    path.write_bytes(original)
    disk, model = Disk(path), bytearray(original)
    for offset, data in writes:
        fits = offset + len(data) <= len(model)
        assert disk.write(offset, data) is fits
        if fits:
            model[offset : offset + len(data)] = data
    assert disk.read(0, 16384) == model
    assert all(disk.read(at, 700) == model[at : at + 700] for at in range(0, 15000, 611))
    other = Disk(path)
    other.load(disk.save())
    assert other.read(0, 16384) == model
    assert disk.flush()
    disk.close()
    other.close()
    assert path.read_bytes() == original


def test_writable_writes_the_image(image):
    disk = Disk(image, writable=True)
    assert disk.write(1000, b"changed") and disk.read(1000, 7) == b"changed" and disk.flush()
    disk.close()
    assert image.read_bytes()[1000:1007] == b"changed"


def test_refusals_say_what_why_and_what_to_do(tmp_path, image):
    (tmp_path / "empty").touch()
    (tmp_path / "odd").write_bytes(bytes(1000))
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path / "none", "no such file.*create"), (tmp_path, "is a directory.*raw image"),
                      (tmp_path / "empty", "is empty.*create"), (tmp_path / "odd", "1000 bytes.*truncate -s 1024"),
                      (tmp_path / "pipe", "not a regular file"), ("a\0b", "null byte"),
                      (image / "below", "not a directory"), ("/dev/null", "not a regular file")):
        with pytest.raises(DiskError, match=why) as caught:
            Disk(path)
        assert "\n" not in str(caught.value)


def test_a_read_only_image_can_be_used_but_not_written(image, monkeypatch):
    real = os.open

    def as_another_user(path, flags, *rest):
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", as_another_user)
    Disk(image).close()
    with pytest.raises(DiskError, match="permission denied.*kept in memory"):
        Disk(image, writable=True)


def test_a_writer_is_alone(image):
    reader, second = Disk(image), Disk(image)
    with pytest.raises(DiskError, match="in use by another machine"):
        Disk(image, writable=True)
    reader.close()
    second.close()
    writer = Disk(image, writable=True)
    with pytest.raises(DiskError, match="in use"):
        Disk(image)
    writer.close()
    Disk(image).close()


def test_full_host_disk_is_told_once(image):
    disk, told = Disk(image, writable=True), []
    disk.on_failure = lambda: told.append(str(disk.failure))
    os.dup2(os.open("/dev/full", os.O_RDWR), disk._fd)
    assert not disk.write(0, b"x")
    assert len(told) == 1 and "no space left" in told[0] and "make room" in told[0]
    disk.close()


def test_an_image_that_shrinks_reads_as_zeros(image):
    disk = Disk(image)
    os.truncate(image, 512)
    assert disk.read(256, 512) == bytes(range(256)) + bytes(256)
    disk.close()


def test_a_power_cut_takes_only_what_was_not_flushed(image):
    disk = Disk(image)
    disk.write(0, b"durable!" * 1024)
    assert disk.flush()
    disk.write(0, b"first..." * 128)
    disk.write(0, b"second.." * 64)
    disk.write(12288, b"new....." * 512)
    allowed = [{0: {b"durable!", b"first...", b"second.."}, 1: {b"durable!", b"first..."}}.get(sector) or
               ({b"durable!"} if sector < 16 else {bytes(range(8)), b"new....."} if sector >= 24 else {bytes(range(8))}) for sector in range(32)]
    seen = [set() for _ in allowed]
    for seed in range(200):
        found = disk.power_cut(seed)
        for sector in range(32):
            data = found.read(512 * sector, 512)
            assert data[:8] * 64 == data or data == bytes(range(256)) * 2, "no sector is torn"
            seen[sector].add(data[:8])
        again = disk.power_cut(seed)
        assert again.save() == found.save() and not found.unflushed, "the seed says all"
        again.close()
        found.close()
    assert seen == allowed, "all that is possible happens, and nothing else"
    assert disk.read(0, 8) == b"second..", "the disk itself goes on"
    assert disk.flush()
    found = disk.power_cut(1)
    assert found.read(0, 16384) == disk.read(0, 16384)
    found.close()
    disk.close()


def test_a_power_cut_may_lose_the_earlier_write_and_keep_the_later(image):
    disk = Disk(image)
    disk.write(0, bytes(512))
    disk.write(8192, bytes(512))
    outcomes = set()
    for seed in range(100):
        found = disk.power_cut(seed)
        outcomes.add((found.read(0, 512) == bytes(512), found.read(8192, 512) == bytes(512)))
        found.close()
    assert len(outcomes) == 4
    disk.close()


def test_a_block_written_often_keeps_its_durable_contents(image):
    disk = Disk(image)
    for n in range(1000):
        disk.write(0, n.to_bytes(2, "big") * 256)
    assert len(disk.unflushed[0]) < 10
    seen = set()
    for seed in range(100):
        found = disk.power_cut(seed)
        seen.add(found.read(0, 2))
        found.close()
    assert {b"\0\1", (999).to_bytes(2, "big")} <= seen
    disk.close()


def test_what_a_power_cut_left_can_be_written_to_an_image(image, tmp_path):
    disk = Disk(image)
    disk.write(5000, b"changed")
    disk.flush()
    found = disk.power_cut(7)
    found.export(tmp_path / "found.img")
    assert (tmp_path / "found.img").read_bytes() == disk.read(0, 16384)
    found.close()
    disk.close()


def test_no_power_cut_for_a_disk_written_in_place(image):
    disk = Disk(image, writable=True)
    with pytest.raises(DiskError, match="written in place"):
        disk.power_cut(1)
    disk.close()
