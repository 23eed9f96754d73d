"""ringzero box and image: containers of the guest, kept from one command to the next."""

from __future__ import annotations

import gzip

import pytest

from emu.engines import available
from guestos import build
from tests.cli.ringzero import ringzero
from tests.guestos import archives


@pytest.fixture(autouse=True)
def compiled(guest):
    if "compiled" not in available():
        pytest.skip("the compiled engine is not built: make build")


@pytest.fixture
def computer(tmp_path):
    """computer(COMMAND, ARGUMENTS...) with a computer of the test's own: (status, output, errors)."""
    def run(command: str, *arguments: str, stdin: bytes | None = None) -> tuple[int, str, str]:
        done = ringzero(command, "--computer", tmp_path / "computer", *map(str, arguments), stdin=stdin)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    yield run
    assert not (tmp_path / "computer").exists()         # nothing was left in it


def test_a_command(computer):
    assert computer("box", "run", "--rm", "base", "sh", "-c", "echo 'a b'; echo c >&2; exit 3") == (3, "a b\n", "c\n")
    assert computer("box", "run", "nosuch")[0] == 125 and computer("box", "nonsense")[0] == 125


def test_containers_outlive_the_command(computer):
    assert computer("box", "run", "-d", "--name", "a", "base", "sleep", "1000")[0] == 0
    assert "running" in computer("box", "ps")[1]
    assert computer("box", "exec", "a", "echo", "in")[1] == "in\n"
    assert computer("box", "exec", "-it", "a", "sh", stdin=b"echo $((6*7))\nexit 5\n")[0] == 5
    assert computer("box", "rm", "-f", "a") == (0, "", "")


def test_an_image_from_an_archive(computer, tmp_path):
    programs = {path.name: path for path in build.build_user()}
    archive = tmp_path / "image.tar.gz"
    archive.write_bytes(gzip.compress(archives.docker([archives.tar(archives.programs(programs["echo"]))], name="mini:2", Cmd=["echo", "from an archive"])))
    assert computer("image", "import", archive) == (0, "mini:2\n", "")
    assert computer("box", "run", "--rm", "mini:2") == (0, "from an archive\n", "")
    assert "mini:2" in computer("image", "list", "--json")[1]
    archive.write_bytes(archive.read_bytes()[:-100])
    assert computer("image", "import", archive)[0] == 125
    assert computer("image", "rm", "mini:2") == (0, "", "")
    assert computer("image", "import", tmp_path / "nothing")[0] == 2


def test_an_image_from_a_directory(computer, tmp_path):
    (tmp_path / "ctx" / "d").mkdir(parents=True)
    (tmp_path / "ctx" / "d" / "f").write_text("copied\n")
    (tmp_path / "ctx" / "Boxfile").write_text('FROM base\nCOPY d /d\nRUN cat /d/f > /made\nCMD ["cat", "/made"]\n')
    assert computer("image", "build", "-t", "x", tmp_path / "ctx")[0] == 0
    assert computer("box", "run", "--rm", "x") == (0, "copied\n", "")
    assert computer("image", "rm", "x")[0] == 0


@pytest.mark.parametrize("words, talks", [("run -it base", True), ("run --rm -i base", True), ("run base ls -i", False),
                                          ("run -e A=1 -t base", True), ("ps -a", False), ("exec a ls -t", False), ("exec -i a sh", True)])
def test_who_gets_the_terminal(words, talks):
    from emu.cli import box

    assert box.talks(words.split()) is talks
