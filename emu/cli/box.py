"""Containers in the guest, by its `box`.

    ringzero box run --rm base ls -l /      a container of the image `base`, which is there from the start
    ringzero box run -d --name a base sleep 1000
    ringzero box run -it --rm base          with this terminal as its own; `exit` leaves
    ringzero box ps -a                      also: create start exec logs stats stop kill rm inspect images rmi

All of them are in one computer, which sleeps in a file between these commands while it has containers or images of one's own: no
time passes for it then. `ringzero image` brings images there. The exit status is that of the guest's `box`: the command's, or 125.
"""

from __future__ import annotations

import argparse

from emu.cli import computer

#: box commands with options -i and -t.
INTERACTIVE = ("run", "exec", "start")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    computer.add_options(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="of box; `ringzero box help` lists them")


def main(arguments: argparse.Namespace) -> int:
    with computer.awake(arguments) as guest:
        return computer.run(guest, ["box", *arguments.words], talks(arguments.words))


def talks(words: list[str]) -> bool:
    """Whether a command line asks for the terminal: -i, -t or both before the container's own words."""
    return words[:1] != [] and words[0] in INTERACTIVE and any(word in ("-i", "-t", "-it", "-ti") for word in _own(words[1:]))


def _own(words: list[str]) -> list[str]:
    """The words up to the image or container: options, and the value that an option of more than one letter, -e or -v takes."""
    flags = ("--rm", "--read-only")
    for index, word in enumerate(words):
        valued = index and words[index - 1] not in flags and (words[index - 1].startswith("--") and "=" not in words[index - 1] or words[index - 1] in ("-e", "-v"))
        if not word.startswith("-") and not valued:
            return words[:index]
    return words
