/* NtQuerySystemInformation: the machine, and its processes; the time. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ntcalls.h"
#include "sched.h"
#include "user.h"

enum { SystemBasicInformation, SystemProcessInformation = 5 };

struct process_information {
    u32 next, threads;
    u64 private;
    u32 hard_faults, most_threads;
    u64 cycles;
    s64 created, user, kernel;
    struct unicode_string name;
    s32 priority, pad;
    u64 pid, parent;
    u32 handles, session;
    u64 key, peak_virtual, virtual;
    u32 faults, pad2;
    u64 peak_resident, resident, rest[13];  /* quotas, counts of operations */
    u16 text[16];                           /* of `name`; where NT puts it is nobody's business */
};

struct thread_information { u64 times[3]; u32 wait, pad; u64 start, pid, tid; u32 priority[2], switches, state, reason, pad2; };

static long processes(char *to, u32 room, u32 *returned) {
    struct process *p;
    struct task *t;
    u32 at = 0, last = ~0U;
    for_each_process(p) {
        struct process_information i = { .pid = p->pid, .parent = p->parent ? p->parent->pid : 0, .priority = 8, .session = p->sid };
        struct times times = process_times(p);
        struct mm_summary m = { 0 };
        for_each_thread(t, p) i.threads++;
        task_mm_summary(p->leader, &m);
        i.most_threads = i.threads;
        i.user = times.user / 100;
        i.kernel = (times.run - times.user) / 100;
        i.created = nt_time(ns_to_timespec(real_time() - ktime() + p->leader->start_time));
        i.virtual = i.peak_virtual = m.total_pages * PAGE_SIZE;
        i.resident = i.peak_resident = i.private = m.resident_pages * PAGE_SIZE;
        i.faults = times.minor_faults + times.major_faults;
        u32 size = sizeof(i) + i.threads * sizeof(struct thread_information);
        i.name.length = nt_widen(p->leader->comm, i.text, 16) * 2;
        i.name.maximum = sizeof(i.text);
        i.name.buffer = (u64)to + at + offsetof(struct process_information, rest) + sizeof(i.rest) + i.threads * sizeof(struct thread_information);
        if (at + size <= room) {
            u32 part = offsetof(struct process_information, text), done = at + part;
            if (last != ~0U && put_user(at - last, (u32 *)(to + last))) return -EFAULT;
            if (copy_to_user(to + at, &i, part)) return -EFAULT;
            for_each_thread(t, p) {
                struct thread_information thread = { .pid = p->pid, .tid = t->pid, .priority = { 8, 8 } };
                if (copy_to_user(to + done, &thread, sizeof(thread))) return -EFAULT;
                done += sizeof(thread);
            }
            if (copy_to_user(to + done, i.text, sizeof(i.text))) return -EFAULT;
            last = at;
        }
        at += size;
    }
    if (returned && put_user(at, returned)) return -EFAULT;
    return at > room ? STATUS_INFO_LENGTH_MISMATCH : 0;
}

long NtQuerySystemInformation(u32 class, void *to, u32 length, u32 *returned) {
    if (class == SystemProcessInformation) return processes(to, length, returned);
    if (class != SystemBasicInformation) return STATUS_INVALID_INFO_CLASS;
    struct memory_stats m;
    memory_stats(&m);
    struct { u32 reserved, resolution, page, pages, lowest, highest, granularity, pad; u64 minimum, maximum, processors; u32 count, pad2; } basic = {
        0, 156250, PAGE_SIZE, m.total_pages, 1, m.total_pages, 0x10000, 0, 0x10000, USER_TOP - 1, 1, 1, 0 };
    return nt_return(to, &basic, sizeof(basic), length, returned);
}

long NtQuerySystemTime(s64 *time) { return put_user(nt_time(ns_to_timespec(real_time())), time); }
