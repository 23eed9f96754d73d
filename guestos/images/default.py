"""The disk a first session boots from: our own programs, and what /etc must say."""

from __future__ import annotations

import struct
import hashlib
from collections.abc import Iterable
from pathlib import Path

from guestos.images.entries import Entry, directory, file, hard_link, symlink
from guestos.images.ext2 import build_image

DISK_SIZE = 16 << 20
"""Bytes of build/guest/disk.img unless more is needed."""

NESTED_SIZE = 4 << 20
"""Bytes of the disk that virtual machines in the guest boot from."""

MOTD = """\
Ringzero. Every instruction of this machine can be looked at.
`ls /bin` shows the programs; `exit` switches the machine off.
"""
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\ntty:x:5:\ndisk:x:6:\nguest:x:1000:\nnogroup:x:65534:\n",
    "hostname": "ringzero\n",
    "profile": "export PATH=/bin\n",
    "motd": MOTD,
}
NOT_IN_BASE = {"agent", "box", "init", "poweroff", "usertests", "vmm"}
"""Programs that a container has no use for, or must not have."""

BUSYBOX_APPLETS = "[ ash awk busybox cmp cut dd diff du expr find id less more od printf seq sed tee test top tr uniq vi whoami xargs yes"
"""Names that are given to busybox where no program of our own has them."""


def default_tree(programs: Iterable[Path], *, busybox: Path | None = None) -> list[Entry]:
    """Entries of the default disk: each of `programs` (host files) in /bin, and /etc, /dev, /proc,
    /sys, /tmp, /run, /root, /home/guest; with `busybox`, that program as /bin/busybox and names for it."""
    entries = [directory(f"/{name}") for name in ("bin", "dev", "etc", "home", "mnt", "proc", "run", "sys")]
    entries += [directory("/root", 0o700), directory("/home/guest", uid=1000, gid=1000), directory("/tmp", 0o1777)]
    taken = set()
    for program in sorted(programs):
        entries.append(file(f"/bin/{program.name}", program, 0o755))
        taken.add(program.name)
    if "box" in taken:
        entries += [symlink("/bin/boxd", "box"), *base_image([program for program in sorted(programs) if program.name not in NOT_IN_BASE])]
    entries += [file(f"/etc/{name}", text) for name, text in _ETC.items()]
    if busybox is not None:
        entries.append(file("/bin/busybox", busybox, 0o755))
        entries += [symlink(f"/bin/{name}", "busybox") for name in BUSYBOX_APPLETS.split() if name not in {*taken, "busybox"}]
    return entries


def nested_tree(kernel: Path, programs: Iterable[Path], out_dir: Path) -> list[Entry]:
    """What `vmm` boots in the guest unless told otherwise, in /boot: the very same kernel, without what only debuggers read,
    and a disk with the same programs."""
    disk = out_dir / "nested.img"
    build_image(default_tree(programs), disk, NESTED_SIZE)
    return [directory("/boot"), file("/boot/kernel.elf", loadable(kernel.read_bytes())), file("/boot/disk.img", disk)]


def nt_tree(programs: Iterable[Path]) -> list[Entry]:
    """What a kernel booted with abi=nt runs, where NT has it."""
    return [directory("/Windows"), directory("/Windows/System32"), *(file(f"/Windows/System32/{program.name}", program, 0o755) for program in programs)]


def loadable(elf: bytes) -> bytes:
    """An ELF file as far as its segments go."""
    header = bytearray(elf[:64])
    at, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    segments = [struct.unpack_from("<IIQQQQ", elf, at + n * size) for n in range(count)]
    end = max([at + size * count, *(offset + filesz for _, _, offset, _, _, filesz in segments)])
    struct.pack_into("<Q", header, 40, 0)           # no section headers
    struct.pack_into("<HHH", header, 58, 0, 0, 0)
    return bytes(header) + elf[64:end]


def base_image(programs: list[Path]) -> list[Entry]:
    """The image `base` where `box` finds it: one layer, whose programs are other names of those in /bin."""
    digest = hashlib.sha256()
    for program in programs:
        digest.update(program.name.encode() + b"\0" + hashlib.sha256(program.read_bytes()).digest())
    layer = digest.hexdigest()
    root = f"/var/lib/box/layers/{layer}/fs"
    record = f"name=base:latest\nid={layer}\nlayer={layer}\nenv=PATH=/bin\ncmd=/bin/sh\n"
    folders = ["/var", "/var/lib", "/var/lib/box", "/var/lib/box/images", "/var/lib/box/layers", f"/var/lib/box/layers/{layer}", root,
               *(f"{root}/{name}" for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"))]
    return [*(directory(path, {"/var/lib/box": 0o700, f"{root}/tmp": 0o1777}.get(path, 0o755)) for path in folders),
            file("/var/lib/box/images/base:latest", record, 0o600),
            file(f"{root}/etc/passwd", _ETC["passwd"]), file(f"{root}/etc/group", _ETC["group"]),
            *(hard_link(f"{root}/bin/{program.name}", f"/bin/{program.name}") for program in programs)]


def build_default_disk(out_dir: Path, *, busybox: Path | None = None, size: int | None = None, name: str = "disk.img") -> Path:
    """Compile the user programs and write `out_dir`/`name`; return its path.

    Nothing is written if the image there was made of the same bytes. `size` in bytes; None: 16 MiB,
    or what is needed if that is more. Raises guestos.build.BuildError or DiskError.
    """
    from guestos.build import build_kernel, build_nt, build_user  # here: images alone need no compiler

    programs = build_user(out_dir)
    entries = default_tree(programs, busybox=busybox) + nested_tree(build_kernel(out_dir), programs, Path(out_dir)) + nt_tree(build_nt(out_dir))
    out = Path(out_dir) / name
    if size is None:
        needed = sum(entry.content.stat().st_size for entry in entries if isinstance(entry.content, Path))
        size = max(DISK_SIZE, -(-needed * 3 // 2 >> 20) << 20)
    recipe = _recipe(entries, size)
    stamp = out.with_suffix(".img.made")
    if not (out.exists() and stamp.exists() and stamp.read_text() == recipe):
        build_image(entries, out, size)
        stamp.write_text(recipe)
    return out


def _recipe(entries: list[Entry], size: int) -> str:
    """A text that changes when the image would: entries, the writer's own source, the contents."""
    digest = hashlib.sha256(str(size).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for entry in entries:
        content = entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content
        digest.update(repr((entry.path, entry.mode, entry.target, entry.link, entry.uid, entry.gid, len(content))).encode() + content)
    return digest.hexdigest() + "\n"
