"""Builds the guest with ziglang: the kernel ELF, and the static user programs of guestos/user.

    python -m guestos.build [--out build/guest]

Incremental: a file is compiled when it, a header it includes (as the compiler's dependency file
says) or the compiler's command line has changed. Reproducible: no absolute path and no time gets
into the output.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emu.errors import RingzeroError
from guestos import syscalls

ROOT = Path(__file__).resolve().parent.parent
KERNEL = ROOT / "guestos" / "kernel"
USER = ROOT / "guestos" / "user"

KERNEL_FLAGS = [
    "-target", "x86_64-freestanding-none", "-mcmodel=kernel", "-mno-red-zone",
    # The vector and x87 registers hold the program's values while the kernel runs. (-mno-sse does not
    # reach the compiler through zig; this does.)
    "-mcpu=x86_64-sse-sse2-mmx-x87+soft_float",
    "-std=gnu17", "-O2", "-g", "-ffreestanding", "-fno-omit-frame-pointer", "-fno-stack-protector",
    "-fno-sanitize=all", "-fno-pic", "-fno-asynchronous-unwind-tables", "-fno-strict-aliasing",
    "-fno-delete-null-pointer-checks", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror=implicit-function-declaration",
    "-Werror=int-conversion", "-Werror=incompatible-pointer-types",
]
USER_FLAGS = ["-target", "x86_64-linux-musl", "-mcpu=x86_64", "-static", "-O2", "-s", "-std=gnu17",
              "-fno-sanitize=all", "-Wall", "-Wextra", "-Wno-unused-parameter"]


class BuildError(RingzeroError):
    """A compiler or linker failed, or is missing; `output` is what it said."""

    def __init__(self, message: str, hint: str = "", output: str = "") -> None:
        super().__init__(message, hint)
        self.output = output


def _zig() -> list[str]:
    return [sys.executable, "-m", "ziglang", "cc"]


def _run(command: list[str], what: str) -> None:
    environment = dict(os.environ, SOURCE_DATE_EPOCH="0")
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    if result.returncode:
        if "No module named ziglang" in result.stderr:
            raise BuildError("the guest is built with ziglang, which is not installed", "pip install ziglang")
        raise BuildError(f"{what} failed", "see the compiler's messages",
                         f"{shlex.join(command)}\n{result.stderr}{result.stdout}")
    if result.stderr.strip():
        print(result.stderr, file=sys.stderr, end="")


def _all(job: Callable, items: list) -> list:
    """job(item) of every item, a few at a time; then one BuildError for all that failed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(job, item) for item in items]
    errors = [error for future in futures if isinstance(error := future.exception(), BuildError)]
    if errors:
        raise BuildError(errors[0].message, errors[0].hint, "".join(error.output for error in errors))
    return [future.result() for future in futures]


def _write_if_changed(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True


def _fresh(output: Path, stamp: str, inputs: list[Path]) -> bool:
    """Whether `output` was made by the command with this stamp and no input is newer."""
    stamp_file = output.with_suffix(output.suffix + ".cmd")
    if not output.exists() or not stamp_file.exists() or stamp_file.read_text() != stamp:
        return False
    made = output.stat().st_mtime_ns
    return all(path.exists() and path.stat().st_mtime_ns <= made for path in inputs)


def _stamp(output: Path, stamp: str) -> None:
    output.with_suffix(output.suffix + ".cmd").write_text(stamp)


def _dependencies(depfile: Path) -> list[Path]:
    """Inputs a compiler's -MD file names, or a path that doesn't exist if there is no such file."""
    if not depfile.exists():
        return [depfile]
    text = depfile.read_text().replace("\\\n", " ").split(":", 1)[1]
    return [ROOT / name for name in text.split()]


def _relative(path: Path) -> str:
    return os.path.relpath(path, ROOT)


def _digest(command: list[str]) -> str:
    return hashlib.sha256("\0".join(command).encode()).hexdigest()


def _compile(source: Path, output: Path, flags: list[str]) -> None:
    depfile = output.with_suffix(".d")
    command = [*_zig(), *flags, f"-ffile-prefix-map={ROOT}=.", "-MD", "-MF", _relative(depfile),
               "-c", _relative(source), "-o", _relative(output)]
    stamp = _digest(command[1:])
    if _fresh(output, stamp, [source, *_dependencies(depfile)]):
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    _run(command, f"compiling {_relative(source)}")
    _stamp(output, stamp)


def kernel_sources() -> list[Path]:
    """Every C and assembly file of the kernel, in order of path."""
    return sorted([*KERNEL.rglob("*.c"), *KERNEL.rglob("*.S")])


def _symbols(kernel: Path | None) -> str:
    """The table of a linked kernel's functions that its backtraces are told with (kernel/debug/panic.c), as assembly."""
    functions = []
    if kernel:
        from elftools.elf.elffile import ELFFile

        with kernel.open("rb") as file:
            elf = ELFFile(file)
            text = elf.get_section_index(".text")
            start = elf.get_section(text)["sh_addr"]
            functions = sorted((symbol["st_value"] - start, symbol.name) for symbol in elf.get_section_by_name(".symtab").iter_symbols()
                               if symbol["st_shndx"] == text and symbol.name and symbol["st_info"]["type"] in ("STT_FUNC", "STT_NOTYPE"))
    return "\n".join([".section .rodata.symbols, \"a\"", ".globl symbol_count, symbol_offsets, symbol_names", ".balign 4",
                      f"symbol_count: .long {len(functions)}", "symbol_offsets:", *(f".long {offset}" for offset, _ in functions),
                      "symbol_names:", *(f'.asciz "{name}"' for _, name in functions), ""])


def build_kernel(out_dir: Path = ROOT / "build" / "guest") -> Path:
    """Builds out_dir/kernel.elf and returns its path. Raises BuildError with the compiler's words."""
    out_dir = Path(out_dir).resolve()
    work = out_dir / "kernel.o"
    calls = syscalls.load()
    _write_if_changed(work / "generated" / "syscalls.h", syscalls.header(calls))
    _write_if_changed(work / "generated" / "syscall_table.c", syscalls.dispatcher(calls))
    nt_calls = syscalls.load(syscalls.NT_TABLE)
    _write_if_changed(work / "generated" / "ntcalls.h", syscalls.nt_header(nt_calls))
    _write_if_changed(work / "generated" / "nt_table.c", syscalls.nt_dispatcher(nt_calls))
    # Where it is built leaves no trace in what is built.
    flags = [*KERNEL_FLAGS, f"-ffile-prefix-map={_relative(work)}=kernel.o", "-I", _relative(KERNEL / "include"), "-I", _relative(work / "generated")]
    sources = kernel_sources() + [work / "generated" / name for name in ("syscall_table.c", "nt_table.c")]
    names = work / "generated" / "symbols.S"
    if not names.exists():
        _write_if_changed(names, _symbols(None))
    sources.append(names)
    objects = []
    for source in sources:
        base = KERNEL if source.is_relative_to(KERNEL) else work
        objects.append(work / source.relative_to(base).with_suffix(source.suffix + ".o"))
    _all(lambda pair: _compile(*pair, flags), list(zip(sources, objects)))
    kernel = out_dir / "kernel.elf"
    script = KERNEL / "kernel.ld"
    command = [*_zig(), "-target", "x86_64-freestanding-none", "-nostdlib", "-static", "-g", "-Wl,--build-id=none",
               "-Wl,-z,noexecstack", "-Wl,-e,pvh_start_physical","-Wl,-z,max-page-size=4096", "-T", _relative(script), "-o", _relative(kernel),
               *map(_relative, objects)]
    stamp = _digest(command[1:])
    if not _fresh(kernel, stamp, [script, *objects]):
        _run(command, "linking the kernel")
        if _write_if_changed(names, _symbols(kernel)):      # behind the code, it moves nothing that it names
            _compile(names, objects[-1], flags)
            _run(command, "linking the kernel with its names")
        _stamp(kernel, stamp)
    return kernel


def build_program(sources: list[Path], output: Path, flags: list[str] = USER_FLAGS, generated: Path | None = None) -> Path:
    """Builds one static musl program of C files (each with the headers beside it, and those in `generated`); returns its path."""
    output = Path(output).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    folders = {source.parent for source in sources} | ({generated} if generated else set())
    headers = sorted(header for folder in folders for header in folder.glob("*.h"))
    more = ["-I", _relative(generated)] if generated else []
    command = [*_zig(), *flags, *more, f"-ffile-prefix-map={ROOT}=.", *map(_relative, sources), "-o", _relative(output)]
    stamp = _digest(command[1:])
    if not _fresh(output, stamp, [*sources, *headers]):
        _run(command, f"building {output.name}")
        _stamp(output, stamp)
    return output


#: Folders of guestos/user whose program has another name.
NAMES = {"tests": "usertests"}


def build_user(out_dir: Path = ROOT / "build" / "guest") -> list[Path]:
    """Builds the programs of guestos/user to out_dir/user/NAME and returns their paths: each C file is
    one, and each folder of C files is one."""
    work = Path(out_dir).resolve() / "user"
    programs = {source.stem: [source] for source in USER.glob("*.c")}
    programs |= {NAMES.get(folder.name, folder.name): sorted(folder.glob("*.c")) for folder in USER.iterdir() if folder.name != "nt" and any(folder.glob("*.c"))}
    _write_if_changed(work.parent / "user.h" / "fuzz_calls.h", syscalls.fuzz_table(syscalls.load()))
    generated = {"sysfuzz": work.parent / "user.h"}
    return _all(lambda item: build_program(item[1], work / item[0], generated=generated.get(item[0])), sorted(programs.items()))


NT_FLAGS = ["-target", "x86_64-freestanding-none", "-nostdlib", "-static", "-O2", "-s", "-std=gnu17", "-ffreestanding", "-fno-stack-protector",
            "-fno-sanitize=all", "-fno-pic", "-mno-sse", "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra"]
#: EI_OSABI of a program that makes NT's calls: the one mark by which the kernel knows it (kernel/nt/program.c).
OSABI_NT = 0x4E


def build_nt_program(source: Path, work: Path) -> Path:
    """Builds one of NT's programs, with ntdll.c and the stubs of the calls in it, to work/NAME.exe. It is an ELF file all the same."""
    stubs = work / "nt_stubs.S"
    _write_if_changed(stubs, syscalls.nt_stubs(syscalls.load(syscalls.NT_TABLE)))
    flags = [*NT_FLAGS, "-I", _relative(USER / "nt")]
    program = build_program([source, USER / "nt" / "ntdll.c", stubs], work / f"{source.stem}.exe", flags)
    with program.open("r+b") as file:
        file.seek(7)
        file.write(bytes([OSABI_NT]))
    return program


def build_nt(out_dir: Path = ROOT / "build" / "guest") -> list[Path]:
    """Builds the programs of guestos/user/nt to out_dir/nt/NAME.exe and returns their paths: each C file but ntdll.c is one."""
    work = Path(out_dir).resolve() / "nt"
    sources = sorted(source for source in (USER / "nt").glob("*.c") if source.name != "ntdll.c")
    return _all(lambda source: build_nt_program(source, work), sources)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m guestos.build", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "guest", help="output directory (build/guest)")
    options = parser.parse_args(arguments)
    try:
        print(build_kernel(options.out))
        build_user(options.out)
        build_nt(options.out)
    except (RingzeroError, OSError) as error:
        print(getattr(error, "output", ""), end="", file=sys.stderr)
        print(f"guestos.build: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
