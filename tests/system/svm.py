"""The system machine as a host: a control block, permission maps, nested tables, and guests of a few instructions."""

from __future__ import annotations

import struct

from emu.cpu import vmcb as layout
from tests.flat import CODE, DATA_SELECTOR, GDT, IDT, STACK, TABLES
from tests.system.machine import SystemMachine, assemble

VMCB, HSAVE, IOPM, MSRPM, OTHER = 0x120000, 0x121000, 0x124000, 0x127000, 0x129000
GUEST, GUEST_STACK, GUEST_DATA, NESTED = 0x130000, 0x13F000, 0x138000, 0x140000
GUEST_TABLES = 0x150000         # of guests with paging of their own
INVALID = 0xFFFFFFFFFFFFFFFF
NPF = 0x400

# Intercepts by their exit codes.
(INTR, NMI, SMI, INIT, VINTR, CR0_SELECTIVE, IDTR_READ, GDTR_READ, LDTR_READ, TR_READ, IDTR_WRITE, GDTR_WRITE, LDTR_WRITE,
 TR_WRITE, RDTSC, RDPMC, PUSHF, POPF, CPUID, RSM, IRET, SWINT, INVD, PAUSE, HLT, INVLPG, INVLPGA, IOIO, MSR, TASK_SWITCH,
 FERR_FREEZE, SHUTDOWN, VMRUN, VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, RDTSCP, ICEBP, WBINVD, MONITOR, MWAIT,
 MWAIT_ARMED, XSETBV) = range(0x60, 0x8E)
CR_READ, CR_WRITE, DR_READ, DR_WRITE, EXCEPTION = 0, 0x10, 0x20, 0x30, 0x40
VMMCALL_TEXT, VMRUN_TEXT = ".byte 0x0f, 0x01, 0xd9", ".byte 0x0f, 0x01, 0xd8"

SEGMENTS = {"es": 0x400, "cs": 0x410, "ss": 0x420, "ds": 0x430, "fs": 0x440, "gs": 0x450, "gdtr": 0x460, "ldtr": 0x470,
            "idtr": 0x480, "tr": 0x490}
# Fields by the names of their constants in emu/cpu/vmcb.py, and sizes other than 8.
FIELDS = {name[2:].lower(): value for name, value in vars(layout).items() if name[:2] in ("C_", "S_")}
SIZES = {"intercept_cr": 4, "intercept_dr": 4, "intercept_exceptions": 4, "intercepts_more": 4, "pause_threshold": 2,
         "pause_filter": 2, "asid": 4, "tlb_control": 1, "cpl": 1, "bytes": 1}


class Host(SystemMachine):
    """A 64-bit host at CPL 0 with EFER.SVME set. Its guest begins with the host's tables and segments, and ASID 1.

    The control block intercepts VMRUN, HLT, VMMCALL and shutdown.
    """

    def __init__(self, engine_class, bits: int = 64, nested: bool = False, **options):
        super().__init__(engine_class, bits, 0, **options)
        self.engine.set("efer", self.engine.get("efer") | 0x1800)
        self.engine.set("vm_hsave_pa", HSAVE)
        self.asids = 1
        self.prepare(nested)

    def prepare(self, nested=False, at=VMCB, guest_bits=64):
        """A control block at `at`, for a guest like the host or, with `guest_bits` 32, in flat protected mode."""
        self.memory.write(at, bytes(0x1000))
        self.intercept(VMRUN, HLT, VMMCALL, SHUTDOWN, at=at)
        put = lambda **fields: self.put(at=at, **fields)        # noqa: E731
        put(iopm=IOPM, msrpm=MSRPM, asid=self.asids, nested_cr3=NESTED, nested=int(nested))
        self.asids += 1
        code = 0xA9B if guest_bits == 64 else 0xC9B
        for name in ("es", "ss", "ds", "fs", "gs"):
            self.set_segment(name, DATA_SELECTOR, 0xC93, 0xFFFFFFFF, 0, at=at)
        self.set_segment("cs", 8, code, 0xFFFFFFFF, 0, at=at)
        self.set_segment("gdtr", 0, 0, 0x1FF, 0x1D0000, at=at)
        self.set_segment("idtr", 0, 0, 0xFFF, IDT, at=at)
        self.set_segment("tr", 0x28, 0x8B, 0x67, 0x1E9000, at=at)
        self.set_segment("ldtr", 0x1F0, 0x82, 0xFF, 0x1D1000, at=at)
        get = self.engine.get
        put(cr0=get("cr0") if guest_bits == 64 else 0x33, cr3=TABLES, cr4=get("cr4"),
            efer=get("efer") if guest_bits == 64 else 0x1000, rflags=2, dr6=0xFFFF0FF0, dr7=0x400, rsp=GUEST_STACK,
            rip=GUEST, pat=0x0007040600070406)
        if nested:
            self.nested_tables()

    # The control block

    def put(self, at=VMCB, **fields):
        """Set fields of the control block by name."""
        for name, value in fields.items():
            self.memory.write(at + FIELDS[name], value.to_bytes(SIZES.get(name, 8), "little"))

    def field(self, name, at=VMCB):
        return int.from_bytes(self.memory.read(at + FIELDS[name], SIZES.get(name, 8)), "little")

    def set_segment(self, name, selector, attr, limit, base, at=VMCB):
        self.memory.write(at + SEGMENTS[name], struct.pack("<HHIQ", selector, attr, limit, base))

    def saved_segment(self, name, at=VMCB):
        """(selector, attributes, limit, base)."""
        return struct.unpack("<HHIQ", self.memory.read(at + SEGMENTS[name], 16))

    def intercept(self, *codes, at=VMCB):
        """Set intercepts by exit code."""
        for code in codes:
            byte = at + (0x0C + (code - 0x60 >> 3) if code >= 0x60 else code >> 3)
            # Reads and writes of CR and DR have 16 bits each; exceptions a bit a vector, from exit code 40h on.
            self.memory.write(byte, bytes([self.memory.read(byte, 1)[0] | 1 << (code & 7)]))

    # Nested tables

    def nested_tables(self, flags=0x67):
        """One to one for 2 MiB, in pages of 4 KiB."""
        for level in range(3):
            self.memory.write(NESTED + 0x1000 * level, struct.pack("<Q", NESTED + 0x1000 * (level + 1) | 0x67))
        entries = struct.pack("<512Q", *(page << 12 | flags for page in range(512)))
        self.memory.write(NESTED + 0x3000, entries)

    def nested_page(self, address, pa=None, flags=0x67, upper=0):
        entry = (address if pa is None else pa) & ~0xFFF | flags | upper << 52
        self.memory.write(NESTED + 0x3000 + (address >> 12) * 8, struct.pack("<Q", entry))

    def nested_entry(self, address):
        return int.from_bytes(self.memory.read(NESTED + 0x3000 + (address >> 12) * 8, 8), "little")

    # Running

    def vmrun(self, at=VMCB, limit=2000, **registers):
        """Execute one VMRUN in the host, with GIF clear, and everything up to the #VMEXIT; returns the exit code."""
        self.memory.write(CODE, b"\x0F\x01\xD8\x90")
        for name, value in {"rax": at, **registers}.items():
            self.engine.set("gpr", value, ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"].index(name))
        self.engine.set("rip", CODE)
        self.engine.set("halted", 0)
        self.engine.set("gif", 0)
        for _ in range(limit):
            self.step()
            if not self.engine.get("guest"):
                break
        else:
            raise AssertionError(f"the guest was not left in {limit} instructions; RIP is {self.engine.get('rip'):#x}")
        assert self.fault is None, self.fault
        return self.field("exit_code", at)

    def guest(self, text, at=VMCB, bits=None, code=GUEST, **registers):
        """Run a guest of a few instructions from its beginning; returns the exit code. Registers but RAX, RSP by name."""
        bits = bits or (64 if self.field("efer", at) & 0x100 else 32)
        self.memory.write(code, assemble(text, bits, code) + b"\xF4")
        self.put(at=at, rip=code)
        if "rax" in registers:
            self.put(at=at, rax=registers.pop("rax"))
        return self.vmrun(at, **registers)

    def go_on(self, at=VMCB, skip=0, **registers):
        """Run the guest on from where it was left, `skip` bytes further."""
        self.put(at=at, rip=self.field("rip", at) + skip)
        return self.vmrun(at, **registers)

    @property
    def info(self):
        """EXITINFO1 and 2."""
        return self.field("exit_info1"), self.field("exit_info2")


__all__ = [name for name in globals() if name.isupper()] + ["GDT", "STACK", "Host"]
