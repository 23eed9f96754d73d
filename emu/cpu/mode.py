"""Which mode a state set from outside is in: loaders and debuggers write fields without the checks of instructions."""

from emu.isa.language import ATTR_DB


def derive_mode(cpu):
    """Set cpl, code_size and stack_size from CS, SS, CR0 and EFER, after a loader has set them freely."""
    long_mode = cpu.efer & 0x400
    protected = cpu.cr0 & 1
    attr = cpu.seg_attr[1]
    cpu.code_size = 64 if long_mode and attr & 0x200 else 32 if protected and attr & ATTR_DB else 16
    cpu.stack_size = 64 if cpu.code_size == 64 else 32 if protected and cpu.seg_attr[2] & ATTR_DB else 16
    cpu.cpl = cpu.seg_attr[2] >> 5 & 3 if protected else 0
