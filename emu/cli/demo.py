"""Boot the guest, take a scripted tour of it, then hand over the keyboard.

Without a terminal it ends after the tour. The status is 0, or 1 if the tour could not be finished.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from emu.cli import images, options, output
from emu.errors import RingzeroError

PROMPT = b"# "

#: Instructions that the boot, and each stop of the tour, may take; a hundred times what they need.
PATIENCE = 500_000_000

#: What to say, and the command typed into the guest's shell.
TOUR = (
    ("This shell runs on a kernel you can read, on a CPU written in Python. What does it think it is?", "uname -a"),
    ("Its files are on a disk image that ordinary ext2 tools can read.", "ls /"),
    ("Processes, as everywhere:", "ps"),
    ("Pipes between them: fork, exec and copy-on-write at work.", "ls /bin | grep s | sort | wc -l"),
    ("What is mounted where:", "cat /proc/mounts"),
    ("The memory of the machine:", "free"),
    ("Scripts, too:", "for word in ring zero; do echo hello from $word; done"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_machine(parser)


def main(arguments: argparse.Namespace) -> int:
    from emu.cli import terminal
    from emu.machine.machine import Machine
    from emu.machine.result import Reason

    options.check_engine(arguments.engine)
    descriptor = terminal.standard_input()
    handover = terminal.interactive(descriptor)
    guest = images.ensure(output.say)
    write = terminal.Writer(sys.stdout.fileno())
    lines = Lines(write)
    begun = time.perf_counter()
    with Machine(arguments.memory, arguments.engine, disk=guest.disk, kernel=guest.kernel, cmdline=images.INIT,
                 on_console=lines) as machine:
        output.note_engine(arguments.engine, machine.engine.name)
        _await_prompt(machine)
        seconds = time.perf_counter() - begun
        print()
        _narrate(f"Booted in {seconds:.2f} s: {machine.retired} instructions on the {machine.engine.name} engine.")
        for text, command in TOUR:
            _narrate(text)
            if handover:
                time.sleep(0.7)
            lines.flush()
            machine.type(command + "\n")
            _await_prompt(machine)
        _show_boundary(machine.engine.name)
        if not handover:
            _narrate("That was the tour. On a terminal, the keyboard would now be yours.")
            return 0
        _narrate("Now the keyboard is yours. `exit` switches the machine off, Ctrl-] leaves at once.")
        lines.flush()
        machine.on_console = write
        with terminal.raw(descriptor):
            result = terminal.interact(machine, terminal.Keyboard(descriptor))
    print()
    if result.reason in (Reason.POWER_OFF, Reason.INTERRUPTED):
        _narrate("Next: `ringzero run`, `ringzero step`, and docs/getting-started.md.")
        return 0
    output.say(str(result))
    return 1


def _show_boundary(engine: str) -> None:
    """One program in four settings: what the project is about. A few seconds on the compiled engine, too many on the other."""
    if engine != "compiled":
        _narrate("With the compiled engine you would now see one program as a process, in a container and in a virtual machine.")
        return
    from emu.boundary.report import show
    from emu.cli import boundary

    _narrate(f"Is a container a virtual machine? `{boundary.WORKLOAD}` in four settings, counted to the instruction:")
    show(output.console(), boundary.measure_all(boundary.WORKLOAD, boundary.settings(None), engine=engine))
    _narrate("`ringzero boundary --html page.html` draws it; `ringzero audit` shows whose memory is whose.")


class Lines:
    """Passes on whole lines and holds the one that has begun, so that a word of ours fits before the prompt."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.begun = b""

    def __call__(self, data: bytes) -> None:
        data = self.begun + data
        end = data.rfind(b"\n") + 1
        self.begun = data[end:]
        if end:
            self.write(data[:end])

    def flush(self) -> None:
        data, self.begun = self.begun, b""
        self.write(data)


def _await_prompt(machine) -> None:
    """Run until the shell's prompt, or raise RingzeroError with what came instead."""
    from emu.machine.result import Reason

    result = machine.expect(PROMPT, PATIENCE)
    if result.reason is not Reason.FOUND:
        last = bytes(machine.console[-200:]).decode("utf-8", "replace").strip().splitlines()
        raise RingzeroError(f"the guest's shell did not answer: {result}", f"the console's last line was {last[-1:]}")


def _narrate(text: str) -> None:
    """A line of ours between the guest's, in another colour."""
    sys.stdout.flush()
    console = output.console()
    console.print(f"\n── {text}", style="bold cyan")
    console.file.flush()
