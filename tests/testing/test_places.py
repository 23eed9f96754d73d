"""The fixtures `container` and `vm`: where a test's programs run beside the guest."""

from __future__ import annotations

import time

import pytest


@pytest.mark.parametrize("round", range(2))
def test_a_container_runs_commands_and_starts_afresh_in_each_test(guest, container, round):
    a, b = container(), container("--memory", "8m")
    done = a.run("echo out; echo err >&2; ls /tmp; exit 3")
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")
    a.run("echo mine > /tmp/mine").check()
    assert a.read("/tmp/mine") == "mine\n" and b.run("cat /tmp/mine").status == 1
    assert [each.name for each in a.processes()] == ["sleep"] and a.record.cgroup == f"/box/{a.id}" and a.record.init.seccomp
    assert a.run("kill -9 1").status == 0 or a.processes()


@pytest.mark.parametrize("round", range(2))
def test_a_virtual_machine_has_a_kernel_of_its_own(guest, vm, container, round):
    a, b = vm("--memory", "16M"), vm()
    inside = container(inside=a)
    assert a.run("exit 5").status == 5 and a.record.slots[0].size == 16 << 20
    assert "sleep" in [each.name for each in a.processes()] and "sleep" not in [each.name for each in b.processes()]
    assert len({guest.view.kernel_frame, a.view.kernel_frame, b.view.kernel_frame}) == 3 and inside.view.kernel_frame == a.view.kernel_frame
    assert inside.run("echo $((6 * 7)); ls /tmp").output == "42" and str(inside) == "container c1 in virtual machine v1"


def test_files_of_any_bytes_can_be_put_into_places(container, vm):
    data = bytes(range(256)) * 6
    for place in (container(), vm()):
        place.put("/tmp/data", data, 0o600)
        assert place.read("/tmp/data") == data.decode("utf-8", "replace") and "rw-------" in place.run("ls -l /tmp/data").output


def test_what_the_test_did_before_is_kept(guest, container):
    guest.run("echo x > /tmp/before").check()
    assert container().run("echo up").output == "up" and guest.read("/tmp/before") == "x\n"


def test_the_second_of_a_kind_is_restored(_places):
    def once() -> float:
        _places.begin()
        begun = time.perf_counter()
        assert _places.container(name="restored").name == _places.vm(name="restored").name
        return time.perf_counter() - begun

    once()
    assert min(once() for _ in range(5)) < 0.01
