"""From linear to physical addresses: the TLB, the page walk, and every reason for a page fault.

    63  62..59  58..52  51..40   39............12  11..9  8 7  6 5 4   3   2   1   0
    NX  (key)   free    reserved  physical page     free   G PS D A PCD PWT U/S R/W P      (APM vol. 2, 5.3)

The TLB is part of the machine's state: both engines fill and evict it alike, so that even a guest which forgets an
INVLPG runs the same on both. `mmu_mode`: 0 supervisor, 1 user, 2 supervisor with SMAP lifted by AC, 3 user with
alignment checks.
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

ACCESS_SYSTEM = 32       # an implicit supervisor access (descriptor tables, task state), whatever the CPL

TLB_P, TLB_W, TLB_U, TLB_NX, TLB_D, TLB_G = 1, 2, 4, 8, 16, 32

PTE_P, PTE_W, PTE_U, PTE_A, PTE_D, PTE_PS, PTE_G = 1, 2, 4, 32, 64, 128, 256
PTE_NX = 1 << 63
PHYSICAL_MASK = 0xFFFFFFF000            # 40 bits of physical address, as CPUID says
RESERVED_HIGH = 0x000FFF0000000000      # bits 51..40


def translate(cpu, la, access):
    """Physical address of linear address `la`; raises #PF. `access` is a sum of ACCESS_* bits."""
    if cpu.cr0 & CR0_PG == 0:
        return la & MASK32
    index = (la >> 12) & 4095
    tag = cpu.tlb_tag[index]
    if (tag ^ la) >> 12 == 0 and tag & TLB_P:
        if cpu.tlb_asid[index] == cpu.asid or tag & TLB_G:
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
    cpu.cr2 = la
    raise Fault(PF_VECTOR, error)


def walk(cpu, la, access):
    """Walk the tables for `la`, set accessed and dirty bits, fill the TLB; raises #PF."""
    if cpu.efer & EFER_LMA:
        level = 4
        table = cpu.cr3 & PHYSICAL_MASK
    elif cpu.cr4 & CR4_PAE:
        level = 3
        table = cpu.cr3 & 0xFFFFFFE0
    else:
        return cpu.walk_legacy(la, access)
    reserved = RESERVED_HIGH
    if cpu.efer & EFER_NXE == 0:
        reserved = reserved | PTE_NX
    permissions = TLB_P | TLB_W | TLB_U
    accessed = PTE_A
    if cpu.efer & EFER_LMA == 0:
        reserved = reserved | 0x7FF0000000000000
    pae_root = level == 3
    while True:
        shift = 12 + 9 * (level - 1)
        address = table + (((la >> shift) & 511) << 3)
        if pae_root and level == 3:
            address = table + (((la >> 30) & 3) << 3)
        entry = cpu.physical_read(address, 8)
        if entry & PTE_P == 0:
            cpu.page_fault(la, access, 0)
        if pae_root and level == 3:
            if entry & 0xFFFFFF00000001E6:
                cpu.page_fault(la, access, 9)
            table = entry & PHYSICAL_MASK
            level = level - 1
            continue
        if entry & reserved:
            cpu.page_fault(la, access, 9)
        if entry & PTE_W == 0:
            permissions = permissions & ~TLB_W
        if entry & PTE_U == 0:
            permissions = permissions & ~TLB_U
        if entry & PTE_NX:
            permissions = permissions | TLB_NX
        if entry & PTE_PS and level > 1:
            if level == 4:
                cpu.page_fault(la, access, 9)
            low = (1 << shift) - 1
            if entry & low & 0x3FFFE000:
                cpu.page_fault(la, access, 9)
            break
        if level == 1:
            low = 0xFFF
            break
        accessed = accessed & entry
        table = entry & PHYSICAL_MASK
        level = level - 1
    if cpu.denied(permissions, access):
        cpu.page_fault(la, access, 1)
    if accessed == 0:
        cpu.mark_tables(la)
    updated = entry | PTE_A
    if access & ACCESS_WRITE:
        updated = updated | PTE_D
    if updated != entry:
        cpu.physical_write(address, 8, updated)
    if level > 1:
        cpu.note_large_page(la, level)
    page = ((entry & PHYSICAL_MASK & ~low) | (la & low)) & ~0xFFF
    return cpu.fill_tlb(la, page, permissions, updated)


def mark_tables(cpu, la):
    """Set the accessed bit of the upper-level entries that a successful walk of `la` used."""
    if cpu.efer & EFER_LMA:
        level = 4
        table = cpu.cr3 & PHYSICAL_MASK
    else:
        level = 2
        table = cpu.physical_read((cpu.cr3 & 0xFFFFFFE0) + (((la >> 30) & 3) << 3), 8) & PHYSICAL_MASK
    while level > 1:
        address = table + (((la >> (12 + 9 * (level - 1))) & 511) << 3)
        entry = cpu.physical_read(address, 8)
        if entry & PTE_PS:
            return
        if entry & PTE_A == 0:
            cpu.physical_write(address, 8, entry | PTE_A)
        table = entry & PHYSICAL_MASK
        level = level - 1


def walk_legacy(cpu, la, access):
    """The two-level walk of 32-bit paging without PAE (APM vol. 2, 5.2.1); raises #PF."""
    permissions = TLB_P | TLB_W | TLB_U
    directory = (cpu.cr3 & 0xFFFFF000) + (((la >> 22) & 1023) << 2)
    entry = cpu.physical_read(directory, 4)
    if entry & PTE_P == 0:
        cpu.page_fault(la, access, 0)
    if entry & PTE_W == 0:
        permissions = permissions & ~TLB_W
    if entry & PTE_U == 0:
        permissions = permissions & ~TLB_U
    address = directory
    if entry & PTE_PS and cpu.cr4 & CR4_PSE:
        if entry & 0x200000:
            cpu.page_fault(la, access, 9)
        base = (entry & 0xFFC00000) | (((entry >> 13) & 0xFF) << 32)
        page = base | (la & 0x3FF000)
        cpu.note_large_page(la, 3)
    else:
        address = (entry & 0xFFFFF000) + (((la >> 12) & 1023) << 2)
        upper = entry
        entry = cpu.physical_read(address, 4)
        if entry & PTE_P == 0:
            cpu.page_fault(la, access, 0)
        if entry & PTE_W == 0:
            permissions = permissions & ~TLB_W
        if entry & PTE_U == 0:
            permissions = permissions & ~TLB_U
        page = entry & 0xFFFFF000
    if cpu.denied(permissions, access):
        cpu.page_fault(la, access, 1)
    if address != directory and upper & PTE_A == 0:
        cpu.physical_write(directory, 4, upper | PTE_A)
    updated = entry | PTE_A
    if access & ACCESS_WRITE:
        updated = updated | PTE_D
    if updated != entry:
        cpu.physical_write(address, 4, updated)
    return cpu.fill_tlb(la, page, permissions, updated)


def fill_tlb(cpu, la, page, permissions, entry):
    """Remember a translation; returns the physical address of `la`."""
    if entry & PTE_D:
        permissions = permissions | TLB_D
    if entry & PTE_G and cpu.cr4 & CR4_PGE:
        permissions = permissions | TLB_G
    index = (la >> 12) & 4095
    if cpu.tlb_tag[index] & TLB_P:
        cpu.evict(cpu.tlb_tag[index])
    cpu.tlb_tag[index] = (la & 0xFFFFFFFFFFFFF000) | permissions
    cpu.tlb_page[index] = page
    cpu.tlb_asid[index] = cpu.asid
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
    index = (la >> 12) & 4095
    tag = cpu.tlb_tag[index]
    if (tag ^ la) >> 12 == 0:
        cpu.tlb_tag[index] = 0
    cpu.evict(la)


def flush_tlb(cpu):
    """Drop every translation, global ones and all PCIDs included."""
    for index in range(4096):
        cpu.tlb_tag[index] = 0
    cpu.tlb_large = 0
    cpu.tlb_huge = 0
    cpu.evict_all()


def flush_tlb_local(cpu):
    """Drop the non-global translations of the current address space: it gets a fresh tag."""
    cpu.asid = cpu.asid_next
    cpu.asid_next = cpu.asid_next + 1
    if cpu.cr4 & CR4_PCIDE:
        cpu.pcid_asid[cpu.cr3 & 0xFFF] = cpu.asid
    cpu.evict_all()


def load_cr3(cpu, value):
    """MOV to CR3: change the address space, with PCID's no-flush bit 63 (SDM vol. 3, 4.10.4.1)."""
    if cpu.cr4 & CR4_PCIDE:
        keep = value >> 63
        cpu.cr3 = value & 0x7FFFFFFFFFFFFFFF
        known = cpu.pcid_asid[value & 0xFFF]
        if keep and known:
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
    cpu.mode_changed(previous)


def invalidate_pcid(cpu, pcid):
    """Drop the non-global translations of one PCID."""
    if cpu.cr3 & 0xFFF == pcid:
        cpu.flush_tlb_local()
    else:
        cpu.pcid_asid[pcid] = 0
