"""`ringzero trace`: whose calls it prints, and where."""

from __future__ import annotations

import json
import re

from tests.cli.ringzero import OnTerminal, ringzero


def calls(result) -> list[str]:
    """Names of the calls and events printed, in order."""
    return re.findall(rb"^ *\d+ +\d+ (\w+|\+\+\+)", result.stderr, re.MULTILINE)


def test_one_program(guest):
    result = ringzero("trace", "cat", "/etc/hostname")
    assert (result.stdout, result.returncode) == (b"ringzero\n", 0)
    assert calls(result)[0] == b"execve" and calls(result)[-2:] == [b"exit_group", b"+++"]
    assert b'open("/etc/hostname", O_RDONLY|O_LARGEFILE) = 3\n' in result.stderr and b"fork" not in result.stderr


def test_words_of_a_program_arrive_as_given(guest):
    result = ringzero("trace", "-e", "execve", "--", "echo", "-n", "a  b", "$HOME", "it's")
    assert result.stdout == b"a  b $HOME it's"
    assert calls(result) == [b"execve", b"+++"]


def test_a_command_alone_and_followed(guest):
    alone, followed = (ringzero("trace", *options, "-e", "execve", "-c", "cat /etc/hostname | wc -c; exit 3") for options in ([], ["-f"]))
    assert alone.stdout == followed.stdout == b"9\n" and alone.returncode == followed.returncode == 3
    assert alone.stderr.count(b"execve") == 1 and followed.stderr.count(b"execve") == 3


def test_everything_from_the_first_process_on(guest, tmp_path):
    result = ringzero("trace", "--all", "-o", tmp_path / "calls", "-c", "true")
    text = (tmp_path / "calls").read_text()
    assert (result.stdout, result.stderr, result.returncode) == (b"", b"", 0)
    assert " 1 mount(" in text and '"-c", "true"]' in text and " 1 +++ exited with 0 +++" in text


def test_chosen_calls_leave_out_what_finds_the_command(guest):
    result = ringzero("trace", "-e", "open,%uts", "cat", "/etc/hostname")
    assert calls(result) == [b"open", b"+++"]


def test_json_is_one_object_a_line(guest):
    events = [json.loads(line) for line in ringzero("trace", "--json", "cat", "/etc/hostname").stdout.splitlines()]
    assert {event["event"] for event in events} == {"call", "exit", "console", "end"}
    opened = next(event for event in events if event.get("name") == "open")
    assert opened["arguments"] == ['"/etc/hostname"', "O_RDONLY|O_LARGEFILE"] and opened["result"] == 3
    assert opened["entered"] < opened["returned"] and opened["program"] == "cat"
    assert "".join(event["text"] for event in events if event["event"] == "console") == "ringzero\r\n"
    assert events[-1]["status"] == 0


def test_json_to_a_file(guest, tmp_path):
    result = ringzero("trace", "--json", "-o", tmp_path / "calls", "-f", "-c", "cat /etc/hostname")
    events = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert result.stdout == b"ringzero\n" and {event["event"] for event in events} == {"call", "exit", "end"}
    assert len({event["pid"] for event in events if "pid" in event}) == 2


def test_first_process_by_name(guest):
    result = ringzero("trace", "-f", "-e", "execve,getpid", "--append", "init=/bin/sh", "-c", "cat /etc/hostname; exit 4")
    assert result.returncode == 4 and calls(result)[0] == b"getpid" and b'execve("/bin/cat"' in result.stderr


def test_keys_reach_the_traced_program(guest):
    with OnTerminal(["trace", "-e", "read", "cat"]) as terminal:
        terminal.expect(b"read(0")
        terminal.type(b"word\n\x04")
        terminal.expect(b'"word\\n", 16384) = 5')
        assert terminal.status() == 0 and terminal.restored()


def test_mistakes(guest):
    for arguments, text in [(["-e", "nosuch", "true"], b"no system call 'nosuch'"), (["-c", "a", "b"], b"exclude each other"),
                            (["-o", "/nonexistent/file", "true"], b"/nonexistent/file")]:
        result = ringzero("trace", *arguments)
        assert result.returncode == 2 and text in result.stderr and result.stderr.count(b"\n") == 1, result.stderr


def test_orphans_are_followed(guest):
    """The shell ends before its child has done anything; it is ended with the terminal."""
    result = ringzero("trace", "-f", "-e", "execve", "-c", "sleep 1 & exit 0")
    assert result.returncode == 0 and re.search(rb" 4 \+\+\+ killed by SIG(HUP|TERM) \+\+\+\n", result.stderr), result.stderr
