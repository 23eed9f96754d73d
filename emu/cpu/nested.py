"""Nested paging: a guest's physical addresses through the host's second set of tables (APM vol. 2, 15.25).

Every address that the guest's own walk uses goes through them, and so does the one it ends at: up to 24 entries are
read for a TLB miss. The tables are in the host's paging mode as VMRUN found it, and every access is a user access.
"""

from emu.isa.exits import EXIT_NPF, VM_EXIT
from emu.isa.language import ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE, CR4_PAE, EFER_LMA, EFER_NXE, MASK32, Fault


def nested_translate(cpu, address, access, where):
    """System-physical address of a guest-physical one, for ACCESS_* bits; leaves the guest when there is none.

    `where` is the bit of EXITINFO1 that says what the address is of: a page-table entry, or the access itself. Accesses
    to entries count as writes (15.25.5). The page's TLB_* bits are left in `walk_permissions`.
    """
    access = (access & (ACCESS_WRITE | ACCESS_FETCH)) | ACCESS_USER
    cpu.nested_where = where
    if cpu.host_efer & EFER_LMA:
        return cpu.walk_tables(address, access, cpu.nested_cr3, cpu.host_efer, 1) | (address & 0xFFF)
    if address > MASK32:
        cpu.nested_fault(address, access, 0)
    if cpu.host_cr4 & CR4_PAE:
        return cpu.walk_tables(address, access, cpu.nested_cr3, cpu.host_efer, 1) | (address & 0xFFF)
    return cpu.walk_legacy(address, access, cpu.nested_cr3, cpu.host_cr4, 1) | (address & 0xFFF)


def nested_fault(cpu, address, access, cause):
    """Leave the guest for a nested page fault: error code in EXITINFO1, guest-physical address in 2 (15.25.6)."""
    error = cause | (access & (ACCESS_WRITE | ACCESS_USER)) | cpu.nested_where
    if access & ACCESS_FETCH and cpu.host_efer & EFER_NXE:
        error = error | ACCESS_FETCH
    cpu.note_exit(EXIT_NPF, error, address)
    raise Fault(VM_EXIT, 0)
