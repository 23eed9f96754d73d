"""The commands of `ringzero step`, each a method: what it does to the machine and what it answers."""

from __future__ import annotations

from collections.abc import Callable

from emu.boot.flat import REGISTERS
from emu.cli import view
from emu.cli.execute import flag_names
from emu.errors import RingzeroError
from emu.machine.machine import Machine
from emu.machine.result import Reason, RunResult

#: Instructions whose lines `step N` prints; of more only the last.
SHOWN_STEPS = 64
MAX_BYTES = 4096


class CommandError(RingzeroError):
    """A line at the prompt that is no command, or lacks something."""


def _line(text: str = "", style: str | None = None) -> tuple[str, str | None]:
    return text, style


class Stepper:
    """A machine under the hands of somebody at a prompt.

    `execute(line)` answers with a dictionary: `lines` for people ((text, style) pairs), all else for
    programs; None after `quit`.
    """

    def __init__(self, machine: Machine, symbols: view.Symbols) -> None:
        self.machine = machine
        self.symbols = symbols
        self.breakpoints: list[int] = []
        self.disassembler = view.Disassembler()
        self.printed = bytearray()

    def console_output(self, data: bytes) -> None:
        """Guest console output, shown with the answer of the command that caused it."""
        self.printed += data

    def execute(self, line: str) -> dict | None:
        """Do one command. Raises RingzeroError for one that can't be done."""
        word, *words = line.split()
        name = ALIASES.get(word, word)
        if name not in COMMANDS:
            matches = [command for command in COMMANDS if command.startswith(word)]
            if len(matches) != 1:
                raise CommandError(f"there is no command {word!r}", "type help for the list")
            name = matches[0]
        if name == "quit":
            return None
        return COMMANDS[name][0](self, *words) if self._arity(name, words) else None

    @staticmethod
    def _arity(name: str, words: list[str]) -> bool:
        usage = COMMANDS[name][1]
        most = len(usage.split()) - 1
        least = sum(1 for word in usage.split()[1:] if not word.startswith("["))
        if not least <= len(words) <= most:
            raise CommandError(f"expected: {usage}", "type help for what it means")
        return True

    # Where the machine is

    def here(self) -> dict:
        """The next instruction, with its address, symbol, ring and mode."""
        machine = self.machine
        address = view.linear_rip(machine)
        ring = machine.engine.get("cpl")
        symbol = self.symbols.at(address)
        try:
            instruction = self.disassembler.lines(machine, address, 1)[0]
            text, code = instruction.text, instruction.code.hex(" ")
        except view.NotMapped as error:
            text, code = f"({error.message})", ""
        lines = [_line(f"{address:#018x}  ring {ring}  {symbol or '-':24}  {code:30}  {text}")]
        return {"lines": self._console() + lines, "rip": address, "symbol": symbol, "ring": ring,
                "bits": view.code_bits(machine), "instruction": text, "bytes": code, "retired": machine.retired}

    def _console(self) -> list:
        text = self.printed.decode("utf-8", "replace").replace("\r\n", "\n")
        self.printed.clear()
        return [_line(f"console: {part}", "green") for part in text.splitlines()]

    def where(self) -> dict:
        answer = self.here()
        answer["lines"].append(_line(f"{self.machine.retired} instructions retired; {self.machine.now / 1e9:.9f} s of virtual time"))
        answer["now"] = self.machine.now
        return answer

    # Running

    def step(self, count: str = "1") -> dict:
        number = self._count(count)
        lines: list = []
        for done in range(number):
            before = self._registers()
            # A single step passes breakpoints; several stop at one.
            if done and self.machine.engine.get("rip") in self.breakpoints:
                return self._after(RunResult(Reason.BREAKPOINT, done), lines)
            result = self.machine.step()
            if result.reason is not Reason.LIMIT:
                return self._after(RunResult(result.reason, done, result.status, result.detail), lines)
            if number - done <= SHOWN_STEPS:
                lines += self._console()
                changes = self._changes(before)
                if changes:
                    lines.append(_line(f"    {changes}", "yellow"))
                if done < number - 1:
                    lines += self.here()["lines"]
        return self._after(RunResult(Reason.LIMIT, number), lines)

    def cont(self, count: str | None = None) -> dict:
        limit = None if count is None else self._count(count)
        result = self.machine.run(limit)
        if result.reason is Reason.BREAKPOINT and result.retired == 0:
            result = self.machine.run(limit)        # it stood on the breakpoint
        return self._after(result, [])

    def _after(self, result: RunResult, lines: list) -> dict:
        answer = self.here()
        stopped = [] if result.reason is Reason.LIMIT else [_line(self._describe(result), "bold")]
        answer["lines"] = lines + answer["lines"][:-1] + stopped + answer["lines"][-1:]
        answer |= {"reason": result.reason.value, "status": result.status, "detail": result.detail}
        return answer

    def _describe(self, result: RunResult) -> str:
        return f"stopped by a breakpoint after {result.retired} instructions" if result.reason is Reason.BREAKPOINT else str(result)

    @staticmethod
    def _count(text: str) -> int:
        try:
            number = int(text, 0)
        except ValueError:
            number = 0
        if number < 1:
            raise CommandError(f"{text!r} is not a number of instructions", "give 1 or more")
        return number

    # Looking

    def _registers(self) -> dict[str, int]:
        get = self.machine.engine.get
        values = {name: get("gpr", index) for index, name in enumerate(REGISTERS)}
        return values | {"rflags": get("rflags")}

    def _changes(self, before: dict[str, int]) -> str:
        now = self._registers()
        parts = [f"{name}={value:#x}" for name, value in now.items() if name != "rflags" and value != before[name]]
        if (now["rflags"] ^ before["rflags"]) & 0xCD5:
            parts.append(f"flags={flag_names(now['rflags']) or 'none'}")
        return " ".join(parts)

    def regs(self) -> dict:
        get = self.machine.engine.get
        values = self._registers()
        control = {name: get(name) for name in ("rip", "cr0", "cr2", "cr3", "cr4", "efer")}
        selectors = {name: get("seg_sel", index) for index, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"))}
        rows = list(values.items())[:16]
        lines = [_line("  ".join(f"{name:>3}={value:016x}" for name, value in rows[start : start + 3])) for start in range(0, 16, 3)]
        lines.append(_line(f"rip={control['rip']:016x}  rflags={values['rflags']:08x} ({flag_names(values['rflags'])})"))
        lines.append(_line("  ".join(f"{name}={control[name]:x}" for name in ("cr0", "cr2", "cr3", "cr4", "efer"))))
        lines.append(_line("  ".join(f"{name}={value:04x}" for name, value in selectors.items())))
        return {"lines": lines, **values, **control, **selectors}

    def mem(self, where: str, length: str = "64") -> dict:
        address = view.resolve(self.machine, self.symbols, where)
        data = view.read(self.machine, address, min(self._count(length), MAX_BYTES))
        lines = []
        for start in range(0, len(data), 16):
            row = data[start : start + 16]
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            lines.append(_line(f"{address + start:#018x}  {row[:8].hex(' '):23}  {row[8:].hex(' '):23}  {text}"))
        return {"lines": lines, "address": address, "data": data.hex()}

    def disas(self, where: str = "rip", count: str = "10") -> dict:
        address = view.linear_rip(self.machine) if where == "rip" else view.resolve(self.machine, self.symbols, where)
        rip = view.linear_rip(self.machine)
        found = self.disassembler.lines(self.machine, address, min(self._count(count), 200))
        lines, previous = [], None
        for item in found:
            function = self.symbols.at(item.address).partition("+")[0]
            if function and function != previous:
                lines.append(_line(f"{function}:", "cyan"))
            previous = function
            mark = "->" if item.address == rip else "  "
            style = "bold" if item.address == rip else None
            lines.append(_line(f"{mark} {item.address:#018x}  {item.code.hex(' '):30}  {item.text}", style))
        return {"lines": lines, "instructions": [
            {"address": item.address, "bytes": item.code.hex(" "), "text": item.text} for item in found]}

    # Breakpoints

    def breakpoint(self, where: str | None = None) -> dict:
        if where is None:
            return self._list()
        address = view.resolve(self.machine, self.symbols, where)
        if address not in self.breakpoints:
            self.breakpoints.append(address)
        return self._set()

    def delete(self, where: str | None = None) -> dict:
        if where is None:
            self.breakpoints.clear()
            return self._set()
        number = int(where) if where.isdecimal() and 0 < int(where) <= len(self.breakpoints) else None
        address = self.breakpoints[number - 1] if number else view.resolve(self.machine, self.symbols, where)
        if address not in self.breakpoints:
            raise CommandError(f"there is no breakpoint at {address:#x}", "type break for the list")
        self.breakpoints.remove(address)
        return self._set()

    def _set(self) -> dict:
        self.machine.engine.set_breakpoints(self.breakpoints)
        return self._list()

    def _list(self) -> dict:
        lines = [_line(f"{number}  {address:#018x}  {self.symbols.at(address)}") for number, address in enumerate(self.breakpoints, 1)]
        return {"lines": lines or [_line("no breakpoints")], "breakpoints": self.breakpoints[:]}

    def help(self) -> dict:
        lines = [_line(f"{usage:22}{text}") for _, usage, text in COMMANDS.values()]
        lines.append(_line("An ADDR is hexadecimal, a register or a symbol, with +N or -N after it or not."))
        return {"lines": lines, "commands": [usage for _, usage, _ in COMMANDS.values()]}


#: Command: (method, usage, what it does). Words in brackets may be left out.
COMMANDS: dict[str, tuple[Callable, str, str]] = {
    "step": (Stepper.step, "step [N]", "execute one instruction, or N"),
    "continue": (Stepper.cont, "continue [N]", "run to a breakpoint or the end, or at most N instructions"),
    "where": (Stepper.where, "where", "the next instruction, and how many were executed"),
    "regs": (Stepper.regs, "regs", "registers"),
    "mem": (Stepper.mem, "mem ADDR [BYTES]", "memory at a linear address"),
    "disas": (Stepper.disas, "disas [ADDR] [N]", "disassemble N instructions"),
    "break": (Stepper.breakpoint, "break [ADDR]", "stop before the instruction at ADDR; or list the breakpoints"),
    "delete": (Stepper.delete, "delete [ADDR]", "delete a breakpoint by its address or number, or all"),
    "help": (Stepper.help, "help", "this list"),
    "quit": (Stepper.help, "quit", "leave"),
}
ALIASES = {"s": "step", "si": "step", "c": "continue", "r": "regs", "x": "mem", "u": "disas", "b": "break", "d": "delete",
           "h": "help", "?": "help", "q": "quit", "exit": "quit"}
