/* Pipes: a ring of bytes between two descriptors, with a name (FIFO) or without. */
#include "vfs.h"
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define PIPE_SIZE 65536UL               /* pipe(7): capacity */
#define PIPE_BUF 4096UL                 /* writes up to this are not mixed with others */
#define PIPE_PAGES (PIPE_SIZE / PAGE_SIZE)

struct pipe {
    char *page[PIPE_PAGES];             /* allocated when first written */
    u64 head, tail;                     /* bytes ever written and read; head - tail are inside */
    int readers, writers;
    u32 reader_opens, writer_opens;     /* counts, so that a short visit is not missed by open */
    struct mutex lock;                  /* user memory is touched under it */
    struct wait_queue readable, writable;
};

static struct pipe *pipe_new(void) { return kzalloc(sizeof(struct pipe)); }

static void pipe_free(struct pipe *pipe) {
    for (size_t i = 0; i < PIPE_PAGES; i++)
        if (pipe->page[i]) free_pages(pipe->page[i], 0);
    kfree(pipe);
}

static ssize_t pipe_read(struct file *f, struct io *io, u64 pos) {
    struct pipe *pipe = f->inode->pipe;
    ssize_t done = 0;
    if (!io->left) return 0;
    for (;;) {
        mutex_lock(&pipe->lock);
        while (io->left && pipe->head != pipe->tail) {
            size_t offset = pipe->tail % PAGE_SIZE;
            size_t n = MIN(MIN(io->left, PAGE_SIZE - offset), pipe->head - pipe->tail);
            if (io_put(io, pipe->page[pipe->tail / PAGE_SIZE % PIPE_PAGES] + offset, n)) {
                if (!done) done = -EFAULT;
                break;
            }
            pipe->tail += n;
            done += n;
        }
        if (pipe->head == pipe->tail) pipe->head = pipe->tail = 0;  /* stay on the first page */
        mutex_unlock(&pipe->lock);
        if (done) {
            wake_up(&pipe->writable);
            return done;
        }
        if (!pipe->writers) return 0;
        if (f->flags & O_NONBLOCK) return -EAGAIN;
        int error = wait_event_interruptible(&pipe->readable, pipe->head != pipe->tail || !pipe->writers);
        if (error) return error;
    }
}

static ssize_t pipe_write(struct file *f, struct io *io, u64 pos) {
    struct pipe *pipe = f->inode->pipe;
    size_t want = io->left;
    ssize_t done = 0;
    while (io->left) {
        if (!pipe->readers) return done ? done : -EPIPE;
        mutex_lock(&pipe->lock);
        size_t needed = want <= PIPE_BUF ? want : 1;
        size_t before = io->left;
        while (io->left && PIPE_SIZE - (pipe->head - pipe->tail) >= (io->left == before ? needed : 1)) {
            char **page = &pipe->page[pipe->head / PAGE_SIZE % PIPE_PAGES];
            size_t offset = pipe->head % PAGE_SIZE;
            size_t n = MIN(MIN(io->left, PAGE_SIZE - offset), PIPE_SIZE - (pipe->head - pipe->tail));
            int error = *page || (*page = alloc_page()) ? io_get(io, *page + offset, n) : -ENOMEM;
            if (error) {
                mutex_unlock(&pipe->lock);
                if (done) wake_up(&pipe->readable);
                return done ? done : error;
            }
            pipe->head += n;
            done += n;
        }
        bool moved = io->left != before;
        mutex_unlock(&pipe->lock);
        if (moved) wake_up(&pipe->readable);
        if (!io->left) break;
        if (f->flags & O_NONBLOCK) return done ? done : -EAGAIN;
        int error = wait_event_interruptible(&pipe->writable, !pipe->readers ||
                                             PIPE_SIZE - (pipe->head - pipe->tail) >= (want <= PIPE_BUF ? want : 1));
        if (error) return done ? done : error;
    }
    return done;
}

static bool reads(const struct file *f) { return (f->flags & O_ACCMODE) != O_WRONLY; }
static bool writes(const struct file *f) { return (f->flags & O_ACCMODE) != O_RDONLY; }

static int pipe_poll(struct file *f, struct poll_table *table) {
    struct pipe *pipe = f->inode->pipe;
    int mask = 0;
    if (reads(f)) {
        poll_wait(table, &pipe->readable);
        if (pipe->head != pipe->tail) mask |= POLLIN | POLLRDNORM;
        if (!pipe->writers) mask |= POLLHUP;
    }
    if (writes(f)) {
        poll_wait(table, &pipe->writable);
        if (PIPE_SIZE - (pipe->head - pipe->tail) >= PIPE_BUF) mask |= POLLOUT | POLLWRNORM;
        if (!pipe->readers) mask |= POLLERR;
    }
    return mask;
}

static long pipe_ioctl(struct file *f, unsigned command, unsigned long argument) {
    if (command != 0x541b) return -ENOTTY;              /* FIONREAD */
    return put_user((int)(f->inode->pipe->head - f->inode->pipe->tail), (int *)argument);
}

static void enter(struct pipe *pipe, struct file *f) {
    if (reads(f)) pipe->readers++, pipe->reader_opens++;
    if (writes(f)) pipe->writers++, pipe->writer_opens++;
}

static void leave(struct inode *inode, struct file *f) {
    struct pipe *pipe = inode->pipe;
    if (reads(f)) pipe->readers--;
    if (writes(f)) pipe->writers--;
    wake_up(&pipe->readable);
    wake_up(&pipe->writable);
    if (!pipe->readers && !pipe->writers) {
        inode->pipe = NULL;
        pipe_free(pipe);
    }
}

static void pipe_release(struct file *f) { leave(f->inode, f); }

/* fifo(7): opening waits for the other end, unless O_RDWR, or O_NONBLOCK (writers: ENXIO). */
static int fifo_open(struct inode *inode, struct file *f) {
    if (!inode->pipe && !(inode->pipe = pipe_new())) return -ENOMEM;
    struct pipe *pipe = inode->pipe;
    if (f->flags & O_NONBLOCK && !reads(f) && !pipe->readers) {
        if (!pipe->writers) {
            inode->pipe = NULL;
            pipe_free(pipe);
        }
        return -ENXIO;
    }
    enter(pipe, f);
    wake_up(&pipe->readable);
    wake_up(&pipe->writable);
    if (f->flags & O_NONBLOCK || (reads(f) && writes(f))) return 0;
    u32 seen = reads(f) ? pipe->writer_opens : pipe->reader_opens;
    int error = 0;
    if (reads(f) && !pipe->writers) error = wait_event_interruptible(&pipe->readable, pipe->writer_opens != seen);
    else if (writes(f) && !pipe->readers) error = wait_event_interruptible(&pipe->writable, pipe->reader_opens != seen);
    if (error) leave(inode, f);
    return error;
}

static const struct file_ops pipe_ops = {
    .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl, .release = pipe_release, .stream = true,
};
const struct file_ops fifo_ops = {
    .open = fifo_open, .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl,
    .release = pipe_release, .stream = true,
};

long sys_pipe2(int *fds, int flags) {
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;      /* O_DIRECT: packets aren't offered */
    struct inode *inode = inode_anonymous(S_IFIFO | 0600);
    if (!inode || !(inode->pipe = pipe_new())) {
        inode_put(inode);
        return -ENOMEM;
    }
    inode->pipe->readers = inode->pipe->writers = 1;
    int fd[2];
    fd[0] = fd_open(&pipe_ops, inode_get(inode), NULL, O_RDONLY | flags);
    fd[1] = fd_open(&pipe_ops, inode, NULL, O_WRONLY | flags);
    int error = fd[0] < 0 ? fd[0] : fd[1] < 0 ? fd[1] : copy_to_user(fds, fd, sizeof(fd));
    if (!error) return 0;
    sys_close(fd[0]);
    sys_close(fd[1]);
    return error;
}
long sys_pipe(int *fds) { return sys_pipe2(fds, 0); }
