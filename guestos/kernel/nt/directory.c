/* NtQueryDirectoryFile over every file system's readdir: one entry a call, which NT allows. */
#include "errno.h"
#include "lib.h"
#include "ntcalls.h"
#include "user.h"
#include "vfs.h"

u32 nt_attributes(const struct inode *);

struct first { struct dir_fill fill; char name[NAME_MAX + 1]; u64 next; bool any; };

static int add(struct dir_fill *fill, const char *name, size_t length, u64 ino, u32 mode, u64 next) {
    struct first *to = container_of(fill, struct first, fill);
    if (to->any) return 1;
    memcpy(to->name, name, length);
    to->name[length] = 0;
    to->next = next;
    to->any = true;
    return 0;
}

enum { FileDirectoryInformation = 1 };
struct directory_information {
    u32 next, index;
    s64 created, accessed, written, changed;
    u64 end, allocated;
    u32 attributes, name_length;
    u16 name[NAME_MAX + 1];
};

static long next_entry(struct file *f, int fd, struct io_status *io, void *to, u32 length) {
    struct first entry = { .fill = { add } };
    struct directory_information d = { 0 };
    struct path at;
    mutex_lock(&f->inode->lock);
    int error = f->ops->readdir(f, &entry.fill);
    mutex_unlock(&f->inode->lock);
    if (!entry.any) return error < 0 ? error : STATUS_NO_MORE_FILES;
    if (!path_walk(fd, entry.name, 0, &at)) {           /* else it has just been removed: a name with nothing behind */
        const struct inode *i = path_inode(&at);
        d = (struct directory_information){ 0, 0, nt_time(i->ctime), nt_time(i->atime), nt_time(i->mtime), nt_time(i->ctime), i->size, i->blocks * 512, nt_attributes(i), 0, { 0 } };
        path_put(&at);
    }
    d.name_length = nt_widen(entry.name, d.name, NAME_MAX) * 2;
    u32 size = offsetof(struct directory_information, name) + d.name_length;
    if (size > length) return STATUS_BUFFER_TOO_SMALL;
    if (copy_to_user(to, &d, size)) return -EFAULT;
    f->pos = entry.next;
    return nt_finish(io, STATUS_SUCCESS, size);
}

long NtQueryDirectoryFile(u64 handle, u64 event, u64 apc, u64 context, struct io_status *io, void *to, u32 length, u32 class, u8 single,
                          const struct unicode_string *pattern, u8 restart) {
    struct file *f = fd_get(fd_of(handle));
    if (!f) return STATUS_INVALID_HANDLE;
    long result = event || apc || pattern ? STATUS_NOT_SUPPORTED : class != FileDirectoryInformation ? STATUS_INVALID_INFO_CLASS :
                  !S_ISDIR(f->inode->mode) || !f->ops->readdir ? STATUS_INVALID_PARAMETER : 0;
    if (!result && restart) f->pos = 0;
    if (!result) result = next_entry(f, fd_of(handle), io, to, length);
    file_put(f);
    return result;
}
