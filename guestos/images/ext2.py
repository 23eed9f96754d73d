"""Writing an ext2 file system, from the superblock to the last indirect block.

The format is that of Linux's Documentation/filesystems/ext2.rst and of "The Second Extended File
System" (Poirier): revision 1, 128-byte inodes, features filetype, sparse_super and large_file; a journal where
there is room. The same entries give the same bytes. File contents stream through; only metadata is held in memory.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from emu.errors import DiskError
from guestos.images import journal as journals
from guestos.images.entries import EPOCH, Entry, directory, entries_of, file

UUID = bytes.fromhex("52696e677a65726f0000457874320001")
ROOT_INODE = 2
FIRST_INODE = 11
INODE_SIZE = 128
NAME_MAX = 255
LINK_MAX = 32000
INCOMPAT_FILETYPE = 0x0002
RO_COMPAT_SPARSE_SUPER = 0x0001
RO_COMPAT_LARGE_FILE = 0x0002
MIN_FREE = 4 << 20
"""Bytes left free, at least, when the size is not given."""

_FILE_TYPES = {stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFCHR: 3, stat.S_IFBLK: 4, stat.S_IFIFO: 5, stat.S_IFLNK: 7}


def build_image(
    tree: Path | Iterable[Entry], out: Path, size: int | None = None, *, block_size: int = 4096, journal: bool = True
) -> Path:
    """Write `tree` (a host directory, or entries) as an ext2 file system to `out`; return `out`.

    `size` is in bytes (None: what is needed, a quarter and 4 MiB more); `block_size` 1024 or 4096. Without
    `journal`, or below 2048 blocks, there is none, and a power cut may leave a disk that only a person can repair.
    Parents that are not listed are made, mode 755. Zero blocks become holes. Raises DiskError if
    it doesn't fit or an entry is wrong; `out` is then left as it was.
    """
    if block_size not in (1024, 4096):
        raise DiskError(f"block size {block_size} is not supported; use 1024 or 4096")
    nodes = _nodes(entries_of(tree) if isinstance(tree, Path) else tree)
    layout = _Layout.choose(nodes, size, block_size, journals.BLOCKS if journal else 0)
    scratch = out.with_name(out.name + ".part")
    try:
        with open(scratch, "w+b") as image:
            image.truncate(size if size is not None else layout.blocks * block_size)
            _Writer(layout, nodes, image, journal).write()
        os.replace(scratch, out)
    except OSError as error:
        raise DiskError(f"can't write the image {out}: {(error.strerror or str(error)).lower()}",
                        "make room there or choose another place") from error
    finally:
        scratch.unlink(missing_ok=True)
    return out


@dataclass(slots=True)
class _Node:
    """One inode to be: its entry, the names in it if a directory, and where its blocks went."""

    entry: Entry
    inode: int
    links: int = 0
    names: dict[bytes, "_Node"] = field(default_factory=dict)
    parent: "_Node | None" = None
    size: int = 0
    sectors: int = 0
    block: list[int] = field(default_factory=lambda: [0] * 15)

    @property
    def kind(self) -> int:
        return stat.S_IFMT(self.entry.mode)


def _nodes(entries: Iterable[Entry]) -> list[_Node]:
    """Inodes in order of number from 11 on, the root first; checks every name."""
    root = _Node(directory("/"), ROOT_INODE, links=2)
    root.parent = root
    nodes = [root]

    def add(parent: _Node, name: bytes, entry: Entry) -> _Node:
        node = _Node(entry, FIRST_INODE + len(nodes) - 1, parent=parent)
        node.links = 1
        if node.kind == stat.S_IFDIR:
            node.links = 2
            parent.links += 1
        parent.names[name] = node
        nodes.append(node)
        return node

    def find(path: str, make: bool) -> _Node | None:
        node = root
        for part in [p for p in path.split("/") if p]:
            if node.kind != stat.S_IFDIR:
                raise DiskError(f"{path}: {node.entry.path} is not a directory, so nothing can be in it")
            child = node.names.get(os.fsencode(part))
            if child is None:
                if not make:
                    return None
                child = add(node, os.fsencode(part), directory(f"{node.entry.path.rstrip('/')}/{part}"))
            node = child
        return node

    add(root, b"lost+found", directory("/lost+found", 0o700))  # inode 11, where e2fsck expects it
    for entry in entries:
        parts = [p for p in entry.path.split("/") if p]
        if not entry.path.startswith("/") or "." in parts or ".." in parts:
            raise DiskError(f"{entry.path!r}: a path in an image must be absolute, without '.' and '..'")
        if not parts:
            root.entry = entry
            continue
        name = os.fsencode(parts[-1])
        if len(name) > NAME_MAX:
            raise DiskError(f"{entry.path}: the name has {len(name)} bytes, but at most {NAME_MAX} fit")
        parent = find("/".join(parts[:-1]), make=True)
        assert parent is not None
        if parent.kind != stat.S_IFDIR:
            raise DiskError(f"{entry.path}: {parent.entry.path} is not a directory, so nothing can be in it")
        old = parent.names.get(name)
        if entry.link:
            target = find(entry.link, make=False)
            if target is None or old is not None:
                raise DiskError(f"{entry.path}: {'the name is taken' if old else f'no {entry.link} to link to'}")
            if target.kind == stat.S_IFDIR:
                raise DiskError(f"{entry.path}: {entry.link} is a directory, which can't have two names")
            target.links += 1
            parent.names[name] = target
        elif old is not None:
            if old.kind != stat.S_IFDIR or stat.S_IFMT(entry.mode) != stat.S_IFDIR:
                raise DiskError(f"{entry.path} is listed twice")
            old.entry = entry
        else:
            if stat.S_IFMT(entry.mode) not in _FILE_TYPES:
                raise DiskError(f"{entry.path}: mode {entry.mode:#o} has no file type that ext2 can store")
            add(parent, name, entry)
    for node in nodes:
        if node.links > LINK_MAX:
            raise DiskError(f"{node.entry.path}: {node.links} links, but ext2 holds at most {LINK_MAX}")
    return nodes


def _extents(path: Path) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a host file that are not holes."""
    try:
        with open(path, "rb") as source:
            position, size = 0, os.fstat(source.fileno()).st_size
            while position < size:
                try:
                    start = os.lseek(source.fileno(), position, os.SEEK_DATA)
                except OSError:
                    return
                position = os.lseek(source.fileno(), start, os.SEEK_HOLE)
                yield start, position
    except OSError as error:
        raise DiskError(f"can't read {path}, which should go into the image: {error.strerror}") from error


def _pointer_blocks(first: int, last: int, per: int) -> int:
    """An upper bound of the indirect blocks that map file blocks first..last."""
    count, span = 0, 1
    for level in range(1, 4):
        span *= per
        if last >= 12:
            count += (last - first) // span + 2
    return count


def _blocks_needed(node: _Node, block_size: int) -> int:
    per = block_size // 4
    if node.kind == stat.S_IFDIR:
        # Entries don't cross blocks, so each block may waste almost one of the largest.
        used = 24 + sum(8 + (len(name) + 3 & ~3) for name in node.names)
        longest = max((8 + (len(name) + 3 & ~3) for name in node.names), default=0)
        blocks = -(-used // (block_size - longest)) + 1
        return blocks + _pointer_blocks(0, blocks, per)
    if node.kind == stat.S_IFLNK:
        return len(os.fsencode(node.entry.target)) >= 60
    if node.kind != stat.S_IFREG:
        return 0
    content = node.entry.content
    extents = _extents(content) if isinstance(content, Path) else [(0, len(content))] if content else []
    total = 0
    for start, end in extents:
        first, last = start // block_size, (end - 1) // block_size
        total += last - first + 1 + _pointer_blocks(first, last, per)
    return total


@dataclass(slots=True)
class _Layout:
    """Where the metadata of each block group stands."""

    block_size: int
    blocks: int
    inodes_per_group: int

    @classmethod
    def choose(cls, nodes: list[_Node], size: int | None, block_size: int, extra: int) -> "_Layout":
        inodes = FIRST_INODE - 1 + len(nodes)
        needed = sum(_blocks_needed(node, block_size) for node in nodes) + extra
        if size is not None:
            layout = cls._fit(size // block_size, inodes, block_size)
            if layout is None:
                raise DiskError(f"a disk of {size} bytes is too small for an ext2 file system with {inodes} files",
                                "give a larger size")
            return layout
        blocks = needed + needed // 4 + MIN_FREE // block_size
        while True:
            layout = cls._fit(blocks, inodes, block_size)
            if layout is not None and layout.blocks - layout.metadata_blocks() >= needed + MIN_FREE // block_size:
                return layout
            blocks += blocks // 8 + 16

    @classmethod
    def _fit(cls, blocks: int, inodes: int, block_size: int) -> "_Layout | None":
        """As mke2fs: an inode each 16 KiB, and no last group that would be nearly all metadata."""
        per_group = 8 * block_size
        per_block = block_size // INODE_SIZE
        while blocks > 0:
            layout = cls(block_size, blocks, 0)
            groups = layout.groups
            wanted = max(inodes + inodes // 4 + 16, blocks * block_size // 16384)
            each = -(-wanted // groups)
            layout.inodes_per_group = min(-(-each // per_block) * per_block, 8 * block_size)
            if layout.inodes_per_group * groups < inodes:
                return None
            last = layout.group_blocks(groups - 1)
            if last >= layout.overhead(groups - 1) + 50:
                return layout
            blocks = (groups - 1) * per_group + layout.first_block
        return None

    @property
    def first_block(self) -> int:
        return 1 if self.block_size == 1024 else 0

    @property
    def groups(self) -> int:
        return -(-(self.blocks - self.first_block) // (8 * self.block_size))

    @property
    def descriptor_blocks(self) -> int:
        return -(-self.groups * 32 // self.block_size)

    @property
    def table_blocks(self) -> int:
        return self.inodes_per_group * INODE_SIZE // self.block_size

    def start(self, group: int) -> int:
        return self.first_block + group * 8 * self.block_size

    def group_blocks(self, group: int) -> int:
        return min(8 * self.block_size, self.blocks - self.start(group))

    def has_superblock(self, group: int) -> bool:
        """sparse_super: copies in groups 0, 1 and powers of 3, 5 and 7."""
        if group <= 1:
            return True
        for base in (3, 5, 7):
            power = base
            while power < group:
                power *= base
            if power == group:
                return True
        return False

    def bitmap(self, group: int) -> int:
        """Block of the group's block bitmap; the inode bitmap and table follow."""
        return self.start(group) + (1 + self.descriptor_blocks if self.has_superblock(group) else 0)

    def overhead(self, group: int) -> int:
        return self.bitmap(group) - self.start(group) + 2 + self.table_blocks

    def metadata_blocks(self) -> int:
        return self.first_block + sum(self.overhead(group) for group in range(self.groups))


class _Writer:
    def __init__(self, layout: _Layout, nodes: list[_Node], image: BinaryIO, journal: bool) -> None:
        self.layout, self.nodes, self.image = layout, nodes, image
        self.block_size = layout.block_size
        self.group = 0
        self.free = [layout.group_blocks(g) - layout.overhead(g) for g in range(layout.groups)]
        self.used_end = [layout.start(g) + layout.overhead(g) for g in range(layout.groups)]
        self.journal: _Node | None = None
        room = sum(self.free) - sum(_blocks_needed(node, layout.block_size) for node in nodes)
        if journal and layout.blocks >= 2 * journals.BLOCKS and room * 2 >= journals.BLOCKS * 3:
            self.journal = _Node(file("/", b"", 0o600), journals.INODE, links=1, size=journals.BLOCKS * layout.block_size)

    def write(self) -> None:
        for node in self.nodes:
            if node.kind == stat.S_IFDIR:
                self._directory(node)
            elif node.kind == stat.S_IFREG:
                self._file(node)
            elif node.kind == stat.S_IFLNK:
                self._symlink(node)
            elif node.kind in (stat.S_IFCHR, stat.S_IFBLK):
                major, minor = node.entry.device
                if not (0 <= major < 256 and 0 <= minor < 256):
                    raise DiskError(f"{node.entry.path}: device {major}:{minor}, but both must be below 256")
                node.block[0] = major << 8 | minor
        if self.journal:
            self._store(self.journal, journals.contents(self.block_size, UUID))
        self._metadata()

    def _put(self, block: int, data: bytes) -> None:
        self.image.seek(block * self.block_size)
        self.image.write(data)

    def _allocate(self, node: _Node) -> int:
        """Blocks are handed out in order, so each group's used ones are a prefix."""
        layout = self.layout
        while self.group < layout.groups and not self.free[self.group]:
            self.group += 1
        if self.group >= layout.groups:
            total = layout.blocks * self.block_size
            raise DiskError(f"out of space at {node.entry.path}: {total} bytes can't hold everything", "give a larger size")
        block = self.used_end[self.group]
        self.free[self.group] -= 1
        self.used_end[self.group] += 1
        node.sectors += self.block_size // 512
        return block

    def _store(self, node: _Node, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Write (file block number, contents) pairs, ascending, with the blocks that point to them."""
        per = self.block_size // 4
        tables: list[tuple[tuple[int, int], int, list[int]] | None] = [None, None, None, None]

        def flush(level: int) -> None:
            if tables[level] is not None:
                _, block, pointers = tables[level]
                self._put(block, struct.pack(f"<{per}I", *pointers))
                tables[level] = None

        for number, data in blocks:
            block_of_data = self._allocate_path(node, number, per, tables, flush)
            self._put(block_of_data, data)
        for level in range(4):
            flush(level)

    def _allocate_path(self, node: _Node, number: int, per: int, tables: list, flush) -> int:
        if number < 12:
            node.block[number] = self._allocate(node)
            return node.block[number]
        index, depth = number - 12, 1
        while index >= per**depth:
            index -= per**depth
            depth += 1
            if depth > 3:
                raise DiskError(f"{node.entry.path}: too large for ext2 with {self.block_size}-byte blocks")
        holder, slot = node.block, 11 + depth
        for level in range(depth, 0, -1):
            identity = (depth, index // per**level)
            if holder[slot] == 0:
                holder[slot] = self._allocate(node)
                flush(level)
            if tables[level] is None or tables[level][0] != identity:
                flush(level)
                tables[level] = (identity, holder[slot], [0] * per)
            holder, slot = tables[level][2], index // per ** (level - 1) % per
        holder[slot] = self._allocate(node)
        return holder[slot]

    def _file(self, node: _Node) -> None:
        content, step = node.entry.content, self.block_size
        zero = bytes(step)

        def of_bytes() -> Iterator[tuple[int, bytes]]:
            for position in range(0, len(content), step):
                piece = content[position : position + step]
                if piece != zero[: len(piece)]:
                    yield position // step, piece

        def of_file(path: Path) -> Iterator[tuple[int, bytes]]:
            done = -1
            with open(path, "rb") as source:
                for start, end in _extents(path):
                    for number in range(max(start // step, done + 1), -(-end // step)):
                        source.seek(number * step)
                        piece = source.read(step)
                        done = number
                        if piece != zero[: len(piece)]:
                            yield number, piece

        if isinstance(content, Path):
            node.size = content.stat().st_size
            self._store(node, of_file(content))
        else:
            node.size = len(content)
            self._store(node, of_bytes())

    def _symlink(self, node: _Node) -> None:
        target = os.fsencode(node.entry.target)
        if not 0 < len(target) < self.block_size:
            raise DiskError(f"{node.entry.path}: a symlink's target must have 1 to {self.block_size - 1} bytes")
        node.size = len(target)
        if len(target) < 60:  # a fast symlink: the text stands where the block numbers would
            node.block = list(struct.unpack("<15I", target.ljust(60, b"\0")))
        else:
            self._store(node, [(0, target)])

    def _directory(self, node: _Node) -> None:
        blocks: list[bytes] = []
        pending: list[tuple[bytes, int, int]] = []
        filled = 0

        def finish() -> None:
            data = b""
            for position, (name, inode, kind) in enumerate(pending):
                length = 8 + (len(name) + 3 & ~3)
                if position == len(pending) - 1:
                    length = self.block_size - len(data)
                data += struct.pack("<IHBB", inode, length, len(name), kind) + name.ljust(length - 8, b"\0")
            blocks.append(data)

        assert node.parent is not None
        names = [(b".", node), (b"..", node.parent), *node.names.items()]
        for name, child in names:
            length = 8 + (len(name) + 3 & ~3)
            if filled + length > self.block_size:
                finish()
                pending, filled = [], 0
            pending.append((name, child.inode, _FILE_TYPES[child.kind]))
            filled += length
        finish()
        if node.inode == FIRST_INODE:  # room for what e2fsck may have to put there
            while len(blocks) < 16384 // self.block_size:
                blocks.append(struct.pack("<IHBB", 0, self.block_size, 0, 0).ljust(self.block_size, b"\0"))
        node.size = len(blocks) * self.block_size
        self._store(node, enumerate(blocks))

    def _metadata(self) -> None:
        layout = self.layout
        highest = FIRST_INODE + len(self.nodes) - 2
        tables = [bytearray(layout.table_blocks * self.block_size) for _ in range(layout.groups)]
        directories = [0] * layout.groups
        for node in [*self.nodes, *([self.journal] if self.journal else [])]:
            group, index = divmod(node.inode - 1, layout.inodes_per_group)
            tables[group][index * INODE_SIZE : (index + 1) * INODE_SIZE] = self._inode(node)
            directories[group] += node.kind == stat.S_IFDIR
        descriptors, free_inodes = b"", []
        for group in range(layout.groups):
            start, bitmap = layout.start(group), layout.bitmap(group)
            used = min(max(highest - group * layout.inodes_per_group, 0), layout.inodes_per_group)
            free_inodes.append(layout.inodes_per_group - used)
            self._put(bitmap, self._bitmap(self.used_end[group] - start, layout.group_blocks(group)))
            self._put(bitmap + 1, self._bitmap(used, layout.inodes_per_group))
            self._put(bitmap + 2, tables[group])
            descriptors += struct.pack(
                "<IIIHHHH12x", bitmap, bitmap + 1, bitmap + 2, self.free[group], free_inodes[group], directories[group], 0
            )
        for group in range(layout.groups):
            if layout.has_superblock(group):
                offset = 1024 if group == 0 and self.block_size > 1024 else 0
                self.image.seek(layout.start(group) * self.block_size + offset)
                self.image.write(self._superblock(group, sum(free_inodes)))
                self._put(layout.start(group) + 1, descriptors)

    def _bitmap(self, used: int, valid: int) -> bytes:
        """The first `used` bits set, and those past `valid`, which stand for nothing."""
        bits = 8 * self.block_size
        value = (1 << used) - 1 | (1 << bits) - (1 << valid)
        return value.to_bytes(self.block_size, "little")

    def _inode(self, node: _Node) -> bytes:
        entry = node.entry
        high = node.size >> 32 if node.kind == stat.S_IFREG else 0
        head = struct.pack(
            "<HHIIIIIHHIII", entry.mode & 0xFFFF, entry.uid & 0xFFFF, node.size & 0xFFFFFFFF, entry.mtime, entry.mtime,
            entry.mtime, 0, entry.gid & 0xFFFF, node.links, node.sectors, 0, 0,
        )  # fmt: skip
        tail = struct.pack("<IIII4xHH4x", 0, 0, high, 0, entry.uid >> 16, entry.gid >> 16)
        return head + struct.pack("<15I", *node.block) + tail

    def _superblock(self, group: int, free_inodes: int) -> bytes:
        layout = self.layout
        log = {1024: 0, 4096: 2}[self.block_size]
        base = struct.pack(
            "<13I6H4IHH", layout.inodes_per_group * layout.groups, layout.blocks, 0, sum(self.free), free_inodes,
            layout.first_block, log, log, 8 * self.block_size, 8 * self.block_size, layout.inodes_per_group, 0, EPOCH,
            0, 0xFFFF, 0xEF53, 1, 1, 0, EPOCH, 0, 0, 1, 0, 0,
        )  # fmt: skip
        # Of revision 1: first free inode, inode size, this copy's group, features, identity.
        dynamic = struct.pack(
            "<IHHIII16s16s", FIRST_INODE, INODE_SIZE, group, journals.COMPAT_HAS_JOURNAL if self.journal else 0,
            INCOMPAT_FILETYPE, RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE, UUID, b"ringzero",
        )  # fmt: skip
        if self.journal:
            dynamic = dynamic.ljust(140, b"\0") + journals.fields(self.journal.block, self.journal.size)
        return (base + dynamic).ljust(1024, b"\0")
