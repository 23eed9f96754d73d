"""The Python engine: runs the instruction texts of `emu/isa` as they stand. The reference for the compiled engine."""

from __future__ import annotations

from emu.cpu import decode as decoder
from emu.cpu import memory as shared_memory
from emu.cpu.cpu import Cpu, shared_functions
from emu.cpu.debug import DR6_BS, DR7_ENABLED, NO_DEBUG
from emu.cpu.events import FAULT, INJECTED, TRAP
from emu.cpu.mode import derive_mode
from emu.cpu.state import FIELDS
from emu.cpu.svm import DUE_INTERRUPT, DUE_LEFT, V_IRQ
from emu.cpu.vector import V128
from emu.engines.engine import Stop, StopReason
from emu.engines.operands import (
    Immediate,
    Memory,
    MemoryToChange,
    MmxRegister,
    Numbered,
    StringOperand,
    VectorRegister,
    general_register,
)
from emu.isa.language import ACCESS_FETCH, ATTR_DB, CS, DB, ES, GP, MASK32, MASK64, RF, TF, UD, Fault

CODE_PAGE = 1
CLEAN_PAGE = 2


def _context_names():
    """The names by which a meaning reads opsize, addrsize or rep: the fields, and shared functions that read them."""
    names, shared = {"opsize", "addrsize", "rep", "segment"}, shared_functions()
    while True:
        more = {n for n, f in shared.items() if n not in names and names & set(f.__code__.co_names)}
        if not more:
            return names
        names |= more


CONTEXT = _context_names()


class Decoded:
    """What `emu.cpu.decode.decode` fills in; the C struct of the same fields is made from `FIELDS`."""

    FIELDS = ("rip", "available", "rep", "lock", "segment", "overridden", "opcode", "encoding", "opsize", "addrsize",
              "rex", "modrm", "is_memory", "base", "index", "scale", "displacement", "rip_relative", "reg", "rm",
              "immediate", "immediate2", "length")
    __slots__ = FIELDS + ("bytes",)


class Entry:
    """A decoded instruction, ready to run: its meaning, operands and where the next one begins."""

    __slots__ = ("meaning", "operands", "rip", "next_rip", "serialize", "encoding", "opsize", "addrsize", "rep",
                 "segment", "page", "length")


def _undefined(cpu):
    raise Fault(UD, 0)


def _too_long(cpu):
    raise Fault(GP, 0)


def _with_condition(code, meaning):
    def conditional(cpu, *operands):
        cpu.condition_code = code
        meaning(cpu, *operands)
    return conditional


def _with_opcode(opcode, meaning):
    def noted(cpu, *operands):
        cpu.x87_opcode = opcode
        meaning(cpu, *operands)
    return noted


def _with_requirement(name, meaning):
    def checked(cpu, *operands):
        getattr(cpu, name)()
        meaning(cpu, *operands)
    return checked


class PythonCpu(Cpu):
    """The state and shared texts, plus what this engine supplies: memory, the bus, its caches."""

    def __init__(self, memory, bus):
        super().__init__()
        self.memory, self.bus = memory, bus
        self.ram, self.ram_size = memory.buffer, memory.size
        self.page_flags = memory.page_flags
        # Caches of translate(): virtual page -> physical page address, by mmu_mode; mode 3 stays empty because its
        # accesses are checked for alignment each time.
        self.read_maps, self.write_maps = [{} for _ in range(4)], [{} for _ in range(4)]
        self.readable, self.writable = self.read_maps[0], self.write_maps[0]
        self.entries: dict = {}             # rip -> Entry, for the current address space and mode
        self.entry_sets: dict = {}
        self.code_virtual: set[int] = set()
        self.next_rip = 0

    # Environment

    def physical_read(self, pa, size):
        if pa + size <= self.ram_size:
            return int.from_bytes(self.ram[pa:pa + size], "little")
        return self.bus.mmio_read(pa, size)

    def physical_write(self, pa, size, value):
        if pa + size <= self.ram_size:
            if self.page_flags[pa >> 12] & CLEAN_PAGE:
                self.memory.keep(pa >> 12)
            self.ram[pa:pa + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            if self.page_flags[pa >> 12] & CODE_PAGE:
                self.memory.on_code_write(pa >> 12)
        else:
            self.bus.mmio_write(pa, size, value)

    def remember_read(self, la, pa):
        if pa < self.ram_size and self.mmu_mode != 3 and not (self.dr[7] & DR7_ENABLED and self.page_is_watched(la)):
            self.readable[la >> 12] = pa & ~0xFFF

    def remember_write(self, la, pa):
        if pa < self.ram_size and self.page_flags[pa >> 12] & CLEAN_PAGE:
            self.memory.keep(pa >> 12)
        if pa >= self.ram_size or self.mmu_mode == 3 or self.page_flags[pa >> 12] & CODE_PAGE:
            return
        if not (self.dr[7] & DR7_ENABLED and self.page_is_watched(la)):
            self.writable[la >> 12] = pa & ~0xFFF

    def evict(self, la):
        page = la >> 12
        for pages in self.read_maps:
            pages.pop(page, None)
        for pages in self.write_maps:
            pages.pop(page, None)
        if page in self.code_virtual:
            self.forget_entries()

    def evict_all(self):
        for pages in self.read_maps + self.write_maps:
            pages.clear()
        self.forget_entries()

    def forget_entries(self):
        for entries in self.entry_sets.values():
            entries.clear()
        self.code_virtual.clear()
        self.attention = 1

    def switch_world(self, guest, leaving_asid):
        """From the host to a guest or back: this engine keeps the caches of neither."""
        self.evict_all()

    def mode_changed(self, previous_mmu_mode):
        self.readable, self.writable = self.read_maps[self.mmu_mode], self.write_maps[self.mmu_mode]
        self.entries = self.entry_sets.setdefault((self.mmu_mode & 1, self.code_size), {})
        self.attention = 1

    def breakpoints_changed(self):
        """Breakpoints on data keep their pages out of the caches of translate()."""
        for pages in self.read_maps + self.write_maps:
            pages.clear()
        self.attention = 1

    def port_read(self, port, size):
        return self.bus.port_read(port, size)

    def port_write(self, port, size, value):
        self.bus.port_write(port, size, value)

    def bus_msr_known(self, index):
        return 0 if self.bus.msr_read(index) is None else 1

    def bus_msr_read(self, index):
        return self.bus.msr_read(index) or 0

    def bus_msr_write(self, index, value):
        return 1 if self.bus.msr_write(index, value) else 0

    def bus_tpr_read(self):
        return self.bus.tpr_read()

    def bus_tpr_write(self, value):
        self.bus.tpr_write(value)

    def now(self):
        """The time-stamp counter."""
        return (self.retired * self.tsc_step + self.tsc_offset + self.vm_tsc_offset) & MASK64

    def jump(self, target):
        """Continue at `target`, which check_target() has allowed."""
        self.rip = target

    def count_iterations(self, n):
        """A repeated string instruction did `n` iterations beyond the first."""
        self.retired += n
        self.rep_budget -= n

    # Many elements of a string at once: within the two pages, in RAM, no decoded code, only what translate() cached.
    # Each returns how many elements it did, 0 to `count`; doing them one by one gives the same.

    def _bulk_span(self, pages, la, count, size):
        """Physical address of `la` if cached in `pages`, and how many whole elements its page has there."""
        page = pages.get(la >> 12)
        if page is None:
            return 0, 0
        return page + (la & 0xFFF), min(count, (0x1000 - (la & 0xFFF)) // size)

    def bulk_copy(self, destination_la, source_la, count, width):
        """Copy elements upward; where the target overlaps what is still to be read, fewer."""
        size = width >> 3
        source, count = self._bulk_span(self.readable, source_la, count, size)
        target, count = self._bulk_span(self.writable, destination_la, count, size)
        if source < target < source + count * size:
            count = (target - source) // size
        self.ram[target:target + count * size] = self.ram[source:source + count * size]
        return count

    def bulk_fill(self, destination_la, count, width, value):
        """Store `count` elements of one value."""
        size = width >> 3
        target, count = self._bulk_span(self.writable, destination_la, count, size)
        self.ram[target:target + count * size] = value.to_bytes(size, "little") * count
        return count

    def bulk_compare(self, left_la, right_la, count, width):
        """Number of equal elements before the first pair that differs."""
        size = width >> 3
        left, count = self._bulk_span(self.readable, left_la, count, size)
        right, count = self._bulk_span(self.readable, right_la, count, size)
        a, b = self.ram[left:left + count * size], self.ram[right:right + count * size]
        return next((k // size for k, (x, y) in enumerate(zip(a, b)) if x != y), count)

    def bulk_scan(self, la, count, width, value, equal):
        """Number of elements before the first that differs from `value` (`equal` 1) or equals it (`equal` 0)."""
        size = width >> 3
        at, count = self._bulk_span(self.readable, la, count, size)
        wanted, data = value.to_bytes(size, "little"), self.ram[at:at + count * size]
        return next((k for k in range(count) if (data[k * size:k * size + size] == wanted) != (equal == 1)), count)

    # Fast paths of the shared texts of the same names: a hit in the caches above.

    def read_linear(self, la, width):
        page = self.readable.get(la >> 12)
        offset, size = la & 0xFFF, width >> 3
        if page is not None and offset + size <= 0x1000:
            at = page + offset
            return int.from_bytes(self.ram[at:at + size], "little")
        return shared_memory.read_linear(self, la, width)

    def write_linear(self, la, width, value):
        page = self.writable.get(la >> 12)
        offset, size = la & 0xFFF, width >> 3
        if page is not None and offset + size <= 0x1000:
            at = page + offset
            self.ram[at:at + size] = value.to_bytes(size, "little")
            return
        shared_memory.write_linear(self, la, width, value)

    def read_memory(self, seg, offset, width):
        if self.code_size == 64 and seg < 4:
            page = self.readable.get(offset >> 12)
            low, size = offset & 0xFFF, width >> 3
            if page is not None and low + size <= 0x1000:
                at = page + low
                return int.from_bytes(self.ram[at:at + size], "little")
        return shared_memory.read_memory(self, seg, offset, width)


class PythonEngine:
    """Implements `emu.engines.engine.Engine` in Python alone."""

    name = "python"

    def __init__(self, memory, bus, seed=0):
        self.memory, self.bus = memory, bus
        self.cpu = PythonCpu(memory, bus)
        self.cpu.random = (self.cpu.random ^ seed * 0x2545F4914F6CDD1D) & MASK64
        self.by_page: dict[int, dict] = {}      # physical page -> {(pa, rip, code size): Entry}
        self.breakpoints: set[int] = set()
        self.exit_requested = False
        self.shutdown_reason = ""
        self._stopped_at = None
        memory.on_code_write = self.invalidate_page
        self.cpu.update_mode()

    # The protocol

    @property
    def retired(self):
        return self.cpu.retired

    @property
    def interrupts_open(self):
        return bool(self.cpu.interrupt_open())

    def request_exit(self):
        self.exit_requested = True
        self.cpu.attention = 1

    def set_interrupt_line(self, level):
        self.cpu.interrupt_line = int(level)
        self.cpu.attention = 1

    def raise_nmi(self):
        self.cpu.nmi_pending = 1
        self.cpu.attention = 1

    def set_breakpoints(self, addresses):
        """The set of RIP values to stop before."""
        self.breakpoints = set(addresses)

    def invalidate_page(self, page):
        self.by_page.pop(page, None)
        self.memory.page_flags[page] &= ~CODE_PAGE
        self.cpu.forget_entries()

    def get(self, name, index=0):
        if name == "rflags":
            return self.cpu.read_flags()
        value = getattr(self.cpu, name) if name in _FIELD_NAMES else _unknown(name)
        value = value[index] if isinstance(value, list) else value
        return int(value)

    def set(self, name, value, index=0):
        cpu = self.cpu
        if name == "rflags":
            cpu.write_flags(value)
        elif name not in _FIELD_NAMES:
            _unknown(name)
        elif name == "xmm":
            cpu.xmm[index] = V128(value & MASK64, value >> 64)
        elif isinstance(getattr(cpu, name), list):
            getattr(cpu, name)[index] = value
        else:
            setattr(cpu, name, value)
        if name in ("seg_attr", "seg_sel", "efer", "cr0"):
            self._derive_mode()
        if name in ("cr0", "cr3", "cr4", "efer", "cpl", "rflags", "seg_attr", "seg_sel"):
            cpu.update_mode()
        if name in ("cr0", "cr3", "cr4", "efer"):
            cpu.flush_tlb()
        if name == "dr":
            cpu.breakpoints_changed()

    def _derive_mode(self):
        derive_mode(self.cpu)

    def state(self):
        cpu = self.cpu
        cpu.flags_set(cpu.status())
        cpu.cc_x = 0
        return {f.name: [int(v) for v in getattr(cpu, f.name)] if f.count > 1 else getattr(cpu, f.name) for f in FIELDS}

    def load_state(self, state):
        cpu = self.cpu
        for field in FIELDS:
            value = state[field.name]
            if field.type == "V128":
                value = [V128(v & MASK64, v >> 64) for v in value]
                cpu.xmm[:] = value
            elif field.count > 1:
                getattr(cpu, field.name)[:] = value
            else:
                setattr(cpu, field.name, value)
        cpu.evict_all()
        cpu.mode_changed(cpu.mmu_mode)

    quick_state, load_quick_state = state, load_state

    def rewind(self):
        self.memory.rewind()
        self.cpu.evict_all()

    def tsc_skip(self, ns):
        self.cpu.tsc_offset = (self.cpu.tsc_offset + ns) & MASK64

    # Execution

    def run(self, limit):
        cpu = self.cpu
        stop_at = cpu.retired + limit
        self.exit_requested = False
        while True:
            if cpu.debug_hits and cpu.debug_trap_due():
                self._deliver(TRAP, DB)
                cpu.debug_hits = 0          # what the delivery itself met goes unreported: no end would be to it
            if cpu.shutdown:
                return Stop(StopReason.SHUTDOWN, self.shutdown_reason)
            if cpu.retired >= stop_at:
                return Stop(StopReason.LIMIT)
            if self.exit_requested:
                return Stop(StopReason.EXIT_REQUEST)
            shadow = cpu.in_shadow = cpu.interrupt_shadow
            cpu.interrupt_shadow = 0
            pending = cpu.nmi_pending or cpu.interrupt_line or cpu.v_intr & V_IRQ
            if (cpu.injected or pending and not shadow) and self._take_interrupt():
                continue
            if cpu.halted:
                return Stop(StopReason.HALT)
            single = shadow or cpu.flags & TF or self.breakpoints or cpu.dr[7] & DR7_ENABLED
            if self.breakpoints and cpu.rip in self.breakpoints and self._stopped_at != (cpu.rip, cpu.retired):
                self._stopped_at = (cpu.rip, cpu.retired)
                return Stop(StopReason.BREAKPOINT)
            if (cpu.flags & RF or cpu.dr[7] & DR7_ENABLED) and self._instruction_breakpoint(shadow):
                continue
            cpu.single_step = cpu.flags & TF
            before = cpu.retired
            self._execute(before + 1 if single else stop_at)
            if cpu.single_step and cpu.retired > before and not self._faulted:
                cpu.debug_hits |= DR6_BS

    def _instruction_breakpoint(self, shadow):
        """Whether the next instruction raises #DB for a breakpoint: as a fault, which leaves RF as it is (SDM vol. 3, 18.3.1.1)."""
        cpu = self.cpu
        hits = 0 if cpu.flags & RF or shadow & NO_DEBUG else cpu.instruction_breakpoints()
        cpu.flags &= ~RF                    # for this instruction alone
        if hits:
            cpu.dr[6] |= hits
            cpu.retired += 1
            self._deliver(TRAP, DB)
            cpu.debug_hits = 0
        return hits != 0

    def _execute(self, until):
        """Run instructions until `until` are retired or something wants attention."""
        cpu = self.cpu
        cpu.attention = 0
        self._faulted = False
        entry = None
        try:
            entries = cpu.entries
            while True:
                rip = cpu.rip
                entry = entries.get(rip)
                if entry is None:
                    cpu.insn_rip = rip
                    entry = self._fetch(rip)
                    if cpu.attention:           # the fetch's translation changed the caches
                        cpu.attention = 0
                        entries = cpu.entries
                cpu.insn_rip = rip
                cpu.rip = cpu.next_rip = entry.next_rip
                if entry.opsize:
                    cpu.opsize, cpu.addrsize, cpu.rep = entry.opsize, entry.addrsize, entry.rep
                    cpu.rep_budget = until - cpu.retired - 1
                entry.meaning(cpu, *entry.operands)
                cpu.retired += 1
                if cpu.retired >= until or cpu.attention or entry.serialize:
                    return
        except Fault as fault:
            self._faulted = True
            if not cpu.rip_settled:
                cpu.rip = cpu.insn_rip
            cpu.retired += 1
            cpu.debug_hits &= ~0xFFFF
            self._deliver(FAULT, fault.vector, fault.error)

    def _take_interrupt(self):
        """Deliver an injected event or an interrupt if the CPU accepts one now; True when it did, or left a guest for it."""
        cpu = self.cpu
        how, vector = cpu.interrupt_due(), 0
        if how <= DUE_LEFT:
            return how == DUE_LEFT
        if how == DUE_INTERRUPT:
            vector = self.bus.acknowledge_interrupt()
            if vector is None:
                return False
            cpu.halted = 0
        self._deliver(how, vector)
        return True

    def _deliver(self, how, vector, error=0):
        """Deliver a FAULT, a TRAP or what interrupt_due() found, with double and triple faults."""
        cpu = self.cpu
        while True:
            try:
                cpu.deliver_as(how, vector, error)
                return
            except Fault as second:
                if how == INJECTED and not cpu.rip_settled:
                    cpu.rip = cpu.insn_rip
                combined = cpu.combine_faults(second.vector)
                if combined == 0x100:
                    cpu.shutdown = 1
                    self.shutdown_reason = (f"triple fault: vector {second.vector} while delivering {vector} "
                                            f"at {cpu.seg_sel[CS]:#x}:{cpu.rip:#x}")
                    return
                error = 0 if combined == 8 and second.vector != 8 else second.error
                how, vector = FAULT, combined

    # Fetching and decoding

    def _fetch(self, rip):
        cpu = self.cpu
        la = self._fetch_address(rip)
        access = ACCESS_FETCH | (cpu.mmu_mode & 1) << 2
        pa = cpu.translate(la, access)
        key = (pa, rip, cpu.code_size)
        entry = self.by_page.get(pa >> 12, {}).get(key)
        if entry is None:
            entry, pages = self._decode(rip, la, pa, access)
            for page in pages:
                self._mark_code(page)
            if len(pages) == 1:
                self.by_page.setdefault(pa >> 12, {})[key] = entry
        cpu.code_virtual.add(la >> 12)
        cpu.code_virtual.add((la + 15) >> 12)
        cpu.entries[rip] = entry
        return entry

    def _fetch_address(self, rip):
        cpu = self.cpu
        if cpu.code_size == 64:
            if not cpu.is_canonical(rip):
                raise Fault(GP, 0)
            return rip
        if rip > cpu.seg_limit[CS]:
            raise Fault(GP, 0)
        return (rip + cpu.seg_base[CS]) & MASK32

    def _mark_code(self, page):
        cpu = self.cpu
        if page < len(self.memory.page_flags) and not self.memory.page_flags[page] & CODE_PAGE:
            self.memory.page_flags[page] |= CODE_PAGE
            for pages in cpu.write_maps:
                for virtual in [v for v, p in pages.items() if p >> 12 == page]:
                    del pages[virtual]

    def _decode(self, rip, la, pa, access):
        """Decode at `rip`; returns the entry and the physical pages its bytes are in."""
        cpu, d = self.cpu, Decoded()
        room = min(15, 0x1000 - (pa & 0xFFF))
        d.rip, d.bytes, d.available = rip, self._bytes(pa, room), room
        pages = [pa >> 12]
        outcome = decoder.decode(cpu, d)
        if outcome == decoder.MORE_BYTES:
            second = (la & ~0xFFF) + 0x1000 & (MASK64 if cpu.code_size == 64 else MASK32)
            if cpu.code_size == 64 and not cpu.is_canonical(second):
                raise Fault(GP, 0)
            second_pa = cpu.translate(second, access)
            d.bytes += self._bytes(second_pa, 15 - room)
            d.available = 15
            pages.append(second_pa >> 12)
            outcome = decoder.decode(cpu, d)
        entry = Entry()
        entry.rip, entry.operands, entry.serialize, entry.opsize = rip, (), True, 0
        entry.encoding = None
        entry.length = 1
        if outcome in (decoder.MORE_BYTES, decoder.TOO_LONG):
            entry.meaning = _too_long
            entry.next_rip = rip
        elif outcome == decoder.UNDEFINED:
            entry.meaning = _undefined
            entry.next_rip = rip
        else:
            self._complete(entry, d)
        return entry, pages

    def _bytes(self, pa, count):
        if pa + count <= self.memory.size:
            return self.memory.buffer[pa:pa + count]
        return bytes(self.bus.mmio_read(pa + k, 1) for k in range(count))

    def _complete(self, entry, d):
        cpu = self.cpu
        encoding = decoder.ENCODINGS[d.encoding]
        instruction = encoding.instruction
        entry.encoding = encoding
        entry.length = d.length
        limit = MASK64 if cpu.code_size == 64 else MASK32 if cpu.seg_attr[CS] & ATTR_DB else 0xFFFF
        entry.next_rip = (d.rip + d.length) & limit
        entry.meaning = instruction.meaning
        entry.serialize = instruction.serialize or bool(instruction.rep)
        if "requires" in instruction.options:
            entry.meaning = _with_requirement(f"require_{instruction.options['requires']}", instruction.meaning)
        names = set(instruction.meaning.__code__.co_names)
        if "condition_code" in names:
            entry.meaning = _with_condition(d.opcode & 15, instruction.meaning)
        if "x87_opcode" in names:
            entry.meaning = _with_opcode(d.immediate, entry.meaning)
        entry.opsize = d.opsize if names & CONTEXT or entry.serialize else 0
        entry.addrsize, entry.rep = d.addrsize, d.rep
        entry.operands = make_operands(cpu, encoding, d)


def make_operands(cpu, encoding, d):
    """The operand objects of a decoded instruction, in the order of its meaning's parameters."""
    access = list(encoding.instruction.access.values())
    operands, immediates = [], 0
    for position, operand in enumerate(encoding.operands):
        kind, width = operand.kind, operand.width(d.opsize)
        if kind in "EMWQ" and d.is_memory:
            changed = access[position] == "rw" and width <= 64
            aligned = not encoding.instruction.options.get("unaligned", False)
            operands.append((MemoryToChange if changed else Memory)(cpu, d, width, aligned))
        elif kind in "ER":
            operands.append(general_register(cpu, d.rm, width, d.rex))
        elif kind == "G":
            operands.append(general_register(cpu, d.reg, width, d.rex))
        elif kind == "Z":
            operands.append(general_register(cpu, d.rm, width, d.rex))
        elif kind == "=":
            operands.append(general_register(cpu, operand.register, width, True))
        elif kind in "ISJ":
            value = d.immediate if immediates == 0 else d.immediate2
            operands.append(Immediate(value, width, d.immediate2))
            immediates += 1
        elif kind == "1":
            operands.append(Immediate(1, 8))
        elif kind == "O":
            d.displacement = d.immediate
            operands.append(Memory(cpu, d, width))
        elif kind == "V":
            operands.append(VectorRegister(cpu, d.reg, width))
        elif kind in "WU":
            operands.append(VectorRegister(cpu, d.rm, width))
        elif kind == "P":
            operands.append(MmxRegister(cpu, d.reg))
        elif kind in "QN":
            operands.append(MmxRegister(cpu, d.rm))
        elif kind == "F":
            operands.append(Numbered(d.rm & 7, 80))
        elif kind in "CD":
            operands.append(Numbered(d.reg, 64))
        elif kind == "T":
            operands.append(Numbered(d.reg & 7, 16))
        elif kind == "T=":
            operands.append(Numbered(operand.register, 16))
        elif kind == "X":
            operands.append(StringOperand(d.segment, width))
        elif kind == "Y":
            operands.append(StringOperand(ES, width))
        else:
            raise AssertionError(f"operand code {operand.code} has no Python operand")
    return tuple(operands)


_FIELD_NAMES = {f.name for f in FIELDS}


def _unknown(name):
    raise KeyError(f"no state field {name!r}; emu/cpu/state.py lists them")
