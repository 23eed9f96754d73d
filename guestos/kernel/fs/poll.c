/* Waiting for several files at once: poll, ppoll, select, pselect6. */
#include "vfs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

struct pollfd { int fd; s16 events, revents; };

/* One waiter for each queue a file named; they stay where they are, so chunks, not one array. */
struct chunk {
    struct chunk *next;
    int used;
    struct waiter waiter[8];
};
struct poll_table {
    struct chunk *chunks;
    struct chunk first;
    bool no_memory;
};

void poll_wait(struct poll_table *table, struct wait_queue *queue) {
    if (!table) return;
    struct chunk *chunk = table->chunks;
    if (chunk->used == ARRAY_SIZE(chunk->waiter)) {
        chunk = kzalloc(sizeof(*chunk));
        if (!chunk) {
            table->no_memory = true;
            return;
        }
        chunk->next = table->chunks;
        table->chunks = chunk;
    }
    wait_add(queue, &chunk->waiter[chunk->used++]);
}

static void table_done(struct poll_table *table) {
    struct chunk *chunk = table->chunks;
    while (chunk) {
        struct chunk *next = chunk->next;
        for (int i = 0; i < chunk->used; i++) wait_remove(&chunk->waiter[i]);
        if (chunk != &table->first) kfree(chunk);
        chunk = next;
    }
}

/* Fills revents; returns how many are not 0. With a table, asks each file to wake us. */
static int test_all(struct pollfd *fds, unsigned count, struct poll_table *table) {
    int ready = 0;
    for (unsigned i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        struct file *f = fd_get(fds[i].fd);
        int mask = POLLNVAL;
        if (f && !(f->flags & O_PATH)) {
            mask = f->ops->poll ? f->ops->poll(f, table) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
            mask &= fds[i].events | POLLERR | POLLHUP;
        }
        if (f) file_put(f);
        fds[i].revents = mask;
        ready += mask != 0;
    }
    return ready;
}

/* Until one is ready, a signal comes (-EINTR) or ktime reaches `deadline` (0 never, 1 at once). */
static int wait_for(struct pollfd *fds, unsigned count, u64 deadline) {
    struct poll_table *table = kzalloc(sizeof(*table));
    if (!table) return -ENOMEM;
    table->chunks = &table->first;
    int ready = test_all(fds, count, deadline == 1 ? NULL : table);
    while (!ready && deadline != 1) {
        if (table->no_memory) {
            ready = -ENOMEM;
            break;
        }
        set_sleeping(true);
        if ((ready = test_all(fds, count, NULL))) break;
        if (signal_pending()) {
            ready = -EINTR;
            break;
        }
        if (deadline && ktime() >= deadline) break;
        schedule_until(deadline);
    }
    set_running();
    table_done(table);
    kfree(table);
    return ready;
}

static u64 deadline_in(u64 ns) { return ns ? ktime() + ns : 1; }

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

/* The mask a call runs under is put back after the handler of the signal that ended it, or at once. */
static int set_mask(const u64 *mask, size_t size) {
    u64 bits;
    if (size != sizeof(bits)) return -EINVAL;
    if (get_user(bits, mask)) return -EFAULT;
    current->saved_mask = current->blocked;
    current->restore_mask = true;
    current->blocked = bits & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
    return 0;
}
static void unset_mask(long result) {
    if (result == -EINTR) return;
    current->blocked = current->saved_mask;
    current->restore_mask = false;
}

static int timeout_of(const struct timespec *timeout, u64 *deadline) {
    u64 ns;
    *deadline = 0;
    if (!timeout) return 0;
    int error = timespec_from_user(timeout, &ns);
    if (!error) *deadline = deadline_in(ns);
    return error;
}

long sys_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout, const u64 *mask, size_t size) {
    u64 deadline;
    long result = timeout_of(timeout, &deadline);
    if (!result && mask) result = set_mask(mask, size);
    if (result) return result;
    result = poll_user(fds, count, deadline);
    if (mask) unset_mask(result);
    return result;
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
    long result = wait_for(fds, count, deadline);
    if (result >= 0) {
        result = 0;
        u64 found[3][FILES_MAX / 64] = { 0 };
        for (unsigned i = 0; i < count; i++) {
            int fd = fds[i].fd;
            if (fds[i].revents & POLLNVAL) result = -EBADF;
            for (int set = 0; set < 3 && result >= 0; set++) {
                if (!(bits[set][fd / 64] >> fd % 64 & 1) || !(fds[i].revents & events[set])) continue;
                found[set][fd / 64] |= 1UL << fd % 64;
                result++;
            }
        }
        for (int set = 0; set < 3 && result >= 0; set++)
            if (user[set] && copy_to_user(user[set], found[set], bytes)) result = -EFAULT;
    }
    kfree(fds);
    return result;
}

long sys_select(int n, u64 *in, u64 *out, u64 *except, struct timeval *timeout) {
    u64 deadline = 0;
    struct timeval tv;
    if (timeout) {
        if (get_user(tv, timeout)) return -EFAULT;
        if (tv.tv_sec < 0 || tv.tv_usec < 0 || tv.tv_usec >= 1000000) return -EINVAL;
        deadline = deadline_in(tv.tv_sec * NSEC_PER_SEC + tv.tv_usec * 1000);
    }
    return select_user(n, (u64 *[]){ in, out, except }, deadline);
}

long sys_pselect6(int n, u64 *in, u64 *out, u64 *except, const struct timespec *timeout, const void *mask) {
    struct { const u64 *mask; size_t size; } of = { NULL, 0 };
    if (mask && copy_from_user(&of, mask, sizeof(of))) return -EFAULT;
    u64 deadline;
    long result = timeout_of(timeout, &deadline);
    if (!result && of.mask) result = set_mask(of.mask, of.size);
    if (result) return result;
    result = select_user(n, (u64 *[]){ in, out, except }, deadline);
    if (of.mask) unset_mask(result);
    return result;
}
