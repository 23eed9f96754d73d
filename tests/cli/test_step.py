"""`ringzero step`: its commands on snippets and on the guest, from a pipe and on a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from emu.engines import available
from tests.cli.ringzero import OnTerminal, ringzero

# mov eax, 5; mov ecx, 3; loop: add eax, ecx; dec ecx; jnz loop; mov [0x3000], rax; hlt
LOOP = bytes.fromhex("b805000000 b903000000 01c8 ffc9 75fa 4889042500300000 f4")
AT = 0x2000
ADD, STORE, HLT = AT + 10, AT + 16, AT + 24


@pytest.fixture
def code(tmp_path) -> Path:
    path = tmp_path / "loop.bin"
    path.write_bytes(LOOP)
    return path


def step(code: Path, *commands: str, options: tuple[str, ...] = ()) -> list[dict]:
    """The answers to `commands`, the first one being the state at the start."""
    result = ringzero("step", code, "--at", hex(AT), "--json", *options, stdin="\n".join(commands).encode())
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("engine", available())
def test_steps(code, engine):
    start, first, third, regs = step(code, "step", "s 2", "regs", options=("--engine", engine))
    assert (start["rip"], start["instruction"], start["retired"], start["bits"], start["ring"]) == (AT, "mov eax, 5", 0, 64, 0)
    assert (first["rip"], first["bytes"]) == (AT + 5, "b9 03 00 00 00")
    assert (third["rip"], third["instruction"], third["retired"]) == (AT + 12, "dec ecx", 3)
    assert (regs["rax"], regs["rcx"], regs["rip"]) == (8, 3, AT + 12)


@pytest.mark.parametrize("engine", available())
def test_breakpoints(code, engine):
    answers = step(code, f"break {ADD:x}", "continue", "c", "b rip+2", "c", "delete 1", "delete", "continue", options=("--engine", engine))
    assert answers[1]["breakpoints"] == [ADD]
    assert [(a["rip"], a["retired"], a["reason"]) for a in (answers[2], answers[3], answers[5])] == [
        (ADD, 2, "breakpoint"), (ADD, 5, "breakpoint"), (ADD + 2, 6, "breakpoint")]
    assert answers[4]["breakpoints"] == [ADD, ADD + 2]
    assert answers[6]["breakpoints"] == [ADD + 2] and answers[7]["breakpoints"] == []
    assert answers[8]["reason"] == "halted-forever" and answers[8]["retired"] == 2 + 9 + 2


@pytest.mark.parametrize("engine", available())
def test_stepping_from_a_breakpoint_moves_on(code, engine):
    answers = step(code, f"b {AT:x}", "s", f"b {ADD:x}", "s 10", options=("--engine", engine))
    assert answers[2]["rip"] == AT + 5
    assert (answers[4]["rip"], answers[4]["reason"]) == (ADD, "breakpoint")


def test_memory_and_disassembly(code):
    answers = step(code, f"c {8 + 3}", "s", "mem 0x3000 8", f"mem {AT:x} 5", f"disas {ADD:x} 3", "mem 0xffffffffff0", "where")
    assert answers[1]["rip"] == STORE and answers[1]["reason"] == "limit"
    assert answers[3]["data"] == (5 + 3 + 2 + 1).to_bytes(8, "little").hex()
    assert answers[4]["data"] == LOOP[:5].hex()
    assert [i["text"] for i in answers[5]["instructions"]] == ["add eax, ecx", "dec ecx", f"jne {ADD:#x}"]
    assert "not mapped" in answers[6]["error"]
    assert answers[7]["rip"] == HLT and answers[7]["now"] == 12


def test_initial_state(code):
    answers = step(code, "regs", options=("--set", "rbx=-1", "--entry", hex(ADD), "--ring", "3"))
    assert answers[0]["rip"] == ADD and answers[0]["ring"] == 3
    assert answers[1]["rbx"] == (1 << 64) - 1


@pytest.mark.parametrize("command, word", [
    ("jump", "no command 'jump'"), ("step x", "'x' is not a number"), ("step 0", "1 or more"), ("step 1 2 3", "step [N]"),
    ("mem", "mem ADDR"), ("mem nowhere", "'nowhere' is neither"), ("break 12zz", "neither"), ("delete 99999", "no breakpoint"),
])  # fmt: skip
def test_wrong_commands(code, command, word):
    result = ringzero("step", code, "--at", hex(AT), stdin=f"{command}\nwhere\n{command}\n".encode())
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 2 and all(line.startswith("ringzero: ") and word in line for line in lines)
    assert b"0 instructions retired" in result.stdout       # it went on after the first
    assert result.returncode == 2
    assert ringzero("step", code, "--at", hex(AT), stdin=f"{command}\nwhere\n".encode()).returncode == 0


def test_text_shows_what_changed(code):
    result = ringzero("step", code, "--at", hex(AT), stdin=b"s\nstep # a remark\n\nquit\nstep\n")
    text = result.stdout.decode()
    assert result.returncode == 0 and result.stderr == b""
    assert text.count("rax=0x5") == 1 and text.count("rcx=0x3") == 1
    assert text.count("rax=0x8") == 1       # the empty line repeated `step`
    assert "dec ecx" in text


def test_help_names_every_command(code):
    text = ringzero("step", code, "--at", hex(AT), stdin=b"help\n").stdout.decode()
    for word in ("step", "continue", "where", "regs", "mem", "disas", "break", "delete", "quit"):
        assert f"\n{word}" in text


def test_guest_from_its_first_instruction(guest):
    result = ringzero("step", "--json", stdin=b"break kernel_main\ncontinue\nmem rip 1\nc 1m\nc 100000\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert answers[0]["bits"] == 32 and answers[0]["symbol"].startswith("pvh_start")
    assert answers[2]["symbol"] == "kernel_main" and answers[2]["bits"] == 64
    assert len(answers[3]["data"]) == 2     # by the kernel's own page tables
    assert "'1m' is not a number" in answers[4]["error"]
    assert answers[5]["retired"] == answers[2]["retired"] + 100_000
    assert guest.kernel.exists()


def test_console_output_is_shown(guest):
    result = ringzero("step", stdin=b"continue 300000\n")
    assert b"console: memory: " in result.stdout


@pytest.mark.skipif(os.environ.get("TERM") == "dumb", reason="the prompt needs a terminal type: unset TERM=dumb")
def test_prompt_on_a_terminal(code):
    with OnTerminal(["step", str(code), "--at", hex(AT)]) as session:
        session.expect(b"mov eax, 5")
        session.expect(b"(ringzero)")
        session.type(b"step\r")
        session.expect(b"mov ecx, 3")
        session.expect(b"(ringzero)")
        session.type(b"\r")
        session.expect(b"add eax, ecx")
        session.expect(b"(ringzero)")
        session.type(b"\x04")
        assert session.status() == 0 and session.restored()
