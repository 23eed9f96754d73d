"""The same PVH kernel sees the same entry state and command line under QEMU's microvm and under ours."""

from __future__ import annotations

import subprocess

import keystone
import pytest

from emu.machine.machine import Machine, Reason
from tests.boot.elf_builder import elf, pvh_note
from tests.devices.qtest import QEMU, needs_qemu

# Prints, through COM1: the start info's magic and module count, CR0.PE and PG, CR4.PAE, EFLAGS.IF, whether
# the memory map has an entry for 1 MiB, and the command line; then leaves through the debug-exit port.
SOURCE = """
    mov esp, 0x90000
    mov ebp, ebx
    mov eax, [ebp]
    call hex
    mov eax, [ebp + 12]
    call hex
    mov eax, cr0
    and eax, 0x80000001
    call hex
    mov eax, cr4
    and eax, 0x20
    call hex
    pushfd
    pop eax
    and eax, 0x200
    call hex
    mov esi, [ebp + 40]
    mov ecx, [ebp + 48]
map:
    cmp dword ptr [esi + 16], 1
    jne next
    mov eax, [esi]
    cmp eax, 0x100000
    ja next
    mov edx, [esi + 8]
    add eax, edx
    cmp eax, 0x800000
    jb next
    mov eax, 0xfeed
    call hex
next:
    add esi, 24
    dec ecx
    jnz map
    mov esi, [ebp + 24]
text:
    mov al, [esi]
    inc esi
    test al, al
    jz end
    call put
    jmp text
end:
    mov al, 10
    call put
    mov edx, 0xf4
    mov eax, 21
    out dx, eax
    hlt
hex:
    mov edi, eax
    mov ebx, 8
digit:
    rol edi, 4
    mov eax, edi
    and eax, 15
    add eax, 48
    cmp eax, 58
    jb print
    add eax, 39
print:
    call put
    dec ebx
    jnz digit
    mov al, 32
    call put
    ret
put:
    mov edx, 0x3f8
    out dx, al
    ret
"""
DISK_ARGUMENT = "virtio_mmio.device=512@0xfeb00e00:12"
EXPECTED = "336ec578 00000000 00000001 00000000 00000000 0000feed one two=3"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_32).asm(SOURCE, 0x100000)
    path = tmp_path_factory.mktemp("pvh") / "kernel.elf"
    path.write_bytes(elf([(0x100000, bytes(code), None)], bits=64, notes=pvh_note(0x100000)))
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("pvh") / "disk.img"
    path.write_bytes(bytes(1 << 20))
    return path


def test_ours(kernel, image):
    with Machine("16M", "python", kernel=kernel, cmdline="one two=3", disk=image) as machine:
        result = machine.run(100_000)
        assert machine.console.decode() == f"{EXPECTED} {DISK_ARGUMENT}\n"
        assert (result.reason, result.status) == (Reason.POWER_OFF, 21)


@needs_qemu
def test_qemus(kernel, image):
    result = subprocess.run(
        [QEMU, "-M", "microvm,acpi=off", "-m", "16M", "-kernel", kernel, "-append", "one two=3", "-display", "none", "-monitor", "none",
         "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-no-reboot",
         "-drive", f"file={image},if=none,id=d,format=raw", "-device", "virtio-blk-device,drive=d"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert result.stdout.decode().replace("\r", "").endswith(f"{EXPECTED} {DISK_ARGUMENT}\n")
    assert result.returncode == 21 << 1 | 1
