/* Advisory locks: flock(2)'s, of an open file; and record locks (fcntl), of a process or of an open file.
 *
 * An inode's locks are a list of ranges. Those of one owner don't overlap, and equal ones that meet are one. */
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

struct lock {
    struct lock *next;
    const void *owner;              /* a struct file, or for a process's record locks its struct files */
    bool whole, write;              /* flock's; the others know nothing of them */
    bool by_file;
    pid_t pid;
    u64 start, end;                 /* the last byte's offset */
};

/* Who sleeps for a process's record lock: where EDEADLK is found. */
struct sleeper { struct sleeper *next; struct inode *inode; const struct lock *want; };
static struct sleeper *sleepers;
static struct wait_queue changed;       /* some lock, anywhere; so did this: */
static u32 changes;

static void tell(void) {
    changes++;
    wake_up(&changed);
}

/* The first in the file of those in the way. */
static struct lock *conflict(struct inode *inode, const struct lock *want) {
    struct lock *found = NULL;
    for (struct lock *l = inode->locks; l; l = l->next)
        if (l->whole == want->whole && l->owner != want->owner && (l->write || want->write) && l->start <= want->end &&
            want->start <= l->end && (!found || l->start < found->start)) found = l;
    return found;
}

/* Does `from`, whom we would wait for, wait for us? Bounded, for others may be in a circle of their own. */
static bool deadlock(const void *owner, const void *from) {
    for (int steps = 0; from != owner && steps < 32; steps++) {
        const struct sleeper *s = sleepers;
        while (s && s->want->owner != from) s = s->next;
        const struct lock *l = s ? conflict(s->inode, s->want) : NULL;
        if (!l) return false;
        from = l->owner;
    }
    return from == owner;
}

/* Give up what `of` covers, cutting what reaches over it. A lock cut in two needs `spare`, which is used up. */
static void cut(struct inode *inode, const struct lock *of, struct lock **spare) {
    for (struct lock **link = &inode->locks, *l; (l = *link);) {
        bool hit = l->whole == of->whole && l->owner == of->owner && l->start <= of->end && of->start <= l->end;
        if (hit && l->start < of->start && l->end > of->end) {
            struct lock *rest = *spare;
            *spare = NULL;
            *rest = *l;
            rest->start = of->end + 1;
            l->end = of->start - 1;
            l->next = rest;
            return;
        }
        if (hit && l->start < of->start) l->end = of->start - 1;
        else if (hit && l->end > of->end) l->start = of->end + 1;
        else if (hit) {
            *link = l->next;
            kfree(l);
            continue;
        }
        link = &l->next;
    }
}

/* The lock, as soon as nobody else's is in the way; or at once, or -EAGAIN. */
static int set(struct inode *inode, struct lock want, bool unlock, bool wait) {
    struct lock *made = kmalloc(sizeof(*made)), *spare = kmalloc(sizeof(*spare)), *other;
    int error = made && spare ? 0 : -ENOMEM;
    while (!error && !unlock && (other = conflict(inode, &want))) {
        if (!wait) error = -EAGAIN;
        else if (!want.by_file && deadlock(want.owner, other->owner)) error = -EDEADLK;
        else {
            struct sleeper me = { sleepers, inode, &want }, **link = &sleepers;
            u32 seen = changes;
            if (!want.by_file) sleepers = &me;
            error = wait_event_interruptible(&changed, changes != seen);
            while (*link && *link != &me) link = &(*link)->next;
            if (*link) *link = me.next;
        }
    }
    if (!error && !unlock) {
        struct lock *l = inode->locks;
        while (l) {                     /* grow over what it meets of the same kind, and look again */
            bool meets = l->whole == want.whole && l->owner == want.owner && l->write == want.write &&
                         l->start <= want.end + (want.end != ~0UL) && want.start <= l->end + (l->end != ~0UL);
            bool grows = meets && (l->start < want.start || l->end > want.end);
            want.start = grows ? MIN(want.start, l->start) : want.start;
            want.end = grows ? MAX(want.end, l->end) : want.end;
            l = grows ? inode->locks : l->next;
        }
    }
    if (!error) {
        cut(inode, &want, &spare);
        if (!unlock) {
            *made = want;
            made->next = inode->locks;
            inode->locks = made;
            made = NULL;
        }
        tell();
    }
    kfree(made);
    kfree(spare);
    return error;
}

void locks_release(struct inode *inode, const void *owner) {
    for (int whole = 0; inode->locks && whole < 2; whole++) cut(inode, &(struct lock){ .owner = owner, .whole = whole, .end = ~0UL }, NULL);
    tell();
}

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

long sys_flock(int fd, int operation) {
    int what = operation & ~LOCK_NB;
    if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN) return -EINVAL;
    struct file *f = fd_get(fd);
    if (!f || f->flags & O_PATH) return file_put(f), -EBADF;
    struct lock want = { .owner = f, .whole = true, .by_file = true, .write = what == LOCK_EX, .end = ~0UL };
    long error = set(f->inode, want, what == LOCK_UN, !(operation & LOCK_NB));
    file_put(f);
    return error;
}

struct flock { s16 type, whence; s64 start, length; pid_t pid; };
enum { F_RDLCK, F_WRLCK, F_UNLCK };
#define F_GETLK 5
#define F_SETLKW 7
#define F_OFD_GETLK 36

/* F_GETLK, F_SETLK, F_SETLKW in this order, and the same for open file descriptions. */
long file_lock(struct file *f, unsigned command, struct flock __user *user) {
    struct flock l;
    bool by_file = command >= F_OFD_GETLK;
    int what = command - (by_file ? F_OFD_GETLK : F_GETLK);
    if (copy_from_user(&l, user, sizeof(l))) return -EFAULT;
    if ((u16)l.type > F_UNLCK || (u16)l.whence > 2 || (!what && l.type == F_UNLCK && !by_file) || (by_file && l.pid)) return -EINVAL;
    s64 base = l.whence == 0 ? 0 : l.whence == 1 ? (s64)f->pos : (s64)f->inode->size, start, end;
    if (__builtin_add_overflow(base, l.start, &start)) return -EOVERFLOW;
    if (__builtin_add_overflow(start, l.length, &end)) return -EOVERFLOW;
    if (l.length < 0) end = start - 1, start += l.length;
    else end = l.length ? end - 1 : (s64)(~0UL >> 1);
    if (start < 0) return -EINVAL;
    struct lock want = {
        .owner = by_file ? (void *)f : (void *)current->files, .by_file = by_file, .pid = by_file ? -1 : current->tgid,
        .write = l.type == F_WRLCK, .start = start, .end = end == (s64)(~0UL >> 1) ? ~0UL : (u64)end,
    };
    int mode = f->flags & O_ACCMODE;
    if (what) {
        if ((l.type == F_RDLCK && mode == O_WRONLY) || (l.type == F_WRLCK && mode == O_RDONLY)) return -EBADF;
        return set(f->inode, want, l.type == F_UNLCK, what == F_SETLKW - F_GETLK);
    }
    struct lock *other = conflict(f->inode, &want);
    if (!other) l.type = F_UNLCK;
    else l = (struct flock){ other->write ? F_WRLCK : F_RDLCK, 0, other->start, other->end == ~0UL ? 0 : other->end - other->start + 1, other->by_file ? -1 : pid_to(other->pid) };
    return copy_to_user(user, &l, sizeof(l));
}
