"""The board under real machine code: interrupts at the same instruction on every engine, replay, wake-ups."""

from __future__ import annotations

import keystone
import pytest

from emu.engines import available
from emu.machine.machine import Machine, Reason

# Ring 0 at 0x10000: gates for the timer (0x20), the UART (0x24) and the APIC timer (0x40), both 8259s,
# PIT at 1 kHz, UART input. Ticks are counted at 0x30000; a character is echoed, 'q' switches off with the
# low byte of the tick count as status. The loop either halts or spins, doing some arithmetic.
PROGRAM = """
    mov rsp, 0x80000
    lea rax, [rip + tick]
    mov edi, 0x20200
    call gate
    lea rax, [rip + key]
    mov edi, 0x20240
    call gate
    lea rax, [rip + apic_tick]
    mov edi, 0x20400
    call gate
    lidt [rip + idtr]
    lea rsi, [rip + ports]
    mov ecx, {count}
next:
    movzx edx, word ptr [rsi]
    mov al, [rsi + 2]
    out dx, al
    add rsi, 3
    dec ecx
    jnz next
    {extra}
    sti
loop:
    {wait}
    add r8, 3
    xor r9, r8
    jmp loop
gate:
    mov [rdi], ax
    mov word ptr [rdi + 2], 8
    mov word ptr [rdi + 4], 0x8e00
    shr rax, 16
    mov [rdi + 6], ax
    shr rax, 16
    mov [rdi + 8], eax
    ret
tick:
    push rax
    inc dword ptr [0x30000]
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq
apic_tick:
    inc dword ptr [0x30004]
    mov edi, 0xfee000b0
    mov dword ptr [rdi], 0
    {rearm}
    iretq
key:
    push rax
    push rdx
    mov edx, 0x3fd
more:
    in al, dx
    test al, 1
    jz done
    mov edx, 0x3f8
    in al, dx
    cmp al, 'q'
    je off
    out dx, al
    mov edx, 0x3fd
    jmp more
off:
    mov eax, [0x30000]
    mov edx, 0xf4
    out dx, eax
done:
    mov al, 0x20
    out 0x20, al
    pop rdx
    pop rax
    iretq
"""
PORTS = [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xA0, 0x11), (0xA1, 0x28), (0xA1, 2), (0xA1, 1), (0x21, 0xEE),
         (0xA1, 0xFF), (0x43, 0x34), (0x40, 0xA9), (0x40, 0x04), (0x3F9, 0x01), (0x3FA, 0x07)]
APIC_TIMER = """
    mov edi, 0xfee00000
    mov dword ptr [rdi + 0xf0], 0x1ff
    mov dword ptr [rdi + 0x3e0], 0xb
    mov dword ptr [rdi + 0x320], 0x20040
    mov dword ptr [rdi + 0x380], 100000
"""
DEADLINE_TIMER = """
    mov edi, 0xfee00000
    mov dword ptr [rdi + 0xf0], 0x1ff
    mov dword ptr [rdi + 0x320], 0x40040
    mov ecx, 0x6e0
    rdtsc
    add eax, 50000
    wrmsr
"""
REARM = """
    mov ecx, 0x6e0
    rdtsc
    add eax, 100000
    adc edx, 0
    wrmsr
"""


def assemble(wait="hlt", extra="", rearm="", ports=PORTS):
    source = PROGRAM.format(count=len(ports), wait=wait, extra=extra, rearm=rearm)
    table = "".join(f".short {port}\n.byte {value}\n" for port, value in ports)
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64).asm(
        f"{source}\nports:\n{table}\nidtr:\n.short 0xfff\n.quad 0x20000\n", 0x10000)
    return bytes(code)


def machine(engine, *arguments, **options):
    m = Machine("1M", engine)
    m.load_flat(assemble(*arguments, **options), 0x10000)
    return m


def ticks(m, index=0):
    return m.memory.read_int(0x30000 + 4 * index, 4)


@pytest.fixture(params=["python", "compiled"])
def engine(request):
    if request.param not in available():
        pytest.skip("the compiled engine is not built: make build")
    return request.param


def session(m):
    """Some input, at chosen instants, then the end."""
    m.run(3_000)
    m.type("ab")
    m.run(257)
    m.type("a long line of input that overruns the FIFO's sixteen bytes")
    m.run(5_001)
    m.type("q")
    return m.run(10_000)


def test_halting_program(engine):
    m = machine(engine)
    result = session(m)
    assert result.reason is Reason.POWER_OFF and result.status == ticks(m) > 100
    assert m.console == b"aba long line of input that overruns the FIFO's sixteen bytes"
    assert abs(m.now - ticks(m) * 999_847) < 2_000_000
    again = machine(engine)
    again.replay(m.input_log, m.retired)
    assert again.digest() == m.digest()


@pytest.mark.parametrize("wait", ["hlt", "nop"])
def test_both_engines_come_to_the_same_state(wait):
    if len(available()) < 2:
        pytest.skip("the compiled engine is not built: make build")
    machines = [machine(name, wait) for name in ("python", "compiled")]
    results = [session(m) for m in machines]
    assert results[0] == results[1]
    assert machines[0].digest() == machines[1].digest()
    assert machines[0].input_log == machines[1].input_log


def test_a_log_recorded_on_one_engine_replays_on_the_other():
    if len(available()) < 2:
        pytest.skip("the compiled engine is not built: make build")
    recorded, replayed = machine("compiled"), machine("python")
    session(recorded)
    replayed.replay(recorded.input_log, recorded.retired)
    assert replayed.digest() == recorded.digest() and replayed.console == recorded.console


def test_spinning_is_interrupted_at_the_same_instruction_however_the_run_is_cut(engine):
    def spin():
        m = Machine("1M", engine, step_ns=100)
        m.load_flat(assemble("nop", APIC_TIMER), 0x10000)
        return m

    whole, parts, steps = spin(), spin(), spin()
    whole.run(40_000)
    for n in (1, 999, 13_000, 1_003, 0, 24_997):
        parts.run(n)
    for _ in range(40_000):
        steps.step()
    assert whole.retired == 40_000 and ticks(whole) == 3 and ticks(whole, 1) == 39
    assert whole.digest() == parts.digest() == steps.digest()


@pytest.mark.parametrize("extra, rearm", [(APIC_TIMER, ""), (DEADLINE_TIMER, REARM)], ids=["periodic", "tsc-deadline"])
def test_apic_timers_wake_a_halted_cpu(engine, extra, rearm):
    m = machine(engine, "hlt", extra, rearm)
    m.run(2_000)
    # The first deadline is half a period away, and each next one is counted from the handler.
    expected = m.now / 100_000
    assert expected > 50 and expected - 3 <= ticks(m, 1) <= expected + 0.5


def test_a_checkpoint_moves_between_engines():
    if len(available()) < 2:
        pytest.skip("the compiled engine is not built: make build")
    source, target = machine("python"), machine("compiled")
    source.run(2_500)
    target.restore(source.checkpoint())
    assert target.digest() == source.digest()
    for m in (source, target):
        m.type("xyz")
        m.run(4_000)
    assert target.digest() == source.digest() and target.console == source.console == b"xyz"


def test_faults_of_a_snippet_are_named(engine):
    m = Machine("1M", engine)
    m.load_flat(bytes.fromhex("48a1 0000000001000000"), 0x10000, ring=3)  # mov rax, [0x100000000]
    assert m.run(1000).reason is Reason.HALTED
    fault = m.fault()
    assert (fault.vector, fault.error_code, fault.rip, fault.cs & 3) == (14, 4, 0x10000, 3)
    assert m.engine.get("cr2") == 0x1_0000_0000


def test_devices_are_out_of_reach_for_ring_3(engine):
    m = Machine("1M", engine)
    m.load_flat(bytes.fromhex("a1 3000e0fe00000000"), 0x10000, ring=3)  # mov eax, [0xfee00030]
    m.run(1000)
    assert m.fault().vector == 14 and m.fault().error_code == 5
    m.load_flat(bytes.fromhex("e464"), 0x10000, ring=3)  # in al, 0x64
    m.run(1000)
    assert m.fault().vector == 13
    m.load_flat(bytes.fromhex("a1 3000e0fe00000000 f4"), 0x10000)
    m.run(1000)
    assert m.engine.get("gpr", 0) == 0x50014 and m.fault() is None


def test_the_time_stamp_counter_runs_with_the_clock(engine):
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64).asm("rdtsc; mov esi, eax; nop; nop; rdtsc; sub eax, esi; cli; hlt", 0x1000)
    m = Machine("1M", engine, step_ns=100)
    m.load_flat(bytes(code), 0x1000)
    assert m.run().reason is Reason.HALTED
    assert m.engine.get("gpr", 0) == 400 and m.now == 800
