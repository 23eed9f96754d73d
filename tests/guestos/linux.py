"""The oracle of unmodified programs: the same binaries, from the same tree, under the Linux of this host.

They run in namespaces of their own (util-linux' unshare), as root or as an unprivileged user with a user namespace.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ENVIRONMENT = {"HOME": "/root", "PATH": "/bin", "TERM": "linux"}
SETUP = """set -e
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"; mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=700 tmpfs "$1/root"; mount --bind "$2" "$1/mnt"; hostname ringzero; cd /; root=$1; shift 2; set +e
chroot "$root" "$@"; exit $?
"""


def command(root: Path, scripts: Path, program: Sequence[str]) -> list[str]:
    """What to run: `program` with `root` as its root directory, `scripts` on /mnt, and its own /proc, /tmp and /root."""
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    return ["unshare", *own, "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", SETUP, "setup", str(root), str(scripts),
            "/usr/bin/env", "-i", *words, *program]


@functools.cache
def missing(root: Path) -> str:
    """Why programs of the tree `root` can't be run here, or nothing."""
    if not shutil.which("unshare"):
        return "unshare is not installed: apt-get install util-linux"
    result = subprocess.run(command(root, root, ["/bin/true"]), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return f"this host's Linux doesn't let us make namespaces: {result.stderr.strip()}" if result.returncode else ""


def run(root: Path, scripts: Path, program: Sequence[str], timeout: float = 60) -> tuple[str, int]:
    """Output (both streams) and status of `program`."""
    result = subprocess.run(command(root, scripts, program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    return result.stdout.decode("utf-8", "replace"), result.returncode
