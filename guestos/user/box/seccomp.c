/* The default filter: a list of system calls that a container's processes may make, as a search tree in classic BPF. */
#include "box.h"
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define LAST 462                        /* greater numbers are calls that this table doesn't know: ENOSYS, so that programs do without */
#define NEW_NAMESPACES 0x7e020000       /* clone's flags */
#define ARCH 0xc000003e

/* Numbers from, to; all but what reaches past the container: modules, mounts, namespaces, keys, clocks, kexec, bpf, io_uring ... */
static const short allowed[][2] = {
    { 0, 102 }, { 104, 133 }, { 137, 138 }, { 140, 152 }, { 154, 154 }, { 157, 160 }, { 162, 162 }, { 186, 211 }, { 213, 226 }, { 228, 235 },
    { 240, 245 }, { 247, 247 }, { 251, 255 }, { 257, 271 }, { 273, 278 }, { 280, 297 }, { 299, 299 }, { 302, 302 }, { 306, 307 }, { 309, 311 },
    { 314, 319 }, { 322, 322 }, { 324, 334 }, { 424, 424 }, { 434, 434 }, { 436, 437 }, { 439, 441 }, { 444, 446 }, { 448, 452 },
};
/* What a capability brings. */
static const struct { short from, to, capability; } more[] = {
    { 155, 155, CAP_SYS_ADMIN }, { 161, 161, CAP_SYS_CHROOT }, { 165, 166, CAP_SYS_ADMIN }, { 170, 171, CAP_SYS_ADMIN }, { 272, 272, CAP_SYS_ADMIN },
    { 308, 308, CAP_SYS_ADMIN }, { 428, 433, CAP_SYS_ADMIN }, { 442, 442, CAP_SYS_ADMIN }, { 103, 103, CAP_SYSLOG }, { 169, 169, CAP_SYS_BOOT },
    { 227, 227, CAP_SYS_TIME }, { 164, 164, CAP_SYS_TIME }, { 305, 305, CAP_SYS_TIME }, { 172, 173, CAP_SYS_RAWIO }, { 163, 163, CAP_SYS_PACCT },
    { 304, 304, CAP_DAC_READ_SEARCH }, { 312, 312, CAP_SYS_PTRACE }, { 438, 438, CAP_SYS_PTRACE }, { 237, 239, CAP_SYS_NICE },
};
enum { ALLOW = SECCOMP_RET_ALLOW, DENY = SECCOMP_RET_ERRNO | EPERM, UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS, CLONE = 1 };

static struct sock_filter code[512];
static int length;
static struct { int from; uint32_t verdict; } parts[256];

static void emit(int op, uint32_t k, int yes, int no) { code[length++] = (struct sock_filter){ op, yes, no, k }; }

/* The verdict for a number between the starts of these parts. */
static void search(int first, int last) {
    if (first == last && parts[first].verdict == CLONE) {
        emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args), 0, 0);
        emit(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1);
        emit(BPF_RET | BPF_K, DENY, 0, 0);
        emit(BPF_RET | BPF_K, ALLOW, 0, 0);
    } else if (first == last) emit(BPF_RET | BPF_K, parts[first].verdict, 0, 0);
    else {
        int middle = (first + last + 1) / 2, at = length;
        emit(BPF_JMP | BPF_JGE | BPF_K, parts[middle].from, 0, 0);
        search(first, middle - 1);
        if (length - at - 1 > 255) die("the system call filter is too long");
        code[at].jt = length - at - 1;
        search(middle, last);
    }
}

void seccomp_install(uint64_t capabilities) {
    static uint32_t verdict[LAST + 2];
    int count = 0;
    for (int i = 0; i <= LAST; i++) verdict[i] = DENY;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        for (int n = allowed[i][0]; n <= allowed[i][1]; n++) verdict[n] = ALLOW;
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        for (int n = more[i].from; n <= more[i].to; n++) if (capabilities >> more[i].capability & 1) verdict[n] = ALLOW;
    bool admin = capabilities >> CAP_SYS_ADMIN & 1;
    verdict[56] = admin ? ALLOW : CLONE;
    verdict[435] = admin ? ALLOW : UNKNOWN;             /* clone3: its flags are in memory, where a filter can't look */
    verdict[LAST + 1] = UNKNOWN;
    for (int i = 0; i <= LAST + 1; i++) if (!i || verdict[i] != verdict[i - 1]) parts[count].from = i, parts[count++].verdict = verdict[i];
    length = 0;
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    emit(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    emit(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    search(0, count - 1);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &(struct sock_fprog){ length, code })) die_errno("%s", "can't install the system call filter");
}
