/* inotify: a file that tells which of the watched files have changed, in contents or in attributes.
 *
 * Only that: IN_MODIFY and IN_ATTRIB. What happens to names (IN_CREATE, IN_MOVE...) may be asked for and is
 * never told, nor are reads. Changes that nobody has read of yet are told as one. A watched file is in use. */
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "user.h"
#include "syscalls.h"

#define IN_MODIFY 2u
#define IN_ATTRIB 4u
#define IN_ALL_EVENTS 0xfffu
#define IN_IGNORED 0x8000u
#define IN_ONLYDIR 0x01000000u
#define IN_DONT_FOLLOW 0x02000000u
#define IN_EXCL_UNLINK 0x04000000u
#define IN_MASK_ADD 0x20000000u

struct watch {
    struct watch *next, *next_of_inode;
    struct wait_queue *told;            /* the instance's */
    struct file *file;                  /* so that an overlay's is the layer's: what is written to */
    int number;
    u32 mask, pending;
};
struct instance { struct watch *watches; struct wait_queue told; int last; };
struct inotify_event { s32 number; u32 mask, cookie, length; };

void inotify_tell(struct inode *inode, bool data_changed) {
    for (struct watch *w = inode->watches; w; w = w->next_of_inode) {
        w->pending |= w->mask & (data_changed ? IN_MODIFY : IN_ATTRIB);
        if (w->pending) wake_up(w->told);
    }
}

/* No more events; NULL or already unwatched is fine. */
static void unwatch(struct watch *w) {
    if (!w->file) return;
    struct watch **link = &w->file->inode->watches;
    while (*link != w) link = &(*link)->next_of_inode;
    *link = w->next_of_inode;
    file_put(w->file);
    w->file = NULL;
}

static struct watch **pending(struct instance *n) {
    struct watch **link = &n->watches;
    while (*link && !(*link)->pending) link = &(*link)->next;
    return *link ? link : NULL;
}

static ssize_t notify_read(struct file *f, struct io *io, u64 pos) {
    struct instance *n = f->data;
    struct watch **link;
    ssize_t done = 0;
    if (!pending(n) && f->flags & O_NONBLOCK) return -EAGAIN;
    int error = wait_event_interruptible(&n->told, pending(n));
    if (!error && io->left < sizeof(struct inotify_event)) return -EINVAL;
    while (!error && io->left >= sizeof(struct inotify_event) && (link = pending(n))) {
        struct watch *w = *link;
        struct inotify_event event = { w->number, w->pending & -w->pending, 0, 0 };
        if ((error = io_put(io, &event, sizeof(event)))) break;
        done += sizeof(event);
        w->pending &= ~event.mask;
        if (event.mask != IN_IGNORED) continue;
        *link = w->next;
        kfree(w);
    }
    return done ? done : error;
}

static int notify_poll(struct file *f, struct poll_table *table) {
    struct instance *n = f->data;
    poll_wait(table, &n->told);
    return pending(n) ? POLLIN | POLLRDNORM : 0;
}

static void notify_release(struct file *f) {
    struct instance *n = f->data;
    for (struct watch *w; (w = n->watches); kfree(w)) {
        n->watches = w->next;
        unwatch(w);
    }
    kfree(n);
}

static const struct file_ops notify_ops = {
    .read = notify_read, .poll = notify_poll, .release = notify_release, .stream = true, .name = "inotify",
};

long sys_inotify_init1(int flags) {
    if (flags & ~(O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
    struct instance *n = kzalloc(sizeof(*n));
    return n ? fd_open(&notify_ops, inode_anonymous(0600), n, O_RDONLY | flags) : -ENOMEM;
}
long sys_inotify_init(void) { return sys_inotify_init1(0); }

static long add(struct instance *n, const struct path *at, u32 mask) {
    struct inode *inode = path_inode(at);
    if (mask & IN_ONLYDIR && !S_ISDIR(inode->mode)) return -ENOTDIR;
    int error = inode_permission(inode, MAY_READ);
    struct file *file = error ? ERR_PTR(error) : vfs_open_path(at, S_ISREG(inode->mode) ? O_RDONLY : O_PATH);
    if (IS_ERR(file)) return PTR_ERR(file);
    struct watch *w = n->watches;
    while (w && (!w->file || w->file->inode != file->inode)) w = w->next;
    if (w) {
        w->mask = (mask & IN_MASK_ADD ? w->mask : 0) | mask;
        file_put(file);
        return w->number;
    }
    if (!(w = kmalloc(sizeof(*w)))) return file_put(file), -ENOMEM;
    *w = (struct watch){ n->watches, file->inode->watches, &n->told, file, ++n->last, mask, 0 };
    n->watches = file->inode->watches = w;
    return w->number;
}

long sys_inotify_add_watch(int fd, const char *path, u32 mask) {
    if (!(mask & IN_ALL_EVENTS) || mask & ~(IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD)) return -EINVAL;
    struct file *f = fd_get(fd);
    struct path at;
    long result = !f ? -EBADF : f->ops != &notify_ops ? -EINVAL : path_walk_user(AT_FDCWD, path, mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0, 0, &at);
    if (!result) {
        result = add(f->data, &at, mask);
        path_put(&at);
    }
    file_put(f);
    return result;
}

long sys_inotify_rm_watch(int fd, int number) {
    struct file *f = fd_get(fd);
    long result = !f ? -EBADF : -EINVAL;
    struct instance *n = f && f->ops == &notify_ops ? f->data : NULL;
    for (struct watch *w = n ? n->watches : NULL; w; w = w->next) {
        if (w->number != number || !w->file) continue;
        unwatch(w);
        w->pending |= IN_IGNORED;
        wake_up(&n->told);
        result = 0;
    }
    file_put(f);
    return result;
}
