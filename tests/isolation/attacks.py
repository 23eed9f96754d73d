"""The attack matrix, docs/attacks.md: each attack of programs/attacks.c in all four settings, and what came of it outside."""

from __future__ import annotations

import re

from emu.machine.machine import Machine
from emu.testing.guest import Guest, GuestError
from guestos import build
from guestos.images import default
from tests.guestos import ours

SETTINGS = {"process": "{}", "container": "box run --rm --pids 32 --memory 16m base {}", "virtual machine": "vmm run -c '{}'",
            "container in a virtual machine": "vmm run -c 'box run --rm --pids 32 --memory 16m base {}'"}
#: What each attack is after.
ATTACKS = {
    "double_chroot": "out of the root by a second chroot", "leaked_descriptor": "out by an inherited directory (CVE-2024-21626)",
    "overwrite_the_runtime": "write the first process's program (CVE-2019-5736)", "release_agent": "a program run by the kernel outside (CVE-2022-0492)",
    "kill_outside": "kill a process outside", "trace_outside": "trace a process outside", "environment_outside": "read its environment",
    "root_outside": "its files through /proc/N/root", "raw_disk": "read the disk through a device node", "kernel_memory": "read /proc/kcore",
    "host_name": "change the host's name", "host_name_in_proc": "the same through /proc/sys", "mount_outside": "mount something outside", "power_off": "switch the computer off",
    "set_user_id": "become root by a set-user-ID program", "fork_bomb": "a hundred processes outside",
}


def boot() -> Guest:
    ours.guest()
    kernel = build.build_kernel()
    program = build.build_program([ours.PROGRAMS / "attacks.c"], ours.CACHE / "attacks", [*build.USER_FLAGS, "-O1", "-w"])
    programs = [*build.build_user(), program]
    disk = ours._image([*default.default_tree(programs), *default.nested_tree(kernel, programs, ours.CACHE)], "attacks.img", 32 << 20)
    guest = Guest(Machine("256M", kernel=kernel, disk=disk, cmdline='quiet init=/bin/init -- -c "exec /bin/agent"'))
    guest._reply("boot", 2_000_000_000)
    guest.run("echo OUTER SECRET 4711 > /root/secret; sync; SECRET=OUTER-SECRET-4711 attacks -sentinel > /tmp/outsider").check()
    guest.machine.snapshot("booted")
    return guest


def attempt(guest: Guest, setting: str, attack: str) -> str:
    """What came of it: **reached**, or who stopped it, or that only its own was hit."""
    guest.machine.restore(guest.machine.snapshots.root)
    outsider = guest.read("/tmp/outsider").strip()
    try:
        done = guest.run("exec 9</; " + SETTINGS[setting].format(f"attacks {attack} {outsider}"), 3_000_000_000)
        after = guest.run(f"cat /proc/sys/kernel/hostname /proc/mounts; kill -0 {outsider} && echo alive; ps | wc -l").stdout
    except GuestError:
        return "**reached**"
    said = done.stdout.replace("\r", "").strip().splitlines()
    harmed = "4711" in done.stdout or "owned" in after or "alive" not in after or " /mnt " in after or int(after.split()[-1]) > 60
    if harmed or (setting == "process" and said[-1:] == ["done"]):
        return "**reached**"
    if said[-1:] == ["done"] or not said:
        return "only its own"
    return f"`{re.sub(r'[^ -~]', '', said[-1])}`"


def markdown() -> str:
    lines = ["# Attacks, and what each boundary stopped", "",
             "Each attack of `tests/guestos/programs/attacks.c` as root in the four settings of [the boundary](boundary.md), with a container of `box`.",
             "**reached**: it got what it was after, outside. `CALL: ERROR`: there the kernel, or the runtime's preparations, stopped it. only its own: the",
             "attack went through, and hit nothing but the virtual machine (or container) that it was made in. Made by `make docs`; a test compares.", "",
             "| attack | " + " | ".join(SETTINGS) + " |", "|---|" + "---|" * len(SETTINGS)]
    guest = boot()
    with guest.machine:
        lines += [f"| {what} | " + " | ".join(attempt(guest, setting, attack) for setting in SETTINGS) + " |" for attack, what in ATTACKS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
