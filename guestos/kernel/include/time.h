/* Clocks and timers. All times are nanoseconds in u64. */
#pragma once
#include "types.h"
#include "list.h"

#define NSEC_PER_SEC 1000000000UL
#define NSEC_PER_MSEC 1000000UL

struct timespec { s64 tv_sec, tv_nsec; };  /* as the ABI's */
struct timeval { s64 tv_sec, tv_usec; };

u64 ktime(void);                            /* since boot, monotonic: CLOCK_MONOTONIC */
u64 real_time(void);                        /* since 1970: the RTC at boot plus ktime */

/* One shot. All zero is idle. The callback runs in the timer interrupt (interrupts off). */
struct timer {
    struct timer *next;
    u64 deadline;                           /* ktime; 0 when not armed */
    void (*expired)(struct timer *);
};
void timer_start(struct timer *, u64 deadline);  /* rearms if armed */
void timer_cancel(struct timer *);

static inline struct timespec ns_to_timespec(u64 ns) { return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC }; }

/* Copy and check a timespec of a program: 0, -EFAULT, or -EINVAL if not normal or negative. */
int timespec_from_user(const struct timespec __user *, u64 *ns);
