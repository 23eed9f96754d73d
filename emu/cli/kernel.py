"""Build the guest: its kernel, its programs and its root disk.

    ringzero kernel build [--out DIR]

Only what has changed is compiled. Without --out they go where `ringzero run` looks for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from emu.cli import images, options, output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = commands.add_parser("build", help="kernel and disk", description="Build the guest's kernel and disk.")
    build.add_argument("--out", metavar="DIR", help="another directory for kernel.elf and disk.img")
    options.add_json(build)


def main(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        built = images.ensure(output.say)
    else:
        where = Path(arguments.out).resolve()
        where.mkdir(parents=True, exist_ok=True)
        built = images.build(where)
    report = {"kernel": str(built.kernel), "disk": str(built.disk)}
    if arguments.json:
        output.print_json(report)
    else:
        for path in (built.kernel, built.disk):
            output.console().print(f"{path}: {path.stat().st_size / (1 << 20):.1f} MiB")
    return 0
