"""Disk images for the guest: what is on them, and the ext2 file system that holds it."""

from guestos.images.default import build_default_disk, default_tree
from guestos.images.entries import Entry, device, directory, entries_of, file, hard_link, symlink
from guestos.images.ext2 import build_image

__all__ = [
    "Entry", "build_default_disk", "build_image", "default_tree", "device", "directory", "entries_of", "file",
    "hard_link", "symlink",
]  # fmt: skip
