/* futex: sleeping on a word of user memory (wait and wake; what C libraries' locks need). */
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "vm.h"
#include "syscalls.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE 128
#define FUTEX_CLOCK_REALTIME 256

/* A word is named by its physical address, so that sharing works between address spaces. The waiter
 * keeps the page. */
struct futex_waiter {
    struct futex_waiter *next;
    u64 word;
    bool woken;
    struct wait_queue queue;
};
static struct futex_waiter *waiters;

/* Writable, because a read-only page might still be exchanged by copy-on-write. 0 on a bad address. */
static u64 physical_word(u64 address) {
    struct mm *mm = current->mm;
    if (address >= USER_TOP || fault_in(mm, address, true, false)) return 0;
    return (*pte_lookup(mm->pml4, address, false) & PTE_ADDRESS) | (address & ~PAGE_MASK);
}

static long futex_wait(u32 *word, u32 value, u64 deadline) {
    u32 now;
    struct futex_waiter w = { .word = physical_word((u64)word) };
    if (!w.word || get_user(now, word)) return -EFAULT;
    if (now != value) return -EAGAIN;
    struct page *page = phys_to_page(w.word);
    page_get(page);
    w.next = waiters;
    waiters = &w;
    int result = wait_event_until(&w.queue, w.woken, deadline);
    struct futex_waiter **link = &waiters;
    while (*link && *link != &w) link = &(*link)->next;
    if (*link) *link = w.next;
    page_put(page);
    return result;
}

int futex_wake(u32 __user *word, int count) {
    u64 physical = physical_word((u64)word);
    if (!physical) return -EFAULT;
    int woken = 0;
    for (;;) {                              /* the longest waiting is last in the list */
        struct futex_waiter **found = NULL;
        for (struct futex_waiter **link = &waiters; *link; link = &(*link)->next)
            if ((*link)->word == physical) found = link;
        if (!found || woken == count) return woken;
        struct futex_waiter *w = *found;
        *found = w->next;
        w->woken = true;
        wake_up(&w->queue);
        woken++;
    }
}

long sys_futex(u32 *word, int operation, u32 value, const struct timespec *timeout, u32 *word2, u32 value3) {
    int command = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    u64 deadline = 0;
    if ((u64)word & 3) return -EINVAL;
    switch (command) {
    case FUTEX_WAIT: case FUTEX_WAIT_BITSET:
        if (command == FUTEX_WAIT_BITSET && value3 != ~0U) return -ENOSYS;
        if (timeout) {
            int error = timespec_from_user(timeout, &deadline);
            if (error) return error;
            if (command == FUTEX_WAIT) deadline += ktime();
            else if (operation & FUTEX_CLOCK_REALTIME) deadline -= real_time() - ktime();
            deadline = MAX(deadline, 1UL);
        }
        return futex_wait(word, value, deadline);
    case FUTEX_WAKE: case FUTEX_WAKE_BITSET: return futex_wake(word, value);
    default: return -ENOSYS;
    }
}

/* Lists of robust mutexes are kept by the C library; no thread can die holding one while another lives. */
long sys_set_robust_list(void *head, size_t size) { return size == 24 ? 0 : -EINVAL; }
