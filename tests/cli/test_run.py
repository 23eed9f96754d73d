"""`ringzero run`: what reaches whom, and the status it ends with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from emu.cli.run import command_line
from emu.engines import available
from tests.cli import kernels
from tests.cli.ringzero import COMMAND, ROOT, OnTerminal, ringzero


def test_command_output_and_status(guest):
    result = ringzero("run", "-c", "echo out; echo more; exit 7")
    assert (result.stdout, result.stderr, result.returncode) == (b"out\nmore\n", b"", 7)


@pytest.mark.parametrize("status", [0, 1, 127, 255])
def test_status_is_the_commands(guest, status):
    assert ringzero("run", "-c", f"exit {status}").returncode == status


def test_command_that_is_not_there(guest):
    assert ringzero("run", "-c", "no-such-program").returncode == 127


def test_killed_command(guest):
    assert ringzero("run", "-c", "kill -9 $$").returncode == 128 + 9


@pytest.mark.parametrize("text", ["a  b", 'say "x  y"', "it's", r"back\slash", r'\"', "$HOME", "tab\there", "`", "a;b|c&d>e"])
def test_command_arrives_as_written(guest, text):
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert ringzero("run", "-c", f"printf=; cat <<'E'\n{text}\nE\n").stdout.decode() == text + "\n" or \
        ringzero("run", "-c", f"echo {quoted}").stdout.decode() == text + "\n"


def test_words_for_the_kernel():
    assert command_line("a b", None) == "a b"
    assert command_line("", 'x "y" \\z') == r'quiet -- -c "x \"y\" \\z"'


@pytest.mark.parametrize("engine", available())
def test_json(guest, engine):
    result = ringzero("run", "-c", "echo hi; exit 3", "--json", "--engine", engine)
    report = json.loads(result.stdout)
    assert result.returncode == 3 and result.stderr == b""
    assert report["console"] == "hi\r\n" and report["status"] == 3 and report["reason"] == "power-off"
    assert report["engine"] == engine and report["memory"] == 128 << 20
    assert report["instructions"] > 10_000 and report["virtual_seconds"] > 0


@pytest.mark.skipif(len(available()) < 2, reason="the compiled engine is not built: make build")
def test_engines_agree_to_the_instruction(guest):
    reports = [json.loads(ringzero("run", "-c", "ls / | sort | wc -l; ps", "--json", "--engine", name).stdout)
               for name in ("compiled", "python")]
    for key in ("console", "instructions", "virtual_seconds", "status"):
        assert reports[0][key] == reports[1][key]


@pytest.mark.parametrize("count, number", [("0", 0), ("1", 1), ("12345", 12345), ("20k", 20_000), ("0x100", 256)])
def test_instruction_limit_is_exact(guest, count, number):
    result = ringzero("run", "--instructions", count, "--json")
    report = json.loads(result.stdout)
    assert (report["instructions"], report["reason"], result.returncode) == (number, "limit", 0)
    # The same on the console's way, which runs in slices.
    result = ringzero("run", "--instructions", count)
    assert result.returncode == 0 and f"stopped after {number} instructions".encode() in result.stderr


def test_limit_before_the_command_ends(guest):
    result = ringzero("run", "-c", "true", "--instructions", "1000")
    assert result.returncode == 125 and result.stderr.count(b"\n") == 1


def test_piped_input_is_typed(guest):
    result = ringzero("run", stdin=b"echo one $((1+1))\nexit 4\n")
    assert b"one 2\n" in result.stdout and b"\r" not in result.stdout and result.returncode == 4


def test_end_of_input_ends_the_shell(guest):
    assert ringzero("run").returncode == 0
    assert b"A1B" in ringzero("run", stdin=b"echo A$((2-1))B").stdout


def test_input_for_a_command(guest):
    # Not read unless asked for; then typed, and so echoed, too.
    assert ringzero("run", "-c", "echo x", stdin=b"unused\n").stdout == b"x\n"
    assert ringzero("run", "-i", "-c", "wc -l", stdin=b"a\nb\n").stdout.split()[-1] == b"2"


def test_sleep_costs_no_time_without_a_terminal(guest):
    before = time.monotonic()
    report = json.loads(ringzero("run", "-c", "sleep 500", "--json").stdout)
    assert report["virtual_seconds"] > 500 and time.monotonic() - before < 60


def test_console_streams(guest):
    process = subprocess.Popen([*COMMAND, "run", "-i", "-c", "echo ready; cat"], cwd=ROOT, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"      # while it runs
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_disk_is_written_only_when_asked(tmp_path, guest):
    disk = shutil.copy(guest.disk, tmp_path / "disk.img")
    before = hashlib.sha256(disk.read_bytes()).digest()
    assert ringzero("run", "--disk", disk, "-c", "echo new > /note; sync; cat /note").stdout == b"new\n"
    assert hashlib.sha256(disk.read_bytes()).digest() == before
    disk.chmod(0o400)
    assert ringzero("run", "--disk", disk, "-c", "cat /note").returncode == 1
    disk.chmod(0o600)
    assert ringzero("run", "--disk", disk, "--writable", "-c", "echo kept > /note").returncode == 0
    assert ringzero("run", "--disk", disk, "-c", "cat /note").stdout == b"kept\n"


@pytest.mark.parametrize("code, status, word", [
    (kernels.POWER_OFF, 0, b""), (kernels.EXIT_5, 5, b""), (kernels.HALT, 1, b"halted for good"),
    (kernels.TRIPLE_FAULT, 1, b"crashed"), (kernels.RESET, 1, b"reset"),
])  # fmt: skip
def test_how_another_kernel_ends(tmp_path, code, status, word):
    path = kernels.kernel(tmp_path / "kernel", kernels.printing(b"hi\r\n", code))
    result = ringzero("run", "--kernel", path)
    assert result.stdout == b"hi\n" and result.returncode == status
    assert word in result.stderr and result.stderr.count(b"\n") == bool(word)


def test_broken_pipe_is_quiet(guest):
    process = subprocess.Popen([*COMMAND, "run", "-c", "while true; do echo y; done"], cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_quietly(tmp_path, number, status):
    path = kernels.kernel(tmp_path / "kernel", kernels.printing(b"up\n", kernels.SPIN))
    process = subprocess.Popen([*COMMAND, "run", "--kernel", path], cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == (b"", b"", status)


# On a terminal

PROMPT = b"# "


def test_session_on_a_terminal(guest):
    with OnTerminal(["run"]) as session:
        session.expect(PROMPT)
        assert not session.restored()
        session.type(b"echo $((6*7))\r")
        session.expect(b"42\r\n")
        session.expect(PROMPT)
        session.type(b"cat\r")
        session.expect(b"cat\r\n")
        session.type(b"word\r")
        session.expect(b"word\r\nword\r\n")   # it has begun, and is in the foreground
        session.type(b"\x03")           # Ctrl-C is the guest's
        session.expect(PROMPT)
        session.type(b"exit 9\r")
        assert session.status() == 9
        assert session.restored()


def test_leaving_by_key(guest):
    with OnTerminal(["run"]) as session:
        session.expect(PROMPT)
        session.type(b"\x1d")
        assert session.status() == 0 and session.restored()


def test_leaving_a_busy_guest(tmp_path):
    path = kernels.kernel(tmp_path / "kernel", kernels.printing(b"up\n", kernels.SPIN))
    with OnTerminal(["run", "--kernel", str(path)]) as session:
        session.expect(b"up")
        session.type(b"\x1d")
        assert session.status() == 0 and session.restored()


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_restore_the_terminal(guest, number, status):
    with OnTerminal(["run"]) as session:
        session.expect(PROMPT)
        session.process.send_signal(number)
        assert session.status() == status and session.restored()
        assert b"Traceback" not in session.output


def test_time_passes_as_on_the_wall(guest):
    with OnTerminal(["run"]) as session:
        session.expect(PROMPT)
        before = time.monotonic()
        session.type(b"sleep 1; echo awa''ke\r")
        session.expect(b"awake")
        assert 0.9 < time.monotonic() - before < 20
