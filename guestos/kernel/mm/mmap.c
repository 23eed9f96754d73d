/* System calls on address spaces. */
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define MAP_TYPE 0xf
#define MAP_DENYWRITE 0x800
#define MAP_EXECUTABLE 0x1000
#define MAP_LOCKED 0x2000
#define MAP_NORESERVE 0x4000
#define MAP_POPULATE 0x8000
#define MAP_STACK 0x20000
#define MAP_FIXED_NOREPLACE 0x100000
/* Hints that may be ignored, as Linux documents them. */
#define MAP_HINTS (MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_STACK)
#define MREMAP_MAYMOVE 1

static bool aligned_range(u64 addr, u64 length) { return !(addr & ~PAGE_MASK) && addr < USER_TOP && length <= USER_TOP - addr; }

static bool range_free(struct mm *mm, u64 start, u64 end) {
    struct vma *next = vma_find_after(mm, start);
    return !next || next->start >= end;
}

static long map(u64 addr, u64 length, int prot, int flags, struct file *file, u64 offset) {
    struct mm *mm = current->mm;
    bool shared = (flags & MAP_TYPE) == MAP_SHARED;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (!aligned_range(addr, length)) return addr & ~PAGE_MASK ? -EINVAL : -ENOMEM;
        if (addr < MMAP_MIN) return -EPERM;   /* check: accesstests */
        if (flags & MAP_FIXED_NOREPLACE && !range_free(mm, addr, addr + length)) return -EEXIST;
        if (vma_unmap(mm, addr, addr + length)) return -ENOMEM;
    } else {
        addr = ALIGN_UP(addr, PAGE_SIZE);   /* a wish */
        if (addr < MMAP_MIN || !aligned_range(addr, length) || addr + length > MMAP_TOP || !range_free(mm, addr, addr + length))
            addr = vma_gap(mm, length);
        if (!addr) return -ENOMEM;
    }
    struct vma *vma = vma_add(mm, addr, addr + length, prot);
    if (!vma) return -ENOMEM;
    vma->offset = offset;
    vma->file_end = vma->end;
    vma->grows_down = flags & MAP_GROWSDOWN;
    if (file) vma_set_file(vma, file, shared);
    return addr;
}

long sys_mmap(u64 addr, size_t length, int prot, int flags, int fd, u64 offset) {
    int type = flags & MAP_TYPE;
    if (!length || offset & ~PAGE_MASK || (type != MAP_PRIVATE && type != MAP_SHARED)) return -EINVAL;
    if (flags & ~(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_HINTS)) return -EINVAL;
    if (flags & MAP_GROWSDOWN && (type == MAP_SHARED || !(flags & MAP_ANONYMOUS))) return -EINVAL;
    if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) return -EINVAL;
    if (length > USER_TOP) return -ENOMEM;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (flags & MAP_ANONYMOUS && type == MAP_PRIVATE) return map(addr, length, prot, flags, NULL, 0);
    struct file *file = flags & MAP_ANONYMOUS ? file_anonymous(length) : fd_get(fd);
    if (!file) return flags & MAP_ANONYMOUS ? -ENOMEM : -EBADF;
    u32 access = file->flags & O_ACCMODE;
    long result;
    if (file->ops->read != cache_read && !file->ops->mappable) result = -ENODEV;
    else if (access == O_WRONLY || (type == MAP_SHARED && prot & PROT_WRITE && access != O_RDWR)) result = -EACCES;   /* check: accesstests */
    else result = map(addr, length, prot, flags, file, offset);
    file_put(file);
    return result;
}

long sys_munmap(u64 addr, size_t length) {
    if (!length || addr & ~PAGE_MASK || !aligned_range(addr, length)) return -EINVAL;
    return vma_unmap(current->mm, addr, addr + ALIGN_UP(length, PAGE_SIZE));
}

long sys_mprotect(u64 addr, size_t length, int prot) {
    struct mm *mm = current->mm;
    if (addr & ~PAGE_MASK || prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) return -EINVAL;
    if (!length) return 0;
    if (!aligned_range(addr, length)) return -ENOMEM;
    u64 end = addr + ALIGN_UP(length, PAGE_SIZE);
    /* All of it must be mapped before any of it changes. */
    for (u64 at = addr; at < end;) {
        struct vma *vma = vma_find(mm, at);
        if (!vma) return -ENOMEM;
        if (vma->shared && prot & PROT_WRITE && (vma->file->flags & O_ACCMODE) != O_RDWR) return -EACCES;   /* check: accesstests */
        at = vma->end;
    }
    for (u64 at = addr; at < end;) {
        struct vma *vma = vma_find(mm, at);
        if (vma->start < at) {
            if (vma_split(vma, at)) return -ENOMEM;
            mm->recent = NULL;
            vma = vma_find(mm, at);
        }
        if (vma->end > end && vma_split(vma, end)) return -ENOMEM;
        vma->prot = prot;
        pt_protect(mm, vma->start, vma->end, prot);
        at = vma->end;
    }
    return 0;
}

/* The new break; on failure the old one, which is how the C library tells. */
long sys_brk(u64 addr) {
    struct mm *mm = current->mm;
    u64 old_end = ALIGN_UP(mm->brk, PAGE_SIZE), new_end = ALIGN_UP(addr, PAGE_SIZE);
    if (addr < mm->brk_start || addr > MMAP_TOP) return mm->brk;
    if (new_end < old_end) {
        if (vma_unmap(mm, new_end, old_end)) return mm->brk;
    } else if (new_end > old_end) {
        if (!range_free(mm, old_end, new_end + PAGE_SIZE)) return mm->brk;
        struct vma *heap = old_end > mm->brk_start ? vma_find(mm, old_end - 1) : NULL;
        if (heap && !heap->file && heap->prot == (PROT_READ | PROT_WRITE)) heap->end = new_end;
        else if (!vma_add(mm, old_end, new_end, PROT_READ | PROT_WRITE)) return mm->brk;
    }
    return mm->brk = addr;
}

/* Grow or shrink a mapping; growing in place where there is room, else the pages move. */
long sys_mremap(u64 addr, size_t old_length, size_t length, int flags, u64 new_addr) {
    struct mm *mm = current->mm;
    if (addr & ~PAGE_MASK || !length || flags & ~MREMAP_MAYMOVE) return -EINVAL;
    u64 old_size = ALIGN_UP(old_length, PAGE_SIZE), size = ALIGN_UP(length, PAGE_SIZE);
    if (!old_size) return -EINVAL;
    struct vma *vma = vma_find(mm, addr);
    if (!vma || !aligned_range(addr, old_size) || addr + old_size > vma->end || size > USER_TOP) return -EFAULT;
    if (size <= old_size) return size < old_size && vma_unmap(mm, addr + size, addr + old_size) ? -ENOMEM : (long)addr;
    bool last = addr + old_size == vma->end;
    if (last && addr + size <= MMAP_TOP && range_free(mm, vma->end, addr + size)) {
        if (vma->file && vma->file_end == vma->end) vma->file_end = addr + size;
        vma->end = addr + size;
        return addr;
    }
    if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
    u64 to = vma_gap(mm, size);
    struct vma *moved = to ? vma_add(mm, to, to + size, vma->prot) : NULL;
    if (!moved) return -ENOMEM;
    moved->offset = vma->offset + (addr - vma->start);
    if (vma->file) vma_set_file(moved, vma->file, vma->shared), moved->file_end = vma->file_end == vma->end ? to + size : vma->file_end - addr + to;
    if (pt_move(mm, addr, to, old_size) || vma_unmap(mm, addr, addr + old_size)) return -ENOMEM;
    return to;
}

#define MS_ASYNC 1
#define MS_INVALIDATE 2
#define MS_SYNC 4

long sys_msync(u64 addr, size_t length, int flags) {
    u64 end = addr + ALIGN_UP(length, PAGE_SIZE);
    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || addr & ~PAGE_MASK || (flags & MS_ASYNC && flags & MS_SYNC)) return -EINVAL;
    if (end < addr) return -ENOMEM;
    for (struct vma *vma; addr < end; addr = vma->end) {
        if (!(vma = vma_find(current->mm, addr))) return -ENOMEM;
        struct file *file = vma->shared && flags & MS_SYNC ? file_get(vma->file) : NULL;
        int error = file && file->ops->sync ? file->ops->sync(file) : 0;
        if (file) file_put(file);
        if (error) return error;
        if (!(vma = vma_find(current->mm, addr))) return -ENOMEM;   /* another thread's doing */
    }
    return 0;
}

#define MADV_DONTNEED 4

/* Advice that changes what a program sees is carried out; the rest is only advice. */
long sys_madvise(u64 addr, size_t length, int advice) {
    struct mm *mm = current->mm;
    if (addr & ~PAGE_MASK || !aligned_range(addr, length)) return -EINVAL;
    if (advice > 3 && advice != MADV_DONTNEED && advice != 8 && advice != 14 && advice != 15) return -EINVAL;
    u64 end = addr + ALIGN_UP(length, PAGE_SIZE);
    for (u64 at = addr; at < end;) {
        struct vma *vma = vma_find(mm, at);
        if (!vma) return -ENOMEM;
        if (advice == MADV_DONTNEED) pt_unmap(mm, at, MIN(end, vma->end));
        at = vma->end;
    }
    return 0;
}
