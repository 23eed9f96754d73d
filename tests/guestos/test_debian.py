"""Debian's programs, unmodified and linked to Debian's libraries: each script of `debian` does what it does under Linux."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guestos import linux, ours

SCRIPTS = Path(__file__).parent / "debian"
#: Numbers that differ from one run to the next: processes in bash's messages.
PROCESS = re.compile(r"(line \d+:) +\d+ ")


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.iterdir()))
def test_same_output_as_under_linux(name):
    ours.require_compiled()
    tree = ours.debian_tree()
    script = f"/mnt/{name} > /tmp/out 2>&1 < /dev/null; s=$?; cat /tmp/out; exit $s"
    with ours.Computer(tree.disk, ours.command_line(script), memory="128M") as computer:
        outcome = computer.finish(20 * ours.PATIENCE)
    if missing := linux.missing(tree.root):
        pytest.skip(missing)
    found = PROCESS.sub(r"\1 N ", outcome.text).splitlines()
    for _ in range(3):          # what waits for sleeps comes out otherwise on a busy host, once in a while
        try:
            text, status = linux.run(tree.root, SCRIPTS, [f"/mnt/{name}"])
        except subprocess.TimeoutExpired as late:
            text, status = f"{(late.stdout or b'').decode('utf-8', 'replace')}\nnot done in {late.timeout} s", -1
        expected = PROCESS.sub(r"\1 N ", text).splitlines()
        if (found, outcome.status) == (expected, status):
            return
    pytest.fail("\n".join([f"status {outcome.status}, under Linux {status}", *difflib.unified_diff(expected, found, "Linux", "guest", lineterm="", n=1)]))


def test_what_programs_wrote_is_there_after_a_restart(tmp_path):
    """On ext2: a database, a tree of files, links and modes; and the file system is clean."""
    ours.require_compiled()
    disk = shutil.copy(ours.debian_tree().disk, tmp_path / "disk.img")
    write = """cd /root; sqlite3 db 'CREATE TABLE t (x); INSERT INTO t VALUES (6), (7)'; python3 -c "import json; json.dump([1], open('j', 'w'))";
        cp -a /usr/lib/python3.11/json copy; ln -s copy/tool.py link; chmod 751 copy; seq 100000 | sort -r > big; bash -c 'echo {1..9} >> big'"""
    assert ours.run(" ".join(write.split()), disk, writable=True, memory="128M").text == ""
    ours.check_disk(disk)
    read = "cd /root; sqlite3 db 'SELECT sum(x) FROM t; PRAGMA integrity_check'; cat j; echo; diff -r /usr/lib/python3.11/json copy && stat -c %a copy; tail -n 2 big; wc -l < link"
    lines = ours.run(read, disk, memory="128M").text.splitlines()
    assert lines[:-1] == ["13", "ok", "[1]", "751", "1", "1 2 3 4 5 6 7 8 9"] and int(lines[-1]) > 50
