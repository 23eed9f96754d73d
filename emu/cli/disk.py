"""Make disk images for the guest.

    ringzero disk build DIR OUT             an ext2 image OUT with the contents of the directory DIR
    ringzero disk debian DIR PACKAGE...     Debian packages, with all that they need, into the directory DIR

All files belong to root in the image. An image that exists is replaced only with --force.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from emu.cli import options, output
from emu.errors import DiskError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = commands.add_parser("build", help="an ext2 image of a directory", description="Write an ext2 image of a directory.")
    build.add_argument("directory", metavar="DIR", help="what becomes the image's root directory")
    build.add_argument("out", metavar="OUT", help="the image to write")
    build.add_argument("--size", metavar="SIZE", help="as 64M (default: what is needed, a quarter and 4 MiB more)")
    build.add_argument("--block-size", type=options.number, default=4096, metavar="BYTES", help="1024 or 4096 (default)")
    build.add_argument("--force", action="store_true", help="replace OUT if it exists")
    options.add_json(build)
    debian = commands.add_parser("debian", help="Debian packages into a directory", description="Lay out Debian packages, and "
                                 "what they need to run, as a root directory for `ringzero disk build`; fetched with apt-get, as anybody.")
    debian.add_argument("directory", metavar="DIR", help="the root directory, made or added to")
    debian.add_argument("packages", nargs="+", metavar="PACKAGE", help="as bash, coreutils, python3-minimal")
    options.add_json(debian)


def main(arguments: argparse.Namespace) -> int:
    return _debian(arguments) if arguments.action == "debian" else _build(arguments)


def _debian(arguments: argparse.Namespace) -> int:
    from emu.cli import images
    from guestos import build, debian

    where = images.directory()
    init = next(program for program in build.build_user(where) if program.name == "init")
    root = Path(arguments.directory)
    names = debian.lay_out(arguments.packages, root, where.parent / "subjects", init)
    report = {"directory": str(root.resolve()), "packages": names}
    if arguments.json:
        output.print_json(report)
    else:
        output.console().print(f"{root}: {', '.join(names)}\nnext: ringzero disk build {root} {root.name}.img; ringzero run --disk {root.name}.img")
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from guestos.images import build_image
    from guestos.images.__main__ import parse_size

    source, out = Path(arguments.directory), Path(arguments.out)
    size = None if arguments.size is None else parse_size(arguments.size)
    if out.is_dir():
        raise DiskError(f"{str(out)!r} is a directory", "give the name of the image file to write")
    if out.exists() and not arguments.force:
        raise DiskError(f"{str(out)!r} exists", "choose another name, or replace it with --force")
    if not source.is_dir():
        what = "is not a directory" if source.exists() else "does not exist"
        raise DiskError(f"{str(source)!r} {what}", "give the directory whose contents the image is to have")
    try:
        build_image(source, out, size, block_size=arguments.block_size)
    except OSError as error:
        name = os.fspath(error.filename) if error.filename else str(out)
        raise DiskError(f"can't make an image of {name!r}: {(error.strerror or str(error)).lower()}",
                        "check its permissions and the host's disk") from None
    report = {"image": str(out.resolve()), "size": out.stat().st_size, "block_size": arguments.block_size}
    if arguments.json:
        output.print_json(report)
    else:
        output.console().print(f"{out}: {report['size'] / (1 << 20):.1f} MiB, ext2")
    return 0
