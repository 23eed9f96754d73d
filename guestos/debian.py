"""Debian packages as a directory for a disk: fetched with apt-get, laid out without root, with the libraries they need.

Nothing of a package is run: what its installation scripts would do is done here as far as programs need it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from emu.errors import RingzeroError
from guestos.images.default import BUSYBOX_APPLETS

#: What only the installation of packages needs, and what comes with it.
INSTALLERS = {"base-files", "base-passwd", "debconf", "debianutils", "dpkg", "init-system-helpers", "install-info", "libc-bin", "ucf"}
#: Never named as a dependency, for no Debian system is without it: the descriptions of terminals.
ESSENTIAL = {"libtinfo6": "ncurses-base"}
#: Folders left out: of no use to the programs themselves.
UNUSED = tuple(f"usr/share/{name}" for name in ("doc", "doc-base", "man", "info", "locale", "lintian", "bug", "bash-completion", "pixmaps", "applications"))
#: The names that Debian's alternatives would give; and a shell, where there is no dash.
ALTERNATIVES = {"vi": "vim.tiny", "vim": "vim.tiny", "awk": "mawk", "pager": "less", "lua": "lua5.4", "nc": "nc.openbsd", "sh": "bash"}
#: In the root these are links into /usr.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
DIRECTORIES = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "run": 0o755, "tmp": 0o1777, "root": 0o700, "home": 0o755, "mnt": 0o755, "etc": 0o755,
               "var/tmp": 0o1777, "var/log": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/lib": 0o755}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n", "etc/hostname": "ringzero\n", "etc/shells": "/bin/sh\n",
}


class DebianError(RingzeroError):
    """Debian packages can't be had here: no apt, no network, no such package."""


def _run(command: list[str], where: Path | None = None) -> str:
    tool = command[0]
    if not shutil.which(tool):
        raise DebianError(f"Debian packages are fetched with {tool}, which is not installed", "do this on Debian, or in a container of it")
    result = subprocess.run(command, cwd=where, capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"))
    if result.returncode:
        why = [line for line in result.stderr.splitlines() if line.startswith("E:")] or result.stderr.strip().splitlines() or ["no reason given"]
        raise DebianError(f"{' '.join(command[:2])} failed: {why[0].removeprefix('E: ')}", "check the names and the network, or run apt-get update")
    return result.stdout


def closure(packages: Iterable[str]) -> list[str]:
    """`packages` and what they depend on to run, sorted; of alternatives the first. Raises DebianError."""
    found: set[str] = set()
    new = set(packages)
    while new:
        found |= new
        text = _run(["apt-cache", "depends", "--important", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", *sorted(new)])
        new = {ESSENTIAL[name] for name in new if name in ESSENTIAL} | _first_of_each(text)
        new -= found | INSTALLERS
    return sorted(found)


def _first_of_each(text: str) -> set[str]:
    """The packages that apt-cache's lines name: "Depends: a", or "|Depends: a" where the next line is an
    alternative, or "Depends: <a>" for a name that the packages below provide."""
    found, alternative, virtual = set(), False, False
    for line in text.splitlines():
        kind, colon, name = line.strip().partition(": ")
        if not colon:
            if virtual and line.startswith("    "):
                found.add(line.strip())
                virtual = False
            continue
        virtual = False
        if not alternative:
            if name.startswith("<"):
                virtual = True
            else:
                found.add(name.removesuffix(":any"))
        alternative = kind.startswith("|")
    return found


def unpacked(packages: Iterable[str], cache: Path) -> list[Path]:
    """The directories in `cache` with the contents of the packages, which are fetched if they aren't there yet."""
    packages = list(packages)
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".downloading", "w") as lock:         # one process fetches, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        _fetch([name for name in packages if not (cache / name).is_dir()], cache)
    return [cache / name for name in packages]


def _fetch(missing: list[str], cache: Path) -> None:
    if missing:
        downloads = cache / ".download"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        _run(["apt-get", "download", *missing], downloads)
        for archive in sorted(downloads.glob("*.deb")):
            scratch = downloads / archive.name.partition("_")[0]
            _run(["dpkg-deb", "-x", str(archive), str(scratch)])
            target = cache / scratch.name
            if not target.is_dir():
                scratch.rename(target)
        shutil.rmtree(downloads)
        absent = [name for name in missing if not (cache / name).is_dir()]
        if absent:
            raise DebianError(f"apt-get fetched no {absent[0]}", "is it the name of a package and not a virtual one?")


def lay_out(packages: Iterable[str], out: Path, cache: Path, init: Path | None = None) -> list[str]:
    """Puts `packages` with all that they need to run into the directory `out`, which may have others; returns their names.

    The root is Debian's, with /bin and /lib merged into /usr, without manuals and translations; `init` becomes
    /bin/init. Raises DebianError; OSError if `out` can't be written.
    """
    names = closure(packages)
    trees = unpacked(names, cache)
    for name, mode in DIRECTORIES.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name).chmod(mode)
    for name in MERGED:
        if not (out / name).is_symlink() and ((out / "usr" / name).is_dir() or any((tree / name).is_dir() or (tree / "usr" / name).is_dir() for tree in trees)):
            (out / "usr" / name).mkdir(exist_ok=True)
            (out / name).symlink_to(f"usr/{name}")
    if not (out / "var" / "run").is_symlink():
        (out / "var" / "run").symlink_to("/run")
    for name, text in FILES.items():
        if not (out / name).exists():
            (out / name).write_text(text)
    for tree in trees:
        _merge(tree, out)
    programs = out / "usr" / "bin"
    for name, target in ALTERNATIVES.items():
        _link(programs / name, target)
    if (programs / "busybox").exists():
        for name in ("sh", *BUSYBOX_APPLETS.split()):
            if not os.path.lexists(out / "usr" / "sbin" / name):
                _link(programs / name, "busybox", "busybox")
    if init is not None:
        shutil.copy(init, programs / "init")
    return names


def _link(name: Path, target: str, needs: str = "") -> None:
    """A symbolic link in a directory of programs, if nobody has the name and there is such a program."""
    if not os.path.lexists(name) and (name.parent / (needs or target)).exists():
        name.symlink_to(target)


def _merge(tree: Path, out: Path) -> None:
    """Copies what is in `tree`, its symbolic links as they are."""
    for folder, folders, files in os.walk(tree):
        inside = os.path.relpath(folder, tree)
        folders[:] = [name for name in folders if os.path.normpath(os.path.join(inside, name)) not in UNUSED]
        target = out / inside          # its first part may be one of our links into /usr
        target.mkdir(parents=True, exist_ok=True)
        for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            source = os.path.join(folder, name)
            if inside == "." and name in MERGED:
                continue
            if os.path.lexists(target / name):
                os.unlink(target / name)
            shutil.copy2(source, target / name, follow_symlinks=False)
