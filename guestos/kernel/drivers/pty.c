/* Pseudo-terminals (pty(7)): terminals whose line leads to the program that holds the master. */
#include "tty.h"
#include "lib.h"
#include "ns.h"
#include "mm.h"
#include "task.h"
#include "user.h"

#define PTYS 256
#define OUTPUT_SIZE 4096u                   /* bytes; a power of two */

struct pty {
    struct tty tty;                         /* the slave; first, for tty_put */
    int number;
    bool locked;
    struct path at;                         /* in the devpts where the slave is, which stays mounted */
    char name[20];                          /* of the slave */
    u32 tail, head;                         /* of output, counting up for ever */
    char output[OUTPUT_SIZE];
};
static struct pty *ptys[PTYS];
#define DEVPTS "/dev/pts/"                  /* where it is mounted */

static struct pty *pty_of(struct tty *tty) { return container_of(tty, struct pty, tty); }

/* ---- the slave's driver ---- */

static size_t slave_room(struct tty *tty) { return OUTPUT_SIZE - (pty_of(tty)->head - pty_of(tty)->tail); }

static void slave_write(struct tty *tty, const char *bytes, size_t n) {
    struct pty *pty = pty_of(tty);
    for (n = MIN(n, slave_room(tty)); n; n--) pty->output[pty->head++ % OUTPUT_SIZE] = *bytes++;
    wake_up(&tty->started);
}

static void slave_flush(struct tty *tty) {
    pty_of(tty)->tail = pty_of(tty)->head;
    wake_up(&tty->started);
}

static int slave_open(struct tty *tty) { return pty_of(tty)->locked ? -EIO : 0; }

static const struct tty_driver driver = { slave_write, slave_room, slave_flush, slave_open };

/* ---- the master ---- */

static bool slaves_gone(struct pty *pty) { return pty->tty.was_opened && !pty->tty.opens; }
static bool has_output(struct pty *pty) { return pty->head != pty->tail; }

static ssize_t master_read(struct file *f, struct io *io, u64 pos) {
    struct pty *pty = pty_of(f->data);
    ssize_t done = 0;
    if (!has_output(pty) && !slaves_gone(pty) && f->flags & O_NONBLOCK) return -EAGAIN;
    int error = wait_event_interruptible(&pty->tty.started, has_output(pty) || slaves_gone(pty));
    if (error) return error;
    if (!has_output(pty)) return -EIO;
    while (io->left && has_output(pty)) {
        size_t from = pty->tail % OUTPUT_SIZE, n = MIN(MIN(io->left, OUTPUT_SIZE - from), pty->head - pty->tail);
        if (io_put(io, pty->output + from, n)) return done ? done : -EFAULT;
        pty->tail += n;
        done += n;
    }
    wake_up(&pty->tty.started);
    return done;
}

static ssize_t master_write(struct file *f, struct io *io, u64 pos) {
    struct tty *tty = f->data;
    ssize_t done = 0;
    for (u8 byte; io->left; done++) {
        if (f->flags & O_NONBLOCK && !tty_can_take(tty)) return done ? done : -EAGAIN;
        int error = wait_event_interruptible(&tty->started, tty_can_take(tty));
        if (!error) error = io_get(io, &byte, 1);
        if (error) return done ? done : error;
        tty_input(tty, byte);
    }
    return done;
}

static int master_poll(struct file *f, struct poll_table *table) {
    struct pty *pty = pty_of(f->data);
    poll_wait(table, &pty->tty.started);
    return (has_output(pty) ? POLLIN | POLLRDNORM : 0) | (tty_can_take(&pty->tty) ? POLLOUT | POLLWRNORM : 0) |
           (slaves_gone(pty) ? POLLHUP : 0);
}

static long master_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct pty *pty = pty_of(f->data);
    int value;
    switch (command) {
    case TIOCGPTN: return put_user(pty->number, (int *)argument);
    case TIOCGPTLCK: return put_user((int)pty->locked, (int *)argument);
    case TIOCSPTLCK:
        if (get_user(value, (int *)argument)) return -EFAULT;
        pty->locked = value;
        return 0;
    case TIOCGPTPEER: return fd_take(vfs_open(AT_FDCWD, pty->name, argument, 0), argument & O_CLOEXEC);
    case TIOCSIG:
        if (argument != SIGINT && argument != SIGQUIT && argument != SIGTSTP) return -EINVAL;
        if (pty->tty.foreground) send_signal_group(pty->tty.foreground, argument);
        return 0;
    case TIOCGPGRP: return put_user(pid_to(pty->tty.foreground), (int *)argument);
    case TIOCGSID: return pty->tty.session ? put_user(pty->tty.session, (int *)argument) : -ENOTTY;
    case FIONREAD: return put_user((int)(pty->head - pty->tail), (int *)argument);
    default: return tty_ioctl(f, command, argument);
    }
}

static const char *name_of(struct pty *pty) { return pty->name + sizeof(DEVPTS) - 1; }

static struct superblock *devpts_of(struct pty *pty) { return path_inode(&pty->at)->sb; }

/* Through the ptmx of a devpts, or another: that is for the devpts on the caller's /dev/pts. */
static int master_open(struct inode *inode, struct file *f) {
    int n = 0;
    while (n < PTYS && ptys[n]) n++;
    struct pty *pty = n < PTYS ? kzalloc(sizeof(*pty)) : ERR_PTR(-ENOSPC);
    if (!pty || IS_ERR(pty)) return pty ? PTR_ERR(pty) : -ENOMEM;
    snprintf(pty->name, sizeof(pty->name), DEVPTS "%d", n);
    int error = 0;
    pty->at = f->path;
    if (is_devpts(inode->sb)) path_get(&pty->at);
    else error = path_walk(AT_FDCWD, DEVPTS, WALK_FOLLOW | WALK_DIRECTORY, &pty->at);
    if (!error) {
        error = is_devpts(devpts_of(pty)) ? devpts_add(devpts_of(pty), name_of(pty), MKDEV(136, n)) : -ENODEV;
        if (error) path_put(&pty->at);
    }
    if (error) {
        kfree(pty);
        return error;
    }
    tty_init(&pty->tty, NULL, MKDEV(136, n), &driver);
    pty->number = n;
    pty->locked = true;
    ptys[n] = pty;
    f->data = &pty->tty;
    return 0;
}

static void master_release(struct file *f) {
    struct pty *pty = pty_of(f->data);
    ptys[pty->number] = NULL;
    device_unregister(&pty->tty.device);
    devpts_remove(devpts_of(pty), name_of(pty));
    path_put(&pty->at);
    tty_hang_up(&pty->tty);
    tty_put(&pty->tty);
}

static const struct file_ops master_ops = {
    .open = master_open, .release = master_release, .read = master_read, .write = master_write, .poll = master_poll,
    .ioctl = master_ioctl, .stream = true,
};

void pty_init(void) {
    static struct device ptmx = { .name = "ptmx", .mode = S_IFCHR | 0666, .rdev = MKDEV(5, 2), .ops = &master_ops };
    device_register(&ptmx);
}
