/* Waiting for several files at once: poll, ppoll, select, pselect6; and how files tell of changes. */
#include "vfs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

struct pollfd { int fd; s16 events, revents; };

void poll_wait(struct poll_table *table, struct wait_queue *queue) {
    if (!table) return;
    struct poll_chunk *chunk = table->chunks ? table->chunks : &table->first;
    if (chunk->used == ARRAY_SIZE(chunk->slot)) {
        struct poll_chunk *more = kzalloc(sizeof(*more));
        if (!more) {
            table->no_memory = true;
            return;
        }
        more->next = chunk;
        chunk = more;
    }
    table->chunks = chunk;
    struct waiter *w = &chunk->slot[chunk->used].waiter;
    chunk->slot[chunk->used++].file = table->file ? file_get(table->file) : NULL;
    w->woken = table->woken;
    w->owner = table->owner;
    wait_add(queue, w);
}

void poll_table_empty(struct poll_table *table) {
    struct poll_chunk *chunk = table->chunks, *next;
    for (table->chunks = NULL; chunk; chunk = next) {
        next = chunk->next;
        for (int i = 0; i < chunk->used; i++) {
            wait_remove(&chunk->slot[i].waiter);
            file_put(chunk->slot[i].file);
        }
        chunk->used = 0;
        if (chunk != &table->first) kfree(chunk);
    }
}

int file_poll(struct file *f, struct poll_table *table) {
    return f->ops->poll ? f->ops->poll(f, table) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

/* Fills revents; returns how many are not 0. With a table, asks each file to wake us. */
static int test_all(struct pollfd *fds, unsigned count, struct poll_table *table) {
    int ready = 0;
    for (unsigned i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        struct file *f = fd_get(fds[i].fd);
        int mask = POLLNVAL;
        if (table) table->file = f;
        if (f && !(f->flags & O_PATH)) mask = file_poll(f, table) & (fds[i].events | POLLERR | POLLHUP);
        file_put(f);
        fds[i].revents = mask;
        ready += mask != 0;
    }
    return ready;
}

/* Until one is ready, a signal comes (-ERESTARTNOHAND) or ktime reaches `deadline` (0: never). */
static int wait_for(struct pollfd *fds, unsigned count, u64 deadline) {
    struct poll_table *table = kzalloc(sizeof(*table));
    if (!table) return -ENOMEM;
    int ready = test_all(fds, count, deadline == 1 ? NULL : table);
    while (!ready && deadline != 1) {
        if (table->no_memory) {
            ready = -ENOMEM;
            break;
        }
        set_sleeping(true);
        if ((ready = test_all(fds, count, NULL))) break;
        if (signal_pending()) {
            ready = -ERESTARTNOHAND;
            break;
        }
        if (deadline && ktime() >= deadline) break;
        schedule_until(deadline);
    }
    set_running();
    poll_table_empty(table);
    kfree(table);
    return ready;
}

u64 deadline_in(u64 ns) { return ns ? ktime() + ns : 1; }

int deadline_from_user(const struct timespec *timeout, u64 *deadline) {
    u64 ns;
    *deadline = 0;
    if (!timeout) return 0;
    int error = timespec_from_user(timeout, &ns);
    if (!error) *deadline = deadline_in(ns);
    return error;
}

/* What is left of the time goes back to the program, as a restarted call needs it; `unit` ns is its
 * second word's. */
static long left_to_user(long result, u64 deadline, struct timespec *timeout, u64 unit) {
    u64 now = ktime(), left = deadline > now ? deadline - now : 0;
    if (timeout) put_user(((struct timespec){ left / NSEC_PER_SEC, left % NSEC_PER_SEC / unit }), timeout);
    return result;
}

static long poll_user(struct pollfd *user, unsigned count, u64 deadline) {
    if (count > FILES_MAX) return -EINVAL;
    struct pollfd few[8], *fds = few;
    if (count > ARRAY_SIZE(few) && !(fds = kmalloc(count * sizeof(*fds)))) return -ENOMEM;
    long result = copy_from_user(fds, user, count * sizeof(*fds));
    if (!result) {
        result = wait_for(fds, count, deadline);
        for (unsigned i = 0; result >= 0 && i < count; i++)
            if (put_user(fds[i].revents, &user[i].revents)) result = -EFAULT;
    }
    if (fds != few) kfree(fds);
    return result;
}

long sys_poll(struct pollfd *fds, unsigned count, int timeout_ms) {
    return poll_user(fds, count, timeout_ms < 0 ? 0 : deadline_in(timeout_ms * NSEC_PER_MSEC));
}

int call_mask_set(const u64 *mask, size_t size) {
    u64 bits;
    if (!mask) return 0;
    if (size != sizeof(bits)) return -EINVAL;
    if (get_user(bits, mask)) return -EFAULT;
    current->saved_mask = current->blocked;
    current->restore_mask = true;
    signals_block(bits);
    return 0;
}
void call_mask_unset(const u64 *mask, bool interrupted) {
    if (!mask || interrupted) return;
    signals_block(current->saved_mask);
    current->restore_mask = false;
}

long sys_ppoll(struct pollfd *fds, unsigned count, struct timespec *timeout, const u64 *mask, size_t size) {
    u64 deadline;
    long result = deadline_from_user(timeout, &deadline);
    if (!result) result = call_mask_set(mask, size);
    if (result) return result;
    result = poll_user(fds, count, deadline);
    call_mask_unset(mask, result == -ERESTARTNOHAND);
    return left_to_user(result, deadline, timeout, 1);
}

#define IN_SET (POLLIN | POLLRDNORM | POLLHUP | POLLERR)
#define OUT_SET (POLLOUT | POLLWRNORM | POLLERR)

static long select_user(int n, u64 *user[3], u64 deadline) {
    static const s16 events[3] = { IN_SET, OUT_SET, POLLPRI };
    if (n < 0) return -EINVAL;
    n = MIN(n, FILES_MAX);
    size_t bytes = (n + 63) / 64 * 8;
    u64 bits[3][FILES_MAX / 64] = { 0 };
    for (int set = 0; set < 3; set++)
        if (user[set] && copy_from_user(bits[set], user[set], bytes)) return -EFAULT;
    unsigned count = 0;
    struct pollfd *fds = kmalloc(MAX(n, 1) * sizeof(*fds));
    if (!fds) return -ENOMEM;
    for (int fd = 0; fd < n; fd++) {
        s16 wanted = 0;
        for (int set = 0; set < 3; set++)
            if (bits[set][fd / 64] >> fd % 64 & 1) wanted |= events[set];
        if (wanted) fds[count++] = (struct pollfd){ fd, wanted, 0 };
    }
    long result = wait_for(fds, count, deadline), found = 0;
    for (unsigned i = 0; i < count && result >= 0; i++) {
        int fd = fds[i].fd;
        if (fds[i].revents & POLLNVAL) result = -EBADF;
        for (int set = 0; set < 3; set++) {
            u64 bit = bits[set][fd / 64] & 1UL << fd % 64;
            if (fds[i].revents & events[set]) found += bit != 0;
            else bits[set][fd / 64] &= ~bit;
        }
    }
    for (int set = 0; set < 3 && result >= 0; set++)
        if (user[set] && copy_to_user(user[set], bits[set], bytes)) result = -EFAULT;
    kfree(fds);
    return result < 0 ? result : found;
}

long sys_select(int n, u64 *in, u64 *out, u64 *except, struct timeval *timeout) {
    u64 deadline = 0;
    struct timeval tv;
    if (timeout) {
        if (get_user(tv, timeout)) return -EFAULT;
        if (tv.tv_sec < 0 || tv.tv_usec < 0) return -EINVAL;    /* microseconds may be a million and more */
        deadline = deadline_in(MIN(tv.tv_sec, 9000000000L) * NSEC_PER_SEC + MIN(tv.tv_usec, 1000000000000L) * 1000);
    }
    return left_to_user(select_user(n, (u64 *[]){ in, out, except }, deadline), deadline, (struct timespec *)timeout, 1000);
}

long sys_pselect6(int n, u64 *in, u64 *out, u64 *except, struct timespec *timeout, const void *mask) {
    struct { const u64 *mask; size_t size; } of = { NULL, 0 };
    if (mask && copy_from_user(&of, mask, sizeof(of))) return -EFAULT;
    u64 deadline;
    long result = deadline_from_user(timeout, &deadline);
    if (!result) result = call_mask_set(of.mask, of.size);
    if (result) return result;
    result = select_user(n, (u64 *[]){ in, out, except }, deadline);
    call_mask_unset(of.mask, result == -ERESTARTNOHAND);
    return left_to_user(result, deadline, timeout, 1);
}
