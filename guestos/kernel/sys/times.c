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

static struct timespec to_timespec(u64 ns) { return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC }; }
static struct timeval to_timeval(u64 ns) { return (struct timeval){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 }; }

static u64 run_time(const struct task *t) { return t->run_time + (t == current ? ktime() - t->switched_in : 0); }

/* Time in user mode is measured by the TSC at every crossing; the rest of the turns is the kernel's. */
u64 task_user_time(const struct task *t) { return MIN(clock_cycles_ns(t->user_cycles), run_time(t)); }

static int read_clock(int clock, u64 *ns) {
    switch (clock) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: *ns = real_time(); return 0;
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME: *ns = ktime(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID: case CLOCK_THREAD_CPUTIME_ID: *ns = run_time(current); return 0;
    default: return -EINVAL;
    }
}

long sys_clock_gettime(int clock, struct timespec *time) {
    u64 ns;
    int error = read_clock(clock, &ns);
    return error ? error : put_user(to_timespec(ns), time);
}

long sys_clock_getres(int clock, struct timespec *resolution) {
    u64 ns;
    int error = read_clock(clock, &ns);
    return error || !resolution ? error : put_user(to_timespec(1), resolution);
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
    if (remain && put_user(to_timespec(deadline > now ? deadline - now : 0), remain)) return -EFAULT;
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
    struct task *t = container_of(timer, struct task, alarm);
    send_signal(t, SIGALRM);
    if (t->alarm_interval) timer_start(timer, ktime() + t->alarm_interval);
}

static u64 alarm_left(const struct task *t) {
    u64 now = ktime();
    return !t->alarm.deadline ? 0 : t->alarm.deadline > now ? t->alarm.deadline - now : 1;
}

static void alarm_set(u64 after, u64 interval) {
    struct task *t = current;
    timer_cancel(&t->alarm);
    t->alarm_interval = interval;
    t->alarm.expired = alarm_expired;
    if (after) timer_start(&t->alarm, ktime() + after);
}

long sys_alarm(unsigned seconds) {
    u64 left = alarm_left(current);
    alarm_set(seconds * NSEC_PER_SEC, 0);
    return (left + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

static int timeval_ns(struct timeval t, u64 *ns) {
    if (t.tv_sec < 0 || (u64)t.tv_usec >= 1000000) return -EINVAL;
    *ns = MIN(t.tv_sec, 9000000000L) * NSEC_PER_SEC + t.tv_usec * 1000;
    return 0;
}

static struct itimerval alarm_value(void) {
    return (struct itimerval){ to_timeval(current->alarm_interval), to_timeval(alarm_left(current)) };
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

static void fill_usage(struct rusage *u, u64 total, u64 user) {
    u->ru_utime = to_timeval(user);
    u->ru_stime = to_timeval(total - user);
}

void task_usage(const struct task *t, struct rusage *u) {
    memset(u, 0, sizeof(*u));
    fill_usage(u, run_time(t) + t->child_run_time, task_user_time(t) + t->child_user_time);
    u->ru_minflt = t->minor_faults;
    u->ru_majflt = t->major_faults;
}

long sys_getrusage(int who, struct rusage *usage) {
    struct task *t = current;
    struct rusage u = { 0 };
    if (who == RUSAGE_CHILDREN) {
        fill_usage(&u, t->child_run_time, t->child_user_time);
    } else if (who == RUSAGE_SELF || who == RUSAGE_THREAD) {
        fill_usage(&u, run_time(t), task_user_time(t));
        u.ru_minflt = t->minor_faults;
        u.ru_majflt = t->major_faults;
    } else {
        return -EINVAL;
    }
    return put_user(u, usage);
}

long sys_times(struct tms *buf) {
    struct task *t = current;
    u64 user = task_user_time(t);
    struct tms times = { user / NS_PER_CLOCK_TICK, (run_time(t) - user) / NS_PER_CLOCK_TICK,
                         t->child_user_time / NS_PER_CLOCK_TICK, (t->child_run_time - t->child_user_time) / NS_PER_CLOCK_TICK };
    if (buf && put_user(times, buf)) return -EFAULT;
    return ktime() / NS_PER_CLOCK_TICK;
}
