/* eventfd and timerfd: a count one reads as eight bytes, and waits for until it is not 0. */
#include "vfs.h"
#include "abi.h"
#include "fs.h"
#include "mm.h"
#include "user.h"
#include "syscalls.h"

#define EFD_SEMAPHORE 1
#define TFD_TIMER_ABSTIME 1
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7

struct counter {
    u64 count;                              /* a timer's changes in its interrupt */
    bool semaphore;
    struct wait_queue changed;
    int clock;                              /* of a timer; the rest too */
    u64 interval, next;                     /* ns; ktime, 0: not set */
    struct timer timer;
};

/* A periodic timer stops when it expires, and is set again when somebody asks: a short period that
 * nobody looks at costs nothing. */
static void catch_up(struct counter *c) {
    if (!c->interval || !c->next || c->timer.deadline) return;
    u64 missed = (ktime() - c->next) / c->interval;
    c->count += missed;
    timer_start(&c->timer, c->next += (missed + 1) * c->interval);
}

static void expired(struct timer *timer) {
    struct counter *c = container_of(timer, struct counter, timer);
    c->count++;
    wake_up(&c->changed);
}

/* Waits until `condition` about counter c, unless the file says not to. */
#define wait_for(condition) \
    (!(condition) && f->flags & O_NONBLOCK ? -EAGAIN : wait_event_interruptible(&c->changed, condition))

static ssize_t counter_read(struct file *f, struct io *io, u64 pos) {
    struct counter *c = f->data;
    int error = io->left < sizeof(u64) ? -EINVAL : wait_for(c->count);
    if (error) return error;
    catch_up(c);
    u64 value = c->semaphore ? 1 : c->count;
    c->count -= value;
    wake_up(&c->changed);
    return io_put(io, &value, sizeof(value)) ? -EFAULT : (ssize_t)sizeof(value);
}

static ssize_t event_write(struct file *f, struct io *io, u64 pos) {
    struct counter *c = f->data;
    u64 value;
    int error = io->left < sizeof(value) ? -EINVAL : io_get(io, &value, sizeof(value));
    if (!error) error = value == ~0UL ? -EINVAL : wait_for(value < ~0UL - c->count);
    if (error) return error;
    c->count += value;
    wake_up(&c->changed);
    return sizeof(value);
}

static int counter_poll(struct file *f, struct poll_table *table) {
    struct counter *c = f->data;
    poll_wait(table, &c->changed);
    return (c->count ? POLLIN | POLLRDNORM : 0) | (f->ops->write && c->count < ~0UL - 1 ? POLLOUT | POLLWRNORM : 0);
}

static void counter_release(struct file *f) {
    timer_cancel(&((struct counter *)f->data)->timer);
    kfree(f->data);
}

#define COMMON .read = counter_read, .poll = counter_poll, .release = counter_release, .stream = true
static const struct file_ops event_ops = { COMMON, .write = event_write, .name = "eventfd" };
static const struct file_ops timer_ops = { COMMON, .name = "timerfd" };

static long counter_new(const struct file_ops *ops, struct counter init, int flags) {
    struct counter *c = kmalloc(sizeof(*c));
    if (!c) return -ENOMEM;
    *c = init;
    return fd_open(ops, inode_anonymous(0600), c, O_RDWR | (flags & (O_NONBLOCK | O_CLOEXEC)));
}

long sys_eventfd2(unsigned value, int flags) {
    if (flags & ~(EFD_SEMAPHORE | O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
    return counter_new(&event_ops, (struct counter){ .count = value, .semaphore = flags & EFD_SEMAPHORE }, flags);
}
long sys_eventfd(unsigned value) { return sys_eventfd2(value, 0); }

long sys_timerfd_create(int clock, int flags) {
    bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
    if (!known || flags & ~(O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
    return counter_new(&timer_ops, (struct counter){ .clock = clock, .timer.expired = expired }, flags);
}

/* Sets the timer unless `value` is NULL; *old is what was. */
static long timer_change(int fd, int flags, const struct itimerspec *value, struct itimerspec *old) {
    u64 after = 0, interval = 0, now = ktime();
    int error = value ? timespec_from_user(&value->it_value, &after) : 0;
    if (value && !error) error = timespec_from_user(&value->it_interval, &interval);
    struct file *f = fd_get(fd);
    if (!error) error = flags & ~TFD_TIMER_ABSTIME ? -EINVAL : !f ? -EBADF : f->ops != &timer_ops ? -EINVAL : 0;
    if (!error) {
        struct counter *c = f->data;
        catch_up(c);
        struct itimerspec before = { ns_to_timespec(c->interval), ns_to_timespec(c->timer.deadline ? c->next - MIN(now, c->next - 1) : 0) };
        if (value) {
            timer_cancel(&c->timer);
            if (flags & TFD_TIMER_ABSTIME) now -= c->clock == CLOCK_REALTIME ? real_time() : now;
            c->count = 0;
            c->interval = interval;
            c->next = after ? MAX((s64)(now + after), 1L) : 0;
            if (after) timer_start(&c->timer, c->next);
        }
        if (old || !value) error = put_user(before, old);
    }
    file_put(f);
    return error;
}

long sys_timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old) {
    return value ? timer_change(fd, flags, value, old) : -EFAULT;
}
long sys_timerfd_gettime(int fd, struct itimerspec *value) { return timer_change(fd, 0, NULL, value); }
