"""Debian packages as a directory: which, and how they are put together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from guestos import debian, subjects

DEPENDS = """\
bash
  PreDepends: libc6
 |Depends: gawk
  Depends: mawk
  Depends: <awk>
    original-awk
    busybox
  Depends: python3:any
  Depends: last
mawk
 |Depends: a
 |Depends: b
  Depends: c
"""


def package(cache: Path, name: str, **files: str) -> None:
    """An unpacked package: files by path (`__` for a slash), text starting with -> for a symbolic link."""
    for path, text in files.items():
        file = cache / name / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            file.symlink_to(text[2:])
        else:
            file.write_text(text)
            file.chmod(0o755)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Three packages that are there already, none of which has dependencies."""
    monkeypatch.setattr(debian, "closure", lambda names: sorted(names))
    place = tmp_path / "cache"
    package(place, "tool", bin__tool="1", usr__share__doc__tool__copyright="text", usr__share__tool__data="d", etc__hostname="mine\n")
    package(place, "library", lib__x__libtool="lib", lib64__loader="->/lib/x/libtool", usr__lib__x__more="more")
    package(place, "busybox", usr__bin__busybox="b", usr__bin__vi="own")
    return place


def test_first_of_alternatives():
    assert debian._first_of_each(DEPENDS) == {"libc6", "gawk", "original-awk", "python3", "last", "a"}


def test_the_root_is_merged_into_usr(cache, tmp_path):
    out = tmp_path / "out"
    assert debian.lay_out(["tool", "library"], out, cache, init=cache / "tool" / "bin" / "tool") == ["library", "tool"]
    assert {name: str((out / name).readlink()) for name in ("bin", "lib", "lib64")} == {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
    assert (out / "usr/bin/tool").read_text() == (out / "bin/init").read_text() == "1"
    assert (out / "usr/lib/x/libtool").read_text() == "lib" and (out / "lib/x/more").read_text() == "more"
    assert str((out / "usr/lib64/loader").readlink()) == "/lib/x/libtool"
    assert not (out / "usr/share/doc").exists() and (out / "usr/share/tool/data").exists()
    assert (out / "tmp").stat().st_mode & 0o7777 == 0o1777 and (out / "etc/hostname").read_text() == "mine\n"


def test_more_packages_can_be_added(cache, tmp_path):
    out = tmp_path / "out"
    debian.lay_out(["tool"], out, cache)
    debian.lay_out(["busybox", "tool"], out, cache)
    assert (out / "bin/vi").read_text() == "own" and str((out / "bin/sh").readlink()) == "busybox"
    assert (out / "bin/tool").read_text() == "1"


def test_missing_tools_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(debian.DebianError, match="fetched with apt-cache, which is not installed; do this on Debian"):
        debian.lay_out(["bash"], tmp_path / "out", tmp_path)


def test_packages_of_this_debian():
    """Libraries and terminal descriptions come along, what only installs doesn't."""
    try:
        names = debian.closure(["bash", "dash"])
    except debian.DebianError as error:
        pytest.skip(str(error))
    assert {"bash", "dash", "libc6", "ncurses-base"} <= set(names) and not set(names) & debian.INSTALLERS
    with pytest.raises(debian.DebianError, match="check the names and the network"):
        debian.closure(["no-such-package"])


def test_subjects_are_made_once():
    try:
        root = subjects.tree()
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    made = root.stat().st_ctime_ns
    assert subjects.tree().stat().st_ctime_ns == made
    dangling = [path for path in root.rglob("*.so*") if path.is_symlink() and not (root / str(path.readlink()).lstrip("/")).exists() and not path.exists()]
    assert (root / "lib64/ld-linux-x86-64.so.2").is_symlink() and not dangling
