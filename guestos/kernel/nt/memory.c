/* NT's virtual memory on mmap's: address space is reserved first and pages of it committed, by the program itself only. */
#include "errno.h"
#include "ntcalls.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define MEM_COMMIT 0x1000
#define MEM_RESERVE 0x2000
#define MEM_DECOMMIT 0x4000
#define MEM_RELEASE 0x8000
#define GRANULARITY 0x10000UL               /* of reservations */

static const struct { u8 page, prot; } protections[] = {
    { 1, 0 }, { 2, PROT_READ }, { 4, PROT_READ | PROT_WRITE }, { 0x10, PROT_EXEC }, { 0x20, PROT_READ | PROT_EXEC }, { 0x40, PROT_READ | PROT_WRITE | PROT_EXEC },
};
#define PROTECTIONS (sizeof(protections) / sizeof(*protections))

static int prot_of(u32 page) {
    for (size_t i = 0; i < PROTECTIONS; i++) if (protections[i].page == page) return protections[i].prot;
    return -1;
}

static u32 page_of(int prot) {
    for (size_t i = 0; i < PROTECTIONS; i++) if (protections[i].prot == prot) return protections[i].page;
    return prot & PROT_WRITE ? 4 : 2;
}

/* The pages that a range touches. */
static int range_from_user(u64 process, u64 *base, u64 *size, u64 *start, u64 *length) {
    if (process != CURRENT_PROCESS) return -EACCES;
    if (get_user(*start, base) || get_user(*length, size)) return -EFAULT;
    if (*start >= USER_TOP || *length > USER_TOP - *start) return -EINVAL;
    *length = ALIGN_UP(*start + *length, PAGE_SIZE) - (*start & PAGE_MASK);
    *start &= PAGE_MASK;
    return 0;
}

static int range_to_user(u64 *base, u64 *size, u64 start, u64 length) { return put_user(start, base) || put_user(length, size) ? -EFAULT : 0; }

static s64 reserve(u64 start, u64 length, int prot) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (start) return start & (GRANULARITY - 1) ? -EINVAL : sys_mmap(start, length, prot, flags | 0x100000, -1, 0);     /* MAP_FIXED_NOREPLACE */
    s64 room = sys_mmap(0, length + GRANULARITY, prot, flags, -1, 0);
    if (room < 0) return room;
    s64 at = ALIGN_UP(room, GRANULARITY);
    if (at > room) sys_munmap(room, at - room);
    sys_munmap(at + length, room + GRANULARITY - at);
    struct vma *vma = vma_find(current->mm, at);
    if (vma) vma->offset = 0;               /* its pieces count from here: release() */
    return at;
}

long NtAllocateVirtualMemory(u64 process, u64 *base, u64 zero_bits, u64 *size, u32 type, u32 protect) {
    u64 start, length;
    int error = range_from_user(process, base, size, &start, &length), prot = prot_of(protect);
    if (error) return error;
    if (!length || zero_bits || prot < 0 || type & ~(MEM_COMMIT | MEM_RESERVE) || !type) return -EINVAL;
    s64 at = start;
    if (type & MEM_RESERVE || !start) at = reserve(start, length, type & MEM_COMMIT ? prot : 0);
    else if ((error = sys_mprotect(start, length, prot))) return error == -ENOMEM ? STATUS_CONFLICTING_ADDRESSES : error;
    if (at < 0) return at == -EEXIST ? STATUS_CONFLICTING_ADDRESSES : at;
    return range_to_user(base, size, at, length);
}

/* All of a reservation: protections have cut it into pieces, each of which knows how far from its start it is. */
static long release(u64 start, u64 *base, u64 *size) {
    struct vma *vma = vma_find(current->mm, start);
    u64 end = start;
    if (!vma || vma->start != start || vma->file || vma->offset) return STATUS_INVALID_PARAMETER;
    for (; vma && !vma->file && vma->start - vma->offset == start; vma = vma_find(current->mm, end)) end = vma->end;
    int error = vma_unmap(current->mm, start, end);
    return error ? error : range_to_user(base, size, start, end - start);
}

long NtFreeVirtualMemory(u64 process, u64 *base, u64 *size, u32 type) {
    u64 start, length;
    int error = range_from_user(process, base, size, &start, &length);
    if (error) return error;
    if (type == MEM_RELEASE) return length ? STATUS_NOT_SUPPORTED : release(start, base, size);
    if (type != MEM_DECOMMIT || !length) return -EINVAL;
    if (!error) error = sys_madvise(start, length, 4);  /* MADV_DONTNEED */
    if (!error) error = sys_mprotect(start, length, 0);
    return error ? error : range_to_user(base, size, start, length);
}

long NtProtectVirtualMemory(u64 process, u64 *base, u64 *size, u32 protect, u32 *old) {
    u64 start, length;
    int error = range_from_user(process, base, size, &start, &length), prot = prot_of(protect);
    if (error) return error;
    if (prot < 0 || !length) return -EINVAL;
    struct vma *vma = vma_find(current->mm, start);
    if (!vma) return STATUS_CONFLICTING_ADDRESSES;
    u32 before = page_of(vma->prot);
    if (put_user(before, old)) return -EFAULT;
    error = sys_mprotect(start, length, prot);
    return error == -ENOMEM ? STATUS_CONFLICTING_ADDRESSES : error ? error : range_to_user(base, size, start, length);
}
