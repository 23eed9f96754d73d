/* System calls on the machine and on a process's settings: names, limits, scheduling, power. */
#include "abi.h"
#include "arch.h"
#include "device.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

long sys_sysinfo(struct sysinfo *to) {
    struct memory_stats m;
    struct process *p;
    struct task *t;
    memory_stats(&m);
    struct sysinfo info = { .uptime = ktime() / NSEC_PER_SEC, .totalram = m.total_pages, .freeram = m.free_pages, .mem_unit = PAGE_SIZE };
    for_each_process(p) for_each_thread(t, p) info.procs++;
    return put_user(info, to);
}

/* ---- power ------------------------------------------------------------------------------------------ */

#define REBOOT_MAGIC 0xfee1dead
#define REBOOT_RESTART 0x01234567
#define REBOOT_HALT 0xcdef0123
#define REBOOT_POWER_OFF 0x4321fedc
#define REBOOT_CAD_ON 0x89abcdef
#define REBOOT_CAD_OFF 0

long sys_reboot(u32 magic, u32 magic2, u32 command, void *argument) {
    if (!capable(CAP_SYS_BOOT)) return -EPERM;   /* check: captests */
    if (magic != REBOOT_MAGIC || (magic2 != 672274793 && magic2 != 85072278 && magic2 != 369367448 && magic2 != 537993216)) return -EINVAL;
    switch (command) {
    case REBOOT_CAD_ON: case REBOOT_CAD_OFF: return 0; /* there is no keyboard whose keys could do it */
    case REBOOT_RESTART:
        vfs_sync();
        outb(0x64, 0xfe);
        return -EIO;
    case REBOOT_HALT: case REBOOT_POWER_OFF:
        vfs_sync();
        machine_exit(0);
    default: return -EINVAL;
    }
}

/* ---- the calling process ---------------------------------------------------------------------------- */

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

long sys_arch_prctl(int option, u64 addr) {
    struct task *t = current;
    switch (option) {
    case ARCH_SET_FS:
        if (addr >= USER_TOP) return -EPERM;
        t->fs_base = addr;
        wrmsr(MSR_FS_BASE, addr);
        return 0;
    case ARCH_SET_GS:
        if (addr >= USER_TOP) return -EPERM;
        t->gs_base = addr;
        wrmsr(MSR_KERNEL_GS_BASE, addr);    /* becomes GS by SWAPGS on the way out */
        return 0;
    case ARCH_GET_FS: return put_user(t->fs_base, (u64 *)addr);
    case ARCH_GET_GS: return put_user(t->gs_base, (u64 *)addr);
    default: return -EINVAL;
    }
}

#define PR_SET_PDEATHSIG 1
#define PR_GET_DUMPABLE 3
#define PR_SET_DUMPABLE 4
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_SET_NAME 15
#define PR_GET_NAME 16
#define PR_GET_SECCOMP 21
#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38
#define PR_GET_NO_NEW_PRIVS 39

long sys_prctl(int option, u64 a, u64 b, u64 c, u64 d) {
    struct task *t = current;
    char name[16] = { 0 };
    ssize_t n;
    switch (option) {
    case PR_GET_DUMPABLE: return t->mm->dumpable;
    case PR_SET_DUMPABLE: return a > 1 ? -EINVAL : (t->mm->dumpable = a, 0);
    case PR_SET_CHILD_SUBREAPER: return t->process->subreaper = a, 0;
    case PR_GET_CHILD_SUBREAPER: return put_user((int)t->process->subreaper, (int *)a);
    case PR_SET_NAME:
        n = strncpy_from_user(name, (char *)a, sizeof(name));
        if (n < 0 && n != -ENAMETOOLONG) return n;
        strlcpy(t->comm, name, sizeof(t->comm) - (n < 0));
        if (n < 0) memcpy(t->comm, name, sizeof(t->comm) - 1), t->comm[15] = 0;
        return 0;
    case PR_GET_NAME:
        memcpy(name, t->comm, sizeof(name));
        return copy_to_user((char *)a, name, sizeof(name));
    case PR_GET_SECCOMP: return t->seccomp;
    case PR_SET_SECCOMP: return a == 1 || a == 2 ? sys_seccomp(a - 1, 0, a == 1 ? NULL : (void *)b) : -EINVAL;
    case PR_SET_NO_NEW_PRIVS:
        if (a != 1 || b || c || d) return -EINVAL;
        t->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS: return a || b || c || d ? -EINVAL : t->no_new_privs;
    default: return capability_prctl(option, a, b, c | d);
    }
}

long sys_sched_yield(void) {
    schedule();
    return 0;
}

long sys_sched_getaffinity(pid_t pid, size_t size, u64 *mask) {
    u64 one = 1;
    if (pid && !task_find_here(pid)) return -ESRCH;
    if (size < sizeof(one) || size % sizeof(one)) return -EINVAL;
    return put_user(one, mask) ? -EFAULT : (long)sizeof(one);
}

long sys_getcpu(unsigned *cpu, unsigned *node, void *unused) {
    unsigned zero = 0;
    return (cpu && put_user(zero, cpu)) || (node && put_user(zero, node)) ? -EFAULT : 0;
}

#define GRND_NONBLOCK 1
#define GRND_RANDOM 2
#define GRND_INSECURE 4

long sys_getrandom(void *buf, size_t count, unsigned flags) {
    u8 block[256];
    if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
    size_t done = 0;
    for (count = MIN(count, 0x2000000UL); done < count;) {
        size_t n = MIN(count - done, sizeof(block));
        random_bytes(block, n);
        if (copy_to_user((u8 *)buf + done, block, n)) return done ? (long)done : -EFAULT;
        done += n;
    }
    return done;
}

/* ---- limits ----------------------------------------------------------------------------------------- */

long sys_prlimit64(pid_t pid, unsigned resource, const u64 *limit, u64 *old) {
    struct process *p = pid ? process_find_here(pid) : current->process;
    u64 new[2], before[2];
    if (!p) return -ESRCH;
    if (resource >= ARRAY_SIZE(p->rlimit)) return -EINVAL;
    if (p != current->process && p->leader->cred.uid != current->cred.uid && !capable(CAP_SYS_RESOURCE)) return -EPERM;   /* check: accesstests */
    memcpy(before, p->rlimit[resource], sizeof(before));
    if (limit) {
        if (copy_from_user(new, limit, sizeof(new))) return -EFAULT;
        if (new[0] > new[1]) return -EINVAL;
        if (new[1] > before[1] && !capable(CAP_SYS_RESOURCE)) return -EPERM;   /* check: captests */
        if (resource == RLIMIT_NOFILE && new[1] > FILES_MAX) return -EPERM;
    }
    if (old && copy_to_user(old, before, sizeof(before))) return -EFAULT;
    if (limit) memcpy(p->rlimit[resource], new, sizeof(new));
    return 0;
}

long sys_getrlimit(unsigned resource, u64 *limit) { return limit ? sys_prlimit64(0, resource, NULL, limit) : -EFAULT; }

long sys_setrlimit(unsigned resource, const u64 *limit) { return limit ? sys_prlimit64(0, resource, limit, NULL) : -EFAULT; }
