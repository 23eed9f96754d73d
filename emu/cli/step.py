"""Step through instructions at a prompt: of the guest from its first, of a kernel, or of a snippet.

    ringzero step                       the guest, from its kernel's first instruction
    ringzero step --kernel FILE         another kernel
    ringzero step FILE --at ADDR        a flat binary, as `ringzero exec` runs it

Type help at the prompt for the commands. An empty line repeats the last one. Without a terminal the
commands are read from standard input, one a line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from emu.cli import options, output
from emu.errors import ConfigurationError, RingzeroError

PROMPT = "(ringzero) "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="a flat binary; needs --at")
    parser.add_argument("--at", type=options.address, metavar="ADDR", help="its load address")
    parser.add_argument("--entry", type=options.address, metavar="ADDR", help="its first instruction (default: the load address)")
    parser.add_argument("--set", type=options.assignment, action="append", default=[], metavar="REG=VALUE",
                        help="initial register of a flat binary (may be repeated)")
    parser.add_argument("--ring", type=options.number, default=0, metavar="0|3", help="privilege level of a flat binary")
    parser.add_argument("--kernel", metavar="FILE", help="another kernel than the guest's")
    parser.add_argument("--disk", metavar="FILE", help="raw disk image; never written")
    parser.add_argument("--append", default="", metavar="WORDS", help="words for the kernel's command line")
    options.add_machine(parser)
    parser.add_argument("--json", action="store_true", help="answer each command with one JSON object a line")


def main(arguments: argparse.Namespace) -> int:
    options.check_engine(arguments.engine)
    machine, symbols = _load(arguments)
    from emu.cli.stepper import Stepper

    output.note_engine(arguments.engine, machine.engine.name)
    with machine:
        stepper = Stepper(machine, symbols)
        machine.on_console = stepper.console_output
        return loop(stepper, commands(sys.stdin), arguments.json)


def _load(arguments: argparse.Namespace):
    from emu.cli.view import Symbols

    if arguments.file is not None:
        from emu.cli.execute import read_code
        from emu.snippet import flat_machine

        if arguments.at is None:
            raise ConfigurationError("a flat binary needs its load address", "give --at ADDR, as --at 0x100000")
        if arguments.kernel is not None:
            raise ConfigurationError("FILE and --kernel exclude each other", "give one of them")
        return flat_machine(read_code(arguments.file), arguments.at, arguments.entry, set=dict(arguments.set),
                            ring=arguments.ring, memory=arguments.memory, engine=arguments.engine), Symbols()
    from emu.boot.elf import read_image
    from emu.cli import images
    from emu.cli.run import check_root
    from emu.machine.machine import Machine
    from emu.machine.memory import parse_memory_size

    parse_memory_size(arguments.memory)
    kernel, disk, words = arguments.kernel, arguments.disk, arguments.append
    if kernel is None:
        words = f"{words} {images.INIT}".lstrip()
        if disk is not None:
            check_root(disk)
        guest = images.ensure(output.say)
        kernel, disk = guest.kernel, guest.disk if disk is None else disk
    data = read_image(kernel)
    machine = Machine(arguments.memory, arguments.engine, disk=disk)
    machine.load(kernel, words)
    return machine, Symbols(data)


def commands(stream) -> Iterator[str]:
    """Lines of commands: from a prompt with history and completion on a terminal, else plain lines."""
    if not stream.isatty():
        yield from (line.rstrip("\n") for line in stream)
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter

    from emu.cli.stepper import COMMANDS

    session = PromptSession(PROMPT, completer=WordCompleter(sorted(COMMANDS)), complete_while_typing=False,
                            reserve_space_for_menu=4)
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def loop(stepper, lines: Iterator[str], as_json: bool) -> int:
    """Execute commands until they end; the status is 2 if the last one was wrong and there is no terminal."""
    show: Callable = _show_json if as_json else _show
    show(stepper.here())
    last, status = "", 0
    for line in lines:
        line = line.split("#", 1)[0].strip() or last
        if not line:
            continue
        last = line
        try:
            answer = stepper.execute(line)
        except RingzeroError as error:
            status = 2
            if as_json:
                _show_json({"error": str(error)})
            else:
                print(f"ringzero: {error}", file=sys.stderr, flush=True)
            continue
        except KeyboardInterrupt:
            answer = stepper.here()
        status = 0
        if answer is None:
            break
        show(answer)
    return 0 if sys.stdin.isatty() else status


def _show(answer: dict) -> None:
    console = output.console()
    for text, style in answer.get("lines", ()):
        console.print(text, style=style)
    sys.stdout.flush()


def _show_json(answer: dict) -> None:
    print(json.dumps({key: value for key, value in answer.items() if key != "lines"}), flush=True)
