/* Looking into other processes: who may, and their memory as ptrace and /proc/N/mem show it. */
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "sched.h"
#include "trace.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"

bool ptrace_may_access(const struct task *t, int mode) {
    const struct cred *c = &current->cred, *to = &t->cred;
    uid_t uid = mode == PTRACE_MODE_REAL ? c->uid : c->fsuid;
    gid_t gid = mode == PTRACE_MODE_REAL ? c->gid : c->fsgid;
    u64 capabilities = mode == PTRACE_MODE_REAL ? c->cap_permitted : c->cap_effective;
    if (t->tgid == current->tgid || ns_capable(to->user_ns, CAP_SYS_PTRACE)) return true;   /* check: C20 */
    return uid == to->uid && uid == to->euid && uid == to->suid && gid == to->gid && gid == to->egid && gid == to->sgid &&
           (!t->mm || t->mm->dumpable) && c->user_ns == to->user_ns && !(to->cap_permitted & ~capabilities);
}

/* A private page that may only be read is copied and written all the same: that is how breakpoints get there. Once
 * it has been read nothing sleeps, so nobody sees the protection lifted. */
static int make_accessible(struct mm *mm, u64 address, bool write) {
    int error = fault_in(mm, address, false, false);
    struct vma *vma = vma_find(mm, address);
    if (error || !write) return error;
    if (vma->shared && !(vma->prot & PROT_WRITE)) return -EFAULT;
    int prot = vma->prot;
    vma->prot |= PROT_WRITE;
    error = fault_in(mm, address, true, false);
    vma->prot = prot;
    return error;
}

ssize_t mm_access(struct mm *mm, u64 address, void *buffer, size_t n, bool write) {
    size_t done = 0;
    while (done < n && address < USER_TOP && !make_accessible(mm, address, write)) {
        u64 *pte = pte_lookup(mm->pml4, address, false), page = address & PAGE_MASK;
        char *there = (char *)phys_to_virt(*pte & PTE_ADDRESS) + (address - page), *here = (char *)buffer + done;
        size_t part = MIN(n - done, page + PAGE_SIZE - address);
        memcpy(write ? there : here, write ? here : there, part);
        if (write) pt_protect(mm, page, page + PAGE_SIZE, vma_find(mm, address)->prot);
        done += part;
        address += part;
    }
    return done;
}

/* ---- /proc/N/mem: the memory that the process had when it was opened; none once it has exec'd or ended ---- */

static int mem_open(struct inode *inode, struct file *f) {
    struct task *t = task_find(inode->ino >> 16);
    if (!t) return -ESRCH;
    if (!ptrace_may_access(t, PTRACE_MODE_FS)) return -EACCES;   /* check: C20 */
    f->data = (void *)(t->mm ? t->mm->number : 0);
    return 0;
}

static ssize_t mem_move(struct file *f, struct io *io, u64 pos, bool write) {
    char piece[512];
    ssize_t done = 0, n = 0;
    struct task *t = task_find(f->inode->ino >> 16);
    struct mm *mm = t && t->mm && t->mm->number == (u64)f->data ? mm_get(t->mm) : NULL;
    for (; mm && io->left; done += n, pos += n) {
        size_t part = MIN(io->left, sizeof(piece));
        n = write && io_get(io, piece, part) ? -EFAULT : mm_access(mm, pos, piece, part, write);
        if (!n) n = -EIO;
        if (n > 0 && !write && io_put(io, piece, n)) n = -EFAULT;
        if (n < 0) break;
    }
    if (mm) mm_put(mm);
    return n < 0 && !done ? n : done;
}
static ssize_t mem_read(struct file *f, struct io *io, u64 pos) { return mem_move(f, io, pos, false); }
static ssize_t mem_write(struct file *f, struct io *io, u64 pos) { return mem_move(f, io, pos, true); }

const struct file_ops proc_mem_files = { .open = mem_open, .read = mem_read, .write = mem_write };
