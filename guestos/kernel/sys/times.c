/* System calls on time: clocks, sleeping, alarms, and time used. */
#include "abi.h"
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "syscalls.h"

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID 3
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define TIMER_ABSTIME 1
#define ITIMER_REAL 0
#define RUSAGE_SELF 0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD 1
#define NS_PER_CLOCK_TICK (NSEC_PER_SEC / 100)

static struct timeval to_timeval(u64 ns) { return (struct timeval){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 }; }

static u64 run_time(const struct task *t) { return t->run_time + (t == current ? ktime() - t->switched_in : 0); }

/* Time in user mode is measured by the TSC at every crossing; the rest of the turns is the kernel's. */
struct times task_times(const struct task *t) {
    u64 run = run_time(t);
    return (struct times){ run, MIN(clock_cycles_ns(t->user_cycles), run), t->minor_faults, t->major_faults };
}

void times_add(struct times *sum, struct times more) {
    sum->run += more.run;
    sum->user += more.user;
    sum->minor_faults += more.minor_faults;
    sum->major_faults += more.major_faults;
}

/* The leader counts even when it has ended. */
struct times process_times(const struct process *p) {
    struct times all = p->gone;
    struct task *t;
    times_add(&all, task_times(p->leader));
    for_each_thread(t, p) if (t != p->leader) times_add(&all, task_times(t));
    return all;
}

static int read_clock(int clock, u64 *ns) {
    switch (clock) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: *ns = real_time(); return 0;
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME: *ns = ktime(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID: *ns = process_times(current->process).run; return 0;
    case CLOCK_THREAD_CPUTIME_ID: *ns = run_time(current); return 0;
    default: return -EINVAL;
    }
}

long sys_clock_gettime(int clock, struct timespec *time) {
    u64 ns;
    int error = read_clock(clock, &ns);
    return error ? error : put_user(ns_to_timespec(ns), time);
}

long sys_clock_getres(int clock, struct timespec *resolution) {
    u64 ns;
    int error = read_clock(clock, &ns);
    return error || !resolution ? error : put_user(ns_to_timespec(1), resolution);
}

long sys_gettimeofday(struct timeval *tv, void *tz) {
    if (tv && put_user(to_timeval(real_time()), tv)) return -EFAULT;
    u64 no_zone = 0;                        /* struct timezone: two ints, UTC */
    return tz && copy_to_user(tz, &no_zone, sizeof(no_zone)) ? -EFAULT : 0;
}

long sys_time(s64 *now) {
    s64 seconds = real_time() / NSEC_PER_SEC;
    return now && put_user(seconds, now) ? -EFAULT : seconds;
}

/* ---- sleeping --------------------------------------------------------------------------------------- */

/* Interrupted without a handler (stopped and continued), the call is made again: sleep_until keeps
 * the first call's deadline. */
static long sleep_till(u64 deadline, struct timespec __user *remain) {
    struct task *t = current;
    struct wait_queue nobody = { 0 };
    if (t->sleep_until) deadline = t->sleep_until;
    t->sleep_until = 0;
    int result = wait_event_until(&nobody, false, MAX(deadline, 1UL));
    if (result == -ETIMEDOUT) return 0;
    u64 now = ktime();
    t->sleep_until = deadline;
    if (remain && put_user(ns_to_timespec(deadline > now ? deadline - now : 0), remain)) return -EFAULT;
    return -ERESTARTNOHAND;
}

long sys_nanosleep(const struct timespec *request, struct timespec *remain) {
    u64 ns;
    int error = timespec_from_user(request, &ns);
    return error ? error : sleep_till(ktime() + ns, remain);
}

long sys_clock_nanosleep(int clock, int flags, const struct timespec *request, struct timespec *remain) {
    u64 ns;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) return -EINVAL;
    if (flags & ~TIMER_ABSTIME) return -EINVAL;
    int error = timespec_from_user(request, &ns);
    if (error) return error;
    if (!(flags & TIMER_ABSTIME)) return sleep_till(ktime() + ns, remain);
    u64 offset = clock == CLOCK_REALTIME ? real_time() - ktime() : 0;
    return sleep_till(ns > offset ? ns - offset : 1, NULL);
}

/* ---- alarms ----------------------------------------------------------------------------------------- */

static void alarm_expired(struct timer *timer) {
    struct process *p = container_of(timer, struct process, alarm);
    send_signal_process(p, SIGALRM);
    if (p->alarm_interval) timer_start(timer, ktime() + p->alarm_interval);
}

static u64 alarm_left(void) {
    u64 now = ktime(), deadline = current->process->alarm.deadline;
    return !deadline ? 0 : deadline > now ? deadline - now : 1;
}

static void alarm_set(u64 after, u64 interval) {
    struct process *p = current->process;
    timer_cancel(&p->alarm);
    p->alarm_interval = interval;
    p->alarm.expired = alarm_expired;
    if (after) timer_start(&p->alarm, ktime() + after);
}

long sys_alarm(unsigned seconds) {
    u64 left = alarm_left();
    alarm_set(seconds * NSEC_PER_SEC, 0);
    return (left + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

static int timeval_ns(struct timeval t, u64 *ns) {
    if (t.tv_sec < 0 || (u64)t.tv_usec >= 1000000) return -EINVAL;
    *ns = MIN(t.tv_sec, 9000000000L) * NSEC_PER_SEC + t.tv_usec * 1000;
    return 0;
}

static struct itimerval alarm_value(void) {
    return (struct itimerval){ to_timeval(current->process->alarm_interval), to_timeval(alarm_left()) };
}

long sys_getitimer(int which, struct itimerval *value) {
    return which != ITIMER_REAL ? -EINVAL : put_user(alarm_value(), value);
}

long sys_setitimer(int which, const struct itimerval *value, struct itimerval *old) {
    struct itimerval new = { 0 }, before = alarm_value();
    u64 after, interval;
    if (which != ITIMER_REAL) return -EINVAL; /* the other two need a tick; see the manual's list of gaps */
    if (value && get_user(new, value)) return -EFAULT;
    if (timeval_ns(new.it_value, &after) || timeval_ns(new.it_interval, &interval)) return -EINVAL;
    if (old && put_user(before, old)) return -EFAULT;
    alarm_set(after, interval);
    return 0;
}

/* ---- time used -------------------------------------------------------------------------------------- */

static struct rusage usage_of(struct times t) {
    return (struct rusage){ .ru_utime = to_timeval(t.user), .ru_stime = to_timeval(t.run - t.user), .ru_minflt = t.minor_faults,
                            .ru_majflt = t.major_faults };
}

void process_usage(const struct process *p, struct rusage *u) {
    struct times all = process_times(p);
    times_add(&all, p->waited);
    *u = usage_of(all);
}

long sys_getrusage(int who, struct rusage *usage) {
    struct process *p = current->process;
    switch (who) {
    case RUSAGE_CHILDREN: return put_user(usage_of(p->waited), usage);
    case RUSAGE_SELF: return put_user(usage_of(process_times(p)), usage);
    case RUSAGE_THREAD: return put_user(usage_of(task_times(current)), usage);
    default: return -EINVAL;
    }
}

long sys_times(struct tms *buf) {
    struct times own = process_times(current->process), waited = current->process->waited;
    struct tms times = { own.user / NS_PER_CLOCK_TICK, (own.run - own.user) / NS_PER_CLOCK_TICK,
                         waited.user / NS_PER_CLOCK_TICK, (waited.run - waited.user) / NS_PER_CLOCK_TICK };
    if (buf && put_user(times, buf)) return -EFAULT;
    return ktime() / NS_PER_CLOCK_TICK;
}
