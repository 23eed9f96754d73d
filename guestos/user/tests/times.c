/* Clocks, sleeping, timers, and the times of files. */
#include "tests.h"
#include <sys/times.h>
#include <utime.h>

TEST(the_monotonic_clock_never_goes_back) {
    for (long i = 0, last = 0; i < 1000; i++) {
        long now = nanoseconds();
        CHECK(now >= last);
        last = now;
    }
}
TEST(the_real_time_clocks_agree) {
    struct timeval tv;
    struct timespec ts, coarse;
    WORKS(gettimeofday(&tv, NULL));
    WORKS(clock_gettime(CLOCK_REALTIME, &ts));
    WORKS(clock_gettime(CLOCK_REALTIME_COARSE, &coarse));
    CHECK(labs(ts.tv_sec - tv.tv_sec) <= 1 && labs(time(NULL) - ts.tv_sec) <= 1 && labs(coarse.tv_sec - ts.tv_sec) <= 1);
    CHECK(ts.tv_sec > 1600000000);
    time_t stored;
    GIVES(syscall(SYS_time, &stored), stored);
}
TEST(processor_time_counts_work_and_not_sleep) {
    struct timespec a, b;
    WORKS(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
    pass(50000000);
    WORKS(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b));
    CHECK((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 40000000);
    for (long end = nanoseconds() + 20000000; nanoseconds() < end;) ;
    WORKS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a));
    CHECK((a.tv_sec - b.tv_sec) * 1000000000 + a.tv_nsec - b.tv_nsec > 2000000);
}
TEST(clock_errors) {
    struct timespec t;
    FAILS(syscall(SYS_clock_gettime, 99, &t), EINVAL);
    FAILS(syscall(SYS_clock_gettime, CLOCK_REALTIME, NOWHERE), EFAULT);
    FAILS(syscall(SYS_clock_gettime, 99, NOWHERE), EINVAL);
    FAILS(syscall(SYS_clock_getres, 99, &t), EINVAL);
    WORKS(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
    WORKS(clock_getres(CLOCK_MONOTONIC, &t));
    CHECK(t.tv_sec == 0 && t.tv_nsec >= 1);
    FAILS(syscall(SYS_gettimeofday, NOWHERE, NULL), EFAULT);
}
TEST(nanosleep_sleeps_at_least_so_long) {
    long start = nanoseconds();
    struct timespec t = { 0, 30000000 };
    WORKS(nanosleep(&t, NULL));
    long took = nanoseconds() - start;
    CHECK(took >= 30000000 && took < 2000000000);
}
TEST(nanosleep_errors) {
    struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 };
    FAILS(syscall(SYS_nanosleep, NOWHERE, NULL), EFAULT);
    FAILS(nanosleep(&bad, NULL), EINVAL);
    FAILS(nanosleep(&negative, NULL), EINVAL);
    FAILS(syscall(SYS_clock_nanosleep, 99, 0, &bad, NULL), EINVAL);
    FAILS(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, NOWHERE, NULL), EFAULT);
}
TEST(clock_nanosleep_takes_an_absolute_time) {
    struct timespec t;
    WORKS(clock_gettime(CLOCK_MONOTONIC, &t));
    GIVES(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    long start = nanoseconds();
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    GIVES(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    CHECK(nanoseconds() - start > 10000000);
}
TEST(an_absolute_sleep_leaves_no_remainder) {
    struct timespec t, left = { 7, 7 };
    struct itimerval soon = { .it_value = { 0, 10000 } };
    handle(SIGALRM, note, 0);
    WORKS(clock_gettime(CLOCK_MONOTONIC, &t));
    t.tv_sec += 5;
    WORKS(setitimer(ITIMER_REAL, &soon, NULL));
    FAILS(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left), EINTR);
    CHECK(left.tv_sec == 7 && left.tv_nsec == 7);
}
TEST(alarm_returns_what_was_left) {
    GIVES(alarm(10), 0);
    GIVES(alarm(20), 10);
    GIVES(alarm(0), 20);
    GIVES(alarm(0), 0);
}
TEST(alarm_kills_who_doesnt_handle_it) {
    CHILD(pid, alarm(1); for (;;) pause());
    DIES(pid, SIGALRM);
}
static int ticks;
static void tick(int signo) { ticks++; }
TEST(an_interval_timer_repeats) {
    struct itimerval every = { .it_value = { 0, 5000 }, .it_interval = { 0, 5000 } }, left;
    handle(SIGALRM, tick, 0);
    WORKS(setitimer(ITIMER_REAL, &every, NULL));
    while (ticks < 4) pause();
    WORKS(getitimer(ITIMER_REAL, &left));
    CHECK(left.it_interval.tv_usec == 5000 && left.it_value.tv_usec <= 5000);
    memset(&every, 0, sizeof every);
    WORKS(setitimer(ITIMER_REAL, &every, &left));
    int before = ticks;
    pass(20000000);
    GIVES(ticks, before);
}
TEST(itimer_errors) {
    struct itimerval value = { .it_value = { 0, 1000000 } };
    FAILS(syscall(SYS_setitimer, 99, &value, NULL), EINVAL);
    FAILS(syscall(SYS_setitimer, ITIMER_REAL, &value, NULL), EINVAL);
    FAILS(syscall(SYS_setitimer, ITIMER_REAL, NOWHERE, NULL), EFAULT);
    FAILS(syscall(SYS_getitimer, ITIMER_REAL, NOWHERE), EFAULT);
    FAILS(syscall(SYS_getitimer, 99, &value), EINVAL);
}
TEST(timers_are_not_inherited) {
    alarm(1);
    CHILD(pid, GIVES(alarm(0), 0));
    EXITS(pid, 0);
    GIVES(alarm(0), 1);
}
TEST(exec_keeps_a_timer) {
    CHILD(pid, alarm(1); execl("/bin/sleep", "sleep", "20", NULL));
    DIES(pid, SIGALRM);
}
TEST(times_counts_in_hundredths) {
    struct tms before, after;
    clock_t start = times(&before);
    for (long end = nanoseconds() + 60000000; nanoseconds() < end;) ;
    clock_t end = times(&after);
    CHECK(end - start >= 5 && end - start < 300);
    CHECK(after.tms_utime + after.tms_stime > before.tms_utime + before.tms_stime);
    FAILS(syscall(SYS_times, NOWHERE), EFAULT);
}
TEST(getrusage_tells_of_oneself_and_of_children) {
    struct rusage usage;
    WORKS(getrusage(RUSAGE_SELF, &usage));
    CHECK(usage.ru_minflt > 0 && usage.ru_maxrss > 0);
    WORKS(getrusage(RUSAGE_CHILDREN, &usage));
    FAILS(getrusage(99, &usage), EINVAL);
    FAILS(syscall(SYS_getrusage, RUSAGE_SELF, NOWHERE), EFAULT);
}

/* ---- of files ---- */

TEST(utimensat_sets_what_it_is_told) {
    make("f", "");
    struct timespec t[2] = { { 100, 5000 }, { 200, 0 } };
    WORKS(utimensat(AT_FDCWD, "f", t, 0));
    CHECK(status("f").st_atime == 100 && status("f").st_mtime == 200);
    t[0] = (struct timespec){ 300, 0 };
    t[1].tv_nsec = UTIME_OMIT;
    WORKS(utimensat(AT_FDCWD, "f", t, 0));
    CHECK(status("f").st_atime == 300 && status("f").st_mtime == 200);
    t[0].tv_nsec = UTIME_OMIT;
    t[1].tv_nsec = UTIME_NOW;
    WORKS(utimensat(AT_FDCWD, "f", t, 0));
    CHECK(status("f").st_atime == 300 && labs(status("f").st_mtime - time(NULL)) <= 1);
}
TEST(utimensat_changes_links_and_descriptors) {
    make("f", "");
    WORKS(symlink("f", "link"));
    struct timespec t[2] = { { 100, 0 }, { 100, 0 } };
    WORKS(utimensat(AT_FDCWD, "link", t, AT_SYMLINK_NOFOLLOW));
    CHECK(status("link").st_mtime == 100 && status("f").st_mtime != 100);
    WORKS(syscall(SYS_utimensat, open("f", O_RDONLY), NULL, t, 0));
    GIVES(status("f").st_mtime, 100);
}
TEST(utimensat_errors) {
    struct timespec t[2] = { { 0, 2000000000 }, { 0, 0 } };
    make("f", "");
    FAILS(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    t[0].tv_nsec = 0;
    FAILS(utimensat(AT_FDCWD, "missing", t, 0), ENOENT);
    FAILS(utimensat(999, "f", t, 0), EBADF);
    FAILS(syscall(SYS_utimensat, 999, NULL, t, 0), EBADF);
    FAILS(syscall(SYS_utimensat, AT_FDCWD, "f", NOWHERE, 0), EFAULT);
    FAILS(syscall(SYS_utimensat, AT_FDCWD, "f", t, 0x8000), EINVAL);
    WORKS(syscall(SYS_utimensat, AT_FDCWD, "f", t, 0));
}
static void make_old(const char *path) {
    struct timespec old[2] = { { 100, 0 }, { 100, 0 } };
    WORKS(utimensat(AT_FDCWD, path, old, 0));
}
TEST(writing_sets_mtime_and_reading_does_not) {
    make("f", "abc");
    make_old("f");
    char c;
    GIVES(read(open("f", O_RDONLY), &c, 1), 1);
    GIVES(status("f").st_mtime, 100);
    GIVES(write(open("f", O_WRONLY), "x", 1), 1);
    CHECK(status("f").st_mtime > 100);
}
TEST(truncation_sets_mtime) {
    make("f", "abc");
    make_old("f");
    WORKS(truncate("f", 1));
    CHECK(status("f").st_mtime > 100);
    make_old("f");
    CHECK(open("f", O_WRONLY | O_TRUNC) >= 0 && status("f").st_mtime > 100);
}
TEST(changing_attributes_sets_ctime_alone) {
    make("f", "abc");
    make_old("f");
    struct timespec before = status("f").st_ctim;
    pass(30000000);
    WORKS(chmod("f", 0600));
    struct stat st = status("f");
    CHECK(st.st_mtime == 100 && (st.st_ctim.tv_sec > before.tv_sec || st.st_ctim.tv_nsec > before.tv_nsec || sizeof before == 0));
}
