/* Terminals: what a program reads and writes, and the ioctls (termios(3), tty_ioctl(4)). */
#include "tty.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "task.h"
#include "user.h"

static struct tty *console;             /* the first one made */

/* ---- job control ---- */

/* May the current process use the terminal now? If it is in the background: 0 to go on all the same,
 * else -ERESTARTSYS after its group was signalled, or -EIO. */
static int check_background(struct tty *tty, int signo) {
    if (current->process->tty != tty || !tty->foreground || current->process->pgid == tty->foreground) return 0;
    if (signal_blocked_or_ignored(signo)) return signo == SIGTTIN ? -EIO : 0;
    if (process_group_orphaned(current->process->pgid)) return -EIO;
    send_signal_group(current->process->pgid, signo);
    return -ERESTARTSYS;
}

static void take_control(struct tty *tty) {
    tty->session = current->process->sid;
    tty->foreground = current->process->pgid;
    current->process->tty = tty;
}

static void release_session(struct tty *tty) {
    struct process *p;
    for_each_process(p)
        if (p->tty == tty && p->sid == tty->session) p->tty = NULL;
    tty->session = tty->foreground = 0;
}

static void hang_up_group(pid_t pgid) {
    send_signal_group(pgid, SIGHUP);
    send_signal_group(pgid, SIGCONT);
}

void tty_session_ends(struct process *leader) {
    struct tty *tty = leader->tty;
    if (leader->hung_up_group) hang_up_group(leader->hung_up_group);
    if (!tty || tty->session != leader->sid) return;
    if (tty->foreground) hang_up_group(tty->foreground);
    release_session(tty);
}

void tty_hang_up(struct tty *tty) {
    struct process *leader = tty->session ? process_find(tty->session) : NULL;
    if (leader) {
        leader->hung_up_group = tty->foreground;        /* they hear of it when the leader has ended */
        send_signal_process(leader, SIGHUP);
        send_signal(leader->leader, SIGCONT);
    }
    release_session(tty);
    tty_flush(tty, true, true);
    tty->hung_up = true;
    wake_up(&tty->readable);
    wake_up(&tty->started);
}

u32 tty_number(const struct tty *tty) { return tty->device.rdev; }
pid_t tty_foreground(const struct tty *tty) { return tty->foreground; }

/* ---- files ---- */

static struct tty *tty_of(struct file *f) { return f->data; }

static int join(struct file *f, struct tty *tty) {
    int error = !tty ? -ENXIO : tty->driver->open ? tty->driver->open(tty) : 0;
    if (error) return error;
    f->data = tty;
    tty->refs++;
    tty->opens++;
    tty->was_opened = true;
    return 0;
}

void tty_put(struct tty *tty) {
    if (!--tty->refs) kfree(tty);
}

static void tty_release(struct file *f) {
    struct tty *tty = tty_of(f);
    if (!--tty->opens) wake_up(&tty->started);
    tty_put(tty);
}

static int tty_open(struct inode *inode, struct file *f) {
    struct tty *tty = tty_of(f);
    int error = join(f, tty);
    if (error) return error;
    bool leader = current->process->pid == current->process->sid;
    if (leader && !current->process->tty && !tty->session && !(f->flags & O_NOCTTY) && inode->rdev == tty->device.rdev) take_control(tty);
    return 0;
}

static int console_open(struct inode *inode, struct file *f) { return join(f, console); }   /* never the controlling one */
static int current_open(struct inode *inode, struct file *f) { return join(f, current->process->tty); }

/* Is there enough for a read to end? */
static bool can_read(struct tty *tty, u32 minimum) {
    if (tty->hung_up) return true;
    if (tty->termios.lflag & ICANON) return tty->committed != tty->tail;
    return tty->head - tty->tail >= minimum;
}

/* Moves what a read may have; the end-of-file mark alone gives 0. */
static ssize_t take_input(struct tty *tty, struct io *io) {
    char piece[64];
    ssize_t done = 0;
    bool line_ended = false;
    while (io->left && !line_ended) {
        size_t n = 0;
        u64 flags = spin_lock(&tty->lock);
        bool canonical = tty->termios.lflag & ICANON;
        u32 end = canonical ? tty->committed : tty->head;
        while (n < MIN(io->left, sizeof(piece)) && tty->tail != end && !line_ended) {
            u16 c = tty->input[tty->tail++ % INPUT_SIZE];
            if (c != END_OF_FILE) piece[n++] = c;
            line_ended = canonical && (c & LINE_END);
        }
        spin_unlock(&tty->lock, flags);
        if (!n) break;
        if (io_put(io, piece, n)) return done ? done : -EFAULT;
        done += n;
    }
    return done;
}

static ssize_t tty_read(struct file *f, struct io *io, u64 pos) {
    struct tty *tty = tty_of(f);
    if (!io->left || tty->hung_up) return 0;
    int error = check_background(tty, SIGTTIN);
    if (error) return error;
    bool canonical = tty->termios.lflag & ICANON;
    u32 minimum = canonical ? 1 : tty->termios.cc[VMIN];
    u64 tenths = canonical ? 0 : tty->termios.cc[VTIME] * (NSEC_PER_SEC / 10);
    u64 deadline = 0;
    if (tenths && !minimum) deadline = ktime() + tenths;        /* termios(3): a read timer */
    minimum = MIN((size_t)MAX(minimum, canonical || tenths ? 1u : 0u), io->left);
    if (f->flags & O_NONBLOCK) {
        if (!can_read(tty, 1)) return -EAGAIN;
    } else if (tenths && !deadline) {                            /* an interbyte timer, from the first byte on */
        error = wait_event_interruptible(&tty->readable, can_read(tty, 1));
        for (u32 had = 0; !error && !can_read(tty, minimum) && had != tty->head;) {
            had = tty->head;
            error = wait_event_until(&tty->readable, tty->head != had, ktime() + tenths);
            if (error == -ETIMEDOUT) error = 0;
        }
        if (error && can_read(tty, 1)) error = 0;
    } else {
        /* The mode may change while we wait; then what is enough changes as well. */
        error = wait_event_until(&tty->readable, can_read(tty, minimum), deadline);
    }
    if (tty->hung_up) return -EIO;
    if (error && error != -ETIMEDOUT) return error;
    ssize_t n = take_input(tty, io);
    wake_up(&tty->started);
    return n;
}

static size_t room(struct tty *tty) { return tty->driver->room ? tty->driver->room(tty) : PAGE_SIZE; }
static bool can_write(struct tty *tty) { return tty->hung_up || (!tty->stopped && room(tty) > 1); }

static ssize_t tty_write(struct file *f, struct io *io, u64 pos) {
    struct tty *tty = tty_of(f);
    if (tty->termios.lflag & TOSTOP) {
        int error = check_background(tty, SIGTTOU);
        if (error) return error;
    }
    ssize_t done = 0;
    int error = 0;
    char piece[128];
    while (io->left && !error) {
        if (f->flags & O_NONBLOCK && !can_write(tty)) error = -EAGAIN;
        else error = wait_event_interruptible(&tty->started, can_write(tty));
        if (tty->hung_up) error = -EIO;
        if (error) break;
        size_t n = MIN(io->left, MIN(room(tty) / 2, sizeof(piece)));    /* a character may become two */
        if ((error = io_get(io, piece, n))) break;
        tty_output(tty, piece, n);
        done += n;
    }
    return done ? done : error;
}

static int tty_poll(struct file *f, struct poll_table *table) {
    struct tty *tty = tty_of(f);
    poll_wait(table, &tty->readable);
    poll_wait(table, &tty->started);
    bool ready = can_read(tty, tty->termios.lflag & ICANON ? 1 : MAX(tty->termios.cc[VMIN], (u8)1));
    return (ready ? POLLIN | POLLRDNORM : 0) | (can_write(tty) ? POLLOUT | POLLWRNORM : 0) | (tty->hung_up ? POLLERR | POLLHUP : 0);
}

static int set_termios(struct tty *tty, const struct termios *from, bool flush) {
    u64 flags = spin_lock(&tty->lock);
    bool was_canonical = tty->termios.lflag & ICANON;
    tty->termios = *from;
    if (flush) tty_flush(tty, true, false);
    /* What was typed of an unfinished line becomes readable when lines stop to matter, and back. */
    if (was_canonical != !!(from->lflag & ICANON)) tty->committed = tty->head;
    spin_unlock(&tty->lock, flags);
    wake_up(&tty->readable);
    return 0;
}

static long set_foreground(struct tty *tty, pid_t pgid) {
    if (current->process->tty != tty || tty->session != current->process->sid) return -ENOTTY;
    if (pgid <= 0) return -EINVAL;
    if (!(pgid = pid_from(current->pid_ns, pgid))) return -ESRCH;
    struct process *p;
    for_each_process(p) {
        if (p->pgid != pgid) continue;
        if (p->sid != tty->session) return -EPERM;   /* check: ptytests */
        tty->foreground = pgid;
        return 0;
    }
    return -ESRCH;
}

static long set_controlling(struct tty *tty, unsigned long force) {
    if (tty->session && tty->session == current->process->sid && current->process->pid == current->process->sid) return 0;
    if (current->process->pid != current->process->sid || current->process->tty) return -EPERM;   /* check: ptytests */
    if (tty->session) {
        if (force != 1 || !capable(CAP_SYS_ADMIN)) return -EPERM;   /* check: ptytests */
        release_session(tty);
    }
    take_control(tty);
    return 0;
}

long tty_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct tty *tty = tty_of(f);
    struct termios termios;
    struct winsize size;
    int value;
    bool changes = (command >= TCSETS && command <= TCSETSF) || command == TIOCSPGRP || command == TCFLSH;
    if (tty->hung_up) return command == TIOCSPGRP ? -ENOTTY : -EIO;
    int error = changes ? check_background(tty, SIGTTOU) : 0;
    if (error) return error;
    switch (command) {
    case TCGETS: return copy_to_user((void *)argument, &tty->termios, sizeof(termios));
    case TCSETS:
    case TCSETSW:
    case TCSETSF:                       /* output is never queued, so there is nothing to drain */
        if (copy_from_user(&termios, (void *)argument, sizeof(termios))) return -EFAULT;
        return set_termios(tty, &termios, command == TCSETSF);
    case TCSBRK:
    case TCSBRKP: return 0;             /* sent already; a break has no meaning here */
    case TCXONC:
        if (argument > 3) return -EINVAL;
        if (argument < 2) tty_stop(tty, argument == 0);
        return 0;
    case TCFLSH:
        if (argument > 2) return -EINVAL;
        u64 flags = spin_lock(&tty->lock);
        tty_flush(tty, argument != 1, argument != 0);
        spin_unlock(&tty->lock, flags);
        return 0;
    case TIOCSCTTY: return set_controlling(tty, argument);
    case TIOCNOTTY:
        if (current->process->tty != tty) return -ENOTTY;
        if (current->process->pid == current->process->sid) tty_session_ends(current->process);
        current->process->tty = NULL;
        return 0;
    case TIOCGPGRP: return current->process->tty == tty ? put_user(pid_to(tty->foreground), (int *)argument) : -ENOTTY;
    case TIOCGSID: return current->process->tty == tty ? put_user(tty->session, (int *)argument) : -ENOTTY;
    case TIOCSPGRP: return get_user(value, (int *)argument) ? -EFAULT : set_foreground(tty, value);
    case TIOCGWINSZ: return copy_to_user((void *)argument, &tty->size, sizeof(size));
    case TIOCSWINSZ:
        if (copy_from_user(&size, (void *)argument, sizeof(size))) return -EFAULT;
        if (memcmp(&size, &tty->size, sizeof(size))) {
            tty->size = size;
            if (tty->foreground) send_signal_group(tty->foreground, SIGWINCH);
        }
        return 0;
    case TIOCOUTQ: return put_user(0, (int *)argument);
    case FIONREAD:
        value = (tty->termios.lflag & ICANON ? tty->committed : tty->head) - tty->tail;
        return put_user(value, (int *)argument);
    default: return -ENOTTY;
    }
}

#define TTY_OPS .release = tty_release, .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, .stream = true
static const struct file_ops tty_ops = { .open = tty_open, TTY_OPS };
static const struct file_ops console_ops = { .open = console_open, TTY_OPS };
static const struct file_ops current_ops = { .open = current_open, TTY_OPS };

void tty_init(struct tty *tty, const char *name, u32 rdev, const struct tty_driver *driver) {
    tty->driver = driver;
    tty->refs = 1;
    tty_defaults(tty);
    tty->device = (struct device){ name, S_IFCHR | 0620, rdev, &tty_ops, tty, 0, NULL };
    device_register(&tty->device);
}

struct tty *tty_create(const char *name, u32 rdev, const struct tty_driver *driver) {
    static struct device special[2] = {
        { .name = "tty", .mode = S_IFCHR | 0666, .rdev = MKDEV(5, 0), .ops = &current_ops },
        { .name = "console", .mode = S_IFCHR | 0600, .rdev = MKDEV(5, 1), .ops = &console_ops },
    };
    struct tty *tty = kzalloc(sizeof(*tty));
    if (!tty) panic("no memory for terminal %s", name);
    tty_init(tty, name, rdev, driver);
    tty->size = (struct winsize){ 24, 80, 0, 0 };
    if (!console) {
        console = tty;
        device_register(&special[0]);
        device_register(&special[1]);
    }
    return tty;
}
