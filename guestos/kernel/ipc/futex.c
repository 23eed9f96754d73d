/* futex: sleeping on a word of user memory, with what C libraries' locks need of it. */
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP 5
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE 128
#define FUTEX_CLOCK_REALTIME 256
#define ANY ~0U

/* What names a word: in shared memory the file and the offset in it, so that it is the same word
 * for every address space; else the address space and the address. */
struct key { void *of; u64 at; };

/* Between a look at the word and queueing, or waking, nothing sleeps: no lock yet. A second CPU needs
 * one a bucket, taken in order of address when there are two. */
struct futex_waiter {
    struct list link;                       /* in its bucket, the longest waiting first */
    struct key key;
    u32 bitset;
    bool woken;
    struct wait_queue queue;
};
static struct list buckets[64];

static struct list *bucket(struct key key) {
    struct list *b = &buckets[(key.at >> 2 ^ key.at >> 12 ^ (u64)key.of >> 6) % ARRAY_SIZE(buckets)];
    if (!b->next) list_init(b);
    return b;
}

static int find_key(u32 __user *word, bool private, struct key *key) {
    struct mm *mm = current->mm;
    *key = (struct key){ mm, (u64)word };
    if (key->at & 3) return -EINVAL;
    if (!user_range_ok(word, sizeof(*word))) return -EFAULT;
    if (private) return 0;
    struct vma *vma = vma_find(mm, key->at);
    if (!vma) return -EFAULT;
    if (vma->shared) *key = (struct key){ vma->file->inode, vma->offset + (key->at - vma->start) };
    return 0;
}

static long futex_wait(u32 __user *word, struct key key, u32 value, u32 bitset, u64 deadline) {
    struct task *t = current;
    struct futex_waiter w = { .key = key, .bitset = bitset };
    u32 now;
    if (t->sleep_until) deadline = t->sleep_until;
    t->sleep_until = 0;
    if (get_user(now, word)) return -EFAULT;
    if (now != value) return -EAGAIN;
    struct inode *shared = key.of != t->mm ? inode_get(key.of) : NULL;
    list_add_tail(bucket(key), &w.link);
    int result = wait_event_until(&w.queue, w.woken, deadline);
    list_del(&w.link);
    inode_put(shared);
    if (w.woken) return 0;
    if (result != -ERESTARTSYS || !deadline) return result;
    t->sleep_until = deadline;
    return -ERESTARTNOHAND;
}

/* At most `wake` waiters wake, at least one if there is any; `move` more come to wait for `to`. */
static int wake_waiters(struct key key, int wake, u32 bitset, int move, struct key to) {
    struct futex_waiter *w, *next;
    int woken = 0, moved = 0;
    list_for_each_safe(w, next, bucket(key), link) {
        if (w->key.of != key.of || w->key.at != key.at || !(w->bitset & bitset)) continue;
        if (!woken || woken < wake) {
            list_del(&w->link);
            w->woken = true;
            wake_up(&w->queue);
            woken++;
        } else if (moved < move) {
            list_del(&w->link);
            w->key = to;
            list_add_tail(bucket(to), &w->link);
            moved++;
        } else {
            break;
        }
    }
    return woken + moved;
}

static int wake(u32 __user *word, bool private, int count, u32 bitset) {
    struct key key;
    int error = find_key(word, private, &key);
    return error ? error : wake_waiters(key, count, bitset, 0, key);
}

/* WAKE_OP's: *word2 becomes a function of itself; whether it compared true before, or -errno. The
 * write comes right after the read that made the page present: nothing comes between them. */
static int operate(u32 __user *word, u32 code) {
    u32 operation = code >> 28 & 7, comparison = code >> 24 & 15;
    s32 operand = (s32)(code << 8) >> 20, with = (s32)(code << 20) >> 20, old, new;
    if (code >> 31) operand = 1 << (operand & 31);
    if (operation > 4 || comparison > 5) return -ENOSYS;
    if (fault_in(current->mm, (u64)word, true, false) || get_user(old, word)) return -EFAULT;
    switch (operation) {
    case 0: new = operand; break;
    case 1: new = old + operand; break;
    case 2: new = old | operand; break;
    case 3: new = old & ~operand; break;
    default: new = old ^ operand;
    }
    if (put_user(new, word)) return -EFAULT;
    switch (comparison) {
    case 0: return old == with;
    case 1: return old != with;
    case 2: return old < with;
    case 3: return old <= with;
    case 4: return old > with;
    default: return old >= with;
    }
}

/* The two that take two words. `count2` comes in the place of a timeout. */
static long two_words(int command, u32 *word, u32 *word2, bool private, int count, int count2, u32 value3) {
    struct key key, key2;
    u32 now;
    int error = find_key(word, private, &key);
    if (!error) error = find_key(word2, private, &key2);
    if (error) return error;
    if (command == FUTEX_WAKE_OP) {
        int held = operate(word2, value3);
        if (held < 0) return held;
        int woken = wake_waiters(key, count, ANY, 0, key);
        return held ? woken + wake_waiters(key2, count2, ANY, 0, key2) : woken;
    }
    if (count < 0 || count2 < 0) return -EINVAL;
    if (command == FUTEX_CMP_REQUEUE && get_user(now, word)) return -EFAULT;
    if (command == FUTEX_CMP_REQUEUE && now != value3) return -EAGAIN;
    return wake_waiters(key, count, ANY, count2, key2);
}

long sys_futex(u32 *word, int operation, u32 value, const struct timespec *timeout, u32 *word2, u32 value3) {
    int command = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    bool private = operation & FUTEX_PRIVATE;
    u64 deadline = 0;
    struct key key;
    if (operation & FUTEX_CLOCK_REALTIME && command != FUTEX_WAIT_BITSET) return -ENOSYS;
    switch (command) {
    case FUTEX_WAIT: value3 = ANY; /* fall through */
    case FUTEX_WAIT_BITSET: {
        int error = timeout ? timespec_from_user(timeout, &deadline) : 0;
        if (error) return error;
        if (!value3) return -EINVAL;
        if (timeout && command == FUTEX_WAIT) deadline += ktime();
        else if (timeout && operation & FUTEX_CLOCK_REALTIME) deadline -= MIN(deadline, real_time() - ktime());
        if (timeout) deadline = MAX(deadline, 1UL);
        error = find_key(word, private, &key);
        return error ? error : futex_wait(word, key, value, value3, deadline);
    }
    case FUTEX_WAKE: return wake(word, private, value, ANY);
    case FUTEX_WAKE_BITSET: return value3 ? wake(word, private, value, value3) : -EINVAL;
    case FUTEX_REQUEUE: case FUTEX_CMP_REQUEUE: case FUTEX_WAKE_OP:
        return two_words(command, word, word2, private, value, (long)timeout, value3);
    default: return -ENOSYS;
    }
}

/* ---- the end of a thread ----------------------------------------------------------------------------- */

#define ROBUST_MAX 2048
#define WAITERS 0x80000000U
#define OWNER_DIED 0x40000000U
#define TID_MASK 0x3fffffffU

struct robust_list_head { u64 next; s64 offset; u64 pending; }; /* a list through user memory; offset: of the lock words */

/* The word of a lock whose owner was us says so no longer, and one waiter is told. */
static void owner_died(u32 __user *word, bool only_pending) {
    u32 now;
    if ((u64)word & 3 || fault_in(current->mm, (u64)word, true, false) || get_user(now, word)) return;
    if (only_pending && !now) wake(word, false, 1, ANY); /* unlocked, and killed before it woke anybody */
    if ((now & TID_MASK) != (u32)pid_to(current->pid)) return;
    if (put_user((now & WAITERS) | OWNER_DIED, word)) return;
    if (now & WAITERS) wake(word, false, 1, ANY);
}

void futex_exit(struct task *t) {
    struct robust_list_head head;
    u32 zero = 0;
    if (t->robust_list && !get_user(head, (struct robust_list_head *)t->robust_list)) {
        u64 at = head.next, next, pending = head.pending & ~1UL;
        for (int n = 0; n < ROBUST_MAX && at && (at & ~1UL) != (u64)t->robust_list; n++, at = next) {
            if (get_user(next, (u64 *)(at & ~1UL))) break;
            if ((at & ~1UL) != pending) owner_died((u32 *)((at & ~1UL) + head.offset), false);
        }
        if (pending) owner_died((u32 *)(pending + head.offset), true);
    }
    t->robust_list = NULL;
    if (t->clear_child_tid && t->mm->refs > 1 && !put_user(zero, (u32 *)t->clear_child_tid)) wake((u32 *)t->clear_child_tid, false, 1, ANY);
    t->clear_child_tid = NULL;
}

long sys_set_robust_list(void *head, size_t size) {
    if (size != sizeof(struct robust_list_head)) return -EINVAL;
    current->robust_list = head;
    return 0;
}

long sys_get_robust_list(pid_t tid, void **head, size_t *size) {
    struct task *t = tid ? task_find_here(tid) : current;
    if (!t || t->kernel_thread) return -ESRCH;
    if (t->cred.uid != current->cred.uid && !capable(CAP_SYS_PTRACE)) return -EPERM;   /* check: accesstests */
    return put_user(sizeof(struct robust_list_head), size) || put_user(t->robust_list, head) ? -EFAULT : 0;
}
