/* Reading and writing open files: the calls that move bytes or the position. */
#include "vfs.h"
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define RW_MAX 0x7ffff000UL             /* read(2): at most this many bytes in one call */

static bool readable(const struct file *f) { return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_WRONLY; }
static bool writable(const struct file *f) { return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_RDONLY; }

#define RLIMIT_FSIZE 1

/* Is there no room for such a size below RLIMIT_FSIZE? Then SIGXFSZ says so. */
static bool over_limit(u64 size) {
    if (size <= current->process->rlimit[RLIMIT_FSIZE][0]) return false;
    send_signal(current, SIGXFSZ);
    return true;
}

static ssize_t move_at(struct file *f, struct io *io, u64 pos, bool write) {
    if (write ? !writable(f) : !readable(f)) return -EBADF;
    if (S_ISDIR(f->inode->mode)) return -EISDIR;
    if (write ? !f->ops->write : !f->ops->read) return -EINVAL;
    io->left = MIN(io->left, RW_MAX);
    if (io->user && !io->next && !user_range_ok(io->base, io->left)) return -EFAULT;
    if (write && S_ISREG(f->inode->mode) && io->left) {
        u64 limit = current->process->rlimit[RLIMIT_FSIZE][0], at = f->flags & O_APPEND ? f->inode->size : pos;
        if (over_limit(at + 1)) return -EFBIG;
        io->left = MIN(io->left, limit - at);
    }
    ssize_t n = write ? f->ops->write(f, io, pos) : f->ops->read(f, io, pos);
    if (n > 0 && write && f->flags & O_DSYNC && f->ops->sync) f->ops->sync(f);
    if (n == -EPIPE && write) send_signal(current, SIGPIPE);
    return n;
}

/* At the file's own position, which moves along. */
static ssize_t move(struct file *f, struct io *io, bool write) {
    if (f->ops->stream) return move_at(f, io, 0, write);
    ssize_t n = move_at(f, io, f->pos, write);
    if (n > 0) f->pos += n;
    if (n > 0 && write && f->flags & O_APPEND) f->pos = f->inode->size;    /* it went to the end */
    return n;
}

ssize_t vfs_read_at(struct file *f, u64 pos, void *to, size_t n) {
    if (S_ISDIR(f->inode->mode)) return -EISDIR;
    if (!f->ops->read) return -EINVAL;
    size_t done = 0;
    while (done < n) {
        struct io io = { .base = (char *)to + done, .left = n - done };
        ssize_t got = f->ops->read(f, &io, pos + done);
        if (got <= 0) return done ? (ssize_t)done : got;
        done += got;
    }
    return done;
}

ssize_t vfs_write_at(struct file *f, u64 pos, const void *from, size_t n) {
    struct io io = { .base = (char *)from, .left = n };
    return f->ops->write ? f->ops->write(f, &io, pos) : -EINVAL;
}

static long move_fd(int fd, char *buf, size_t count, bool write, bool positioned, off_t offset) {
    if (positioned && offset < 0) return -EINVAL;
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    struct io io = { .base = buf, .left = count, .user = true };
    long n = positioned && f->ops->stream ? -ESPIPE : positioned ? move_at(f, &io, offset, write) : move(f, &io, write);
    file_put(f);
    return n;
}

long sys_read(int fd, char *buf, size_t count) { return move_fd(fd, buf, count, false, false, 0); }
long sys_write(int fd, const char *buf, size_t count) { return move_fd(fd, (char *)buf, count, true, false, 0); }
long sys_pread64(int fd, char *buf, size_t count, off_t offset) { return move_fd(fd, buf, count, false, true, offset); }
long sys_pwrite64(int fd, const char *buf, size_t count, off_t offset) {
    return move_fd(fd, (char *)buf, count, true, true, offset);
}

static long move_vector(int fd, const struct iovec *iov, int count, bool write, bool positioned, off_t offset) {
    if (positioned && offset < 0) return -EINVAL;
    struct file *f = fd_get(fd);
    struct iovec few[8], *vector;
    struct io io;
    long result = !f || !(write ? writable(f) : readable(f)) ? -EBADF : positioned && f->ops->stream ? -ESPIPE : io_vector(&io, iov, count, few, &vector);
    if (!result) {
        if (io.left) result = positioned ? move_at(f, &io, offset, write) : move(f, &io, write);
        if (vector != few) kfree(vector);
    }
    file_put(f);
    return result;
}

long sys_readv(int fd, const struct iovec *iov, int count) { return move_vector(fd, iov, count, false, false, 0); }
long sys_writev(int fd, const struct iovec *iov, int count) { return move_vector(fd, iov, count, true, false, 0); }
long sys_preadv(int fd, const struct iovec *iov, int count, off_t offset) { return move_vector(fd, iov, count, false, true, offset); }
long sys_pwritev(int fd, const struct iovec *iov, int count, off_t offset) { return move_vector(fd, iov, count, true, true, offset); }

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

long sys_lseek(int fd, off_t offset, int whence) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    long result = 0;
    off_t size = f->inode->size;
    if (f->flags & O_PATH) result = -EBADF;
    else if (f->ops->stream) result = -ESPIPE;
    else if (whence == SEEK_CUR) offset += f->pos;
    else if (whence == SEEK_END) offset += size;
    else if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        /* lseek(2) allows a file system to take every byte for data and the end for the only hole. */
        if (offset < 0 || offset >= size) result = -ENXIO;
        else if (whence == SEEK_HOLE) offset = size;
    } else if (whence != SEEK_SET) result = -EINVAL;
    if (!result && S_ISCHR(f->inode->mode)) offset = 0;     /* a device has no position */
    if (!result && offset < 0) result = -EINVAL;
    if (!result) result = f->pos = offset;
    file_put(f);
    return result;
}

/* From where the program's variable says, which moves on, or from the file's own position. */
long file_copy(struct file *in, off_t *user, struct file *out, size_t count) {
    off_t from = in->pos, to = out->pos;
    long error = user && get_user(from, user) ? -EFAULT : from < 0 ? -EINVAL : 0, done = 0;
    char *page = error ? NULL : alloc_page();
    if (!page) return error ? error : -ENOMEM;
    count = MIN(count, RW_MAX);
    while ((size_t)done < count) {
        struct io get = { .base = page, .left = MIN(count - done, PAGE_SIZE) }, put = { .base = page };
        put.left = error = move_at(in, &get, from, false);
        if (error <= 0 || (error = move_at(out, &put, to, true)) < 0) break;
        from += error;
        to += error;
        done += error;
        if (put.left || signal_pending()) break;
    }
    free_pages(page, 0);
    out->pos = to;
    if (user && put_user(from, user)) return -EFAULT;
    if (!user) in->pos = from;
    return done ? done : MIN(error, 0);
}

long sys_sendfile(int out_fd, int in_fd, off_t *offset, size_t count) {
    struct file *in = fd_get(in_fd), *out = fd_get(out_fd);
    long result = -EBADF;
    if (!in || !out || !readable(in) || !writable(out)) ;
    else if (in->ops->stream) result = offset ? -ESPIPE : -EINVAL;      /* what is read must not be lost */
    else if (out->flags & O_APPEND || S_ISDIR(in->inode->mode) || !in->ops->read) result = -EINVAL;
    else result = file_copy(in, offset, out, count);
    file_put(in);
    file_put(out);
    return result;
}

/* With the range in memory or on the disk: pages that are holes are filled, by writing back what they read as. */
long sys_fallocate(int fd, int mode, off_t offset, off_t length) {
    struct file *f = fd_get(fd);
    u64 end;
    long error = !f || f->flags & O_PATH ? -EBADF : offset < 0 || length <= 0 ? -EINVAL : mode ? -EOPNOTSUPP : !writable(f) ? -EBADF : 0;
    if (!error && !S_ISREG(f->inode->mode)) error = f->ops->stream ? -ESPIPE : S_ISDIR(f->inode->mode) ? -EISDIR : -ENODEV;
    if (!error && __builtin_add_overflow(offset, length, (off_t *)&end)) error = -EFBIG;
    char *page = error ? NULL : alloc_page();
    if (!error && !page) error = -ENOMEM;
    for (u64 pos = offset; !error && pos < end;) {
        size_t n = MIN(PAGE_SIZE - pos % PAGE_SIZE, end - pos);
        clear_page(page);
        error = vfs_read_at(f, pos, page, n);
        struct io io = { .base = page, .left = n };
        if (error >= 0) error = move_at(f, &io, pos, true);
        pos += MAX(error, 0);
        error = error == 0 ? -EIO : MIN(error, 0);
    }
    if (page) free_pages(page, 0);
    file_put(f);
    return error;
}

int inode_truncate(struct inode *inode, u64 size) {
    if (!inode->ops->truncate) return -EINVAL;
    if (size > inode->size && over_limit(size)) return -EFBIG;
    mutex_lock(&inode->lock);
    change_begin(inode->sb);
    int error = inode->ops->truncate(inode, size);
    change_end(inode->sb);
    mutex_unlock(&inode->lock);
    return error;
}

long sys_ftruncate(int fd, off_t length) {
    if (length < 0) return -EINVAL;
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    int error = -EINVAL;
    if (f->flags & O_PATH) error = -EBADF;
    else if (writable(f) && S_ISREG(f->inode->mode)) error = inode_truncate(f->inode, length);
    file_put(f);
    return error;
}

long sys_truncate(const char *path, off_t length) {
    if (length < 0) return -EINVAL;
    struct path at;
    int error = path_walk_user(AT_FDCWD, path, 0, 0, &at);
    if (error) return error;
    struct inode *inode = path_inode(&at);
    if (S_ISDIR(inode->mode)) error = -EISDIR;
    else if (!S_ISREG(inode->mode)) error = -EINVAL;
    else if (inode->writers < 0) error = -ETXTBSY;
    else if (!(error = path_may_write(&at)) && !(error = dentry_copy_up(at.dentry))) error = inode_truncate(inode, length);
    path_put(&at);
    return error;
}

#define FIONREAD 0x541b
#define FIOCLEX 0x5451
#define FIONCLEX 0x5450
#define FIONBIO 0x5421

long sys_ioctl(int fd, unsigned command, unsigned long argument) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    long result = -ENOTTY;
    int value;
    if (f->flags & O_PATH) result = -EBADF;
    else if (command == FIOCLEX || command == FIONCLEX) {
        current->files->cloexec[fd] = command == FIOCLEX;
        result = 0;
    } else if (command == FIONBIO) {
        result = get_user(value, (int *)argument);
        if (!result) f->flags = value ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
    } else if (command == FIONREAD && S_ISREG(f->inode->mode)) {
        value = f->inode->size - MIN(f->pos, f->inode->size);
        result = put_user(value, (int *)argument);
    } else if (f->ops->ioctl) result = f->ops->ioctl(f, command, argument);
    file_put(f);
    return result;
}
