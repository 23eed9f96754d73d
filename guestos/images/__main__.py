"""python -m guestos.images OUT [--busybox FILE] [--tree DIRECTORY] [--size BYTES]: write a disk image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emu.errors import DiskError, RingzeroError
from guestos.images import build_default_disk, build_image


def parse_size(text: str) -> int:
    """Bytes from "64M" and the like (K, M, G: powers of 1024). Raises DiskError."""
    unit = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper(), 0)
    digits = text[:-1] if unit else text
    if not digits.isdigit() or int(digits) == 0:
        raise DiskError(f"{text!r} is not a size", "give bytes, or a number with K, M or G, such as 64M")
    return int(digits) << unit


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m guestos.images", description="Write an ext2 disk image for the guest.")
    parser.add_argument("out", type=Path, help="image file, or for the default disk the directory disk.img goes to")
    parser.add_argument("--tree", type=Path, help="make the image of this directory instead of the default disk")
    parser.add_argument("--busybox", type=Path, help="a static busybox to add to the default disk")
    parser.add_argument("--size", help="size of the image, such as 64M (what is needed, and a little more)")
    options = parser.parse_args(arguments)
    try:
        size = parse_size(options.size) if options.size else None
        if options.busybox is not None and not options.busybox.is_file():
            raise DiskError(f"there is no file {options.busybox} to put on the disk as busybox")
        if options.tree is not None:
            print(build_image(options.tree, options.out, size))
        else:
            print(build_default_disk(options.out, busybox=options.busybox, size=size))
    except (RingzeroError, OSError) as error:
        print(f"guestos.images: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
