"""ringzero vm: machines in the guest, kept from one command to the next."""

from __future__ import annotations

import pytest

from emu.engines import available
from tests.cli.ringzero import OnTerminal, ringzero


@pytest.fixture(autouse=True)
def compiled(guest):
    if "compiled" not in available():
        pytest.skip("the compiled engine is not built: make build")


@pytest.fixture
def vm(tmp_path):
    """vm(ARGUMENTS...) with a computer of the test's own: (status, output, errors)."""
    def run(*arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        done = ringzero("vm", "--computer", tmp_path / "computer", *arguments, stdin=stdin)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    yield run
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("computer")] in (["computer.lock"], [])


def test_a_commands_status_and_output(vm):
    assert vm("run", "-c", "uname -s; echo 'a b' >&2; exit 3") == (3, "Linux\na b\n", "")


def test_machines_outlive_the_command(vm):
    assert vm("run", "-d", "--name", "a") == (0, "a\n", "")
    assert vm("run", "-d", "--memory", "16M", "--append", "quiet") == (0, "vm1\n", "")
    assert [line.split()[0:3:2] for line in vm("ps")[1].splitlines()] == [["NAME", "MEMORY"], ["a", "32M"], ["vm1", "16M"]]
    status, out, _ = vm("console", "a", stdin=b"echo $((6*7))\nexit\n")
    assert status == 0 and "\n42\n" in out.replace("# ", "\n") and "a has ended" in out
    assert vm("stop", "vm1") == (0, "", "")
    assert vm("ps")[1].count("\n") == 1


def test_typed_at_directly(vm):
    status, out, _ = vm("run", stdin=b"echo $((6*7)); exit 5\n")
    assert status == 5 and "42\n" in out


def test_leaving_with_the_key(vm, tmp_path):
    with OnTerminal(["vm", "--computer", str(tmp_path / "computer"), "run", "--name", "k"]) as terminal:
        terminal.expect(b"/root # ")
        terminal.type(b"\x1d")
        terminal.expect(b"runs on")
        assert terminal.status() == 0 and terminal.restored()
    assert "k " in vm("ps")[1]
    assert vm("stop", "k")[0] == 0


def test_files_of_the_host(vm, tmp_path, guest):
    nothing = tmp_path / "noise"
    nothing.write_bytes(bytes(range(256)) * 40)
    assert vm("run", "-c", "exit 4", "--kernel", str(guest.kernel))[0] == 4
    status, out, err = vm("run", "-c", "true", "--kernel", str(nothing))
    assert (status, out) == (2, "") and err.startswith("vmm: kernel ") and "noise' is no ELF file" in err


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "required: run|ps|console|stop"), (["jump"], "invalid choice"), (["stop"], "required: name"),
    (["stop", "x"], "there is no machine 'x'"), (["console", "x"], "there is no machine 'x'"),
    (["run", "-c", "true", "--kernel", "/nowhere"], "can't be read: no such file or directory"),
    (["run", "-c", "true", "--memory", "1"], "memory size '1'"),
    (["run", "-c", "true", "--memory", "1G"], ""),
])
def test_mistakes(vm, arguments, words):
    status, out, err = vm(*arguments)
    assert status == (0 if arguments[-1:] == ["1G"] else 2) and words in out + err and (out + err).strip().count("\n") <= 1


def test_a_file_that_is_no_computer(tmp_path):
    (tmp_path / "computer").write_bytes(b"noise")
    done = ringzero("vm", "--computer", tmp_path / "computer", "ps")
    assert done.returncode == 2 and b"holds no computer asleep" in done.stderr
