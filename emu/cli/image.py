"""Bring container images to the computer of `ringzero box`.

    ringzero image import FILE.tar [NAME]   what `docker save` wrote, an OCI image layout, or (with a NAME) a root file system
    ringzero image build -t NAME DIR        build DIR/Boxfile: FROM, COPY, RUN, ENV, WORKDIR, USER, CMD
    ringzero image list | rm NAME...

The exit status is that of the guest's `box`: 0, or 125 if an image can't be taken, and then nothing has changed.
"""

from __future__ import annotations

import argparse

from emu.cli import computer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    computer.add_options(parser)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="import|build|list|rm")
    archive = commands.add_parser("import", help="take an image from an archive")
    archive.add_argument("file", metavar="FILE", help="tar archive of this host, packed with gzip or not")
    archive.add_argument("name", nargs="?", metavar="NAME", help="what the image is to be called")
    build = commands.add_parser("build", help="build an image of a directory of this host")
    build.add_argument("-t", dest="tag", required=True, metavar="NAME", help="what the image is to be called")
    build.add_argument("directory", metavar="DIR", help="has the Boxfile, and what it copies")
    commands.add_parser("list", help="the images that are there").add_argument("--json", action="store_true", help="as JSON")
    commands.add_parser("rm", help="remove images").add_argument("names", nargs="+", metavar="NAME")


def main(arguments: argparse.Namespace) -> int:
    with computer.awake(arguments) as guest:
        if arguments.verb == "list":
            words = ["images", *["--json"] * arguments.json]
        elif arguments.verb == "rm":
            words = ["rmi", *arguments.names]
        elif arguments.verb == "import":
            brought = computer.bring(guest, arguments.file, "archive")
            words = ["import", brought, *([arguments.name] if arguments.name else [])]
        else:
            brought = computer.bring_tree(guest, arguments.directory)
            words = ["build", "-t", arguments.tag, brought]
        status = computer.run(guest, ["box", *words], False)
        if arguments.verb in ("import", "build"):
            guest.run(["rm", "-r", brought])
        return status
