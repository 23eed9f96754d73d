# Guest memory: the host's side of the TLB, physical accesses, the bus.

cdef inline u64 load(char *p, u64 size) noexcept nogil:
    if size == 8:
        return (<u64*>p)[0]
    if size == 4:
        return (<u32*>p)[0]
    if size == 2:
        return (<u16*>p)[0]
    return (<u8*>p)[0]

cdef inline void store(char *p, u64 size, u64 value) noexcept nogil:
    if size == 8:
        (<u64*>p)[0] = value
    elif size == 4:
        (<u32*>p)[0] = <u32>value
    elif size == 2:
        (<u16*>p)[0] = <u16>value
    else:
        (<u8*>p)[0] = <u8>value

# Caches in front of the shared texts of the same names

cdef u64 read_linear(CPU *cpu, u64 la, u64 width) noexcept nogil:
    cdef char *p = probe_read(cpu, la, width >> 3)
    if p != NULL:
        return load(p, width >> 3)
    return read_linear_shared(cpu, la, width)

cdef void write_linear(CPU *cpu, u64 la, u64 width, u64 value) noexcept nogil:
    cdef char *p = probe_write(cpu, la, width >> 3)
    if p != NULL:
        store(p, width >> 3, value)
        return
    write_linear_shared(cpu, la, width, value)

cdef u64 read_memory(CPU *cpu, u64 seg, u64 offset, u64 width) noexcept nogil:
    cdef char *p
    if cpu.code_size == 64 and seg < 4:
        p = probe_read(cpu, offset, width >> 3)
        if p != NULL:
            return load(p, width >> 3)
    return read_memory_shared(cpu, seg, offset, width)

cdef void write_memory(CPU *cpu, u64 seg, u64 offset, u64 width, u64 value) noexcept nogil:
    cdef char *p
    if cpu.code_size == 64 and seg < 4:
        p = probe_write(cpu, offset, width >> 3)
        if p != NULL:
            store(p, width >> 3, value)
            return
    write_memory_shared(cpu, seg, offset, width, value)

cdef u64 vector_address(CPU *cpu, Insn *i, int aligned, u64 access) noexcept nogil:
    cdef u64 la = linear_address(cpu, i.segment, offset_any(cpu, i), 16, access)
    if cpu.fault:
        return 0
    if aligned and la & 15:
        cpu.fault = 256 | 13
        cpu.fault_error = 0
        return 0
    probe_linear(cpu, la, 16, access)
    return la

cdef V128 read_vector(CPU *cpu, Insn *i, int aligned) noexcept nogil:
    cdef V128 v
    cdef u64 la = vector_address(cpu, i, aligned, 0)
    v = make_vector(0, 0)
    if cpu.fault:
        return v
    v.u64[0] = read_linear(cpu, la, 64)
    if cpu.fault:
        return v
    v.u64[1] = read_linear(cpu, la + 8, 64)
    return v

cdef void write_vector(CPU *cpu, Insn *i, int aligned, V128 value) noexcept nogil:
    cdef u64 la = vector_address(cpu, i, aligned, 2)
    if cpu.fault:
        return
    write_linear(cpu, la, 64, value.u64[0])
    if cpu.fault:
        return
    write_linear(cpu, la + 8, 64, value.u64[1])

# Physical memory and the bus

cdef u64 physical_read(CPU *cpu, u64 pa, u64 size) noexcept nogil:
    if pa < cpu.ram_size and pa + size <= cpu.ram_size:
        return load(<char*>cpu.ram + pa, size)
    return bus_read(cpu, pa, size)

cdef void physical_write(CPU *cpu, u64 pa, u64 size, u64 value) noexcept nogil:
    if pa < cpu.ram_size and pa + size <= cpu.ram_size:
        if cpu.page_flags[pa >> 12] & 2:
            keep_page(cpu, pa >> 12)
        store(<char*>cpu.ram + pa, size, value)
        if cpu.page_flags[pa >> 12] & 1:
            code_written(cpu, pa, size)
        return
    bus_write(cpu, pa, size, value)

cdef void keep_page(CPU *cpu, u64 page) noexcept nogil:
    """Before the first write to a page since the last snapshot: keep what it holds."""
    memcpy(cpu.shadow + (page << 12), cpu.ram + (page << 12), 4096)
    cpu.journal[0] += 1
    cpu.journal[cpu.journal[0]] = <u32>page
    cpu.page_flags[page] &= 0xFD

cdef void bus_failed(CPU *cpu, object error) noexcept:
    # A device that raised is a bug of ours: stop at once and let run() raise it.
    engine = <object>cpu.owner
    if engine.failure is None:
        engine.failure = error
    cpu.python_error = 1
    cpu.attention = 1

# Python runs with the host's floating-point modes, and its arithmetic leaves no flags with the guest's.

cdef u64 bus_read(CPU *cpu, u64 pa, u64 size) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return <u64>(<object>cpu.owner).bus.mmio_read(pa, size)
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef void bus_write(CPU *cpu, u64 pa, u64 size, u64 value) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        (<object>cpu.owner).bus.mmio_write(pa, size, value & ((<u64>0xFFFFFFFFFFFFFFFFULL) >> (64 - 8 * size)))
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)

cdef u64 port_read(CPU *cpu, u64 port, u64 size) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return <u64>(<object>cpu.owner).bus.port_read(port, size)
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef void port_write(CPU *cpu, u64 port, u64 size, u64 value) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        (<object>cpu.owner).bus.port_write(port, size, value)
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)

cdef u64 bus_msr_known(CPU *cpu, u64 index) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return 0 if (<object>cpu.owner).bus.msr_read(index) is None else 1
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef u64 bus_msr_read(CPU *cpu, u64 index) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return <u64>((<object>cpu.owner).bus.msr_read(index) or 0)
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef u64 bus_msr_write(CPU *cpu, u64 index, u64 value) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return 1 if (<object>cpu.owner).bus.msr_write(index, value) else 0
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef u64 bus_tpr_read(CPU *cpu) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        return <u64>(<object>cpu.owner).bus.tpr_read()
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return 0

cdef void bus_tpr_write(CPU *cpu, u64 value) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        (<object>cpu.owner).bus.tpr_write(value)
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)

cdef i64 bus_acknowledge(CPU *cpu) noexcept with gil:
    cdef unsigned int host = fp_aside()
    try:
        vector = (<object>cpu.owner).bus.acknowledge_interrupt()
        return -1 if vector is None else <i64>vector
    except BaseException as error:
        bus_failed(cpu, error)
    finally:
        fp_back(host)
    return -1

# The TLB of host pointers: a cache of the one in the state, whose evictions it follows

cdef void remember_read(CPU *cpu, u64 la, u64 pa) noexcept nogil:
    cdef TlbEntry *entry
    cdef u64 page = la & (<u64>0xFFFFFFFFFFFFF000ULL)
    if pa >= cpu.ram_size or cpu.mmu_mode == 3:
        return
    if cpu.dr[7] & 255 and page_is_watched(cpu, la):
        return
    entry = &cpu.tlb[(la >> 12) & 511]
    if entry.write_tag != page:
        entry.write_tag = 1
    if entry.fetch_tag != page:
        entry.fetch_tag = 1
    entry.read_tag = page
    entry.addend = <u64>cpu.ram + (pa & ~(<u64>4095)) - page
    cpu.tlb_used |= (<u64>1) << (cpu.world * 4 + cpu.mmu_mode)

cdef void remember_write(CPU *cpu, u64 la, u64 pa) noexcept nogil:
    cdef TlbEntry *entry
    cdef u64 page = la & (<u64>0xFFFFFFFFFFFFF000ULL)
    if pa >= cpu.ram_size or cpu.mmu_mode == 3:
        return
    if cpu.dr[7] & 255 and page_is_watched(cpu, la):
        return
    entry = &cpu.tlb[(la >> 12) & 511]
    if entry.read_tag != page:
        entry.read_tag = 1
    if entry.fetch_tag != page:
        entry.fetch_tag = 1
    if cpu.page_flags[pa >> 12] & 2:
        keep_page(cpu, pa >> 12)
    entry.write_tag = 1 if cpu.page_flags[pa >> 12] & 1 else page
    entry.addend = <u64>cpu.ram + (pa & ~(<u64>4095)) - page
    cpu.tlb_used |= (<u64>1) << (cpu.world * 4 + cpu.mmu_mode)

cdef void remember_fetch(CPU *cpu, u64 la, u64 pa) noexcept nogil:
    cdef TlbEntry *entry
    cdef u64 page = la & (<u64>0xFFFFFFFFFFFFF000ULL)
    if pa >= cpu.ram_size or cpu.mmu_mode == 3:
        return
    entry = &cpu.tlb[(la >> 12) & 511]
    if entry.read_tag != page:
        entry.read_tag = 1
    if entry.write_tag != page:
        entry.write_tag = 1
    entry.fetch_tag = page
    entry.addend = <u64>cpu.ram + (pa & ~(<u64>4095)) - page
    cpu.tlb_used |= (<u64>1) << (cpu.world * 4 + cpu.mmu_mode)

cdef void evict(CPU *cpu, u64 la) noexcept nogil:
    cdef u64 page = la & (<u64>0xFFFFFFFFFFFFF000ULL)
    cdef TlbEntry *entry
    cdef u64 used = cpu.tlb_used
    # Only where there is something: all eight are in one set of the first-level cache (20% of a TLB miss).
    while used:
        entry = &cpu.tlb_entries[__builtin_ctzll(used)][(la >> 12) & 511]
        if entry.read_tag == page or entry.write_tag == page or entry.fetch_tag == page:
            entry.read_tag = 1
            entry.write_tag = 1
            entry.fetch_tag = 1
        used &= used - 1
    if cpu.code_page_marks[0][(la >> 12) & 4095]:
        drop_links_of(cpu, 0)
    if cpu.code_page_marks[1][(la >> 12) & 4095]:
        drop_links_of(cpu, 1)

cdef void evict_all(CPU *cpu) noexcept nogil:
    """Of the world in use: host and guest have each their own."""
    cdef u64 first = cpu.world * 4
    cdef u64 mode
    for mode in range(first, first + 4):
        if cpu.tlb_used & ((<u64>1) << mode):
            memset(&cpu.tlb_entries[mode][0], 0xFF, sizeof(cpu.tlb_entries[mode]))
    cpu.tlb_used &= ~((<u64>15) << first)
    drop_links_of(cpu, cpu.world)

cdef void drop_links_of(CPU *cpu, u64 world) noexcept nogil:
    cpu.last_generation += 1
    if world == cpu.world:
        cpu.generation = cpu.last_generation
    else:
        cpu.world_generation[world] = cpu.last_generation
    memset(cpu.code_page_marks[world], 0, sizeof(cpu.code_page_marks[world]))

cdef void drop_links(CPU *cpu) noexcept nogil:
    drop_links_of(cpu, 0)
    drop_links_of(cpu, 1)

cdef void evict_worlds(CPU *cpu) noexcept nogil:
    """Everything, and whose caches are in use anew: the state may have been set from outside."""
    cdef u64 world
    for world in range(2):
        cpu.world = world
        cpu.world_asid[world] = 0
        evict_all(cpu)
    cpu.world = cpu.guest
    cpu.generation = cpu.last_generation
    cpu.code_pages = cpu.code_page_marks[cpu.world]

cdef void switch_world(CPU *cpu, u64 world, u64 leaving) noexcept nogil:
    """To the other world's caches, whose address space cpu.asid is; the one being left had the tag `leaving`."""
    cpu.world_asid[cpu.world] = leaving
    cpu.world_generation[cpu.world] = cpu.generation
    cpu.world = world
    cpu.generation = cpu.world_generation[world]
    cpu.code_pages = cpu.code_page_marks[world]
    if cpu.world_asid[world] != cpu.asid:
        evict_all(cpu)

cdef void mode_changed(CPU *cpu, u64 previous) noexcept nogil:
    cpu.tlb = &cpu.tlb_entries[cpu.world * 4 + cpu.mmu_mode][0]
    cpu.jumps = &cpu.jump_entries[jump_set(cpu)][0]
    cpu.attention = 1

cdef inline u64 jump_set(CPU *cpu) noexcept nogil:
    return (cpu.mmu_mode & 1) | (0 if cpu.code_size == 64 else 2)

cdef void protect_code(CPU *cpu, u64 page) noexcept nogil:
    # From now on every write to this page misses the TLB.
    cdef int mode, n
    cdef TlbEntry *entry
    cdef u64 host = <u64>cpu.ram + (page << 12)
    if cpu.page_flags[page] & 1:
        return
    cpu.page_flags[page] |= 1
    for mode in range(8):
        for n in range(512):
            entry = &cpu.tlb_entries[mode][n]
            if entry.write_tag & 1 == 0 and entry.write_tag + entry.addend == host:
                entry.write_tag = 1

# Repeated string instructions in bulk: as many elements as both pages hold

cdef u64 bulk_copy(CPU *cpu, u64 destination, u64 source, u64 count, u64 width) noexcept nogil:
    cdef u64 size = width >> 3
    cdef char *from_ = probe_read(cpu, source, size)
    cdef char *to = probe_write(cpu, destination, size)
    cdef u64 n, k
    if from_ == NULL or to == NULL:
        return 0
    n = (4096 - (source & 4095)) // size
    k = (4096 - (destination & 4095)) // size
    if k < n:
        n = k
    if count < n:
        n = count
    if to > from_ and to < from_ + n * size:
        # The copy feeds on what it wrote: element by element, as the instruction does it.
        for k in range(n):
            store(to + k * size, size, load(from_ + k * size, size))
    else:
        memmove(to, from_, n * size)
    return n

cdef u64 bulk_fill(CPU *cpu, u64 destination, u64 count, u64 width, u64 value) noexcept nogil:
    cdef u64 size = width >> 3
    cdef char *to = probe_write(cpu, destination, size)
    cdef u64 n, k
    if to == NULL:
        return 0
    n = (4096 - (destination & 4095)) // size
    if count < n:
        n = count
    if size == 1:
        memset(to, <int>(value & 255), n)
    elif size == 8:
        for k in range(n):
            (<u64*>to)[k] = value
    elif size == 4:
        for k in range(n):
            (<u32*>to)[k] = <u32>value
    else:
        for k in range(n):
            (<u16*>to)[k] = <u16>value
    return n

cdef inline u64 to_page_end(u64 la, u64 count, u64 size) noexcept nogil:
    cdef u64 room = (4096 - (la & 4095)) // size
    return room if room < count else count

cdef u64 bulk_compare(CPU *cpu, u64 left, u64 right, u64 count, u64 width) noexcept nogil:
    cdef u64 size = width >> 3
    cdef char *a = probe_read(cpu, left, size)
    cdef char *b = probe_read(cpu, right, size)
    cdef u64 n
    if a == NULL or b == NULL:
        return 0
    count = to_page_end(right, to_page_end(left, count, size), size)
    for n in range(count):
        if load(a + n * size, size) != load(b + n * size, size):
            return n
    return count

cdef u64 bulk_scan(CPU *cpu, u64 la, u64 count, u64 width, u64 value, u64 equal) noexcept nogil:
    cdef u64 size = width >> 3
    cdef char *at = probe_read(cpu, la, size)
    cdef u64 n
    if at == NULL:
        return 0
    count = to_page_end(la, count, size)
    for n in range(count):
        if (load(at + n * size, size) == value) != (equal == 1):
            return n
    return count
