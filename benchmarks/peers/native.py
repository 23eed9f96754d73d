"""The host's own processor: the ceiling. Ring 3 workloads only."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from pathlib import Path

from benchmarks.build import Image, build_host
from benchmarks.peers.peer import PeerError, Run


class Native:
    """Runs flat images as a Linux process, by workloads/host.c."""

    name = "native"
    title = "native"

    def missing(self) -> str:
        if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
            return ""
        return f"native runs need Linux on x86_64; this is {platform.system()} on {platform.machine()}"

    def runs(self, image: Image) -> bool:
        return image.workload.flat

    def run(self, image: Image, iterations: int) -> Run:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "image")
            path.write_bytes(image.flat)
            result = subprocess.run([build_host(), path, hex(image.symbols["workload"]), str(iterations)],
                                    capture_output=True, text=True, timeout=120)
        if result.returncode:
            raise PeerError(f"native run of {image.workload.name} ended with {result.returncode}: {result.stderr}")
        checksum, nanoseconds = result.stdout.split()
        return Run(int(nanoseconds) / 1e9, int(checksum, 16))
