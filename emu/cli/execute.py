"""Run a flat binary in identity-mapped 64-bit mode, with no kernel, and print what it leaves.

It ends with HLT (ring 0), at --until, after --instructions, or with a fault. The status is 0, or 1
after a fault. In Python: emu.snippet.run_flat.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from emu.cli import options, output
from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.snippet import SnippetResult

#: Mnemonics and names of exceptions (SDM volume 3, table 6-1).
EXCEPTIONS = {
    0: "#DE divide error", 1: "#DB debug", 2: "NMI", 3: "#BP breakpoint", 4: "#OF overflow", 5: "#BR bound range",
    6: "#UD undefined instruction", 7: "#NM device not available", 8: "#DF double fault", 10: "#TS invalid TSS",
    11: "#NP segment not present", 12: "#SS stack fault", 13: "#GP general protection", 14: "#PF page fault",
    16: "#MF x87 error", 17: "#AC alignment check", 18: "#MC machine check", 19: "#XM SIMD floating point",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the code; - reads standard input")
    parser.add_argument("--at", type=options.address, required=True, metavar="ADDR", help="load address, as 0x100000")
    parser.add_argument("--entry", type=options.address, metavar="ADDR", help="first instruction (default: the load address)")
    parser.add_argument("--set", type=options.assignment, action="append", default=[], metavar="REG=VALUE",
                        help="initial register: rax to r15, rip, rflags, xmm0 to xmm15 (may be repeated)")
    parser.add_argument("--until", type=options.address, metavar="ADDR", help="stop before the instruction there")
    parser.add_argument("--ring", type=options.number, default=0, metavar="0|3", help="privilege level (default 0)")
    parser.add_argument("--instructions", type=options.count, metavar="N", help="stop after N instructions")
    options.add_machine(parser)
    options.add_json(parser)


def main(arguments: argparse.Namespace) -> int:
    options.check_engine(arguments.engine)
    code = read_code(arguments.file)
    from emu.snippet import End, run_flat

    result = run_flat(code, arguments.at, arguments.entry, set=dict(arguments.set), until=arguments.until,
                      ring=arguments.ring, memory=arguments.memory, engine=arguments.engine, limit=arguments.instructions)
    output.note_engine(arguments.engine, result.engine)
    if arguments.json:
        output.print_json(as_json(result))
    else:
        print_result(result)
    return 1 if result.reason in (End.FAULT, End.SHUTDOWN) else 0


def read_code(name: str) -> bytes:
    """The bytes of a flat binary; ImageError for a missing, empty or unreadable file, or an ELF file."""
    if name == "-":
        data = sys.stdin.buffer.read()
        if not data:
            raise ImageError("standard input is empty", "pipe the code in, or give a file")
    else:
        from emu.boot.elf import read_image

        data = read_image(name)
    if data[:4] == b"\x7fELF":
        raise ImageError(f"{name!r} is an ELF file, not a flat binary",
                         "make one with: objcopy -O binary FILE FLAT; or boot it with: ringzero run --kernel")
    return data


def describe_fault(result: SnippetResult) -> str:
    """One line: which exception, where, and its details."""
    fault = result.fault
    text = f"{EXCEPTIONS.get(fault.vector, f'interrupt {fault.vector:#x}')} at {fault.rip:#x}"
    if fault.error_code:
        text += f", error code {fault.error_code:#x}"
    if result.fault_address is not None:
        text += f", address {result.fault_address:#x}"
    return text


def as_json(result: SnippetResult) -> dict:
    registers = {name: getattr(result.registers, name) for name in result.registers.__slots__ if name != "xmm"}
    fault = result.fault
    return {
        "reason": result.reason.value, "registers": registers, "xmm": list(result.registers.xmm),
        "instructions": result.instructions, "seconds": result.seconds, "mips": round(result.mips, 3),
        "engine": result.engine,
        "fault": None if fault is None else {
            "vector": fault.vector, "name": EXCEPTIONS.get(fault.vector), "error_code": fault.error_code,
            "rip": fault.rip, "address": result.fault_address,
        },
    }


def print_result(result: SnippetResult) -> None:
    console = output.console()
    print_registers(console, result.registers)
    ended = describe_fault(result) if result.fault is not None else result.reason.value
    console.print(f"{ended}; {result.instructions} instructions in {result.seconds:.6f} s, "
                  f"{result.mips:.1f} MIPS ({result.engine} engine)", style="bold" if result.fault is None else "bold red")


def print_registers(console, registers) -> None:
    """General registers three a row, then RIP and flags, then the XMM registers that are not zero."""
    from emu.boot.flat import REGISTERS

    names = [*REGISTERS, "rip", "rflags"]
    for start in range(0, len(names), 3):
        console.print("  ".join(f"{name:>6} {getattr(registers, name):016x}" for name in names[start : start + 3]))
    console.print(f" flags {flag_names(registers.rflags) or 'none'}")
    for index, value in enumerate(registers.xmm):
        if value:
            console.print(f" {f'xmm{index}':>5} {value:032x}")


def flag_names(rflags: int) -> str:
    """The flags that are set, by the manuals' abbreviations."""
    names = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF", 14: "NT", 16: "RF",
             17: "VM", 18: "AC", 21: "ID"}
    text = [name for bit, name in names.items() if rflags >> bit & 1]
    if rflags >> 12 & 3:
        text.append(f"IOPL={rflags >> 12 & 3}")
    return " ".join(text)
