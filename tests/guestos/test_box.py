"""box: images and containers in the guest, and, where root may, on this host's Linux with the same program."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.testing import guest as testing
from guestos import build, subjects
from tests.guestos import archives, ours


@dataclass
class Outcome:
    status: int
    stdout: str
    stderr: str


class Ours:
    """The guest."""

    def __init__(self) -> None:
        ours.require_compiled()
        self.guest = testing.boot(memory="64M")
        self.start = self.guest.machine.snapshot("booted")

    def reset(self) -> None:
        self.guest.machine.restore(self.start)

    def sh(self, script: str) -> Outcome:
        done = self.guest.run(script)
        return Outcome(done.status, done.stdout, done.stderr)

    def put(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        self.guest.run(["mkdir", "-p", str(Path(path).parent)])
        self.guest.put(path, data, mode)


class Native:
    """This host's Linux, with our programs as /bin of the image `base`; box keeps its state below a directory of its own."""

    def __init__(self, where: Path) -> None:
        programs = {path.name: path for path in build.build_user()}
        (where / "bin").mkdir()
        for name in ("box", "boxd"):
            (where / "bin" / name).symlink_to(programs["box"])
        self.environment = {"PATH": f"{where}/bin:{os.environ['PATH']}", "BOX_ROOT": f"{where}/lib", "BOX_RUN": f"{where}/run"}
        self.root = where
        (where / "base.tar").write_bytes(archives.tar([*archives.programs(*(path for name, path in programs.items() if name not in ("box", "usertests", "vmm"))),
                                                       archives.entry("tmp", type=tarfile.DIRTYPE, mode=0o1777)]))
        self.sh(f"box import {where}/base.tar base").stdout
        self.reset()

    def reset(self) -> None:
        for line in json.loads(self.sh("box ps -a --json").stdout):
            self.sh(f"box rm -f {line['id']}")

    def sh(self, script: str) -> Outcome:
        done = subprocess.run(["sh", "-c", script.replace("/work/", f"{self.root}/work/")], env=self.environment, capture_output=True, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, timeout=60)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def put(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        at = self.root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data.encode() if isinstance(data, str) else data)
        at.chmod(mode)


@pytest.fixture(scope="module")
def systems():
    made = {}
    yield made
    if "linux" in made:
        made["linux"].reset()
        made["linux"].sh('rmdir "$BOX_RUN/cgroup/box"; umount "$BOX_RUN/cgroup"')


@pytest.fixture(params=["guest", "linux"])
def system(request, systems, tmp_path_factory):
    if request.param == "linux" and (os.getuid() or subprocess.run(["unshare", "-mpf", "true"], capture_output=True).returncode):
        pytest.skip("containers need root on this host")
    if request.param not in systems:
        systems[request.param] = Ours() if request.param == "guest" else Native(tmp_path_factory.mktemp("box"))
    systems[request.param].reset()
    return systems[request.param]


@pytest.fixture
def guest(systems):
    if "guest" not in systems:
        systems["guest"] = Ours()
    systems["guest"].reset()
    return systems["guest"]


def table(system, command: str = "ps -a") -> list[dict]:
    return json.loads(system.sh(f"box {command} --json").stdout)


def test_a_container_runs_and_its_status_is_the_commands(system):
    done = system.sh("box run --rm base sh -c 'echo out; echo err >&2; exit 7'")
    assert (done.status, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert table(system) == []
    assert system.sh("box run --rm base nothing").status == 127 and system.sh("box run --rm base /tmp").status == 126


def test_what_a_container_sees(system):
    done = system.sh("box run --rm --name n --hostname h base sh -c 'echo $$; ls /proc; cat /proc/sys/kernel/hostname; ls -l /dev; ls -l /proc/self/fd; pwd; ls /'")
    lines = done.stdout.splitlines()
    assert lines[0] == "1" and [line for line in lines if line.isdigit()][1:] in (["1", "2"], ["1"]) and "h" in lines
    devices = {line.split()[-1] for line in lines if line.startswith("crw")}
    assert devices == {"null", "zero", "full", "random", "urandom", "tty"}
    descriptors = [line.split()[-3] for line in lines if " -> " in line and ("/dev/null" in line or "pipe:" in line)]
    assert descriptors == ["0", "1", "2"]


def test_capabilities_and_privileges(system):
    status = dict(line.split(":\t", 1) for line in system.sh("box run --rm base cat /proc/self/status").stdout.splitlines() if ":\t" in line)
    assert (status["CapInh"], status["CapEff"], status["CapBnd"], status["CapAmb"]) == ("0" * 16, "00000000000405fb", "00000000000405fb", "0" * 16)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    other = system.sh("box run --rm --user 1000:7 --cap-drop all --cap-add KILL base cat /proc/self/status").stdout
    assert "CapEff:\t" + "0" * 16 in other and "CapBnd:\t0000000000000020" in other and "Uid:\t1000\t1000\t1000\t1000" in other and "Gid:\t7\t7\t7\t7" in other
    assert "no capability X" in system.sh("box run --rm --cap-add X base true").stderr


@pytest.mark.parametrize("command, said", [
    ("mount -t tmpfs x /tmp", "Operation not permitted"), ("sh -c 'echo x > /proc/sys/kernel/hostname'", "Read-only file system"), ("mkdir /sys/fs/cgroup/x", "Read-only file system"),
    ("kill -9 1", ""), ("umount /proc/sys", "Operation not permitted"), ("sh -c 'echo 1 > /sys/fs/cgroup/cgroup.procs'", "Read-only file system"),
])
def test_what_a_container_may_not(system, command, said):
    done = system.sh(f"box run --rm base sh -c \"{command}; echo alive\"")
    assert said in done.stderr and "alive" in done.stdout


def test_a_read_only_root_and_volumes(system):
    system.put("/work/v/file", "contents\n")
    assert "Read-only file system" in system.sh("box run --rm --read-only base touch /tmp/x").stderr
    assert system.sh("box run --rm -v /work/v:/data base sh -c 'cat /data/file; echo more >> /data/file'").stdout == "contents\n"
    done = system.sh("box run --rm -v /work/v:/data:ro base sh -c 'cat /data/file; touch /data/x'")
    assert done.stdout == "contents\nmore\n" and "Read-only file system" in done.stderr
    assert "expected" in system.sh("box run --rm -v /work/v:data base true").stderr


def test_a_volume_is_never_put_behind_a_link(system):
    system.put("/work/a.tar", archives.oci([archives.tar([*archives.programs(), archives.link("data", "/proc")])], name="linked", Cmd=["x"]))
    system.put("/work/v/file", "contents\n")
    assert system.sh("box import /work/a.tar").status == 0
    done = system.sh("box run --rm -v /work/v:/data linked")
    assert done.status == 125 and "symbolic link" in done.stderr and table(system) == []


def test_a_containers_paths_do_not_climb(system):
    system.put("/work/v/file", "contents\n")
    done = system.sh("box run --rm -v /work/v:/a/../../b base true")
    assert done.status == 125 and "has no .." in done.stderr and table(system) == []


def test_a_header_whose_checksum_is_wrong(system):
    data = bytearray(archives.tar([*archives.programs()]))
    data[100] ^= 1                                      # of the first entry's mode
    system.put("/work/a.tar", bytes(data))
    done = system.sh("box import /work/a.tar x")
    assert done.status == 125 and "checksum" in done.stderr


@pytest.mark.parametrize("null", ["ln -s /etc/passwd null", "ln -s /dev/null null", "touch null", "true"])
def test_a_masks_source_is_the_null_device(system, null):
    """C31, as in CVE-2025-31133: a volume puts something else in the place of the device that masks are made of."""
    system.sh(f"rm -rf /work/dev; mkdir -p /work/dev; cd /work/dev; {null}")
    done = system.sh("box run --rm -v /work/dev:/dev base sh -c 'echo ran'")
    assert done.status == 125 and "is not device 1:3" in done.stderr and done.stdout == "" and table(system) == []


def test_lifecycle(system):
    """C45, C46: create runs nothing; what a state doesn't allow is refused and changes nothing."""
    assert system.sh("box create --name c base sh -c 'echo ran; sleep 100'").status == 0
    assert table(system)[0]["state"] == "created" and system.sh("box logs c").stdout == ""
    assert system.sh("box exec c true").status == 125 and system.sh("box rm c").status == 125
    assert system.sh("box start c; sleep 1; box logs c").stdout == "ran\n"
    for refused in ("start c", "rm c", "create --name c base true"):
        assert system.sh(f"box {refused}").status == 125, refused
        assert [row["state"] for row in table(system)] == ["running"]
    assert system.sh("box exec c sh -c 'echo in; exit 3'").status == 3
    assert system.sh("box kill c; sleep 1").status == 0
    assert [(row["state"], row["exit"]) for row in table(system)] == [("stopped", "137")]
    for refused in ("start c", "kill c", "exec c true", "stop c"):
        assert system.sh(f"box {refused}").status == 125, refused
    assert json.loads(system.sh("box inspect c").stdout)["command"] == ["sh", "-c", "echo ran; sleep 100"]
    assert system.sh("box rm c").status == 0 and table(system) == []


def test_stop_waits_then_kills(system):
    system.sh("box run -d --name s base sleep 1000")
    assert system.sh("box stop -t 1 s").status == 0 and table(system)[0]["exit"] == "137"


def test_a_failed_create_leaves_nothing(system):
    """C47."""
    before = system.sh("ls ${BOX_ROOT:-/var/lib/box}/containers ${BOX_RUN:-/run/box}").stdout
    for wrong in ("--net moon", "--user nobody_here", "--name -x", "--memory x", "--cpus 0", "--pids 0", "--net bridge --ip 10.88.1.1", "--ip 10.88.0.5", "-v /nothing:/x", "--color"):
        done = system.sh(f"box create {wrong} base true")
        assert done.status == 125 and done.stderr.startswith("box: "), wrong
    assert system.sh("box create nosuch true").status == 125
    after = system.sh("ls ${BOX_ROOT:-/var/lib/box}/containers ${BOX_RUN:-/run/box}").stdout
    assert table(system) == [] and set(after.split()) - set(before.split()) <= {"cgroup", "/run/box:", "/var/lib/box/containers:"}


def test_delete_removes_only_what_create_made(system):
    """C48: the image, volumes, another container and the host's files are as they were; nothing of the container is left."""
    system.put("/work/keep/file", "kept\n")
    system.sh("box run -d --name other base sh -c 'echo other > /tmp/o; sleep 1000'")
    places = "${BOX_ROOT:-/var/lib/box}/layers ${BOX_ROOT:-/var/lib/box}/containers ${BOX_ROOT:-/var/lib/box}/containers/* ${BOX_RUN:-/run/box}"
    state = f"for place in {places}; do echo $place; ls $place; done; ls -l /work/keep; cat /proc/mounts"
    before = system.sh(state).stdout
    system.sh("box create --name gone -v /work/keep:/data base sh -c 'echo mine > /tmp/m; ln -s / /tmp/root; ln -s /data /tmp/data; sleep 1000'")
    assert system.sh(state).stdout != before
    system.sh("box start gone; sleep 1")
    assert system.sh("box rm -f gone").status == 0 and system.sh(state).stdout == before
    assert system.sh("cat /work/keep/file").stdout == "kept\n" and system.sh("box exec other cat /tmp/o").stdout == "other\n"
    assert system.sh("box rm -f other").status == 0 and table(system) == []


def test_writes_stay_in_the_container(system):
    """C32: layers never change; what a container writes goes with it."""
    system.sh("box run -d --name w base sh -c 'echo new > /bin/ls; rm /bin/cat; sleep 1000'; sleep 1")
    assert system.sh("box exec w ls /").status != 0
    assert system.sh("box run --rm base sh -c 'ls -d /bin/cat; cat /bin/true > /dev/null'").stdout == "/bin/cat\n"
    system.sh("box rm -f w")


def test_the_monitors_death_ends_its_container(system):
    system.sh("box run -d --name m base sleep 1000")
    pid = table(system)[0]["pid"]
    parent = re.search(r"PPid:\t(\d+)", system.sh(f"cat /proc/{pid}/status").stdout)[1]
    system.sh(f"kill -9 {parent}; sleep 1")
    assert [(row["state"], row["exit"]) for row in table(system)] == [("stopped", "137")]
    assert system.sh("box rm m").status == 0 and table(system) == []


def test_the_runtimes_file_is_not_reachable(system):
    """C37, as in CVE-2019-5736: /proc/self/exe as a command is a nameless copy, and no image's program gets at box's own file."""
    done = system.sh("box run --rm base /proc/self/exe help")
    assert done.stdout.startswith("usage: box")         # it is run, for it is only a copy
    own = system.sh("cat $(command -v box 2>/dev/null || echo /bin/box) | wc -c").stdout
    script = "ls -l /proc/1/exe; echo junk > /proc/self/exe"
    system.sh(f"box run --rm base sh -c '{script}'")
    assert system.sh("cat $(command -v box 2>/dev/null || echo /bin/box) | wc -c").stdout == own


BOXFILE = """\
# an example
FROM base
ENV A=1 B="two words"
WORKDIR /work
COPY dir/f dir/l /data/
COPY dir/f other
RUN echo $A "$B" > made; \\
    cat other >> made
CMD ["sh", "-c", "cat made /data/l; echo $B"]
"""


def test_build_and_its_cache(system):
    system.put("/work/ctx/Boxfile", BOXFILE)
    system.put("/work/ctx/dir/f", "hello\n")
    system.sh("ln -s f /work/ctx/dir/l")
    first = system.sh("box build -t example /work/ctx")
    assert first.status == 0 and "cached" not in first.stdout, first.stderr
    assert system.sh("box run --rm example").stdout == "1 two words\nhello\nhello\ntwo words\n"
    assert system.sh("box build -t again /work/ctx").stdout.count("(cached)") == 3
    system.put("/work/ctx/dir/f", "other\n")
    assert system.sh("box build -t third /work/ctx").stdout.count("(cached)") == 0
    assert system.sh("box run --rm third").stdout == "1 two words\nother\nother\ntwo words\n"
    assert {row["name"] for row in table(system, "images")} >= {"base:latest", "example:latest", "again:latest", "third:latest"}
    assert system.sh("box rmi example again third").status == 0 and system.sh("box run --rm example").status == 125


@pytest.mark.parametrize("text, line, why", [
    ("FROM base\n\n# c\nCOPYY a b\n", 4, "unknown instruction"), ("RUN true\n", 1, "first instruction is FROM"), ("FROM base\nFROM base\n", 2, "once"),
    ("FROM base\nCOPY nothere /x\n", 2, "No such file"), ("FROM base\nCOPY ../x /x\n", 2, ".."), ("FROM base\nENV \"a\n", 2, "quotation"),
    ("FROM base\nCMD [1\n", 2, "expected"), ("FROM nosuch\n", 1, "no image"), ("", 1, "no instruction"), ("FROM base\nRUN true; \\\n exit 3\n", 2, "status 3"),
    ("FROM base\nWORKDIR\n", 2, "argument"), ("FROM base\nENV A\n", 2, "expected"), ("FROM base\nCOPY a\n", 2, "expected"),
])
def test_an_error_in_a_boxfile_names_its_line(system, text, line, why):
    system.put("/work/ctx/Boxfile", text)
    before = table(system, "images")
    done = system.sh("box build -t wrong /work/ctx")
    assert done.status == 125 and f"Boxfile:{line}:" in done.stderr and why in done.stderr
    assert table(system, "images") == before and table(system) == []


def _layers() -> list[bytes]:
    programs = {path.name: path for path in build.build_user()}
    long = "n" * 120 + "/" + "m" * 90
    return [archives.tar([*archives.programs(programs["sh"], programs["ls"], programs["cat"]), archives.entry("etc/gone", b"x"), archives.entry("d/one", b"1"),
                          archives.entry(long, b"long\n"), archives.link("link", "/d/two")]),
            archives.tar([archives.entry("etc/.wh.gone"), archives.entry("d/.wh..wh..opq"), archives.entry("d/two", b"2\n"),
                          archives.entry("same", type=tarfile.LNKTYPE, linkname="d/two")], tarfile.GNU_FORMAT)]


@pytest.mark.parametrize("form", [archives.oci, archives.docker])
def test_import(system, form):
    system.put("/work/a.tar", form(_layers(), name="x/y:1", Cmd=["sh", "-c", "ls /etc /d; cat /link /same /n*/m*; echo $V"], Env=["V=v", "PATH=/bin"], WorkingDir="/d"))
    assert system.sh("box import /work/a.tar").stdout == "x/y:1\n"
    assert system.sh("box run --rm x/y:1").stdout == "/etc:\n/d:\ntwo\n2\n2\nlong\nv\n"
    assert system.sh("box rmi x/y:1").status == 0


def test_import_of_a_root_file_system(system):
    system.put("/work/a.tar", _layers()[0])
    assert "needs a NAME" in system.sh("box import /work/a.tar").stderr
    assert system.sh("box import /work/a.tar plain").stdout == "plain:latest\n" and system.sh("box run --rm plain ls /d").stdout == "one\n"


E = archives.entry
HOSTILE = {
    "absolute": [E("/etc/x", b"1")], "above": [E("a/../../x", b"1")], "device": [E("dev/sda", type=tarfile.BLKTYPE, devmajor=8)],
    "through a link": [archives.link("etc", "/tmp"), E("etc/x", b"1")], "link to outside": [E("x", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
    "link above": [E("x", type=tarfile.LNKTYPE, linkname="../../../etc/passwd")], "through a link to": [archives.link("e", "/etc"), E("x", type=tarfile.LNKTYPE, linkname="e/passwd")],
    "whiteout of nothing": [E(".wh..")], "root": [E(".", b"x")], "below a file": [E("f", b"x"), E("f/x", b"y")],
}


def _state(system) -> str:
    """What box keeps, and the places outside where the layers above would write (not all of /tmp: others use it meanwhile)."""
    return system.sh("cd ${BOX_ROOT:-/var/lib/box}; ls -a . images layers containers; ls -d /x /etc/x /tmp/x 2>/dev/null || true").stdout


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_layers_are_refused(system, what):
    before = _state(system)
    system.put("/work/a.tar", archives.oci([archives.tar(HOSTILE[what])], name="bad"))
    done = system.sh("box import /work/a.tar")
    assert done.status == 125 and re.match(r"box: .*(refused|leads through|no file of this layer|hides nothing|root is a directory)", done.stderr)
    assert _state(system) == before


def test_damaged_archives_are_refused(system):
    """Bits flipped, ends cut off, random bytes: an error, or (where no byte that counts was hit) the image; never anything between."""
    before, random_ = _state(system), random.Random(4)
    whole = [form(_layers(), name="bad") for form in (archives.oci, archives.docker)]
    counts = {0: 0, 125: 0}
    for number in range(45):
        data = bytearray(random_.choice(whole))
        if number % 3 == 0:
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        elif number % 3 == 1:
            data = data[: random_.randrange(len(data))]
        else:
            data = random_.randbytes(10_000)
        system.put("/work/a.tar", bytes(data))
        done = system.sh("box import /work/a.tar")
        counts[done.status] += 1
        if done.status == 0:
            system.sh(f"box rmi {done.stdout.strip()}")
        else:
            assert done.stderr.startswith("box: ") and done.stderr.count("\n") == 1
        assert _state(system) == before
    assert counts[125] > 35


def test_a_wrong_digest_is_named(system):
    data = archives.oci(_layers(), name="bad", packed=False).replace(b"long\n", b"lang\n")
    system.put("/work/a.tar", data)
    assert "is damaged: its digest is" in system.sh("box import /work/a.tar").stderr


def test_the_daemons_death_leaves_containers(system):
    """C49."""
    pid = system.sh("boxd && cat ${BOX_RUN:-/run/box}/boxd.pid").stdout.strip()
    try:
        assert "listens already" in system.sh("boxd").stderr
        assert system.sh("box run --rm base sh -c 'echo through the daemon; exit 4'").stdout == "through the daemon\n"
        assert system.sh("box run --rm base sh -c 'exit 4'").status == 4
        system.sh("box run -d --name d base sh -c 'sleep 1; echo still here; sleep 1000'")
        system.sh(f"kill -9 {pid}; sleep 2")
        assert table(system)[0]["state"] == "running" and system.sh("box logs d").stdout == "still here\n"
        pid = system.sh("boxd && cat ${BOX_RUN:-/run/box}/boxd.pid").stdout.strip()
        assert table(system)[0]["state"] == "running" and system.sh("box exec d echo found").stdout == "found\n"
        assert system.sh("box rm -f d").status == 0 and table(system) == []
    finally:
        system.sh(f"kill {pid}")


TALK = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = argc > 1 ? inet_addr(argv[1]) : 0 };
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    char text[100] = "";
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (argc > 1) {
        for (int tries = 0; connect(fd, (void *)&at, sizeof(at)); tries++) if (tries == 20) return perror(argv[1]), 1; else usleep(50000);
        return read(fd, text, 99) < 0 || puts(text) < 0;
    }
    if (bind(fd, (void *)&at, sizeof(at)) || listen(fd, 5)) return perror("listen"), 1;
    for (;;) { int to = accept(fd, 0, 0); dprintf(to, "hello"); close(to); }
}
"""


def test_networks(system):
    """Containers on the bridge reach each other and the host; one without reaches nobody."""
    try:
        system.put("/work/net/talk", testing.compile_program(TALK), 0o755)
        assert system.sh("box run -d --name server --net bridge --ip 10.88.0.9 -v /work/net:/net base /net/talk").status == 0
        assert system.sh("box run --rm --net bridge -v /work/net:/net base /net/talk 10.88.0.9").stdout == "hello\n"
        assert system.sh("/work/net/talk 10.88.0.9").stdout == "hello\n"
        assert "unreachable" in system.sh("box run --rm -v /work/net:/net base /net/talk 10.88.0.9").stderr
        assert "another container" in system.sh("box run --rm --net bridge --ip 10.88.0.9 base true").stderr
        assert json.loads(system.sh("box inspect server").stdout)["ip"] == "10.88.0.9"
        system.sh("box rm -f server")
    finally:
        if isinstance(system, Native):
            subprocess.run(["ip", "link", "delete", "box0"])


def test_limits(guest):
    """C39, C40: of tasks, and of memory, which ends the container alone."""
    done = guest.sh("box run --rm --pids 3 base sh -c 'sleep 1 & sleep 1 & sleep 1 & echo x'")
    assert "Resource temporarily unavailable" in done.stderr
    guest.sh("box run -d --name big --memory 1m base sh -c 'sleep 1; sort /dev/zero'; box run -d --name small base sleep 100; sleep 5")
    assert {row["name"]: row["state"] for row in table(guest)} == {"big": "stopped", "small": "running"}
    guest.sh("box run -d --name l --memory 4m --pids 9 --cpus 0.5 base sleep 100")
    row = next(row for row in table(guest, "stats") if row["name"] == "l")
    assert (row["memory_max"], row["pids"], row["pids_max"]) == (str(4 << 20), "1", "9")
    assert guest.sh("box exec l cat /sys/fs/cgroup/cpu.max").stdout == "50000 100000\n"


def test_a_terminal(guest):
    assert guest.sh("box run --rm -t base tty").stdout == "/dev/pts/0\r\n"


def test_what_a_container_costs(guest):
    """Through the daemon, with the agent's shell, to the end: what docs/containers.md says, within a quarter."""
    guest.sh("boxd; box run --rm base true; box create --name c base true")
    shell = guest.guest.run("true").instructions
    assert guest.guest.run("box start -a c").instructions - shell < 600_000
    assert guest.guest.run("box run --rm base true").instructions - shell < 1_400_000


def test_incompatible_libraries_side_by_side(system, tmp_path):
    """The example of docs/containers.md: each image has its own version; forced into one, a program finds the wrong one."""
    try:
        musl = subjects.package("musl") / "lib" / "x86_64-linux-musl" / "libc.so"
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    script = build.ROOT / "docs" / "examples" / "shared-library" / "build.sh"
    subprocess.run(["sh", script, tmp_path, musl], env={**os.environ, "CC": f"{sys.executable} -m ziglang cc"}, check=True)
    for image in ("musl", "one", "two", "both"):
        for path in sorted((tmp_path / image).rglob("*")):
            if path.is_file():
                system.put(f"/work/{image}/{path.relative_to(tmp_path / image)}", path.read_bytes(), path.stat().st_mode & 0o777)
        assert system.sh(f"box build -t {image} /work/{image}").status == 0
    system.sh("box run -d --name a one; box run -d --name b two; sleep 1")
    assert system.sh("box logs a").stdout == "hello\n" and system.sh("box logs b").stdout == "good day, ring zero\n"
    assert system.sh("box run --rm both /bin/two").stdout == "good day, ring zero\n"
    wrong = system.sh("box run --rm both")
    assert wrong.status == 127 and wrong.stderr == "Error relocating /bin/one: greeting: symbol not found\n"
    system.sh("box rm a; box rm b; box rmi both one two musl")
