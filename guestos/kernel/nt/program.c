/* Which system calls a program speaks, by the mark in its file; and what one of NT's finds in its memory. */
#include "boot.h"
#include "dispatch.h"
#include "elf.h"
#include "errno.h"
#include "lib.h"
#include "nt.h"
#include "vfs.h"
#include "vm.h"

#define EI_OSABI 7
#define OSABI_NT 0x4e
#define SHARED_DATA 0x7ffe0000UL            /* KUSER_SHARED_DATA, at NT's address */

extern bool abi_is_nt;

/* The version, where NT's programs read it: the Windows whose numbers ntcalls.tbl has. */
static int map_shared_data(struct mm *mm) {
    static const u32 version[] = { 10, 0 }, build = 17134;
    u16 root[32] = { 0 };
    nt_widen("C:\\Windows", root, 31);
    struct vma *vma = vma_add(mm, SHARED_DATA, SHARED_DATA + PAGE_SIZE, PROT_READ | PROT_WRITE);
    if (!vma || mm_write(mm, SHARED_DATA + 0x30, root, sizeof(root)) || mm_write(mm, SHARED_DATA + 0x26c, version, sizeof(version)) ||
        mm_write(mm, SHARED_DATA + 0x260, &build, sizeof(build))) return -ENOMEM;
    vma->prot = PROT_READ;
    pt_protect(mm, vma->start, vma->end, PROT_READ);
    return 0;
}

/* The one Linux program that a kernel with abi=nt serves with Linux's table: the monitor of virtual machines, as a pico provider
 * does for its processes. */
static bool is_monitor(struct file *file) {
    char room[64];
    const char *wanted = cmdline_get("pico"), *path = path_text(&file->path, room, sizeof(room));
    return !IS_ERR(path) && !strcmp(path, wanted ? wanted : "/bin/vmm");
}

int program_calls(struct mm *mm, struct file *file, const struct elf_header *h) {
    bool nt = h->ident[EI_OSABI] == OSABI_NT;
    mm->calls = nt ? CALLS_NT : !abi_is_nt || is_monitor(file) ? CALLS_LINUX : CALLS_UNKNOWN;
    if (!nt) return 0;
    if (abi_is_nt) return map_shared_data(mm);
    kerror("%s: it makes NT's system calls, which this kernel does not have (abi=linux); boot it with abi=nt\n", file->path.dentry->name);
    return -ENOEXEC;
}
