# The engine as Python sees it; `emu/engines/compiled.py` completes it to the Engine protocol.

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void **result, size_t alignment, size_t size)

cdef enum:
    SLICE = 20000000        # instructions between looks at pending signals: about a tenth of a second

cdef dict FIELD_TABLE = {}


cdef Form *make_forms(list rows, dict numbers) except NULL:
    cdef Form *forms = <Form*>calloc(len(rows) + 1, sizeof(Form))
    cdef size_t n, address
    if forms == NULL:
        raise MemoryError
    for n, (key, addresses, facts, fused) in enumerate(rows, 1):
        numbers[key] = n
        address = addresses[0]
        forms[n].fast = <Handler>address
        address = addresses[1]
        forms[n].cold = <Handler>address
        address = addresses[2]
        forms[n].no_flags = <Handler>address
        for k in range(3):
            address = addresses[3 + k]
            forms[n].after[k] = <Handler>address
        (forms[n].flags_kind, forms[n].reads_flags, forms[n].reads_flags_without, forms[n].may_leave,
         forms[n].ends_block, forms[n].direct, forms[n].condition) = facts
        for k in range(len(fused)):
            address = fused[k]
            forms[n].fused[k] = <Handler>address
            forms[n].has_fused = 1
    return forms


cdef Form *FORMS = NULL
cdef EncodingInfo *INFOS = NULL
cdef Form NO_FORM


def install(rows, infos, tables):
    """Take the families' handlers: `rows` as their handlers() give them, `infos` one (forms by key, reg class, rm class,
    immediates) an encoding in the decoder's order, `tables` the constants of shared texts by name. Raises KeyError for a form without handler."""
    global FORMS, INFOS
    numbers: dict = {}
    cdef size_t n, k
    shared_tables(tables)
    FORMS = make_forms(rows, numbers)
    FORMS[0].fast = h_undefined
    FORMS[0].ends_block = 1
    FORMS[0].condition = 255
    INFOS = <EncodingInfo*>calloc(len(infos), sizeof(EncodingInfo))
    for n, (keys, reg_class, rm_class, immediates) in enumerate(infos):
        for k in range(6):
            INFOS[n].forms[k] = numbers[keys[k]] if keys[k] else 0
        INFOS[n].reg_class, INFOS[n].rm_class, INFOS[n].two_immediates = reg_class, rm_class, immediates


cdef class CompiledCpu:
    """One CPU: its structure, RAM and code cache. Attributes `bus`, `failure` are used by the bus calls."""

    cdef CPU *cpu
    cdef Code code
    cdef unsigned char[::1] ram_view
    cdef unsigned char[::1] flags_view
    cdef unsigned char[::1] shadow_view
    cdef unsigned char[::1] journal_view
    cdef public u64 quiet_until         # retired count up to which no device event is due, for step_quietly()
    cdef public object bus
    cdef public int last_stop           # of step_quietly()
    cdef public object failure
    cdef public object memory

    def __cinit__(self, memory, bus, seed=0):
        cdef void *block = NULL
        cdef size_t size = sizeof(CPU) + sizeof(EngineLink)
        if INFOS == NULL:
            raise RuntimeError("install() comes first")
        if posix_memalign(&block, 64, size):
            raise MemoryError
        memset(block, 0, size)
        self.cpu = <CPU*>block
        (<EngineLink*>(<char*>block + sizeof(CPU))).code = &self.code
        self.bus, self.memory, self.failure = bus, memory, None
        self.ram_view = memory.buffer
        self.flags_view = memory.page_flags
        cpu = self.cpu
        cpu.owner = <void*>self
        cpu.ram = &self.ram_view[0]
        cpu.ram_size = memory.size
        cpu.page_flags = &self.flags_view[0]
        self.shadow_view, self.journal_view = memory.shadow, memory.journal
        cpu.shadow = &self.shadow_view[0]
        cpu.journal = <u32*>&self.journal_view[0]
        cpu.generation = cpu.last_generation = 1
        cpu.code_pages = cpu.code_page_marks[0]
        self.code.page_count = memory.size >> 12
        self.code.buckets = <Block**>calloc(BUCKETS, sizeof(Block*))
        self.code.pages = <Block**>calloc(self.code.page_count, sizeof(Block*))
        self.code.crossing = <Block**>calloc(self.code.page_count, sizeof(Block*))
        self.code.maps = <u32*>calloc(self.code.page_count, sizeof(u32))
        self.code.arena = <char*>malloc(ARENA)
        self.code.forms = FORMS
        self.code.encodings = INFOS
        if (self.code.buckets == NULL or self.code.pages == NULL or self.code.crossing == NULL or self.code.maps == NULL
                or self.code.arena == NULL):
            raise MemoryError
        memset(cpu.tlb_entries, 0xFF, sizeof(cpu.tlb_entries))
        cpu.tlb = &cpu.tlb_entries[0][0]
        cpu.jumps = &cpu.jump_entries[2][0]

    def __dealloc__(self):
        if self.cpu != NULL:
            free(self.cpu)
        free(self.code.buckets)
        free(self.code.pages)
        free(self.code.crossing)
        free(self.code.maps)
        free(self.code.arena)
        free(self.code.breakpoints)

    cdef int slice(self, u64 limit) except -1:
        cdef CPU *cpu = self.cpu
        cdef int reason = STOP_LIMIT
        cdef u64 rest = limit
        cdef u64 part
        cdef unsigned int host
        while True:
            part = rest if rest < SLICE else SLICE
            cpu.slice_end = cpu.retired + part
            cpu.budget = <i64>part
            with nogil:
                host = _mm_getcsr()
                _mm_setcsr(host_mxcsr(cpu.mxcsr))
                reason = run_loop(cpu)
                cpu.mxcsr |= _mm_getcsr() & 0x3F
                _mm_setcsr(host)
            cpu.current = NULL
            rest -= cpu.slice_end - cpu.budget - cpu.retired
            cpu.retired = cpu.slice_end - cpu.budget
            cpu.budget = 0
            cpu.slice_end = cpu.retired
            if reason == STOP_ERROR:
                cpu.python_error = 0
                failure, self.failure = self.failure, None
                raise failure
            if reason != STOP_LIMIT or rest == 0:
                return reason
            PyErr_CheckSignals()

    def run(self, u64 limit):
        """Retire at most `limit` instructions; returns the STOP_* number."""
        self.cpu.exit_requested = 0
        return self.slice(limit)

    def step_quietly(self):
        """Retire one instruction when no event is due and return True if nothing came of it that anybody must see to.

        False when nothing was run, or when something did: then `run` goes on. The GIL stays held: letting it go and
        taking it again would cost more than the instruction.
        """
        cdef CPU *cpu = self.cpu
        cdef unsigned int host
        cdef int reason
        self.last_stop = -1
        if cpu.retired >= self.quiet_until:
            return False
        cpu.exit_requested = 0
        cpu.slice_end = cpu.retired + 1
        cpu.budget = 1
        host = _mm_getcsr()
        _mm_setcsr(host_mxcsr(cpu.mxcsr))
        reason = run_loop(cpu)
        cpu.mxcsr |= _mm_getcsr() & 0x3F
        _mm_setcsr(host)
        cpu.current = NULL
        cpu.retired = cpu.slice_end - cpu.budget
        cpu.budget = 0
        cpu.slice_end = cpu.retired
        if reason == STOP_ERROR:
            cpu.python_error = 0
            failure, self.failure = self.failure, None
            raise failure
        self.last_stop = reason
        return reason == STOP_LIMIT and self.quiet_until != 0

    @property
    def retired(self):
        """Instructions retired since power-on, also inside a bus call."""
        cdef CPU *cpu = self.cpu
        if cpu.slice_end == 0 and cpu.budget == 0:
            return cpu.retired
        return retired_now(cpu)

    def request_exit(self):
        self.cpu.exit_requested = 1
        self.cpu.attention = 1

    def set_interrupt_line(self, bint level):
        self.cpu.interrupt_line = level
        self.cpu.attention = 1

    def raise_nmi(self):
        self.cpu.nmi_pending = 1
        self.cpu.attention = 1

    def invalidate_page(self, u64 page):
        if page < self.code.page_count:
            drop_page(self.cpu, page)

    def set_breakpoints(self, addresses):
        """The set of RIP values to stop before. Not from inside a bus call: it drops all decoded code."""
        cdef size_t n
        ordered = sorted(set(addresses))
        if ordered == [self.code.breakpoints[n] for n in range(self.code.breakpoint_count)]:
            return
        free(self.code.breakpoints)
        self.code.breakpoints = <u64*>malloc(max(len(ordered), 1) * sizeof(u64))
        for n in range(len(ordered)):
            self.code.breakpoints[n] = ordered[n]
        self.code.breakpoint_count = len(ordered)
        flush_code(self.cpu)

    def read_field(self, size_t offset, str type_, size_t index):
        cdef char *at = <char*>self.cpu + offset
        if type_ == "V128":
            return (<u64*>at)[2 * index] | (<object>(<u64*>at)[2 * index + 1]) << 64
        return (<u64*>at)[index]

    def write_field(self, size_t offset, str type_, size_t index, value):
        cdef char *at = <char*>self.cpu + offset
        if type_ == "V128":
            (<u64*>at)[2 * index] = value & 0xFFFFFFFFFFFFFFFF
            (<u64*>at)[2 * index + 1] = value >> 64
        else:
            (<u64*>at)[index] = value

    def field_bytes(self, size_t offset, size_t size):
        """`size` bytes of the CPU structure."""
        return (<char*>self.cpu)[offset:offset + size]

    def load_field_bytes(self, size_t offset, bytes data):
        memcpy(<char*>self.cpu + offset, <char*>data, len(data))

    def rewind(self):
        """Give every page written since the journal began its contents of then; the journal begins anew."""
        cdef CPU *cpu = self.cpu
        cdef u64 n, page
        for n in range(cpu.journal[0]):
            page = cpu.journal[n + 1]
            memcpy(cpu.ram + (page << 12), cpu.shadow + (page << 12), 4096)
            cpu.page_flags[page] |= 2
            if cpu.page_flags[page] & 1:
                drop_page(cpu, page)
        cpu.journal[0] = 0
        evict_worlds(cpu)

    def call(self, str name, *arguments):
        """Run one of the few shared functions that setting state from outside needs."""
        cdef CPU *cpu = self.cpu
        cdef u64 value = arguments[0] if arguments else 0
        if name == "read_flags":
            return read_flags(cpu)
        if name == "status":
            return status(cpu)
        if name == "interrupt_open":
            return interrupt_open(cpu)
        if name == "write_flags":
            write_flags(cpu, value)
        elif name == "update_mode":
            update_mode(cpu)
        elif name == "flush_tlb":
            flush_tlb(cpu)
        elif name == "forget_translations":
            evict_worlds(cpu)
        elif name == "breakpoints_changed":
            breakpoints_changed(cpu)
        elif name == "mode_changed":
            mode_changed(cpu, value)
        else:
            raise KeyError(name)

    def statistics(self):
        """What the code cache holds: bytes used, times flushed."""
        return {"arena_used": self.code.used, "flushes": self.code.flushes, "generation": self.cpu.generation}


    def synchronise(self):
        """The retired count was set from outside: continue counting from it."""
        self.cpu.slice_end = self.cpu.retired
        self.cpu.budget = 0


def fields_offset():
    """Where in the CPU structure the fields of emu/cpu/state.py begin."""
    cdef CPU *cpu = NULL
    return <size_t>&cpu.gpr


def sizes():
    """Sizes in bytes of the structures, for tests of their budgets."""
    return {"CPU": sizeof(CPU), "Insn": sizeof(Insn), "Block": sizeof(Block)}


def primitive(str name, *arguments):
    """A primitive's native twin by name, for the tests that hold it against the Python one."""
    cdef CPU *cpu = NULL
    values = [value & 0xFFFFFFFFFFFFFFFF for value in arguments]
    if name == "umul_high":
        return umul_high(cpu, values[0], values[1])
    if name == "imul_high":
        return imul_high(cpu, values[0], values[1])
    if name == "udiv128":
        return udiv128(cpu, values[0], values[1], values[2])
    if name == "urem128":
        return urem128(cpu, values[0], values[1], values[2])
    if name == "popcount":
        return popcount(cpu, values[0])
    if name == "trailing_zeros":
        return trailing_zeros(cpu, values[0])
    if name == "leading_bit":
        return leading_bit(cpu, values[0])
    raise KeyError(name)
