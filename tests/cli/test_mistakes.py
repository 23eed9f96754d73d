"""Mistakes in what the command is given: one line that says what, why and what to do; status 2."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli import kernels
from tests.cli.ringzero import COMMAND, ROOT, ringzero


def assert_mistake(result: subprocess.CompletedProcess, *words: str) -> None:
    """Status 2, nothing on standard output, one line on standard error with `words` and a hint."""
    text = result.stderr.decode()
    assert result.returncode == 2, (result.returncode, text, result.stdout)
    assert result.stdout == b""
    assert text.startswith("ringzero: ") and text.count("\n") == 1 and text.endswith("\n"), text
    assert "Traceback" not in text
    for word in words:
        assert word in text, f"{word!r} is not in {text!r}"
    assert ";" in text, f"no word on what to do: {text!r}"


@pytest.mark.parametrize("size, word", [
    ("0", "not positive"), ("-5", "not positive"), ("1048577", "multiple of 4096"), ("64K", "less than 1 MiB"),
    ("12x", "not a number"), ("", "not a number"), ("4G", "more than 3 GiB"), ("1e9", "not a number"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["run", "step", "exec"])
def test_memory_size(tmp_path, command, size, word):
    code = tmp_path / "code"
    code.write_bytes(b"\xf4")
    arguments = {"run": ["run"], "step": ["step"], "exec": ["exec", code, "--at", "0x1000"]}[command]
    assert_mistake(ringzero(*arguments, f"--memory={size}"), "memory size", word)


@pytest.mark.parametrize("arguments", [["run"], ["step"], ["demo"], ["exec", "/nowhere", "--at", "0"]])
def test_engine(arguments):
    assert_mistake(ringzero(*arguments, "--engine", "steam"), "no engine 'steam'", "compiled, python")


@pytest.mark.parametrize("arguments, words", [
    (["rum"], ["no command 'rum'", "did you mean 'run'"]),
    (["run", "--frob"], ["--frob", "ringzero run --help"]),
    (["run", "--writ"], ["--writ"]),
    (["run", "extra"], ["extra"]),
    (["exec"], ["FILE"]),
    (["disk"], ["ACTION"]),
    (["disk", "burn"], ["burn"]),
    (["run", "--instructions", "many"], ["'many' is not a number"]),
    (["run", "--instructions", "-1"], ["-1 is not a number of instructions"]),
    (["run", "--seed", "x"], ["'x' is not a number"]),
    (["run", "-c"], ["-c"]),
    (["run", "-c", "x" * 5000], ["command line would have"]),
    (["run", "--writable"], ["--writable needs --disk"]),
    (["info", "--has", "ss2"], ["unknown CPU feature 'ss2'", "sse2"]),
    (["info", "--has", "warp"], ["unknown CPU feature 'warp'"]),
    (["step", "--at", "zz", "x"], ["'zz' is not a number"]),
])  # fmt: skip
def test_usage(arguments, words):
    assert_mistake(ringzero(*arguments), *words)


def broken_files(folder: Path, guest) -> dict[str, Path]:
    """Files that are no kernels."""
    whole = guest.kernel.read_bytes()
    contents = {"empty": b"", "text": b"hello\n" * 100, "header": whole[:40], "cut": whole[:20_000],
                "garbled": whole[:16] + bytes(range(256)) * 16, "newline\nname": b"x"}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in contents}


@pytest.mark.parametrize("name", ["empty", "text", "header", "cut", "garbled", "newline\nname"])
@pytest.mark.parametrize("command", ["run", "step"])
def test_kernel_file(tmp_path, guest, command, name):
    path = broken_files(tmp_path, guest)[name]
    assert_mistake(ringzero(command, "--kernel", path), *([] if name.startswith("newline") else [name]))


@pytest.mark.parametrize("option", ["--kernel", "--disk"])
@pytest.mark.parametrize("command", ["run", "step"])
def test_missing_file_and_directory(tmp_path, command, option):
    assert_mistake(ringzero(command, option, tmp_path / "nowhere"), "nowhere", "no such file")
    assert_mistake(ringzero(command, option, tmp_path), "is a directory")


def without_file_privileges():
    """In the child: even root obeys file permissions, by losing CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH at exec."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)         # PR_CAPBSET_DROP


def test_unreadable(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\xf4")
    path.chmod(0)
    for arguments in (("run", "--kernel", path), ("exec", path, "--at", "0")):
        assert_mistake(ringzero(*arguments, preexec_fn=without_file_privileges), "permission denied")


@pytest.mark.parametrize("contents, word", [
    (b"", "is empty"), (b"x" * 1000, "sectors"), (bytes(1 << 20), "no ext2 file system"), (b"not a disk\n" * 512, "no ext2"),
])  # fmt: skip
def test_disk_that_is_none(tmp_path, contents, word):
    path = tmp_path / "disk"
    path.write_bytes(contents)
    assert_mistake(ringzero("run", "--disk", path), "disk", word)
    assert path.read_bytes() == contents


@pytest.mark.parametrize("options, words", [
    (["--set", "foo=1"], ["unknown register 'foo'"]),
    (["--set", "rax"], ["'rax' sets no register"]),
    (["--set", "rax=five"], ["'five' is not a number"]),
    (["--set", "rax=0x10000000000000000"], ["does not fit"]),
    (["--ring", "2"], ["ring 2"]),
    (["--until", "-1"], ["-1"]),
    (["--entry", "0x1ffffffffffffffff"], ["64-bit address"]),
    (["--at", "0x7fffffff"], ["RAM"]),
])  # fmt: skip
def test_exec(tmp_path, options, words):
    path = tmp_path / "code"
    path.write_bytes(b"\xf4")
    assert_mistake(ringzero("exec", path, "--at", "0x1000", *options), *words)


def test_exec_files(tmp_path, guest):
    assert_mistake(ringzero("exec", tmp_path / "nowhere", "--at", "0"), "no such file")
    assert_mistake(ringzero("exec", tmp_path, "--at", "0"), "is a directory")
    assert_mistake(ringzero("exec", guest.kernel, "--at", "0"), "is an ELF file", "objcopy")
    assert_mistake(ringzero("exec", "-", "--at", "0"), "standard input is empty")


def test_step_needs_an_address(tmp_path):
    path = tmp_path / "code"
    path.write_bytes(b"\xf4")
    assert_mistake(ringzero("step", path), "load address", "--at")


def test_disk_build(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "there").write_text("precious")
    assert_mistake(ringzero("disk", "build", tmp_path / "nowhere", tmp_path / "out"), "does not exist")
    assert_mistake(ringzero("disk", "build", tmp_path / "there", tmp_path / "out"), "is not a directory")
    assert_mistake(ringzero("disk", "build", tmp_path / "tree", tmp_path), "is a directory")
    assert_mistake(ringzero("disk", "build", tmp_path / "tree", tmp_path / "there"), "exists", "--force")
    assert_mistake(ringzero("disk", "build", tmp_path / "tree", tmp_path / "no" / "out"), "no such file")
    assert_mistake(ringzero("disk", "build", tmp_path / "tree", tmp_path / "out", "--size", "big"), "'big' is not a size")
    assert_mistake(ringzero("disk", "build", tmp_path / "tree", tmp_path / "out", "--size", "32K"))
    assert (tmp_path / "there").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "tree"]


def test_disk_build_on_a_host_without_room(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(os.urandom(300_000))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    result = ringzero("disk", "build", tmp_path / "tree", tmp_path / "out", preexec_fn=limit)
    assert_mistake(result, "out", "file too large")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the host has no /dev/full")
@pytest.mark.parametrize("arguments", [["info", "--json"], ["info"], ["--help"]])
def test_full_output(arguments):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, timeout=60)
    assert result.returncode == 2
    assert result.stderr == b"ringzero: can't use the output: no space left on device; make room on that disk and run again\n"


FULL_HOST = """
set -e
mount -t tmpfs -o size=$1 none "$2"
cp --sparse=always "$3" "$2/disk.img"
chmod u+w "$2/disk.img"
shift 3
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare (apt install util-linux)")
def test_full_host_disk_during_a_run(tmp_path, guest):
    used = guest.disk.stat().st_blocks * 512
    size = (used // 4096 + 40) * 4096
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("unshare -m is not permitted here: run the tests in a less confined container")
    command = "for n in 1 2 3 4 5 6 7 8; do cat /bin/sh > /copy$n; done; sync"
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL_HOST, "sh", str(size), place, guest.disk,
         *COMMAND, "run", "--disk", place / "disk.img", "--writable", "-c", command],
        cwd=ROOT, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    text = result.stderr.decode()
    assert result.returncode == 2, (text, result.stdout)
    assert "no space left on device" in text and "make room" in text and text.count("\n") == 1


def test_kernel_larger_than_memory(tmp_path):
    path = kernels.kernel(tmp_path / "kernel", bytes(2 << 20))
    assert_mistake(ringzero("run", "--kernel", path, "--memory", "2M"), "RAM")
