# Decoded code: blocks of instructions ready to run, found by physical address, RIP and mode.

cdef enum:
    MAX_BLOCK = 64
    BUCKETS = 65536
    KEY_SINGLE = 4096
    KEY_USER = 8192
    KEY_WATCH = 16              # from this bit on: which breakpoints of DR0 to DR3 the block ends before, 0: none
    ARENA = 24 << 20

# What the block builder knows of a form; filled from the families' tables
cdef struct Form:
    Handler fast
    Handler cold
    Handler no_flags
    Handler after[3]        # a difference, a sum, a result
    u8 flags_kind
    u8 reads_flags
    u8 reads_flags_without
    u8 may_leave
    u8 ends_block
    u8 direct
    u8 condition            # of a Jcc; 255 of anything else
    u8 has_fused
    Handler fused[16]       # this and a following Jcc in one, by condition

cdef struct EncodingInfo:
    u32 forms[6]            # operand size 16, 32, 64, each for register and memory; 0: none
    u8 reg_class            # 0 none, 1 general, 2 general byte, 3 XMM, 4 MMX, 5 number
    u8 rm_class
    u8 two_immediates

cdef struct Code:
    Block **buckets
    Block **pages           # blocks by RAM page
    Block **crossing        # blocks whose second part is in that page
    u32 *maps               # which 128-byte parts of a page hold code
    char *arena
    u64 used
    u64 page_count
    Form *forms
    EncodingInfo *encodings
    u64 flushes
    u64 *breakpoints        # RIP values in ascending order; no block but a single instruction's begins at one or goes past it
    u64 breakpoint_count
    u64 passed_rip          # the breakpoint reported last, and the retired count then
    u64 passed_at
    u64 watch               # number of the set of DR0 to DR3 that are breakpoints on instructions, 0: none
    u64 last_watch          # the last set's number, so that arming it again finds its blocks again
    u64 watched_count
    u64 watched[4]

cdef bint is_breakpoint(Code *code, u64 rip) noexcept nogil:
    cdef u64 low = 0
    cdef u64 high = code.breakpoint_count
    cdef u64 middle
    while low < high:
        middle = (low + high) >> 1
        if code.breakpoints[middle] < rip:
            low = middle + 1
        else:
            high = middle
    return low < code.breakpoint_count and code.breakpoints[low] == rip

cdef bint is_watched(Code *code, u64 la) noexcept nogil:
    cdef u64 n
    for n in range(code.watched_count):
        if code.watched[n] == la:
            return True
    return False

cdef Code *code_of(CPU *cpu) noexcept nogil:
    return (<EngineLink*>(<char*>cpu + sizeof(CPU))).code

# Stands behind the CPU in memory: what instruction handlers need not see.
cdef struct EngineLink:
    Code *code

cdef void h_end(CPU *cpu, Insn *i) noexcept nogil:
    goto_direct(cpu, i)

cdef void h_stop(CPU *cpu, Insn *i) noexcept nogil:
    cpu.rip = i.imm

cdef void h_undefined(CPU *cpu, Insn *i) noexcept nogil:
    cpu.fault = 256 | 6
    cpu.fault_error = 0
    leave_fault(cpu, i)

cdef void h_too_long(CPU *cpu, Insn *i) noexcept nogil:
    cpu.fault = 256 | 13
    cpu.fault_error = 0
    leave_fault(cpu, i)

cdef inline u64 bucket_of(u64 pa, u64 rip) noexcept nogil:
    return ((pa * <u64>0x9E3779B97F4A7C15ULL) >> 40 ^ rip) & (BUCKETS - 1)

cdef void drop_page(CPU *cpu, u64 page) noexcept nogil:
    """Forget the blocks with bytes in a RAM page. Their memory stays until the arena is flushed: one may be running."""
    cdef Code *code = code_of(cpu)
    cdef Block *block = code.pages[page]
    while block != NULL:
        block.dead = 1
        block = block.next_in_page
    block = code.crossing[page]
    while block != NULL:
        block.dead = 1
        block = block.next_crossing
    code.pages[page] = NULL
    code.crossing[page] = NULL
    code.maps[page] = 0
    cpu.page_flags[page] &= 0xFE
    drop_links(cpu)
    cpu.attention = 1

cdef void code_written(CPU *cpu, u64 pa, u64 size) noexcept nogil:
    """A store reached a page that holds code: drop its blocks if the store touched a part that does."""
    cdef u64 first = (pa & 4095) >> 7
    cdef u64 last = ((pa + size - 1) & 4095) >> 7
    cdef u32 touched = (<u32>1 << first) | (<u32>1 << last)
    if code_of(cpu).maps[pa >> 12] & touched:
        drop_page(cpu, pa >> 12)

cdef void flush_code(CPU *cpu) noexcept nogil:
    """Forget all blocks; only between blocks, for it frees them."""
    cdef Code *code = code_of(cpu)
    cdef u64 page
    for page in range(code.page_count):
        if cpu.page_flags[page] & 1:
            cpu.page_flags[page] &= 0xFE
    memset(code.pages, 0, code.page_count * sizeof(Block*))
    memset(code.crossing, 0, code.page_count * sizeof(Block*))
    memset(code.maps, 0, code.page_count * sizeof(u32))
    memset(code.buckets, 0, BUCKETS * sizeof(Block*))
    code.used = 0
    code.flushes += 1
    cpu.link_from = NULL
    drop_links(cpu)

cdef void breakpoints_changed(CPU *cpu) noexcept nogil:
    """DR0 to DR3 or DR7 are others: from now on accesses to pages with breakpoints on data miss the TLB, and blocks end
    before instructions with breakpoints."""
    cdef Code *code = code_of(cpu)
    cdef u64 watched[4]
    cdef u64 count = 0
    cdef u64 n
    for n in range(4):
        if breakpoint_kind(cpu, n) == 0:
            watched[count] = cpu.dr[n]
            count += 1
    if count and (count != code.watched_count or memcmp(watched, code.watched, count * sizeof(u64))):
        if code.last_watch == 0xFFFF:
            for n in range(code.page_count):
                if cpu.page_flags[n] & 1:
                    drop_page(cpu, n)
            code.last_watch = 0
        code.last_watch += 1
        code.watched_count = count
        memcpy(code.watched, watched, sizeof(watched))
    code.watch = code.last_watch if count else 0
    evict_all(cpu)
    cpu.attention = 1

cdef void mark_code(CPU *cpu, u64 pa, u64 size) noexcept nogil:
    cdef u64 first = (pa & 4095) >> 7
    cdef u64 last = ((pa + size - 1) & 4095) >> 7
    cdef u64 n
    protect_code(cpu, pa >> 12)
    for n in range(first, last + 1):
        code_of(cpu).maps[pa >> 12] |= <u32>1 << n

cdef inline u16 field_offset(CPU *cpu, void *field) noexcept nogil:
    return <u16>(<u64>field - <u64>cpu)

cdef u16 slot_offset(CPU *cpu, u64 kind, u64 number, u64 rex) noexcept nogil:
    """Where the register operand `number` of a class is in the CPU structure."""
    if kind == 2 and rex == 0 and 4 <= number < 8:
        return field_offset(cpu, &cpu.gpr[number - 4]) + 1
    if kind == 1 or kind == 2:
        return field_offset(cpu, &cpu.gpr[number & 15])
    if kind == 3:
        return field_offset(cpu, &cpu.xmm[number & 15])
    if kind == 4:
        return field_offset(cpu, &cpu.fpr_mantissa[number & 7])
    return <u16>number

cdef inline u16 address_register(CPU *cpu, u64 number) noexcept nogil:
    if number == 16:
        return field_offset(cpu, &cpu.zero)
    return field_offset(cpu, &cpu.gpr[number])

cdef Form *fill_instruction(CPU *cpu, Decoded *d, Insn *i) noexcept nogil:
    """The Insn of a decoded instruction."""
    cdef Code *code = code_of(cpu)
    cdef EncodingInfo *info = &code.encodings[d.encoding]
    cdef u64 size = 0 if d.opsize == 16 else (1 if d.opsize == 32 else 2)
    cdef Form *form = &code.forms[info.forms[size * 2 + (1 if d.is_memory else 0)]]
    cdef bint plain = cpu.code_size == 64 and d.addrsize == 64
    memset(i, 0, sizeof(Insn))
    i.imm = d.immediate
    i.length = <u8>d.length
    i.segment = <u8>d.segment
    i.addrsize = <u8>d.addrsize
    i.rep = <u8>d.rep
    if form.direct:
        # The link: none yet. A target out of the address space is left to the cold version's check.
        plain = plain and canonical(d.immediate)
    else:
        i.disp = d.displacement
        i.r = slot_offset(cpu, info.reg_class, d.reg, d.rex)
        if d.is_memory:
            i.m = address_register(cpu, d.base)
            i.scale = <u8>d.scale
        else:
            i.m = slot_offset(cpu, info.rm_class, d.rm, d.rex)
        i.index = address_register(cpu, d.index)
        i.base = field_offset(cpu, &cpu.zero)
        if d.segment >= 4 and d.segment < 8:
            i.base = field_offset(cpu, &cpu.seg_base[d.segment])
        if info.two_immediates == 1:
            i.disp = d.immediate2
        elif info.two_immediates == 2:
            i.disp = d.immediate                     # moffs: the address is all there is
            i.m = field_offset(cpu, &cpu.zero)
    i.run = form.fast if plain or form.cold == NULL else form.cold
    return form

cdef Block *find_block(CPU *cpu, u64 single) noexcept nogil:
    """The block at CS:RIP, decoded now if need be; NULL with cpu.fault set when it can't be fetched."""
    cdef u64 rip = cpu.rip
    cdef u64 la, pa, second_pa
    cdef u64 user = cpu.mmu_mode & 1
    cdef Code *code = code_of(cpu)
    cdef u32 key = <u32>(cpu.code_size | (KEY_USER if user else 0) | (KEY_SINGLE if single else 0) | code.watch << KEY_WATCH)
    cdef JumpEntry *entry = &cpu.jump_entries[jump_set(cpu) + (4 if single else 0)][(rip ^ (rip >> 12)) & 1023]
    cdef Block *block
    cdef TlbEntry *translation
    if entry.rip == rip and entry.generation == cpu.generation:
        return entry.block
    la = fetch_address(cpu, rip)
    if cpu.fault:
        return NULL
    translation = &cpu.tlb[(la >> 12) & 511]
    if translation.fetch_tag == la & (<u64>0xFFFFFFFFFFFFF000ULL):
        pa = la + translation.addend - <u64>cpu.ram
    else:
        pa = translate(cpu, la, 16 | (user << 2))
        if cpu.fault:
            return NULL
        remember_fetch(cpu, la, pa)
    if entry.rip == rip and entry.block != NULL and entry.flushes == code.flushes:
        # Stale by generation alone: it is still the block if it is still at that address.
        block = entry.block
        if block.pa == pa and block.key == key and block.dead == 0 and block.second_pa == 0:
            cpu.code_pages[(la >> 12) & 4095] = 1
            entry.generation = cpu.generation
            return block
    block = code.buckets[bucket_of(pa, rip)]
    while block != NULL:
        if block.pa == pa and block.rip == rip and block.key == key and block.dead == 0:
            if block.second_pa == 0:
                break
            second_pa = translate(cpu, second_page(cpu, la), 16 | (user << 2))
            if cpu.fault:
                return NULL
            cpu.code_pages[((la >> 12) + 1) & 4095] = 1
            if second_pa == block.second_pa:
                break
        block = block.next_in_bucket
    if block == NULL:
        block = build_block(cpu, la, pa, key)
        if block == NULL:
            return NULL
    if block.dead == 0:
        cpu.code_pages[(la >> 12) & 4095] = 1
        entry.rip = rip
        entry.generation = cpu.generation
        entry.block = block
        entry.flushes = code.flushes
    block.hits += 1
    return block

cdef inline u64 second_page(CPU *cpu, u64 la) noexcept nogil:
    cdef u64 page = (la & (<u64>0xFFFFFFFFFFFFF000ULL)) + 0x1000
    return page if cpu.code_size == 64 else page & 0xFFFFFFFFULL

cdef u64 fetch_address(CPU *cpu, u64 rip) noexcept nogil:
    """Linear address to fetch from; #GP(0) when RIP is not canonical or beyond the code segment."""
    if cpu.code_size == 64:
        if canonical(rip):
            return rip
    elif rip <= cpu.seg_limit[1]:
        return (rip + cpu.seg_base[1]) & 0xFFFFFFFFULL
    cpu.fault = 256 | 13
    cpu.fault_error = 0
    return 0

cdef void fetch_bytes(CPU *cpu, Decoded *d, u64 pa, u64 at, u64 count) noexcept nogil:
    cdef u64 k
    if pa < cpu.ram_size and pa + count <= cpu.ram_size:
        memcpy(&d.bytes[at], cpu.ram + pa, count)
        return
    for k in range(count):
        d.bytes[at + k] = <unsigned char>physical_read(cpu, pa + k, 1)

cdef Block *build_block(CPU *cpu, u64 la, u64 pa, u32 key) noexcept nogil:
    cdef Code *code = code_of(cpu)
    cdef Insn insns[MAX_BLOCK + 1]
    cdef Form *forms[MAX_BLOCK]
    cdef Decoded d
    cdef u64 rip = cpu.rip
    cdef u64 offset = 0
    cdef u64 room, outcome, second_pa = 0
    cdef u64 limit = 1 if key & KEY_SINGLE else MAX_BLOCK
    cdef u64 mask = 0xFFFFFFFFFFFFFFFFULL
    cdef u64 count = 0
    cdef Block *block
    cdef Form *form
    cdef Insn *i
    cdef bint plain_ram = pa < cpu.ram_size
    if cpu.code_size != 64:
        mask = 0xFFFFFFFFULL if cpu.seg_attr[1] & 0x400 else 0xFFFF
    memset(&d, 0, sizeof(d))
    while count < limit:
        if cpu.code_size != 64 and count and ((rip + offset) & mask) > cpu.seg_limit[1]:
            break
        if count and code.breakpoint_count and is_breakpoint(code, (rip + offset) & mask):
            break
        if count and code.watch and is_watched(code, la + offset):
            break
        room = 4096 - ((pa + offset) & 4095)
        if offset and (pa & 4095) + offset >= 4096:
            break
        d.rip = (rip + offset) & mask
        d.available = room if room < 15 else 15
        fetch_bytes(cpu, &d, pa + offset, 0, d.available)
        outcome = decode(cpu, &d)
        if outcome == 1 and d.available < 15:
            if count:
                break
            if cpu.code_size == 64 and not canonical(second_page(cpu, la)):
                cpu.fault = 256 | 13
                cpu.fault_error = 0
                return NULL
            second_pa = translate(cpu, second_page(cpu, la), 16 | ((cpu.mmu_mode & 1) << 2))
            if cpu.fault:
                return NULL
            fetch_bytes(cpu, &d, second_pa, d.available, 15 - d.available)
            d.available = 15
            outcome = decode(cpu, &d)
        i = &insns[count]
        form = NULL
        if outcome == 0:
            form = fill_instruction(cpu, &d, i)
        else:
            memset(i, 0, sizeof(Insn))
            i.run = h_undefined if outcome == 2 else h_too_long
            i.length = 1
        i.offset = <u16>offset
        forms[count] = form
        count += 1
        offset += i.length
        if form == NULL or form.ends_block or second_pa or not plain_ram:
            break
    i = &insns[count]
    memset(i, 0, sizeof(Insn))
    i.imm = (rip + offset) & mask
    i.offset = <u16>offset
    i.run = h_stop if key & KEY_SINGLE else h_end
    for room in range(count):
        insns[room].left = <u8>(count - 1 - room)
    settle_flags(insns, forms, count, cpu.code_size == 64)

    block = new_block(cpu, count)
    block.rip = rip
    block.pa = pa
    block.second_pa = second_pa
    block.mask = mask
    block.key = key
    block.count = <u16>count
    memcpy(&block.insns[0], insns, (count + 1) * sizeof(Insn))
    if not plain_ram or (second_pa and second_pa >= cpu.ram_size):
        block.dead = 1                  # code in a device's memory is decoded each time
        return block
    if second_pa:
        mark_code(cpu, pa, 4096 - (pa & 4095))
        mark_code(cpu, second_pa, offset - (4096 - (pa & 4095)) if offset > 4096 - (pa & 4095) else 1)
        block.next_crossing = code.crossing[second_pa >> 12]
        code.crossing[second_pa >> 12] = block
        cpu.code_pages[((la >> 12) + 1) & 4095] = 1
    else:
        mark_code(cpu, pa, offset)
    block.next_in_page = code.pages[pa >> 12]
    code.pages[pa >> 12] = block
    block.next_in_bucket = code.buckets[bucket_of(pa, rip)]
    code.buckets[bucket_of(pa, rip)] = block
    return block

cdef Block *new_block(CPU *cpu, u64 count) noexcept nogil:
    cdef Code *code = code_of(cpu)
    cdef u64 size = (sizeof(Block) + count * sizeof(Insn) + 15) & ~(<u64>15)
    cdef Block *block
    if code.used + size > ARENA:
        flush_code(cpu)
    block = <Block*>(code.arena + code.used)
    code.used += size
    memset(block, 0, sizeof(Block))
    return block

cdef void settle_flags(Insn *insns, Form **forms, u64 count, bint long_mode) noexcept nogil:
    """Choose, for each instruction, the version that leaves out dead flags or knows how the flags were made."""
    cdef int kind = 0
    cdef u64 n
    cdef Form *form
    cdef bint live = True
    for n in range(count):
        form = forms[n]
        if form == NULL:
            continue
        if 1 <= kind <= 3 and form.after[kind - 1] != NULL and insns[n].run == form.fast:
            insns[n].run = form.after[kind - 1]
        if form.flags_kind:
            kind = form.flags_kind
    for n in range(1, count):
        form = forms[n]
        if form == NULL or form.condition == 255 or forms[n - 1] == NULL or not forms[n - 1].has_fused:
            continue
        # Only where both would run in their fast versions, or in one that takes the flags' making for granted.
        if insns[n].run != form.cold and insns[n - 1].run == forms[n - 1].fast:
            if forms[n - 1].fused[form.condition] != NULL:
                insns[n - 1].run = forms[n - 1].fused[form.condition]
    for n in range(count):
        form = forms[count - 1 - n]
        if form == NULL:
            live = True
            continue
        if form.flags_kind >= 1 and form.flags_kind <= 4:
            if not live and form.no_flags != NULL and insns[count - 1 - n].run == form.fast:
                insns[count - 1 - n].run = form.no_flags
                live = form.reads_flags_without or form.may_leave
                continue
            live = form.reads_flags or form.may_leave
        elif form.flags_kind == 7 or form.reads_flags or form.may_leave or form.ends_block:
            live = True
