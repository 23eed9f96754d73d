"""Disk images for the guest: what is on them, and the ext2 file system that holds it."""

from guestos.images.entries import Entry, device, directory, entries_of, file, hard_link, symlink
from guestos.images.ext2 import build_image

__all__ = [
    "Entry", "build_image", "device", "directory", "entries_of", "file", "hard_link", "symlink",
]  # fmt: skip
