"""From linear to physical addresses: the TLB, the page walk, and every reason for a page fault.

    63  62..59  58..52  51..40   39............12  11..9  8 7  6 5 4   3   2   1   0
    NX  (key)   free    reserved  physical page     free   G PS D A PCD PWT U/S R/W P      (APM vol. 2, 5.3)

The TLB is part of the machine's state: both engines fill and evict it alike, so that even a guest which forgets an
INVLPG runs the same on both. `mmu_mode`: 0 supervisor, 1 user, 2 supervisor with SMAP lifted by AC, 3 user with
alignment checks.

An entry belongs to the address space whose tag it has: `asid`, or `asid_global` for global pages. A tag is a number never
used before and, in its low four bits, the guest's ASID (0: host); so a flush is a fresh tag. An entry in a guest with
nested paging holds the system-physical page: a hit costs what it costs in the host (emu/cpu/nested.py).
"""

from emu.isa.language import (
    AC,
    ACCESS_FETCH,
    ACCESS_USER,
    ACCESS_WRITE,
    CR0_AM,
    CR0_PG,
    CR0_WP,
    CR4_PAE,
    CR4_PCIDE,
    CR4_PGE,
    CR4_PSE,
    CR4_SMAP,
    CR4_SMEP,
    EFER_LMA,
    EFER_NXE,
    MASK32,
    PF_VECTOR,
    Fault,
)

NPF_FINAL, NPF_TABLE = 1 << 32, 1 << 33     # bits of a nested page fault's EXITINFO1

ACCESS_SYSTEM = 32       # an implicit supervisor access (descriptor tables, task state), whatever the CPL

TLB_P, TLB_W, TLB_U, TLB_NX, TLB_D, TLB_G = 1, 2, 4, 8, 16, 32

PTE_P, PTE_W, PTE_U, PTE_A, PTE_D, PTE_PS, PTE_G = 1, 2, 4, 32, 64, 128, 256
PTE_NX = 1 << 63
PHYSICAL_MASK = 0xFFFFFFF000            # 40 bits of physical address, as CPUID says
RESERVED_HIGH = 0x000FFF0000000000      # bits 51..40


def translate(cpu, la, access):
    """Physical address of linear address `la`; raises #PF. `access` is a sum of ACCESS_* bits."""
    if cpu.cr0 & CR0_PG or cpu.nested_paging:
        return cpu.look_up(la, access)
    return la & MASK32


def look_up(cpu, la, access):
    """translate(), where there are tables: by the TLB, or else by a walk."""
    index = ((la >> 12) ^ cpu.tlb_salt) & 4095
    tag = cpu.tlb_tag[index]
    if (tag ^ la) >> 12 == 0 and tag & TLB_P:
        if cpu.tlb_asid[index] == cpu.asid or cpu.tlb_asid[index] == cpu.asid_global:
            if cpu.denied(tag, access) == 0 and (access & ACCESS_WRITE == 0 or tag & TLB_D):
                return cpu.tlb_page[index] | (la & 0xFFF)
    return cpu.walk(la, access)


def denied(cpu, permissions, access):
    """1 when a translation with these TLB_* permissions does not allow the access (APM vol. 2, 5.6), else 0."""
    if access & ACCESS_USER:
        if permissions & TLB_U == 0:
            return 1
        if access & ACCESS_WRITE and permissions & TLB_W == 0:
            return 1
    else:
        if access & ACCESS_WRITE and permissions & TLB_W == 0 and cpu.cr0 & CR0_WP:
            return 1
        if permissions & TLB_U:
            if access & ACCESS_FETCH:
                if cpu.cr4 & CR4_SMEP:
                    return 1
            elif cpu.cr4 & CR4_SMAP and (access & ACCESS_SYSTEM or cpu.flags & AC == 0):
                return 1
    if access & ACCESS_FETCH and permissions & TLB_NX:
        return 1
    return 0


def page_fault(cpu, la, access, cause):
    """Raise #PF for `la`: CR2 and the error code (P and RSVD from `cause`; APM vol. 2, 8.4.2)."""
    error = cause | (access & (ACCESS_WRITE | ACCESS_USER))
    if access & ACCESS_FETCH and ((cpu.efer & EFER_NXE and cpu.cr4 & CR4_PAE) or cpu.cr4 & CR4_SMEP):
        error = error | ACCESS_FETCH
    cpu.fault_address = la
    # Intercepted, it leaves the guest before it writes CR2 (15.12.15).
    if (cpu.intercept_exceptions >> PF_VECTOR) & 1 == 0:
        cpu.cr2 = la
    raise Fault(PF_VECTOR, error)


def walk_fault(cpu, address, access, cause, stage):
    """What a walk that finds no way ends in: #PF, or leaving the guest where the tables are the nested ones."""
    if stage:
        cpu.nested_fault(address, access, cause)
    cpu.page_fault(address, access, cause)


def walk(cpu, la, access):
    """Walk the tables for `la`, set accessed and dirty bits, fill the TLB; raises #PF."""
    if cpu.cr0 & CR0_PG == 0:
        # A guest without paging of its own: nothing but the nested tables restricts it, SMEP and SMAP neither.
        page = cpu.nested_translate(la & MASK32, access, NPF_FINAL) & ~0xFFF
        cpu.walk_permissions = cpu.narrowed(TLB_P | TLB_W | TLB_D | (TLB_U if access & ACCESS_USER else 0))
    elif cpu.cr4 & CR4_PAE or cpu.efer & EFER_LMA:
        page = cpu.walk_tables(la, access, cpu.cr3, cpu.efer, 0)
    else:
        page = cpu.walk_legacy(la, access, cpu.cr3, cpu.cr4, 0)
    cpu.tlb_misses[cpu.guest] = cpu.tlb_misses[cpu.guest] + 1
    return cpu.fill_tlb(la, page, cpu.walk_permissions)


def walk_tables(cpu, la, access, cr3, efer, stage):
    """The walk of long mode and PAE. Returns the 4 KiB page that `la` is in; its TLB_* bits are in `walk_permissions`.

    `stage` is 0 for the tables of CR3 and 1 for nested ones, in which a guest's physical address stands for `la`.
    """
    level = 4
    table = cr3 & PHYSICAL_MASK
    reserved = RESERVED_HIGH
    if efer & EFER_NXE == 0:
        reserved = reserved | PTE_NX
    pae_root = 0
    if efer & EFER_LMA == 0:
        reserved = reserved | 0x7FF0000000000000
        level = 3
        table = cr3 & 0xFFFFFFE0
        pae_root = 1
    top = level
    nested = 1 if cpu.nested_paging and stage == 0 else 0
    permissions = TLB_P | TLB_W | TLB_U
    unmarked = 0
    while True:
        shift = 12 + 9 * (level - 1)
        address = table + (((la >> shift) & 511) << 3)
        if nested:
            address = cpu.nested_translate(address, ACCESS_WRITE, NPF_TABLE)
        entry = cpu.physical_read(address, 8)
        if entry & PTE_P == 0:
            cpu.walk_fault(la, access, 0, stage)
        if pae_root and level == 3:
            if entry & 0xFFFFFF00000001E6:
                cpu.walk_fault(la, access, 9, stage)
            table = entry & PHYSICAL_MASK
            level = level - 1
            continue
        if entry & reserved:
            cpu.walk_fault(la, access, 9, stage)
        if entry & PTE_W == 0:
            permissions = permissions & ~TLB_W
        if entry & PTE_U == 0:
            permissions = permissions & ~TLB_U
        if entry & PTE_NX:
            permissions = permissions | TLB_NX
        if entry & PTE_PS and level > 1:
            if level == 4:
                cpu.walk_fault(la, access, 9, stage)
            low = (1 << shift) - 1
            if entry & low & 0x3FFFE000:
                cpu.walk_fault(la, access, 9, stage)
            break
        if level == 1:
            low = 0xFFF
            break
        if entry & PTE_A == 0:
            cpu.walk_address[stage * 5 + level] = address
            unmarked = unmarked | (1 << level)
        table = entry & PHYSICAL_MASK
        level = level - 1
    page = ((entry & PHYSICAL_MASK & ~low) | (la & low)) & ~0xFFF
    updated = entry | PTE_A
    if access & ACCESS_WRITE:
        updated = updated | PTE_D
    if updated & PTE_D:
        permissions = permissions | TLB_D
    if updated & PTE_G and cpu.cr4 & CR4_PGE:
        permissions = permissions | TLB_G
    cpu.entries_read[cpu.guest] = cpu.entries_read[cpu.guest] + 1 + top - level
    # Before anything is changed: is it enough, and where is a guest's page?
    if cpu.denied(permissions, access):
        cpu.walk_fault(la, access, 1, stage)
    if nested:
        page = cpu.nested_translate(page | (la & 0xFFF), access, NPF_FINAL) & ~0xFFF
        permissions = cpu.narrowed(permissions)
    cpu.walk_permissions = permissions
    if unmarked:
        cpu.mark_tables(unmarked, stage)
    if updated != entry:
        cpu.physical_write(address, 8, updated)
    if level > 1 and stage == 0:
        cpu.note_large_page(la, level)
    return page


def narrowed(cpu, permissions):
    """These TLB_* bits of a guest's page, less what the nested walk that has just found it does not allow."""
    # Not writable or not dirty there is not dirty here: the next write walks again, and finds out which.
    if cpu.walk_permissions & (TLB_W | TLB_D) != TLB_W | TLB_D:
        permissions = permissions & ~TLB_D
    return permissions | (cpu.walk_permissions & TLB_NX)


def mark_tables(cpu, levels, stage):
    """Set the accessed bit of the upper entries that a successful walk used, on the levels of this set."""
    for level in range(2, 5):
        if (levels >> level) & 1:
            address = cpu.walk_address[stage * 5 + level]
            cpu.physical_write(address, 8, cpu.physical_read(address, 8) | PTE_A)


def walk_legacy(cpu, la, access, cr3, cr4, stage):
    """The two-level walk of 32-bit paging without PAE (APM vol. 2, 5.2.1), as walk_tables()."""
    nested = 1 if cpu.nested_paging and stage == 0 else 0
    permissions = TLB_P | TLB_W | TLB_U
    directory = (cr3 & 0xFFFFF000) + (((la >> 22) & 1023) << 2)
    if nested:
        directory = cpu.nested_translate(directory, ACCESS_WRITE, NPF_TABLE)
    entry = cpu.physical_read(directory, 4)
    if entry & PTE_P == 0:
        cpu.walk_fault(la, access, 0, stage)
    if entry & PTE_W == 0:
        permissions = permissions & ~TLB_W
    if entry & PTE_U == 0:
        permissions = permissions & ~TLB_U
    address = directory
    upper = PTE_A
    if entry & PTE_PS and cr4 & CR4_PSE:
        if entry & 0x200000:
            cpu.walk_fault(la, access, 9, stage)
        page = (entry & 0xFFC00000) | (((entry >> 13) & 0xFF) << 32) | (la & 0x3FF000)
        if stage == 0:
            cpu.note_large_page(la, 3)
    else:
        upper = entry
        address = (entry & 0xFFFFF000) + (((la >> 12) & 1023) << 2)
        if nested:
            address = cpu.nested_translate(address, ACCESS_WRITE, NPF_TABLE)
        entry = cpu.physical_read(address, 4)
        if entry & PTE_P == 0:
            cpu.walk_fault(la, access, 0, stage)
        if entry & PTE_W == 0:
            permissions = permissions & ~TLB_W
        if entry & PTE_U == 0:
            permissions = permissions & ~TLB_U
        page = entry & 0xFFFFF000
    updated = entry | PTE_A
    if access & ACCESS_WRITE:
        updated = updated | PTE_D
    if updated & PTE_D:
        permissions = permissions | TLB_D
    if updated & PTE_G and cpu.cr4 & CR4_PGE:
        permissions = permissions | TLB_G
    cpu.entries_read[cpu.guest] = cpu.entries_read[cpu.guest] + (1 if address == directory else 2)
    if cpu.denied(permissions, access):
        cpu.walk_fault(la, access, 1, stage)
    if nested:
        page = cpu.nested_translate(page | (la & 0xFFF), access, NPF_FINAL) & ~0xFFF
        permissions = cpu.narrowed(permissions)
    cpu.walk_permissions = permissions
    if upper & PTE_A == 0:
        cpu.physical_write(directory, 4, upper | PTE_A)
    if updated != entry:
        cpu.physical_write(address, 4, updated)
    return page


def fill_tlb(cpu, la, page, permissions):
    """Remember a translation; returns the physical address of `la`."""
    index = ((la >> 12) ^ cpu.tlb_salt) & 4095
    if cpu.tlb_tag[index] & TLB_P:
        cpu.evict(cpu.tlb_tag[index])
    cpu.tlb_tag[index] = (la & 0xFFFFFFFFFFFFF000) | permissions
    cpu.tlb_page[index] = page
    cpu.tlb_asid[index] = cpu.asid_global if permissions & TLB_G else cpu.asid
    return page | (la & 0xFFF)


def note_large_page(cpu, la, level):
    """A part of a large page enters the TLB: INVLPG of any address in that page must find all of its parts.

    Kept by region, hashed into 64 bits: 2 MiB regions for 2 MiB pages (level 2), 1 GiB regions for all larger ones.
    """
    if level == 2:
        cpu.tlb_large = cpu.tlb_large | (1 << ((la >> 21) & 63))
    else:
        cpu.tlb_huge = cpu.tlb_huge | (1 << ((la >> 30) & 63))


def invalidate_page_of(cpu, la):
    """INVLPG: drop the translation of one page, global or not (APM vol. 2, 5.5.2)."""
    if (cpu.tlb_large >> ((la >> 21) & 63)) & 1 or (cpu.tlb_huge >> ((la >> 30) & 63)) & 1:
        cpu.flush_tlb()
        return
    index = ((la >> 12) ^ cpu.tlb_salt) & 4095
    if (cpu.tlb_tag[index] ^ la) >> 12 == 0:
        cpu.tlb_tag[index] = 0
    cpu.evict(la)


def fresh_tag(cpu):
    """A tag that no translation has yet, of the present guest or the host."""
    cpu.asid_next = cpu.asid_next + 1
    return (cpu.asid_next << 4) | cpu.vm_asid


def flush_tlb(cpu):
    """Drop every translation of this guest or the host, global ones and all PCIDs included."""
    cpu.asid_global = cpu.fresh_tag()
    cpu.tlb_large = 0
    cpu.tlb_huge = 0
    cpu.flush_tlb_local()


def flush_tlb_local(cpu):
    """Drop the non-global translations of the current address space: it gets a fresh tag."""
    cpu.asid = cpu.fresh_tag()
    if cpu.cr4 & CR4_PCIDE:
        cpu.pcid_asid[cpu.cr3 & 0xFFF] = cpu.asid
    cpu.evict_all()


def load_cr3(cpu, value):
    """MOV to CR3: change the address space, with PCID's no-flush bit 63 (SDM vol. 3, 4.10.4.1)."""
    if cpu.cr4 & CR4_PCIDE:
        keep = value >> 63
        cpu.cr3 = value & 0x7FFFFFFFFFFFFFFF
        known = cpu.pcid_asid[value & 0xFFF]
        # Newer than the last flush of everything, and not another guest's with the same PCID.
        if keep and known > cpu.asid_global and known & 15 == cpu.vm_asid:
            cpu.asid = known
            cpu.evict_all()
            return
    else:
        cpu.cr3 = value
    cpu.flush_tlb_local()


def update_mode(cpu):
    """Recompute what CR0, CR4, CPL, AC and the code segment together decide. Call after changing any of them."""
    previous = cpu.mmu_mode
    if cpu.cpl == 3:
        cpu.mmu_mode = 3 if cpu.cr0 & CR0_AM and cpu.flags & AC else 1
    else:
        cpu.mmu_mode = 2 if cpu.cr4 & CR4_SMAP and cpu.flags & AC else 0
    cpu.update_fpu_blocked()
    # Who retires instructions: `retired_in` has two numbers an ASID (0: the host), for CPL 0 to 2 and for 3, brought up to
    # date when that changes. An instruction that changes it counts with those that follow.
    world = cpu.vm_asid * 2 + (1 if cpu.cpl == 3 else 0)
    if world != cpu.counted_world:
        now = cpu.retired
        cpu.retired_in[cpu.counted_world] = cpu.retired_in[cpu.counted_world] + now - cpu.counted_until
        cpu.counted_until = now
        cpu.counted_world = world
    cpu.mode_changed(previous)


def invalidate_pcid(cpu, pcid):
    """Drop the non-global translations of one PCID."""
    if cpu.cr3 & 0xFFF == pcid:
        cpu.flush_tlb_local()
    else:
        cpu.pcid_asid[pcid] = 0
