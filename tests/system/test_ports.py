"""Port instructions: widths, IOPL, the I/O permission bitmap, string forms (APM vol. 2, 12.2.4; vol. 3, IN, OUT, INS, OUTS)."""

import pytest

from emu.devices.device import Device
from tests.flat import CODE, HANDLERS, TSS
from tests.system.machine import GP, PF, SystemMachine, code64

PORT = 0x3F0


class Recorder(Device):
    """Sixteen ports that count reads and note writes, of any width at once."""

    name = "recorder"
    ports = [range(PORT, PORT + 16)]
    wide_ports = True

    def __init__(self):
        self.log = []

    def read_port(self, port, width):
        self.log.append(("in", port, width))
        return 0x1122334455667788 + len(self.log)

    def write_port(self, port, width, value):
        self.log.append(("out", port, width, value))


def machine(engine_class, **options):
    m = SystemMachine(engine_class, **options)
    m.recorder = Recorder()
    m.bus.attach(m.recorder)
    return m


@pytest.fixture
def m(engine_class):
    return machine(engine_class)


@pytest.fixture
def user(engine_class):
    m = machine(engine_class, cpl=3)
    m.engine.set("seg_limit", 0x67 + 0x100, 7)
    m.memory.write(TSS + 0x66, (0x68).to_bytes(2, "little"))
    m.memory.write(TSS + 0x68, b"\xFF" * 0x100)
    return m


def allow(m, *ports):
    for port in ports:
        at = TSS + 0x68 + (port >> 3)
        m.memory.write(at, bytes((m.memory.read(at, 1)[0] & ~(1 << (port & 7)),)))


def test_widths(m):
    m.asm("out dx, al; out dx, ax; out dx, eax", rax=0xAABBCCDD11223344, rdx=PORT)
    assert m.recorder.log == [("out", PORT, 1, 0x44), ("out", PORT, 2, 0x3344), ("out", PORT, 4, 0x11223344)]
    m.recorder.log.clear()
    m.asm("in eax, dx", rax=2 ** 64 - 1, rdx=PORT)
    assert m["rax"] == 0x55667789
    m.asm("in ax, dx", rax=2 ** 64 - 1)
    assert m["rax"] == 0xFFFFFFFFFFFF778A
    m.asm("in al, dx", rax=2 ** 64 - 1)
    assert m["rax"] == 0xFFFFFFFFFFFFFF8B


def test_rex_w_does_not_widen_a_port(m):
    m.run("48 ef", rax=2 ** 64 - 1, rdx=PORT)
    assert m.recorder.log == [("out", PORT, 4, 0xFFFFFFFF)]


def test_immediate_ports_and_unmapped_ones(m):
    m.asm("in al, 0x99; out 0x99, al", rax=0)
    assert m["rax"] == 0xFF


def test_iopl_opens_all_ports(user):
    user.asm("in al, dx", rdx=PORT, rflags=0x3002)
    assert user.faulted() is None


@pytest.mark.parametrize("text, width", [("in al, dx", 1), ("in ax, dx", 2), ("out dx, eax", 4)])
def test_every_byte_needs_its_bit(user, text, width):
    for missing in range(width):
        allow(user, *(PORT + k for k in range(width)))
        at = TSS + 0x68 + (PORT >> 3)
        user.memory.write(at, bytes((user.memory.read(at, 1)[0] | 1 << missing,)))
        user.asm(text, rdx=PORT)
        assert user.faulted() == (GP, 0) and user.recorder.log == []
        user.reset()
    allow(user, *(PORT + k for k in range(width)))
    user.asm(text, rdx=PORT)
    assert user.faulted() is None


def test_bits_across_two_bytes_of_the_map(user):
    allow(user, PORT + 6, PORT + 7, PORT + 8)
    user.asm("in ax, dx", rdx=PORT + 7)
    assert user.faulted() is None
    user.asm("in eax, dx", rdx=PORT + 6)
    assert user.faulted() == (GP, 0)


def test_the_map_must_lie_within_the_task_state(user):
    allow(user, PORT)
    user.engine.set("seg_limit", 0x68 + (PORT >> 3) + 1, 7)
    user.asm("in al, dx", rdx=PORT)
    assert user.faulted() is None
    user.engine.set("seg_limit", 0x68 + (PORT >> 3), 7)           # two bytes are always read
    user.asm("in al, dx", rdx=PORT)
    assert user.faulted() == (GP, 0)


def test_no_map_at_all(user):
    user.engine.set("seg_limit", 0x67, 7)
    user.asm("in al, dx", rdx=PORT)
    assert user.faulted() == (GP, 0)


@pytest.mark.parametrize("attributes", [0x83, 0x0B, 0x82])
def test_only_a_32_bit_task_state_has_a_map(user, attributes):
    allow(user, PORT)
    user.engine.set("seg_attr", attributes, 7)
    user.gate(GP, selector=0x43)                       # a handler at ring 3 needs no stack of the task state
    user.descriptor(0x40, code64(3))
    user.asm("in al, dx", limit=1, rdx=PORT)
    assert user["rip"] == HANDLERS + GP * 16 and user.recorder.log == []


def test_rep_insw_fills_memory(m):
    m.asm("rep insw", rcx=3, rdi=0x100000, rdx=PORT)
    assert m.memory.read(0x100000, 6) == bytes.fromhex("8977 8a77 8b77") and m["rcx"] == 0 and m["rdi"] == 0x100006


def test_rep_outsd_downwards(m):
    m.memory.write(0x100000, bytes(range(12)))
    m.asm("rep outsd", rcx=2, rsi=0x100008, rdx=PORT, rflags=0x402)
    assert [entry[3] for entry in m.recorder.log] == [0x0B0A0908, 0x07060504] and m["rsi"] == 0x100000


def test_ins_checks_memory_before_it_reads_the_port(m):
    m.page(0x101000, flags=0)
    m.asm("rep insb", rcx=3, rdi=0x100FFE, rdx=PORT)
    assert m.faulted() == (PF, 2) and m.fault.rip == CODE
    assert len(m.recorder.log) == 2 and m["rcx"] == 1 and m["rdi"] == 0x101000


def test_rep_with_a_count_of_zero_touches_nothing(m):
    m.asm("rep insb", rcx=0, rdi=0x100000, rdx=PORT)
    assert m.recorder.log == [] and m["rdi"] == 0x100000


def test_each_iteration_retires_one_instruction(m):
    m.memory.write(0x100000, bytes(20))
    before = m.engine.retired
    m.asm("rep outsb", limit=7, rcx=20, rsi=0x100000, rdx=PORT)
    assert m.engine.retired - before == 7 and m["rcx"] == 13 and m["rip"] == CODE


def test_cli_and_sti_need_iopl(engine_class):
    user = SystemMachine(engine_class, cpl=3)
    for text in ("cli", "sti"):
        user.asm(text)
        assert user.faulted() == (GP, 0)
        user.reset()
        user.asm(text, rflags=0x3002)
        assert user.faulted() is None
        user.reset()
