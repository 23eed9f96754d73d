/* /proc's texts about the machine, in the formats of proc(5). */
#include "text.h"
#include "abi.h"
#include "block.h"
#include "device.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "mount.h"
#include "sched.h"
#include "net.h"
#include "ns.h"
#include "task.h"

#define TICK (NSEC_PER_SEC / 100)

static int make_meminfo(struct task *unused, struct text *out) {
    struct memory_stats m;
    memory_stats(&m);
    u64 dirty, buffers = block_cached_pages(), cached = cache_pages(&dirty);
    text_print(out, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n", m.total_pages * 4,
               m.free_pages * 4, (m.free_pages + buffers + cached - dirty) * 4);
    text_print(out, "Buffers:        %8lu kB\nCached:         %8lu kB\nDirty:          %8lu kB\nSwapCached:     %8lu kB\n",
               buffers * 4, cached * 4, dirty * 4, 0UL);
    text_print(out, "SwapTotal:      %8lu kB\nSwapFree:       %8lu kB\nShmem:          %8lu kB\nSReclaimable:   %8lu kB\n", 0UL, 0UL, 0UL, 0UL);
    return 0;
}

/* All memory in use when nothing is only cached: equal before and after something that kept none. */
static int make_frames(struct task *unused, struct text *out) {
    struct memory_stats m;
    struct heap_stats heap;
    vfs_sync();
    dentry_prune(NULL);
    reclaim(~0UL, NULL);
    memory_stats(&m);
    heap_stats(&heap);
    text_print(out, "frames %lu objects", m.total_pages - m.free_pages - heap.pages);
    for (int i = 0; i < HEAP_CLASSES; i++) text_print(out, " %lu", heap.objects[i]);
    return 0;
}

/* Since boot: of the living, and of the dead whom their parents counted. */
static struct times all_times(void) {
    struct process *p;
    struct times all = { 0 };
    for_each_process(p) {
        times_add(&all, process_times(p));
        times_add(&all, p->waited);
    }
    return all;
}
static void busy(u64 *user, u64 *system) {
    struct times all = all_times();
    *user = all.user;
    *system = all.run - all.user;
}

static int make_vmstat(struct task *unused, struct text *out) {
    struct memory_stats m;
    struct times all = all_times();
    u64 dirty, cached = cache_pages(&dirty);
    memory_stats(&m);
    text_print(out, "nr_free_pages %lu\nnr_file_pages %lu\nnr_dirty %lu\npgfault %lu\npgmajfault %lu\n", m.free_pages, cached + block_cached_pages(),
               dirty, all.minor_faults, all.major_faults);
    return 0;
}

static int make_uptime(struct task *unused, struct text *out) {
    u64 user, system, now = ktime();
    busy(&user, &system);
    u64 idle = now - MIN(now, user + system);
    text_print(out, "%lu.%02lu %lu.%02lu\n", now / NSEC_PER_SEC, now / TICK % 100, idle / NSEC_PER_SEC, idle / TICK % 100);
    return 0;
}

static int make_stat(struct task *unused, struct text *out) {
    u64 user, system, now = ktime();
    busy(&user, &system);
    u64 idle = now - MIN(now, user + system);
    for (int i = 0; i < 2; i++)
        text_print(out, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", i ? "cpu0" : "cpu ", user / TICK, system / TICK, idle / TICK);
    int running = 0, blocked = 0, highest = 0;
    struct process *p;
    struct task *t;
    for_each_process(p) for_each_thread(t, p) {
        running += t->state == TASK_RUNNING;
        blocked += t->state == TASK_BLOCKED;
        highest = MAX(highest, t->pid);
    }
    text_print(out, "intr 0\nctxt 0\nbtime %lu\nprocesses %d\nprocs_running %d\nprocs_blocked %d\n",
               (real_time() - now) / NSEC_PER_SEC, highest, running, blocked);
    return 0;
}

static int make_version(struct task *unused, struct text *out) {
    const struct utsname *uts = &current->nsproxy->uts->name;
    text_print(out, "%s version %s %s\n", uts->sysname, uts->release, uts->version);
    return 0;
}

static int make_loadavg(struct task *unused, struct text *out) {
    int running = 0, all = 0, last = 0;
    struct process *p;
    struct task *t;
    for_each_process(p) for_each_thread(t, p) {
        running += t->state == TASK_RUNNING;
        all++;
        last = t->pid;
    }
    /* No averages are kept: three times the present. */
    for (int i = 0; i < 3; i++) text_print(out, "%d.00 ", running);
    text_print(out, "%d/%d %d\n", running, all, last);
    return 0;
}

static int make_cpuinfo(struct task *unused, struct text *out) {
    u32 r[4], brand[13] = { 0 };
    cpuid(0, 0, r);
    text_print(out, "processor\t: 0\nvendor_id\t: %.4s%.4s%.4s\n", (char *)&r[1], (char *)&r[3], (char *)&r[2]);
    cpuid(1, 0, r);
    u32 family = r[0] >> 8 & 15, model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0), edx = r[3], ecx = r[2];
    if (family == 15) family += r[0] >> 20 & 0xff;
    text_print(out, "cpu family\t: %u\nmodel\t\t: %u\n", family, model);
    cpuid(0x80000000, 0, r);
    if (r[0] >= 0x80000004)
        for (int i = 0; i < 3; i++) cpuid(0x80000002 + i, 0, brand + i * 4);
    text_print(out, "model name\t: %s\nstepping\t: 0\nflags\t\t:", (char *)brand);
    static const struct { u8 bit; const char *name; } in_edx[] = {
        { 0, "fpu" }, { 4, "tsc" }, { 5, "msr" }, { 6, "pae" }, { 8, "cx8" }, { 9, "apic" }, { 11, "sep" }, { 13, "pge" },
        { 15, "cmov" }, { 16, "pat" }, { 23, "mmx" }, { 24, "fxsr" }, { 25, "sse" }, { 26, "sse2" },
    }, in_ecx[] = { { 0, "pni" }, { 13, "cx16" }, { 23, "popcnt" }, { 30, "rdrand" }, { 31, "hypervisor" } };
    for (size_t i = 0; i < ARRAY_SIZE(in_edx); i++)
        if (edx >> in_edx[i].bit & 1) text_print(out, " %s", in_edx[i].name);
    for (size_t i = 0; i < ARRAY_SIZE(in_ecx); i++)
        if (ecx >> in_ecx[i].bit & 1) text_print(out, " %s", in_ecx[i].name);
    text_print(out, "\n\n");
    return 0;
}

static int make_filesystems(struct task *unused, struct text *out) {
    for (struct filesystem *fs = filesystems; fs; fs = fs->next)
        text_print(out, "%s\t%s\n", fs->needs_device ? "" : "nodev", fs->name);
    return 0;
}

static int make_cmdline(struct task *unused, struct text *out) {
    const char *line = cmdline_text();
    text_add(out, line, strlen(line));
    text_add(out, "\n", 1);
    return 0;
}

static int make_partitions(struct task *unused, struct text *out) {
    text_print(out, "major minor  #blocks  name\n\n");
    for (struct block_device *d = block_devices; d; d = d->next)
        text_print(out, "%4u %8u %10lu %s\n", MAJOR(d->dev), MINOR(d->dev), d->sectors / 2, d->name);
    return 0;
}

static int make_self(struct task *unused, struct text *out) { return text_print(out, "%d", pid_in(out->pid_ns, current->tgid)), 0; }
static int make_thread_self(struct task *unused, struct text *out) { return text_print(out, "%d/task/%d", pid_in(out->pid_ns, current->tgid), pid_in(out->pid_ns, current->pid)), 0; }
static int make_self_mounts(struct task *unused, struct text *out) { return text_print(out, "self/mounts"), 0; }

static int make_hostname(struct task *unused, struct text *out) { return text_print(out, "%s\n", current->nsproxy->uts->name.nodename), 0; }
static int store_hostname(struct task *unused, char *name) {
    struct uts_ns *uts = current->nsproxy->uts;
    if (!ns_capable(uts->ns.owner, CAP_SYS_ADMIN)) return -EPERM;   /* check: accesstests */
    strlcpy(uts->name.nodename, name, sizeof(uts->name.nodename));
    return 0;
}
static int make_ostype(struct task *unused, struct text *out) { return text_print(out, "%s\n", current->nsproxy->uts->name.sysname), 0; }
static int make_osrelease(struct task *unused, struct text *out) { return text_print(out, "%s\n", current->nsproxy->uts->name.release), 0; }
static int make_pid_max(struct task *unused, struct text *out) { return text_print(out, "%d\n", PID_MAX), 0; }
static int make_last_cap(struct task *unused, struct text *out) { return text_print(out, "%d\n", 40), 0; }
static int make_zero(struct task *unused, struct text *out) { return text_print(out, "0\n"), 0; }

/* Random, version 4. */
static int add_uuid(struct text *out, u8 u[16]) {
    for (int i = 0; i < 16; i++) text_print(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", i == 6 ? (u[i] & 15) | 0x40 : i == 8 ? (u[i] & 63) | 128 : u[i]);
    return text_print(out, "\n"), 0;
}
static int make_uuid(struct task *unused, struct text *out) {
    u8 bytes[16];
    random_bytes(bytes, sizeof(bytes));
    return add_uuid(out, bytes);
}
static int make_boot_id(struct task *unused, struct text *out) {
    static u8 bytes[16];
    static bool known;
    if (!known) random_bytes(bytes, sizeof(bytes));
    known = true;
    return add_uuid(out, bytes);
}

static int make_net(struct task *unused, struct text *out) { return text_print(out, "self/net"), 0; }
static int make_forward(struct task *unused, struct text *out) { return text_print(out, "%d\n", current->net->forward), 0; }
static int store_forward(struct task *unused, char *text) {
    if (!ns_capable(current->net->ns.owner, CAP_NET_ADMIN)) return -EPERM;
    if (strcmp(text, "0") && strcmp(text, "1")) return -EINVAL;
    current->net->forward = *text == '1';
    network_changed();
    return 0;
}

#define DIRECTORY(path) { path, S_IFDIR | 0555, NULL, NULL, NULL, PROC_NONE }
#define TEXT(path, make) { path, S_IFREG | 0444, make, NULL, NULL, PROC_NONE }
#define LINK(path, make) { path, S_IFLNK | 0777, make, NULL, NULL, PROC_NONE }

const struct proc_row proc_system_rows[] = {
    TEXT("meminfo", make_meminfo), TEXT("vmstat", make_vmstat), { "frames", S_IFREG | 0400, make_frames, NULL, NULL, PROC_NONE }, TEXT("uptime", make_uptime), TEXT("stat", make_stat), TEXT("version", make_version),
    TEXT("loadavg", make_loadavg), TEXT("cpuinfo", make_cpuinfo), TEXT("filesystems", make_filesystems),
    TEXT("cmdline", make_cmdline), TEXT("partitions", make_partitions), LINK("self", make_self),
    LINK("thread-self", make_thread_self), LINK("mounts", make_self_mounts), DIRECTORY("sys"), DIRECTORY("sys/kernel"),
    { "sys/kernel/hostname", S_IFREG | 0644, make_hostname, NULL, store_hostname, PROC_NONE },
    TEXT("sys/kernel/ostype", make_ostype), TEXT("sys/kernel/osrelease", make_osrelease), TEXT("sys/kernel/pid_max", make_pid_max),
    TEXT("sys/kernel/cap_last_cap", make_last_cap), DIRECTORY("sys/kernel/random"), TEXT("sys/kernel/random/boot_id", make_boot_id),
    TEXT("sys/kernel/random/uuid", make_uuid), LINK("net", make_net), DIRECTORY("sys/net"), DIRECTORY("sys/net/ipv4"),
    { "sys/net/ipv4/ip_forward", S_IFREG | 0644, make_forward, NULL, store_forward, PROC_NONE }, DIRECTORY("sys/vm"), TEXT("sys/vm/overcommit_memory", make_zero), { 0 },
};

const struct proc_row sysfs_rows[] = {
    DIRECTORY("block"), DIRECTORY("bus"), DIRECTORY("class"), DIRECTORY("class/net"), DIRECTORY("devices"), DIRECTORY("devices/system"),
    DIRECTORY("devices/system/cpu"), TEXT("devices/system/cpu/online", make_zero), TEXT("devices/system/cpu/possible", make_zero),
    TEXT("devices/system/cpu/present", make_zero), DIRECTORY("fs"), DIRECTORY("fs/cgroup"), DIRECTORY("kernel"), { 0 },
};
