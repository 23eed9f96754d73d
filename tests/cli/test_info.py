"""`ringzero info`, `disk`, `kernel`, `demo`, and how quickly the command starts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

import emu
from emu.cli import features
from emu.engines import available
from emu.isa.registry import all_encodings
from tests.cli.ringzero import ROOT, ringzero


def test_info_json(guest):
    report = json.loads(ringzero("info", "--json").stdout)
    assert report["ringzero"] == emu.__version__
    assert report["engines"]["python"] == "available"
    assert (report["engines"]["compiled"] == "available") is ("compiled" in available())
    assert sum(row["encodings"] for row in report["instructions"].values()) == len(all_encodings())
    assert report["guest"]["kernel_bytes"] == guest.kernel.stat().st_size
    assert {"sse2", "syscall", "nx", "smep"} <= set(report["cpu_features"]) and "avx512f" not in report["cpu_features"]


def test_info_text(guest):
    text = ringzero("info").stdout.decode()
    for word in (f"ringzero {emu.__version__}", "engine", "python: available", str(guest.kernel), "sse2", "arithmetic"):
        assert word in text


def test_features_are_those_of_the_cpu():
    # CPUID itself, executed: mov eax, leaf; xor ecx, ecx; cpuid; hlt.
    from emu.snippet import run_flat

    registers = {features.EAX: "rax", features.EBX: "rbx", features.ECX: "rcx", features.EDX: "rdx"}
    found = []
    for name, (leaf, register, bit) in features.NAMES.items():
        result = run_flat(b"\xb8" + leaf.to_bytes(4, "little") + bytes.fromhex("31c90fa2f4"), engine="python", memory="1M", at=0x1000)
        if getattr(result.registers, registers[register]) >> bit & 1:
            found.append(name)
    assert found == features.present()


@pytest.mark.parametrize("names, status", [(["sse2"], 0), (["sse2", "lm"], 0), (["avx512f"], 1), (["sse2", "avx512f"], 1)])
def test_has(names, status):
    result = ringzero("info", *(word for name in names for word in ("--has", name)))
    assert (result.returncode, result.stdout, result.stderr) == (status, b"", b"")


@pytest.mark.parametrize("command", ["run", "demo", "step", "exec", "info", "disk", "kernel"])
def test_help(command):
    result = ringzero(command, "--help")
    assert result.returncode == 0 and result.stderr == b"" and f"usage: ringzero {command}".encode() in result.stdout
    assert command.encode() in ringzero("--help").stdout


def test_version():
    assert ringzero("--version").stdout == f"ringzero {emu.__version__}\n".encode()


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"], ["exec", "nowhere", "--at", "0"]])
def test_starts_without_heavy_modules(arguments):
    program = f"""
import sys
from emu.cli.main import run
try:
    run({arguments!r})
finally:
    heavy = {{"rich", "prompt_toolkit", "capstone", "elftools.elf.elffile", "emu.isa.registry", "cext"}} & set(sys.modules)
    print("loaded:", sorted(heavy))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60)
    assert result.stdout.splitlines()[-1] == b"loaded: []"


def test_disk_build_is_what_the_guest_sees(tmp_path, guest):
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    user = guest.kernel.parent / "user"
    for name in ("init", "sh", "cat"):
        shutil.copy(user / name, tree / "bin" / name)
    for name in ("dev", "proc", "tmp", "run", "root"):
        (tree / name).mkdir()
    (tree / "greeting").write_text("from the host\n")
    out = tmp_path / "disk.img"
    report = json.loads(ringzero("disk", "build", tree, out, "--json").stdout)
    assert report == {"image": str(out), "size": out.stat().st_size, "block_size": 4096}
    assert ringzero("disk", "build", tree, out).returncode == 2
    assert ringzero("disk", "build", tree, out, "--force", "--size", "8M").returncode == 0
    assert out.stat().st_size == 8 << 20
    assert ringzero("run", "--disk", out, "-c", "cat /greeting").stdout == b"from the host\n"


def test_kernel_build_is_up_to_date(guest):
    report = json.loads(ringzero("kernel", "build", "--json").stdout)
    assert report == {"kernel": str(guest.kernel), "disk": str(guest.disk)}


def test_demo_ends_after_the_tour(guest):
    from emu.cli.demo import TOUR

    result = ringzero("demo")
    text = result.stdout.decode()
    assert result.returncode == 0 and result.stderr == b""
    for said, command in TOUR:
        assert said in text and f"# {command}\n" in text
    assert "Linux ringzero" in text and "hello from zero" in text and "not found" not in text and "No such" not in text
