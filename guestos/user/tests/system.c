/* The machine and the calling convention: names, numbers, registers, prctl, and /proc. */
#include "tests.h"
#include <grp.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <asm/prctl.h>

TEST(an_unknown_call_is_ENOSYS) {
    static const long numbers[] = { 9999, -1, 1000000, 0x40000000, 500 };
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) FAILS(syscall(numbers[i]), ENOSYS);
}
TEST(deliberately_absent_calls_are_ENOSYS) {
    FAILS(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    FAILS(syscall(SYS_bpf, 0, NULL, 0), ENOSYS);
    FAILS(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), ENOSYS);
}
TEST(a_call_keeps_all_registers_but_three) {
    register long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10, r12 __asm__("r12") = 12, r15 __asm__("r15") = 15;
    long rax = SYS_getpid, rdi = 1, rsi = 2, rdx = 3, rbx = 4;
    __asm__ volatile("syscall" : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+b"(rbx), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r15) :: "rcx", "r11", "memory");
    CHECK(rax == getpid() && rdi == 1 && rsi == 2 && rdx == 3 && rbx == 4 && r8 == 8 && r9 == 9 && r10 == 10 && r12 == 12 && r15 == 15);
}
TEST(rcx_is_the_return_address_and_r11_the_flags) {
    long rax = SYS_getpid, rcx, r11_value, here;
    __asm__ volatile("syscall; leaq (%%rip), %2; movq %%r11, %3" : "+a"(rax), "=c"(rcx), "=r"(here), "=r"(r11_value) :: "r11", "memory");
    CHECK(here - rcx == 7 && r11_value & 0x200);
}
TEST(uname_names_the_machine) {
    struct utsname u;
    WORKS(uname(&u));
    CHECK(!strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64") && u.release[0] >= '3' && strchr(u.release, '.'));
    FAILS(syscall(SYS_uname, KERNEL), EFAULT);
}
TEST(sethostname_changes_the_node_name) {
    struct utsname u;
    WORKS(sethostname("another", 7));
    WORKS(uname(&u));
    CHECK(!strcmp(u.nodename, "another"));
    FAILS(sethostname("x", 65), EINVAL);
    FAILS(syscall(SYS_sethostname, "x", -1), EINVAL);
    FAILS(syscall(SYS_sethostname, NOWHERE, 5), EFAULT);
}
TEST(sysinfo_counts_memory) {
    struct sysinfo i;
    WORKS(sysinfo(&i));
    CHECK(i.totalram >= i.freeram && i.freeram && i.mem_unit && i.procs > 1 && i.uptime >= 0);
    FAILS(syscall(SYS_sysinfo, -8L), EFAULT);
}
TEST(a_thread_name_is_set_and_got) {
    char name[17] = { 0 };
    WORKS(prctl(PR_SET_NAME, "a name that is too long"));
    WORKS(prctl(PR_GET_NAME, name));
    CHECK(!strcmp(name, "a name that is "));
    CHECK(!strcmp(content("/proc/self/comm"), "a name that is \n"));
    FAILS(prctl(PR_SET_NAME, NOWHERE), EFAULT);
}
TEST(prctl_errors) {
    FAILS(prctl(9999, 0, 0, 0, 0), EINVAL);
    FAILS(prctl(PR_CAPBSET_READ, 99, 0, 0, 0), EINVAL);
    FAILS(prctl(PR_SET_PDEATHSIG, 99, 0, 0, 0), EINVAL);
    FAILS(prctl(PR_SET_DUMPABLE, 9, 0, 0, 0), EINVAL);
}
TEST(dumpable_is_set_and_got) {
    GIVES(prctl(PR_GET_DUMPABLE), 1);
    WORKS(prctl(PR_SET_DUMPABLE, 0));
    GIVES(prctl(PR_GET_DUMPABLE), 0);
}
TEST(no_new_privs_stays) {
    GIVES(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    WORKS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    GIVES(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHILD(pid, CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
    EXITS(pid, 0);
}
TEST(the_thread_pointer_is_set_and_got) {
    unsigned long fs, gs;
    WORKS(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    WORKS(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345000));
    WORKS(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    GIVES(gs, 0x12345000);
    CHILD(pid, unsigned long mine; syscall(SYS_arch_prctl, ARCH_GET_GS, &mine); CHECK(mine == 0x12345000));
    EXITS(pid, 0);
    FAILS(syscall(SYS_arch_prctl, ARCH_SET_FS, KERNEL), EPERM);
    FAILS(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
    FAILS(syscall(SYS_arch_prctl, ARCH_GET_FS, NOWHERE), EFAULT);
}
TEST(affinity_has_at_least_one_processor) {
    unsigned long mask[16] = { 0 };
    CHECK(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) >= 8 && mask[0]);
    FAILS(syscall(SYS_sched_getaffinity, 0, 1, mask), EINVAL);
    FAILS(syscall(SYS_sched_getaffinity, 99999, sizeof mask, mask), ESRCH);
    FAILS(syscall(SYS_sched_getaffinity, 0, sizeof mask, NOWHERE), EFAULT);
}
TEST(getcpu_tells_a_number) {
    unsigned cpu = 999, node = 999;
    WORKS(syscall(SYS_getcpu, &cpu, &node, NULL));
    CHECK(cpu < 64 && node < 64);
    WORKS(syscall(SYS_getcpu, NULL, NULL, NULL));
    FAILS(syscall(SYS_getcpu, NOWHERE, NULL, NULL), EFAULT);
}
#pragma clang diagnostic ignored "-Wmissing-field-initializers"
TEST(bad_pointers_are_EFAULT_everywhere) {
    static const struct { long n, a, b, c, d; } calls[] = {
        { SYS_pipe, (long)NOWHERE }, { SYS_uname, (long)NOWHERE }, { SYS_clock_gettime, 0, (long)KERNEL }, { SYS_nanosleep, (long)NOWHERE },
        { SYS_rt_sigaction, 10, (long)NOWHERE, 0, 8 }, { SYS_sysinfo, -8 }, { SYS_futex, (long)NOWHERE }, { SYS_getgroups, 99, 0x1000 + 1 },
        { SYS_execve, (long)KERNEL }, { SYS_chdir, (long)NOWHERE }, { SYS_symlink, (long)"x", (long)NOWHERE }, { SYS_rename, (long)NOWHERE, (long)"x" },
        { SYS_getitimer, 0, (long)NOWHERE }, { SYS_sigaltstack, (long)NOWHERE }, { SYS_poll, (long)NOWHERE, 1 }, { SYS_statfs, (long)"/", (long)NOWHERE },
        { SYS_getrlimit, 0, (long)NOWHERE }, { SYS_times, (long)NOWHERE }, { SYS_rt_sigprocmask, 0, (long)NOWHERE, 0, 8 }, { SYS_truncate, (long)NOWHERE },
    };
    WORKS(setgroups(1, (gid_t[]){ 5 }));
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        errno = 0;
        long r = syscall(calls[i].n, calls[i].a, calls[i].b, calls[i].c, calls[i].d);
        if (r != -1 || errno != EFAULT) fail(__FILE_NAME__, __LINE__, "call %ld: %ld, errno %d", calls[i].n, r, errno);
    }
}
TEST(sched_yield_lets_others_run) {
    volatile int *turn = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, for (int i = 0; i < 100; i++) { while (*turn != 2 * i + 1) sched_yield(); ++*turn; });
    for (int i = 0; i < 100; i++) {
        while (*turn != 2 * i) sched_yield();
        ++*turn;
    }
    EXITS(pid, 0);
}

/* ---- /proc ---- */

TEST(proc_self_stat_tells_pid_and_parent) {
    int pid, parent, group, session;
    char state;
    CHECK(sscanf(strrchr(content("/proc/self/stat"), ')'), ") %c %d %d %d", &state, &parent, &group, &session) == 4);
    CHECK(sscanf(content("/proc/self/stat"), "%d (", &pid) == 1 && pid == getpid());
    CHECK(state == 'R' && parent == getppid() && group == getpgrp() && session == getsid(0));
}
TEST(proc_has_the_living_only) {
    char path[40];
    CHILD(pid, );
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    pass(10000000);
    CHECK(strstr(content(path), ") Z "));
    EXITS(pid, 0);
    FAILS(open(path, O_RDONLY), ENOENT);
    FAILS(open("/proc/999999/stat", O_RDONLY), ENOENT);
    FAILS(open("/proc/self/missing", O_RDONLY), ENOENT);
}
TEST(proc_self_fd_follows_open_files) {
    char link[64], text[256] = { 0 };
    int fd = open("seen", O_CREAT | O_RDWR, 0644);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, text, sizeof text - 1);
    CHECK(n > 5 && !strcmp(text + n - 5, "/seen"));
    WORKS(unlink("seen"));
    n = readlink(link, text, sizeof text - 1);
    CHECK(n > 10 && !strcmp(text + n - 10, " (deleted)"));
    int again = open(link, O_RDWR);             /* opens what has no name any more */
    CHECK(again >= 0 && write(again, "x", 1) == 1 && pread(fd, text, 1, 0) == 1);
}
TEST(proc_self_fd_lists_descriptors) {
    DIR *d = opendir("/proc/self/fd");
    GIVES(dup2(0, 77), 77);
    bool found = false;
    for (struct dirent *e; (e = readdir(d));) found |= !strcmp(e->d_name, "77");
    CHECK(found);
}
TEST(proc_self_exe_leads_to_the_program) {
    char text[256] = { 0 };
    CHECK(readlink("/proc/self/exe", text, sizeof text - 1) > 0 && text[0] == '/');
    struct stat a, b;
    WORKS(stat("/proc/self/exe", &a));
    WORKS(stat(text, &b));
    CHECK(a.st_ino == b.st_ino && S_ISREG(a.st_mode));
}
TEST(proc_self_cwd_and_root_lead_there) {
    char text[256] = { 0 }, here[256];
    CHECK(readlink("/proc/self/cwd", text, sizeof text - 1) > 0 && getcwd(here, sizeof here) && !strcmp(text, here));
    CHECK(readlink("/proc/self/root", text, sizeof text - 1) == 1 && text[0] == '/');
}
TEST(proc_self_cmdline_has_the_arguments) {
    CHILD(pid, execl("/bin/sleep", "sleep", "20", NULL));
    char path[40];
    const char *text = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    for (int i = 0; i < 100 && memcmp(text, "sleep\0" "20", 9); i++) pass(5000000), text = content(path);
    CHECK(!memcmp(text, "sleep\0" "20", 9));
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}
TEST(proc_self_status_tells_ids) {
    WORKS(syscall(SYS_setresgid, 4, 5, 6));
    CHECK(strstr(content("/proc/self/status"), "\nGid:\t4\t5\t6\t5\n"));
    WORKS(syscall(SYS_setresuid, 1, 0, 3));
    CHECK(strstr(content("/proc/self/status"), "\nUid:\t1\t0\t3\t0\n"));
}
TEST(proc_self_maps_shows_stack_and_protection) {
    char *p = pages(3, PROT_READ), wanted[100], text[4096 * 4];
    WORKS(mprotect(p + PAGE, PAGE, PROT_READ | PROT_EXEC));
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += n;
    text[length] = 0;
    snprintf(wanted, sizeof wanted, "%lx-%lx r-xp 00000000 00:00 0", (long)p + PAGE, (long)p + 2 * PAGE);
    CHECK(strstr(text, wanted) && strstr(text, "[stack]"));
}
TEST(proc_meminfo_has_total_and_free) {
    long total, free;
    const char *text = content("/proc/meminfo");
    CHECK(sscanf(text, "MemTotal: %ld kB\nMemFree: %ld kB", &total, &free) == 2 && total > free && free > 0);
}
TEST(proc_uptime_and_loadavg_are_numbers) {
    double up, idle, load;
    CHECK(sscanf(content("/proc/uptime"), "%lf %lf", &up, &idle) == 2 && up > 0);
    int running, all, last;
    CHECK(sscanf(content("/proc/loadavg"), "%lf %*f %*f %d/%d %d", &load, &running, &all, &last) == 4 && running >= 1 && all >= running);
}
TEST(proc_cannot_be_written_into) {
    FAILS(mkdir("/proc/x", 0755), ENOENT);
    FAILS(unlink("/proc/self/stat"), EPERM);
    FAILS(open("/proc/x", O_CREAT | O_WRONLY, 0644), ENOENT);
    FAILS(symlink("x", "/proc/x"), ENOENT);
    FAILS(link("/proc/self/stat", "/proc/x"), ENOENT);
}
