/* Reading directories: getdents64(2) over every file system's readdir. */
#include "vfs.h"
#include "mm.h"
#include "lib.h"
#include "user.h"
#include "syscalls.h"

struct dirent64 {                       /* of the ABI; the name follows, terminated */
    u64 ino;
    s64 next;
    u16 length;
    u8 type;
    char name[];
} packed;

struct user_fill {
    struct dir_fill fill;
    char *at;                           /* in the kernel's copy */
    size_t left;
    u64 pos;                            /* after the last entry taken */
    bool any, too_small;
};

static int add(struct dir_fill *fill, const char *name, size_t len, u64 ino, u32 mode, u64 next) {
    struct user_fill *to = container_of(fill, struct user_fill, fill);
    size_t length = ALIGN_UP(offsetof(struct dirent64, name) + len + 1, 8);
    if (length > to->left) {
        to->too_small = !to->any;
        return 1;
    }
    struct dirent64 *entry = (struct dirent64 *)to->at;
    memset(entry, 0, length);
    *entry = (struct dirent64){ ino, next, length, (mode & S_IFMT) >> 12 };
    memcpy(entry->name, name, len);
    to->at += length;
    to->left -= length;
    to->pos = next;
    to->any = true;
    return 0;
}

long sys_getdents64(int fd, void *entries, size_t size) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    long result = f->flags & O_PATH ? -EBADF : S_ISDIR(f->inode->mode) && f->ops->readdir ? 0 : -ENOTDIR;
    /* Through kernel memory: a fault on the program's buffer must not happen under the lock. */
    size = MIN(size, PAGE_SIZE);
    char *room = result ? NULL : kmalloc(PAGE_SIZE);
    if (!result && !room) result = -ENOMEM;
    if (!result) {
        struct user_fill to = { { add }, room, size, f->pos, false, false };
        mutex_lock(&f->inode->lock);
        if (!f->inode->nlink) result = -ENOENT;
        else result = f->ops->readdir(f, &to.fill);
        mutex_unlock(&f->inode->lock);
        if (to.too_small) result = -EINVAL;
        else if (result >= 0 || to.any) {
            result = to.at - room;
            if (result && copy_to_user(entries, room, result)) result = -EFAULT;
            else f->pos = to.pos;
        }
    }
    kfree(room);
    file_put(f);
    return result;
}
