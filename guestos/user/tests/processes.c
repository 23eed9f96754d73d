/* fork, exec, exit, wait; process groups and sessions. */
#include "tests.h"
#include <sys/prctl.h>

/* ---- fork ---- */

TEST(fork_returns_0_to_the_child) {
    pid_t parent = getpid();
    CHILD(pid, CHECK(getppid() == parent && getpid() != parent));
    CHECK(pid > parent || pid > 1);
    EXITS(pid, 0);
}
TEST(a_child_has_a_copy_of_the_registers) {
    register long a __asm__("r12") = 12, b __asm__("rbx") = 34, c __asm__("r15") = 56;
    long pid = SYS_fork;
    __asm__ volatile("syscall" : "+a"(pid), "+r"(a), "+r"(b), "+r"(c) :: "rcx", "r11", "memory");
    long sum = a + b + c;
    if (!pid) _exit(sum != 102);
    EXITS(pid, 0);
    GIVES(sum, 102);
}
TEST(sse_registers_are_private) {
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        if ((pids[i] = fork())) continue;
        double mine = i + 1.5, found;
        for (long k = 0; k < 300000; k++) {
            __asm__ volatile("movsd %1, %%xmm9; movsd %%xmm9, %0" : "=m"(found) : "m"(mine) : "xmm9");
            if (k % 30000 == 0) sched_yield();
            CHECK(found == mine);
        }
        _exit(0);
    }
    EXITS(pids[0], 0);
    EXITS(pids[1], 0);
}
TEST(the_floating_point_mode_is_inherited) {
    unsigned mode = 0x3f80, got;
    __asm__ volatile("ldmxcsr %0" :: "m"(mode));
    CHILD(pid, __asm__ volatile("stmxcsr %0" : "=m"(got)); CHECK(got == mode));
    EXITS(pid, 0);
}
TEST(vfork_lends_its_memory_until_exit) {
    volatile int x = 1;
    int pid = vfork();
    if (!pid) {
        x = 2;
        _exit(3);
    }
    GIVES(x, 2);
    EXITS(pid, 3);
}
TEST(vfork_lends_its_memory_until_exec) {
    int pid = vfork();
    if (!pid) {
        execl("/proc/self/exe", "usertests", "-l", "no-such-test", NULL);
        _exit(99);
    }
    int ended = status_of(pid);
    CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 1);
}
TEST(a_vfork_parent_is_killed_while_it_waits) {
    volatile pid_t *inner = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    handle(SIGUSR1, note, 0);
    CHILD(pid, if (!vfork()) { *inner = getpid(); for (;;) pause(); });
    pass(20000000);
    WORKS(kill(pid, SIGUSR1));
    pass(20000000);
    GIVES(waitpid(pid, NULL, WNOHANG), 0);
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
    WORKS(kill(*inner, SIGKILL));
}
TEST(children_are_numbered_apart) {
    pid_t pids[50];
    for (int i = 0; i < 50; i++) {
        CHILD(pid, pass(1000000));
        pids[i] = pid;
        for (int j = 0; j < i; j++) CHECK(pids[j] != pid);
    }
    for (int i = 0; i < 50; i++) EXITS(pids[i], 0);
}
TEST(everyone_gets_a_turn) {
    volatile unsigned long *n = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        if (!(pids[i] = fork())) for (;;) n[i]++;
    pass(100000000);
    for (int i = 0; i < 3; i++) {
        WORKS(kill(pids[i], SIGKILL));
        DIES(pids[i], SIGKILL);
        CHECK(n[i] > 1000);
    }
}
TEST(clone_refuses_flags_that_need_others) {
    FAILS(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
}
TEST(clone_stores_numbers_where_it_is_told) {
    pid_t parent_tid = 0;
    volatile pid_t *child_tid = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long pid = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, child_tid, 0);
    CHECK(pid >= 0);
    if (!pid) _exit(*child_tid != getpid());
    EXITS(pid, 0);
    CHECK(parent_tid == pid && *child_tid == pid);
}

/* ---- exec ---- */

static void write_to(const char *path) { GIVES(dup2(creat(path, 0644), 1), 1); }

TEST(exec_passes_arguments_and_environment) {
    char *environment[] = { "X=1", NULL };
    CHILD(pid, execle("/bin/sh", "sh", "-c", "test \"$X$1$0\" = 1two_three && exit 9", "three", "two_", NULL, environment));
    EXITS(pid, 9);
}
TEST(exec_errors) {
    char *none[] = { NULL };
    make("plain", "text");
    FAILS(execv("/nowhere", none), ENOENT);
    FAILS(execv("", none), ENOENT);
    FAILS(execv("plain", none), EACCES);
    FAILS(execv("plain/x", none), ENOTDIR);
    FAILS(execv(".", none), EACCES);
    FAILS(execv("/dev/null", none), EACCES);
    WORKS(chmod("plain", 0755));
    FAILS(execv("plain", none), ENOEXEC);
    FAILS(syscall(SYS_execve, KERNEL, 0, 0), EFAULT);
    FAILS(syscall(SYS_execve, "plain", NOWHERE, 0), EFAULT);
    FAILS(syscall(SYS_execve, "/nowhere", NOWHERE, 0), ENOENT);
}
TEST(a_broken_program_is_ENOEXEC) {
    int fd = open("garbage", O_CREAT | O_WRONLY, 0755);
    for (int i = 0; i < 99; i++) GIVES(write(fd, "\177ELF\2\1\1", 7), 7);
    WORKS(close(fd));
    FAILS(execl("./garbage", "x", NULL), ENOEXEC);
    make("short", "\177ELF");
    WORKS(chmod("short", 0755));
    FAILS(execl("./short", "x", NULL), ENOEXEC);
}
TEST(a_single_argument_has_at_most_131071_bytes) {
    char *big = malloc(1 << 17 | 1), *arguments[] = { "x", big, NULL };
    memset(big, 'a', 1 << 17);
    big[1 << 17] = 0;
    FAILS(execv("/bin/sh", arguments), E2BIG);
}
TEST(a_script_runs_its_interpreter) {
    make("script", "#!/bin/echo  -x  y \nexit 6\n");
    WORKS(chmod("script", 0755));
    CHILD(pid, write_to("out"); execl("./script", "other", "arg", NULL));
    EXITS(pid, 0);
    CHECK(!strcmp(content("out"), "-x  y ./script arg\n"));
}
TEST(a_script_without_interpreter_is_ENOENT) {
    make("script", "#!/nowhere\n");
    make("empty", "#!\n");
    WORKS(chmod("script", 0755));
    WORKS(chmod("empty", 0755));
    FAILS(execl("./script", "x", NULL), ENOENT);
    FAILS(execl("./empty", "x", NULL), ENOEXEC);
}
TEST(scripts_nest_and_loop) {
    make("one", "#!/bin/sh\nexit 8\n");
    make("two", "#!./one\n");
    make("loop", "#!./loop\n");
    WORKS(chmod("one", 0755));
    WORKS(chmod("two", 0755));
    WORKS(chmod("loop", 0755));
    CHILD(pid, execl("./two", "x", NULL));
    EXITS(pid, 8);
    FAILS(execl("./loop", "x", NULL), ELOOP);
}
TEST(exec_closes_what_was_to_be_closed) {
    CHECK(open("/dev/null", O_RDONLY) >= 0);
    GIVES(dup3(0, 50, O_CLOEXEC), 50);
    GIVES(dup3(0, 51, 0), 51);
    CHILD(pid, execl("/bin/sh", "sh", "-c", "test ! -e /proc/self/fd/50 && test -e /proc/self/fd/51", NULL));
    EXITS(pid, 0);
}
TEST(exec_keeps_ignored_signals_and_resets_handlers) {
    signal(SIGUSR1, SIG_IGN);
    handle(SIGUSR2, note, 0);
    CHILD(pid, execl("/bin/sh", "sh", "-c", "kill -USR1 $$; kill -USR2 $$; exit 1", NULL));
    DIES(pid, SIGUSR2);
}
TEST(exec_keeps_the_mask_and_what_is_pending) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHILD(pid, sigprocmask(SIG_BLOCK, &set, NULL); raise(SIGUSR1); write_to("out"); execl("/bin/cat", "cat", "/proc/self/status", NULL));
    EXITS(pid, 0);
    CHECK(strstr(content("out"), "SigBlk:\t0000000000000200\n") && strstr(content("out"), "SigPnd:\t0000000000000200\n"));
}
TEST(exec_keeps_pid_umask_and_directory) {
    WORKS(mkdir("d", 0755));
    char expected[80];
    CHILD(pid, WORKS(chdir("d")); umask(077); snprintf(expected, sizeof expected, "test $$ = %d && : >new", getpid());
          execl("/bin/sh", "sh", "-c", expected, NULL));
    EXITS(pid, 0);
    GIVES(status("d/new").st_mode & 07777, 0600);
}
TEST(exec_of_a_set_user_id_program_takes_its_owner) {
    CHILD(copy, execl("/bin/cp", "cp", "/bin/sleep", "sleeper", NULL));
    EXITS(copy, 0);
    WORKS(chown("sleeper", 1000, 1001));
    WORKS(chmod("sleeper", 06755));
    CHILD(pid, execl("./sleeper", "sleeper", "5", NULL));
    pass(100000000);
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    char *line = strstr(content(path), "Uid:");
    int real, effective;
    CHECK(line && sscanf(line, "Uid:\t%d\t%d", &real, &effective) == 2 && real == 0 && effective == 1000);
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}
TEST(a_program_being_written_does_not_run) {
    CHILD(copy, execl("/bin/cp", "cp", "/bin/true", "program", NULL));
    EXITS(copy, 0);
    int fd = open("program", O_RDWR);
    FAILS(execl("./program", "program", NULL), ETXTBSY);
    WORKS(close(fd));
    CHILD(pid, execl("./program", "program", NULL));
    EXITS(pid, 0);
}
TEST(a_running_program_is_not_written) {
    CHILD(copy, execl("/bin/cp", "cp", "/bin/sleep", "program", NULL));
    EXITS(copy, 0);
    CHILD(pid, execl("./program", "sleep", "20", NULL));
    pass(100000000);
    FAILS(open("program", O_WRONLY), ETXTBSY);
    FAILS(open("program", O_RDONLY | O_TRUNC), ETXTBSY);
    FAILS(truncate("program", 0), ETXTBSY);
    CHECK(open("program", O_RDONLY) >= 0);
    WORKS(unlink("program"));
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}

/* ---- exit and wait ---- */

TEST(wait_reports_the_low_byte_of_exit) {
    CHILD(pid, _exit(300));
    int how;
    GIVES(waitpid(pid, &how, 0), pid);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 44);
}
TEST(wait_without_children_is_ECHILD) {
    FAILS(waitpid(-1, NULL, 0), ECHILD);
    CHILD(pid, );
    FAILS(waitpid(1, NULL, 0), ECHILD);
    FAILS(waitpid(pid + 1000, NULL, 0), ECHILD);
    EXITS(pid, 0);
    FAILS(waitpid(pid, NULL, 0), ECHILD);
}
TEST(wait_errors) {
    FAILS(waitpid(-1, NULL, 0x100), EINVAL);
    FAILS(waitpid(INT_MIN, NULL, 0), ESRCH);
    CHILD(pid, );
    FAILS(waitpid(pid, NOWHERE, 0), EFAULT);
}
TEST(WNOHANG_does_not_wait) {
    CHILD(pid, pause());
    int how = 77;
    GIVES(waitpid(pid, &how, WNOHANG), 0);
    GIVES(how, 77);
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}
TEST(wait_reports_stops_and_continues_when_asked) {
    int how;
    CHILD(pid, for (;;) pause());
    WORKS(kill(pid, SIGSTOP));
    GIVES(waitpid(pid, &how, WUNTRACED), pid);
    CHECK(WIFSTOPPED(how) && WSTOPSIG(how) == SIGSTOP);
    GIVES(waitpid(pid, &how, WUNTRACED | WNOHANG), 0);
    WORKS(kill(pid, SIGCONT));
    GIVES(waitpid(pid, &how, WCONTINUED), pid);
    CHECK(WIFCONTINUED(how));
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}
TEST(wait_reports_the_killing_signal) {
    CHILD(pid, pause());
    WORKS(kill(pid, SIGTERM));
    int how = status_of(pid);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGTERM);
}
TEST(a_zombie_keeps_its_number_until_waited_for) {
    CHILD(pid, );
    pass(5000000);
    WORKS(kill(pid, 0));
    EXITS(pid, 0);
    FAILS(kill(pid, 0), ESRCH);
}
TEST(wait_by_group_finds_its_members) {
    CHILD(a, setpgid(0, 0); pass(20000000); _exit(1));
    CHILD(b, _exit(2));
    setpgid(a, a);
    int how;
    GIVES(waitpid(-a, &how, 0), a);
    GIVES(WEXITSTATUS(how), 1);
    GIVES(waitpid(0, &how, 0), b);
}
TEST(wait4_tells_the_time_used) {
    struct rusage usage;
    int how;
    CHILD(pid, long t = nanoseconds(); while (nanoseconds() - t < 20000000) );
    GIVES(wait4(pid, &how, 0, &usage), pid);
    long used = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    CHECK(used >= 5000 && used < 2000000);
    WORKS(getrusage(RUSAGE_CHILDREN, &usage));
    CHECK(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= used - 1000);
}
TEST(orphans_go_to_init) {
    int ends[2];
    char c = 0;
    WORKS(pipe(ends));
    CHILD(pid, if (!fork()) { pass(20000000); c = getppid() == 1; write(ends[1], &c, 1); _exit(0); });
    EXITS(pid, 0);
    CHECK(read(ends[0], &c, 1) == 1 && c == 1);
}
TEST(ignored_children_leave_no_zombie) {
    signal(SIGCHLD, SIG_IGN);
    CHILD(pid, );
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    FAILS(kill(pid, 0), ESRCH);
}
TEST(SIGCHLD_tells_who_ended_and_how) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHILD(pid, _exit(5));
    GIVES(sigwaitinfo(&set, &info), SIGCHLD);
    CHECK(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 5);
    EXITS(pid, 5);
}
TEST(waitid_reports_without_taking) {
    siginfo_t info = { 0 };
    CHILD(pid, _exit(7));
    WORKS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    CHECK(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 7);
    WORKS(waitid(P_ALL, 0, &info, WEXITED));
    FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
    FAILS(waitid(99, 0, &info, WEXITED), EINVAL);
}
TEST(a_parents_death_signal_comes) {
    volatile pid_t *grandchild = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, if (!fork()) { WORKS(prctl(PR_SET_PDEATHSIG, SIGKILL)); *grandchild = getpid(); for (;;) pause(); }
          while (!*grandchild) pass(1000000));
    EXITS(pid, 0);
    for (int i = 0; i < 100 && !kill(*grandchild, 0); i++) pass(1000000);
    FAILS(kill(*grandchild, 0), ESRCH);
}

/* ---- groups and sessions ---- */

TEST(setpgid_makes_a_group_of_ones_own) {
    GIVES(getpgrp(), getpid());
    CHILD(pid, GIVES(getpgrp(), getppid()); WORKS(setpgid(0, 0)); GIVES(getpgrp(), getpid()); GIVES(getpgid(getppid()), getppid()));
    EXITS(pid, 0);
}
TEST(setpgid_moves_children_until_they_exec) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    CHILD(pid, close(ends[1]); read(ends[0], &c, 1));
    WORKS(setpgid(pid, pid));
    GIVES(getpgid(pid), pid);
    WORKS(setpgid(pid, getpgrp()));
    close(ends[1]);
    EXITS(pid, 0);
    CHILD(other, execl("/bin/sleep", "sleep", "5", NULL));
    pass(100000000);
    FAILS(setpgid(other, other), EACCES);
    WORKS(kill(other, SIGKILL));
    DIES(other, SIGKILL);
}
TEST(setpgid_errors) {
    FAILS(setpgid(1, 0), ESRCH);
    FAILS(setpgid(0, 29999), EPERM);
    FAILS(setpgid(0, -1), EINVAL);
    FAILS(setpgid(-1, 0), EINVAL);
    FAILS(getpgid(99999), ESRCH);
    FAILS(getpgid(-1), ESRCH);
    FAILS(getsid(99999), ESRCH);
}
TEST(setsid_begins_a_session) {
    FAILS(setsid(), EPERM);
    CHILD(pid, GIVES(setsid(), getpid()); CHECK(getsid(0) == getpid() && getpgrp() == getpid()); FAILS(setsid(), EPERM);
          FAILS(setpgid(0, 0), EPERM));
    EXITS(pid, 0);
}
TEST(a_group_of_another_session_is_EPERM) {
    pid_t group = getpgrp();
    CHILD(pid, setsid(); CHILD(inner, FAILS(setpgid(0, group), EPERM)); EXITS(inner, 0));
    EXITS(pid, 0);
}
TEST(a_stopped_group_that_is_orphaned_is_hung_up) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    CHILD(pid, setsid();
          CHILD(inner, setpgid(0, 0); handle(SIGHUP, note, 0); close(ends[0]); raise(SIGSTOP); c = seen; write(ends[1], &c, 1));
          setpgid(inner, inner);
          int how; waitpid(inner, &how, WUNTRACED));
    EXITS(pid, 0);
    close(ends[1]);
    CHECK(read(ends[0], &c, 1) == 1 && c == SIGHUP);
}
