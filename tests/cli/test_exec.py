"""`ringzero exec`: a flat binary's registers, counts and ends, as text and as JSON."""

from __future__ import annotations

import json

import pytest

from emu.engines import available
from tests.cli.ringzero import ringzero

ADD = bytes.fromhex("4801f8f4")  # add rax, rdi; hlt


def run(*options: str, code: bytes = ADD) -> tuple[dict, int]:
    result = ringzero("exec", "-", "--at", "0x1000", "--json", *options, stdin=code)
    assert result.stderr == b""
    return json.loads(result.stdout), result.returncode


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("ring", ["0", "3"])
def test_registers(engine, ring):
    report, status = run("--set", "rax=40", "--set", "rdi=0x2", "--until", "0x1003", "--ring", ring, "--engine", engine)
    assert status == 0 and report["reason"] == "until" and report["engine"] == engine
    assert report["registers"]["rax"] == 42 and report["registers"]["rip"] == 0x1003
    assert report["instructions"] == 1 and report["fault"] is None


def test_halt_counts_as_an_instruction():
    report, status = run()
    assert (report["reason"], report["instructions"], report["registers"]["rip"], status) == ("halted", 2, 0x1004, 0)


def test_entry_and_limit():
    report, _ = run("--entry", "0x1001", "--instructions", "3", code=b"\xf4\xeb\xfe")
    assert (report["reason"], report["instructions"], report["registers"]["rip"]) == ("limit", 3, 0x1001)


def test_fault_is_reported_and_the_status_is_1():
    report, status = run(code=bytes.fromhex("48a100000000ff000000"))     # mov rax, [0xff00000000]
    assert status == 1 and report["reason"] == "fault"
    assert report["fault"] == {"vector": 14, "name": "#PF page fault", "error_code": 0, "rip": 0x1000, "address": 0xFF00000000}


def test_text(tmp_path):
    path = tmp_path / "code"
    path.write_bytes(ADD)
    result = ringzero("exec", path, "--at", "0x1000", "--set", "rax=-1", "--set", "rdi=1", "--set", "xmm2=7")
    text = result.stdout.decode()
    assert result.returncode == 0 and result.stderr == b""
    assert "rax 0000000000000000" in text and "rdi 0000000000000001" in text and "CF PF AF ZF" in text
    assert "xmm2 00000000000000000000000000000007" in text
    assert "halted; 2 instructions in" in text and "MIPS" in text
    assert max(map(len, text.splitlines())) < 80


def test_fault_as_text(tmp_path):
    result = ringzero("exec", "-", "--at", "0x1000", stdin=b"\x0f\x0b")
    assert result.returncode == 1 and b"#UD undefined instruction at 0x1000" in result.stdout
