/* Pipes: a stream socket connected with itself, without a name, or with one (FIFO). */
#include "vfs.h"
#include "fs.h"
#include "mm.h"
#include "socket.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define PIPE_SIZE 65536u                /* pipe(7): capacity */
#define PIPE_BUF 4096u                  /* room that makes it writable */

struct pipe {
    struct socket socket;               /* eof: there is no writer; shut: no reader */
    int readers, writers;
    u32 reader_opens, writer_opens;     /* counts, so that a short visit is not missed by open */
};
static const struct family pipe_family = { 0 };

static struct pipe *pipe_new(void) {
    struct pipe *pipe = kzalloc(sizeof(*pipe));
    if (!pipe) return NULL;
    socket_init(&pipe->socket, &pipe_family, SOCK_STREAM, NULL);
    list_del(&pipe->socket.all);
    pipe->socket.state = CONNECTED;
    pipe->socket.peer = &pipe->socket;
    pipe->socket.limit = PIPE_SIZE;
    return pipe;
}

static bool reads(const struct file *f) { return (f->flags & O_ACCMODE) != O_WRONLY; }
static bool writes(const struct file *f) { return (f->flags & O_ACCMODE) != O_RDONLY; }

static int pipe_poll(struct file *f, struct poll_table *table) {
    struct pipe *pipe = f->inode->pipe;
    int mask = 0;
    poll_wait(table, &pipe->socket.changed);
    if (reads(f) && pipe->socket.queued) mask |= POLLIN | POLLRDNORM;
    if (reads(f) && !pipe->writers) mask |= POLLHUP;
    if (writes(f) && socket_has_room(&pipe->socket, PIPE_BUF)) mask |= POLLOUT | POLLWRNORM;
    if (writes(f) && !pipe->readers) mask |= POLLERR;
    return mask;
}

static void count(struct inode *inode, struct file *f, int change) {
    struct pipe *pipe = inode->pipe;
    pipe->readers += reads(f) ? change : 0;
    pipe->writers += writes(f) ? change : 0;
    pipe->socket.eof = !pipe->writers;
    pipe->socket.shut = !pipe->readers;
    wake_up(&pipe->socket.changed);
    if (pipe->readers || pipe->writers) return;
    inode->pipe = NULL;
    socket_empty(&pipe->socket);
    kfree(pipe);
}

static void pipe_release(struct file *f) { count(f->inode, f, -1); }

/* fifo(7): opening waits for the other end, unless O_RDWR, or O_NONBLOCK (writers: ENXIO). */
static int fifo_open(struct inode *inode, struct file *f) {
    if (!inode->pipe && !(inode->pipe = pipe_new())) return -ENOMEM;
    struct pipe *pipe = inode->pipe;
    f->data = pipe;
    count(inode, f, 1);
    int error = f->flags & O_NONBLOCK && !reads(f) && !pipe->readers ? -ENXIO : 0;
    pipe->reader_opens += reads(f) && !error;
    pipe->writer_opens += writes(f) && !error;
    u32 *others = reads(f) ? &pipe->writer_opens : &pipe->reader_opens, seen = *others;
    bool alone = inode->sb->root && !(reads(f) ? pipe->writers : pipe->readers);    /* with no root: a pipe, opened again */
    if (!error && alone && !(f->flags & O_NONBLOCK)) error = wait_event_interruptible(&pipe->socket.changed, *others != seen);
    if (error) count(inode, f, -1);
    return error;
}

#define COMMON .read = socket_read, .write = socket_write, .poll = pipe_poll, .ioctl = socket_ioctl, .release = pipe_release, .stream = true
static const struct file_ops pipe_ops = { COMMON };
const struct file_ops fifo_ops = { COMMON, .open = fifo_open };

long sys_pipe2(int *fds, int flags) {
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;      /* O_DIRECT: packets aren't offered */
    struct inode *inode = inode_anonymous(S_IFIFO | 0600);
    struct pipe *pipe = inode ? inode->pipe = pipe_new() : NULL;
    if (!pipe) {
        inode_put(inode);
        return -ENOMEM;
    }
    pipe->readers = pipe->writers = 1;
    int fd[2];
    fd[0] = fd_open(&pipe_ops, inode_get(inode), pipe, O_RDONLY | flags);
    fd[1] = fd_open(&pipe_ops, inode, pipe, O_WRONLY | flags);
    int error = fd[0] < 0 ? fd[0] : fd[1] < 0 ? fd[1] : copy_to_user(fds, fd, sizeof(fd));
    if (!error) return 0;
    sys_close(fd[0]);
    sys_close(fd[1]);
    return error;
}
long sys_pipe(int *fds) { return sys_pipe2(fds, 0); }
