"""Events: exceptions, traps, interrupts and what a host injects, delivered or, in a guest, handed to its host (APM vol. 2, 8.2, 15.12, 15.20).

`cpu.event` is the one being delivered, as EXITINTINFO has it: what comes in between is combined with it, or tells the
host what was lost.
"""

from emu.cpu.vmcb import C_NEXT_RIP, EVENT_ERROR, EVENT_EXCEPTION, EVENT_INTERRUPT, EVENT_NMI, EVENT_SOFTWARE, EVENT_VALID
from emu.isa.exits import EXIT_FERR_FREEZE, EXIT_INTR, EXIT_SHUTDOWN, VM_EXIT
from emu.isa.language import BP, CR0_NE, DB, EFER_LMA, MF, OF_VECTOR, RF

# Vectors that push an error code: 8, 10 to 14, 17; and what makes a double fault (APM vol. 2, 8.2.9).
WITH_ERROR_CODE = 0x27D00
CONTRIBUTORY = 0x3C01           # 0, 10, 11, 12, 13
NO_ERROR_CODE = 1 << 32

DOUBLE_FAULT, SHUTDOWN, PAGE_FAULT = 8, 0x100, 14

# How an engine has something delivered; from NMI_INTERRUPT on as interrupt_due() says (emu/cpu/svm.py).
FAULT, TRAP, NMI_INTERRUPT, INTERRUPT, VIRTUAL, INJECTED = range(6)
EVENT_TRAP = 8                  # INT3 and INTO: exceptions to EXITINTINFO, software interrupts to the gate


def deliver_as(cpu, how, vector, error):
    """Deliver what an engine has to: FAULT of a vector with its error code, TRAP of a vector, INTERRUPT of a vector; an NMI,
    a guest's virtual interrupt and an injected event bring their own."""
    if how == FAULT:
        cpu.deliver_exception(vector, error)
    elif how == TRAP:
        cpu.deliver_trap(vector)
    elif how == INJECTED:
        cpu.deliver_injected()
    elif how == NMI_INTERRUPT:
        cpu.deliver_event(2, NO_ERROR_CODE, cpu.read_flags(), EVENT_NMI)
    else:
        cpu.deliver_event((cpu.v_intr >> 32) & 0xFF if how == VIRTUAL else vector, NO_ERROR_CODE, cpu.read_flags(), EVENT_INTERRUPT)


def deliver_exception(cpu, vector, error):
    """Deliver a fault: RIP is the faulting instruction's. Its error code is pushed where the vector has one.

    An intercepted one leaves the guest; so does VM_EXIT, which is how an instruction is left for an intercept of its own.
    """
    if vector == VM_EXIT:
        cpu.leave_guest()
        return
    if vector == MF and cpu.cr0 & CR0_NE == 0 and (cpu.vm_intercepts >> (EXIT_FERR_FREEZE - EXIT_INTR)) & 1:
        cpu.note_exit(EXIT_FERR_FREEZE, 0, 0)
        cpu.leave_guest()
        return
    if (WITH_ERROR_CODE >> vector) & 1 == 0:
        error = NO_ERROR_CODE
    if (cpu.intercept_exceptions >> vector) & 1:
        cpu.note_exception(vector, error)
        cpu.leave_guest()
        return
    cpu.deliver_event(vector, error, cpu.read_flags() | RF, EVENT_EXCEPTION)


def deliver_trap(cpu, vector):
    """Deliver an exception that follows its instruction: RIP is the next one's."""
    if (cpu.intercept_exceptions >> vector) & 1:
        cpu.note_exception(vector, NO_ERROR_CODE)
        cpu.in_shadow = cpu.interrupt_shadow
        cpu.leave_guest()
        return
    cpu.deliver_event(vector, NO_ERROR_CODE, cpu.read_flags(), EVENT_EXCEPTION)


def deliver_injected(cpu):
    """Deliver what VMRUN found in EVENTINJ (APM vol. 2, 15.20): no intercept is asked, nothing blocks it.

    RIP is the guest's; behind what INT n, INT3 and INTO raise it is the next RIP of the VMCB (15.7.1).
    """
    event = cpu.injected
    vector = event & 0xFF
    kind = (event >> 8) & 7
    image = cpu.read_flags()
    error = event >> 32 if event & EVENT_ERROR and kind == EVENT_EXCEPTION else NO_ERROR_CODE
    cpu.injected = 0
    cpu.in_shadow = 0
    cpu.insn_rip = cpu.rip
    if kind == EVENT_NMI:
        cpu.nmi_blocked = 1
        vector = 2
    elif kind == EVENT_SOFTWARE or (kind == EVENT_EXCEPTION and (vector == BP or vector == OF_VECTOR)):
        cpu.rip = cpu.vmcb_read(C_NEXT_RIP)
    elif kind == EVENT_EXCEPTION and vector != DB:
        image = image | RF
    cpu.deliver_event(vector, error, image, kind)


def software_interrupt(cpu, vector, kind):
    """INT n (EVENT_SOFTWARE), INT3 and INTO (EVENT_TRAP): the gate's DPL must allow it. TF does not trap after them."""
    cpu.deliver_event(vector, NO_ERROR_CODE, cpu.read_flags(), kind)
    cpu.single_step = 0


def combine_faults(cpu, second):
    """What to deliver next when `second` is raised while `cpu.event` is being delivered (APM vol. 2, table 8-6).

    8 is a double fault; 0x100 is the third one: shutdown. What is intercepted is asked before (15.12).
    """
    if second == VM_EXIT or (cpu.intercept_exceptions >> second) & 1:
        return second
    first = cpu.event & 0xFF
    if (cpu.event >> 8) & 7 != EVENT_EXCEPTION or (second != PAGE_FAULT and (CONTRIBUTORY >> second) & 1 == 0):
        return second
    if first == DOUBLE_FAULT:
        if (cpu.vm_intercepts >> (EXIT_SHUTDOWN - EXIT_INTR)) & 1:
            cpu.note_exit(EXIT_SHUTDOWN, 0, 0)
            return VM_EXIT
        return SHUTDOWN
    if first == PAGE_FAULT:
        return DOUBLE_FAULT
    if (CONTRIBUTORY >> first) & 1 and second != PAGE_FAULT:
        return DOUBLE_FAULT
    return second


def deliver_event(cpu, vector, error, image, kind):
    """Through gate `vector`, with RFLAGS saved as `image`. `kind` is the event's type in EXITINTINFO, or EVENT_TRAP."""
    cpu.rip_settled = 0
    cpu.event = EVENT_VALID | ((EVENT_EXCEPTION if kind == EVENT_TRAP else kind) << 8) | vector
    if error & NO_ERROR_CODE == 0:
        cpu.event = cpu.event | EVENT_ERROR | (error << 32)
    ext = 0 if kind == EVENT_SOFTWARE or kind == EVENT_TRAP else 1
    if cpu.efer & EFER_LMA:
        cpu.deliver_long(vector, error, image, ext)
    else:
        cpu.deliver_protected(vector, error, image, ext)
    if vector == DB and ext:
        cpu.dr[7] = cpu.dr[7] & ~0x2000
    cpu.event = 0
