/* Capabilities and their borders: what each set does at exec and at a change of user, what each capability opens, and
 * what a user namespace's root may do with mounts, namespaces and numbers. Properties of their numbers: C18 to C28, C34. */
#include "scratch.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

typedef unsigned long long set;
#define BIT(c) (1ULL << (c))
#define IN_NEW(flags, ...) ({ int pid_ = syscall(SYS_clone, (flags) | SIGCHLD, 0, 0, 0, 0); if (!pid_) { __VA_ARGS__; _exit(0); } pid_; })
#define HOLDS_IN(flags, ...) CHECK(exit_of(IN_NEW(flags, __VA_ARGS__)) == 0)

static set all_capabilities;                /* that we have */
#define EVERY (BIT(41) - 1)                 /* that a new user namespace's root has */
struct sets { set effective, permitted, inheritable, ambient, bounding; };

static struct sets sets_now(void) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];
    struct sets s = { 0 };
    CHECK(syscall(SYS_capget, &h, d) == 0);
    s.effective = d[0].effective | (set)d[1].effective << 32;
    s.permitted = d[0].permitted | (set)d[1].permitted << 32;
    s.inheritable = d[0].inheritable | (set)d[1].inheritable << 32;
    for (int c = 0; c <= 40; c++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1) s.ambient |= BIT(c);
        if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) s.bounding |= BIT(c);
    }
    return s;
}
static int set_sets(set effective, set permitted, set inheritable) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2] = { { effective, permitted, inheritable }, { effective >> 32, permitted >> 32, inheritable >> 32 } };
    return syscall(SYS_capset, &h, d);
}
/* What a program has after exec of `path`. */
static struct sets after_exec(const char *path) {
    struct sets s;
    int p[2];
    CHECK(pipe(p) == 0);
    int pid = fork();
    if (!pid) {
        dup2(p[1], 9);
        execl(path, "captests", "-sets", NULL);
        _exit(9);
    }
    close(p[1]);
    CHECK(read(p[0], &s, sizeof s) == sizeof s && exit_of(pid) == 0);
    close(p[0]);
    return s;
}
static const char *const self = "/proc/self/exe";
static void become(int uid) { CHECK(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0); }
/* A user with these capabilities and no others. */
static void become_with(int uid, set capabilities) {
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    become(uid);
    CHECK(set_sets(capabilities, capabilities, 0) == 0);
}
static int put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY), n, e;
    if (fd < 0) return -1;
    n = write(fd, text, strlen(text)), e = errno;
    close(fd), errno = e;
    return n < 0 ? -1 : 0;
}
static void copy_self(const char *to, int mode) {
    char block[8192];
    int from = open(self, O_RDONLY), fd = open(to, O_CREAT | O_EXCL | O_WRONLY, 0755);
    CHECK(from >= 0 && fd >= 0);
    for (ssize_t n; (n = read(from, block, sizeof block)) > 0;) CHECK(write(fd, block, n) == n);
    CHECK(fchmod(fd, mode) == 0 && close(fd) == 0 && close(from) == 0);
}
/* ---- the five sets ---- */

static void no_new_privs_gives_nothing_back(void) {
    CHECK(set_sets(BIT(CAP_NET_RAW), BIT(CAP_NET_RAW), 0) == 0);
    CHECK(after_exec(self).permitted == all_capabilities);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    struct sets s = after_exec(self);
    CHECK(s.permitted == BIT(CAP_NET_RAW) && s.effective == BIT(CAP_NET_RAW));
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
}

static void root_is_a_name_under_noroot(void) {
    CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0) == 0 && prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == SECBIT_NOROOT);
    struct sets s = after_exec(self);
    CHECK(!s.permitted && !s.effective && s.bounding == all_capabilities);
}

static void locked_bits_stay(void) {
    CHECK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0) == 0);
    FAILS(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), EPERM);
    FAILS(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), EPERM);
    FAILS(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0), EPERM);
    FAILS(prctl(PR_SET_SECUREBITS, 1 << 20, 0, 0, 0), EPERM);
    FAILS(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0), EINVAL);
    become(1000);
    CHECK(sets_now().effective == all_capabilities);
}

static void kept_capabilities_end_at_exec(void) {
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 1);
    become(1000);
    struct sets s = sets_now();
    CHECK(s.permitted == all_capabilities && !s.effective);
    s = after_exec(self);
    CHECK(!s.permitted && !s.effective);
    CHECK(setuid(0) == -1 && errno == EPERM);
}

static void effective_capabilities_follow_the_effective_user(void) {
    CHECK(setresuid(-1, 1000, -1) == 0);
    struct sets s = sets_now();
    CHECK(!s.effective && s.permitted == all_capabilities);
    CHECK(setresuid(-1, 0, -1) == 0 && sets_now().effective == all_capabilities);
    CHECK(setresuid(1000, 1000, 1000) == 0 && !sets_now().permitted);
    FAILS(setresuid(0, -1, -1), EPERM);
}

static void what_may_be_inherited_is_bounded(void) {
    CHECK(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0) == 0);
    set rest = all_capabilities & ~BIT(CAP_CHOWN);
    FAILS(set_sets(all_capabilities, all_capabilities, BIT(CAP_CHOWN)), EPERM);
    CHECK(set_sets(rest, rest, rest) == 0);
    CHECK(set_sets(0, BIT(CAP_KILL), BIT(CAP_KILL)) == 0);
    FAILS(set_sets(0, BIT(CAP_KILL), BIT(CAP_KILL) | BIT(CAP_SETUID)), EPERM);
    FAILS(set_sets(BIT(CAP_SETUID), BIT(CAP_KILL), 0), EPERM);
    FAILS(set_sets(0, BIT(CAP_KILL) | BIT(CAP_SETUID), 0), EPERM);
    FAILS(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0), EPERM);
    FAILS(prctl(PR_CAPBSET_READ, 63, 0, 0, 0), EINVAL);
}

/* As in CVE-2022-27649: a container's programs were given inheritable capabilities beyond the bounding set. */
static void inherited_capabilities_defeat_the_bounding_set(void) {
    CHECK(set_sets(all_capabilities, all_capabilities, BIT(CAP_NET_RAW)) == 0 && prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0) == 0);
    CHECK(after_exec(self).permitted & BIT(CAP_NET_RAW));
    CHECK(set_sets(all_capabilities, all_capabilities, 0) == 0);
    CHECK(!(after_exec(self).permitted & BIT(CAP_NET_RAW)));
}

static void ambient_capabilities_have_conditions(void) {
    FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
    CHECK(set_sets(all_capabilities, all_capabilities, BIT(CAP_KILL) | BIT(CAP_CHOWN)) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
    CHECK(set_sets(all_capabilities, all_capabilities, BIT(CAP_KILL)) == 0 && sets_now().ambient == BIT(CAP_KILL));
    FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 63, 0, 0), EINVAL);
    FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
    FAILS(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0), EINVAL);
    HOLDS_IN(0, become(1000); CHECK(!sets_now().ambient));
    HOLDS_IN(0, CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && !sets_now().ambient));
    CHECK(prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0, 0) == 0);
    FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM);
}

static void set_id_programs_lose_ambient_ones(void) {
    alone();
    copy_self("plain", 0755), copy_self("theirs", 0755);
    CHECK(chown("theirs", 7, 7) == 0 && chmod("theirs", 04755) == 0);
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    become(1000);
    CHECK(set_sets(BIT(CAP_KILL), BIT(CAP_KILL), BIT(CAP_KILL)) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0);
    struct sets s = after_exec("plain");
    CHECK(s.effective == BIT(CAP_KILL) && s.permitted == BIT(CAP_KILL) && s.ambient == BIT(CAP_KILL));
    s = after_exec("theirs");
    CHECK(!s.effective && !s.permitted && !s.ambient && s.inheritable == BIT(CAP_KILL));
}

static set status_field(const char *name) {
    char text[4096] = "", *at;
    int fd = open("/proc/self/status", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && close(fd) == 0 && (at = strstr(text, name)));
    return strtoull(at + strlen(name), NULL, strncmp(name, "\nCap", 4) ? 10 : 16);
}
static void proc_tells_the_sets(void) {
    CHECK(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0) == 0);
    CHECK(set_sets(BIT(CAP_KILL), BIT(CAP_KILL) | BIT(CAP_SETUID) | BIT(40), BIT(CAP_SETUID)) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0);
    CHECK(status_field("\nCapInh:") == BIT(CAP_SETUID) && status_field("\nCapPrm:") == (BIT(CAP_KILL) | BIT(CAP_SETUID) | BIT(40)));
    CHECK(status_field("\nCapEff:") == BIT(CAP_KILL) && status_field("\nCapBnd:") == (all_capabilities & ~BIT(CAP_CHOWN)));
    CHECK(status_field("\nCapAmb:") == BIT(CAP_SETUID) && status_field("\nNoNewPrivs:") == 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && status_field("\nNoNewPrivs:") == 1);
}

/* ---- each capability opens its door, and without it the door is shut ---- */

static int victim;
static int open_chown(void) { return chown("f", 1, 1); }
static int open_override(void) { int fd = open("f", O_RDWR); return fd < 0 ? -1 : close(fd); }
static int open_search(void) { int fd = open("f", O_RDONLY); return fd < 0 ? -1 : close(fd); }
static int open_fowner(void) { return chmod("f", 0600); }
static int open_kill(void) { return kill(victim, 0); }
static int open_setgid(void) { return setgid(5); }
static int open_groups(void) { return setgroups(0, NULL); }
static int open_setuid(void) { return setuid(5); }
static int open_setpcap(void) { return prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0); }
static int open_port(void) {
    struct sockaddr_in a = { AF_INET, htons(81) };
    int s = socket(AF_INET, SOCK_STREAM, 0), result = bind(s, (void *)&a, sizeof a);
    return close(s), result;
}
static int open_chroot(void) { return chroot("/"); }
static int open_mount(void) { return mount("x", "d", "tmpfs", 0, NULL); }
static int open_hostname(void) { return sethostname("x", 1); }
static int open_unshare(void) { return unshare(CLONE_NEWIPC); }
static int open_mknod(void) { return mknod("n", S_IFCHR | 0666, 0x103); }
static int open_limit(void) { struct rlimit l; getrlimit(RLIMIT_NOFILE, &l); l.rlim_max++; return prlimit(0, RLIMIT_NOFILE, &l, NULL); }
static int open_nice(void) { return setpriority(PRIO_PROCESS, 0, -5); }
static int open_process(void) { char path[64]; sprintf(path, "/proc/%d/ns/net", victim); int fd = open(path, O_RDONLY); return fd < 0 ? -1 : close(fd); }

static const struct { int capability, error; int (*open)(void); } doors[] = {
    { CAP_CHOWN, EPERM, open_chown }, { CAP_DAC_OVERRIDE, EACCES, open_override }, { CAP_DAC_READ_SEARCH, EACCES, open_search },
    { CAP_FOWNER, EPERM, open_fowner }, { CAP_KILL, EPERM, open_kill }, { CAP_SETGID, EPERM, open_setgid }, { CAP_SETGID, EPERM, open_groups },
    { CAP_SETUID, EPERM, open_setuid }, { CAP_SETPCAP, EPERM, open_setpcap }, { CAP_NET_BIND_SERVICE, EACCES, open_port },
    { CAP_SYS_CHROOT, EPERM, open_chroot }, { CAP_SYS_ADMIN, EPERM, open_mount }, { CAP_SYS_ADMIN, EPERM, open_hostname },
    { CAP_SYS_ADMIN, EPERM, open_unshare }, { CAP_MKNOD, EPERM, open_mknod }, { CAP_SYS_RESOURCE, EPERM, open_limit },
    { CAP_SYS_NICE, EACCES, open_nice }, { CAP_SYS_PTRACE, EACCES, open_process },
};
static void doors_open_to_their_capability(void) {
    alone();
    CHECK(unshare(CLONE_NEWUTS | CLONE_NEWNET) == 0 && close(open("f", O_CREAT | O_WRONLY, 0600)) == 0 && chmod("f", 0600) == 0);
    CHECK(mkdir("d", 0777) == 0 && setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 100, 100 }) == 0);
    victim = fork();
    if (!victim) for (;;) pause();
    for (int i = 0; i < sizeof doors / sizeof *doors; i++) {
        if (!(all_capabilities & BIT(doors[i].capability))) continue;     /* this Linux keeps it from us */
        CHECK(chown("f", 0, 0) == 0);
        HOLDS_IN(0, become_with(1000, all_capabilities & ~BIT(doors[i].capability) &
                     ~(doors[i].error == EACCES && doors[i].capability < 3 ? BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) : 0));
            FAILS(doors[i].open(), doors[i].error));
        HOLDS_IN(0, become_with(1000, BIT(doors[i].capability)); CHECK(doors[i].open() == 0));
    }
    kill(victim, SIGKILL);
}

/* ---- a user namespace's border ---- */

/* A child that is root of a new user namespace with this map, with the other namespaces of `flags` new, too. */
#define MAPPED(flags, map, ...) do { \
        int to_[2]; char path_[64], byte_ = 0; \
        CHECK(pipe(to_) == 0); \
        int child_ = IN_NEW((flags) | CLONE_NEWUSER, CHECK(read(to_[0], &byte_, 1) == 1); CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0); __VA_ARGS__); \
        sprintf(path_, "/proc/%d/uid_map", child_); CHECK(put_text(path_, map) == 0); \
        sprintf(path_, "/proc/%d/gid_map", child_); CHECK(put_text(path_, map) == 0); \
        CHECK(write(to_[1], "x", 1) == 1 && exit_of(child_) == 0); close(to_[0]), close(to_[1]); \
    } while (0)

static void its_root_is_nobody_outside(void) {
    alone();
    int outsider = fork();
    if (!outsider) for (;;) pause();
    CHECK(close(open("f", O_CREAT | O_WRONLY, 0600)) == 0 && mkdir("d", 0755) == 0);
    MAPPED(0, "0 1000 100",
        CHECK(sets_now().effective == EVERY);
        FAILS(kill(outsider, SIGKILL), EPERM);
        FAILS(open("f", O_RDONLY), EACCES);
        FAILS(mkdir("d/x", 0755), EACCES);
        FAILS(chown("f", 0, 0), EPERM);
        FAILS(open_limit(), EPERM);
        FAILS(open_mknod(), EPERM);
        FAILS(mount("x", "d", "tmpfs", 0, NULL), EPERM);
        FAILS(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), EPERM);
        FAILS(open_port(), EACCES);
        FAILS(sethostname("x", 1), EPERM);
        CHECK(chroot("/tmp") == 0));
    CHECK(kill(outsider, SIGKILL) == 0);
}

static void numbers_change_at_the_border(void) {
    int s[2], pass = 1;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &pass, sizeof pass) == 0);
    CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &pass, sizeof pass) == 0);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
    union { char space[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr head; } control;
    char text[16];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    CHECK(send(s[0], "outside", 7, 0) == 7);
    int parent = getpid();
    MAPPED(0, "0 1000 100\n200 0 1",
        CHECK(getauxval(AT_UID) != 4711);
        CHECK(recvmsg(s[1], &m, 0) == 7);
        struct ucred *c = (void *)CMSG_DATA(&control.head);
        CHECK(c->uid == 200 && c->gid == 200 && c->pid == parent);
        struct ucred peer; socklen_t n = sizeof peer; int own[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, own) == 0 && getsockopt(own[0], SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.uid == 0);
        CHECK(setresuid(7, 7, 7) == 0 && send(s[1], "in", 2, 0) == 2));
    m.msg_controllen = sizeof control;
    CHECK(recvmsg(s[0], &m, 0) == 2);
    struct ucred *c = (void *)CMSG_DATA(&control.head);
    CHECK(c->uid == 1007 && c->gid == 1000);
}

static void programs_are_told_their_numbers(void) {
    MAPPED(0, "0 1000 100", execl(self, "captests", "-ids", "0", NULL));
    HOLDS_IN(0, CHECK(unshare(CLONE_NEWUSER) == 0); execl(self, "captests", "-ids", "65534", NULL));
}

static void senders_are_told_as_the_receiver_knows_them(void) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigprocmask(SIG_BLOCK, &set, NULL);
    int parent = getpid();
    siginfo_t info;
    MAPPED(0, "0 1000 100",
        CHECK(setresuid(9, 9, 9) == 0);
        int inside = fork();
        if (!inside) { CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_uid == 9); _exit(0); }
        CHECK(kill(inside, SIGUSR1) == 0 && exit_of(inside) == 0));
    int p[2]; char byte;
    CHECK(pipe(p) == 0);
    int child = IN_NEW(CLONE_NEWUSER, write(p[1], "x", 1); CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_uid == 65534 && info.si_pid == parent));
    CHECK(read(p[0], &byte, 1) == 1 && kill(child, SIGUSR1) == 0 && exit_of(child) == 0);
}

static void set_id_programs_serve_those_who_know_the_owner(void) {
    alone();
    copy_self("roots", 04755), copy_self("known", 0755);
    CHECK(chown("known", 1005, 1005) == 0 && chmod("known", 06755) == 0);
    MAPPED(0, "0 1000 100",
        CHECK(setresuid(3, 3, 3) == 0);
        execl("/tmp/known", "captests", "-euid", "5", NULL));
    MAPPED(0, "0 1000 100",
        CHECK(setresuid(3, 3, 3) == 0);
        execl("/tmp/roots", "captests", "-euid", "3", NULL));
}

static void maps_have_rules(void) {
    int p[2];
    char path[64], byte;
    CHECK(pipe(p) == 0);
    int child = IN_NEW(CLONE_NEWUSER, read(p[0], &byte, 1);
        CHECK(setresuid(24, 24, 24) == 0 && getuid() == 24);
        FAILS(setresuid(25, 25, 25), EINVAL);
        CHECK(setresuid(4, 4, 4) == 0));
    sprintf(path, "/proc/%d/uid_map", child);
    static const char *const bad[] = { "0 100 10\n9 200 1", "0 100 10\n20 105 1", "0 100 10 4", "x 100 10", "4294967290 0 10", "0 100", "0 100 -1", "" };
    for (int i = 0; i < 7; i++) FAILS(put_text(path, bad[i]), EINVAL);
    CHECK(put_text(path, "0 100 10\n  20\t200 5 \n") == 0);
    FAILS(put_text(path, "0 100 10"), EPERM);
    write(p[1], "x", 1);
    CHECK(exit_of(child) == 0);
    FAILS(put_text("/proc/self/uid_map", "0 0 1"), EPERM);
    MAPPED(0, "0 1000 100",
        CHECK(pipe(p) == 0);
        int deeper = IN_NEW(CLONE_NEWUSER, read(p[0], &byte, 1); CHECK(getuid() == 0 && setresuid(1, 1, 1) == 0));
        sprintf(path, "/proc/%d/uid_map", deeper);
        FAILS(put_text(path, "0 0 200"), EPERM);
        CHECK(put_text(path, "0 0 1\n1 50 1") == 0);
        write(p[1], "x", 1);
        CHECK(exit_of(deeper) == 0));
}

/* ---- namespaces as files ---- */
#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704

static unsigned long inode_of(int fd) { struct stat st; CHECK(fstat(fd, &st) == 0); return st.st_ino; }
static int own_ns(const char *kind) { char path[64]; sprintf(path, "/proc/self/ns/%s", kind); int fd = open(path, O_RDONLY); CHECK(fd >= 0); return fd; }

static void namespaces_answer_questions(void) {
    static const struct { const char *name; int flag; } kinds[] = { { "mnt", CLONE_NEWNS }, { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC },
        { "net", CLONE_NEWNET }, { "pid", CLONE_NEWPID }, { "user", CLONE_NEWUSER }, { "cgroup", CLONE_NEWCGROUP }, { "pid_for_children", CLONE_NEWPID } };
    for (int i = 0; i < 8; i++) CHECK(ioctl(own_ns(kinds[i].name), NS_GET_NSTYPE) == kinds[i].flag);
    unsigned long user = inode_of(own_ns("user")), pid = inode_of(own_ns("pid"));
    unsigned uid;
    HOLDS_IN(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWPID,
        int mine = own_ns("user");
        CHECK(inode_of(ioctl(own_ns("uts"), NS_GET_USERNS)) == inode_of(mine));
        FAILS(ioctl(mine, NS_GET_PARENT), EPERM);
        FAILS(ioctl(own_ns("net"), NS_GET_USERNS), EPERM);
        FAILS(ioctl(own_ns("pid"), NS_GET_PARENT), EPERM);
        FAILS(ioctl(own_ns("uts"), NS_GET_PARENT), EINVAL);
        CHECK(ioctl(mine, NS_GET_OWNER_UID, &uid) == 0 && uid == 65534);
        FAILS(ioctl(own_ns("uts"), NS_GET_OWNER_UID, &uid), EINVAL);
        FAILS(ioctl(mine, 0xb7ff), ENOTTY));
    int p[2]; char path[64], byte;
    CHECK(pipe(p) == 0);
    int child = IN_NEW(CLONE_NEWUSER | CLONE_NEWPID, write(p[1], "x", 1); for (;;) pause());
    CHECK(read(p[0], &byte, 1) == 1);
    sprintf(path, "/proc/%d/ns/user", child);
    int theirs = open(path, O_RDONLY);
    CHECK(inode_of(ioctl(theirs, NS_GET_PARENT)) == user && inode_of(ioctl(theirs, NS_GET_USERNS)) == user);
    CHECK(ioctl(theirs, NS_GET_OWNER_UID, &uid) == 0 && uid == 0);
    sprintf(path, "/proc/%d/ns/pid", child);
    CHECK(inode_of(ioctl(open(path, O_RDONLY), NS_GET_PARENT)) == pid);
    kill(child, SIGKILL);
}

static void a_bound_namespace_lasts(void) {
    alone();
    CHECK(close(open("ns", O_CREAT | O_WRONLY, 0600)) == 0);
    HOLDS_IN(CLONE_NEWUTS, CHECK(sethostname("kept", 4) == 0 && mount("/proc/self/ns/uts", "/tmp/ns", NULL, MS_BIND, NULL) == 0));
    int fd = open("ns", O_RDONLY);
    struct utsname name;
    CHECK(fd >= 0 && setns(fd, CLONE_NEWUTS) == 0 && uname(&name) == 0 && !strcmp(name.nodename, "kept") && close(fd) == 0);
    CHECK(umount("/tmp/ns") == 0 && (fd = open("ns", O_RDONLY)) >= 0);
    FAILS(setns(fd, 0), EINVAL);
}

static void children_have_their_own_link(void) {
    char path[64] = "/proc/self/ns/pid_for_children";
    unsigned long before = inode_of(own_ns("pid"));
    CHECK(unshare(CLONE_NEWPID) == 0 && inode_of(own_ns("pid")) == before);
    FAILS(open(path, O_RDONLY), ENOENT);
    int child = fork();
    if (!child) for (;;) pause();
    CHECK(inode_of(own_ns("pid_for_children")) != before);
    kill(child, SIGKILL);
}

static void only_rulers_enter(void) {
    int p[2]; char byte;
    CHECK(pipe(p) == 0);
    int user = own_ns("user"), uts = own_ns("uts"), mnt = own_ns("mnt");
    HOLDS_IN(CLONE_NEWUSER,
        FAILS(setns(user, 0), EPERM);
        FAILS(setns(uts, 0), EPERM);
        FAILS(setns(mnt, 0), EPERM));
    HOLDS_IN(0, become(1000); FAILS(setns(uts, 0), EPERM));
    HOLDS_IN(CLONE_FS, FAILS(setns(mnt, 0), EINVAL));
    FAILS(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
    /* its maker enters, and is root there */
    int child = IN_NEW(0, become(1000); CHECK(unshare(CLONE_NEWUSER) == 0); prctl(PR_SET_DUMPABLE, 1); write(p[1], "x", 1); for (;;) pause());
    CHECK(read(p[0], &byte, 1) == 1);
    HOLDS_IN(0, char path[64]; become(1000); prctl(PR_SET_DUMPABLE, 1); sprintf(path, "/proc/%d/ns/user", child);
        int fd = open(path, O_RDONLY); CHECK(fd >= 0 && setns(fd, CLONE_NEWUSER) == 0 && sets_now().effective == EVERY && geteuid() == 65534));
    HOLDS_IN(0, char path[64]; sprintf(path, "/proc/%d/ns/user", child); int fd = open(path, O_RDONLY); become(2000); CHECK(fd >= 0);
        FAILS(setns(fd, CLONE_NEWUSER), EPERM));
    kill(child, SIGKILL);
}

/* ---- mounts and roots ---- */

/* All that a rootless container does. */
static void an_own_world_needs_no_privilege(void) {
    alone();
    CHECK(mkdir("/tmp/root", 0777) == 0 && chmod("/tmp", 0777) == 0);
    HOLDS_IN(0, become(1000); prctl(PR_SET_DUMPABLE, 1);
        CHECK(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) == 0);
        CHECK(put_text("/proc/self/setgroups", "deny") == 0 && put_text("/proc/self/uid_map", "0 1000 1") == 0 && put_text("/proc/self/gid_map", "0 1000 1") == 0);
        int init = fork();
        if (init) _exit(exit_of(init));
        CHECK(mount("root", "/tmp/root", "tmpfs", 0, NULL) == 0 && chdir("/tmp/root") == 0);
        CHECK(mkdir("proc", 0755) == 0 && mkdir("sys", 0755) == 0 && mkdir("old", 0755) == 0 && mkdir("tmp", 0755) == 0);
        CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0);
        CHECK(mount("sys", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0);
        CHECK(syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0 && umount2("/old", MNT_DETACH) == 0);
        struct stat st;
        CHECK(getpid() == 1 && stat("/proc/1", &st) == 0 && st.st_uid == 0 && sethostname("own", 3) == 0);
        FAILS(stat("/old/tmp", &st), ENOENT);
        FAILS(mknod("/tmp/null", S_IFCHR | 0666, 0x103), EPERM));
}

/* What is covered in /proc stays so: a fresh one would show it. */
static void a_covered_proc_is_not_shown_again(void) {
    alone();
    CHECK(mkdir("p", 0777) == 0);
    HOLDS_IN(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, CHECK(mount("proc", "/tmp/p", "proc", 0, NULL) == 0));
    CHECK(mount("x", "/proc/sys", "tmpfs", MS_RDONLY, NULL) == 0);
    HOLDS_IN(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, FAILS(mount("proc", "/tmp/p", "proc", 0, NULL), EPERM));
    CHECK(umount("/proc/sys") == 0 && mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
    HOLDS_IN(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, FAILS(mount("proc", "/tmp/p", "proc", 0, NULL), EPERM);
        CHECK(mount("proc", "/tmp/p", "proc", MS_RDONLY, NULL) == 0);
        FAILS(mount(NULL, "/tmp/p", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM));
}

static void a_bind_does_not_uncover(void) {
    alone();
    CHECK(mkdir("d", 0777) == 0 && mkdir("d/in", 0777) == 0 && mkdir("e", 0777) == 0 && mkdir("f", 0777) == 0 && mount("x", "/tmp/d/in", "tmpfs", 0, NULL) == 0);
    HOLDS_IN(CLONE_NEWUSER | CLONE_NEWNS,
        FAILS(mount("/tmp/d", "/tmp/e", NULL, MS_BIND, NULL), EINVAL);
        CHECK(mount("/tmp/d", "/tmp/e", NULL, MS_BIND | MS_REC, NULL) == 0);
        FAILS(umount2("/tmp/e/in", MNT_DETACH), EINVAL);
        FAILS(mount("/tmp/d/in", "/tmp/f", NULL, MS_MOVE, NULL), EINVAL);
        CHECK(umount2("/tmp/e", MNT_DETACH) == 0));
}

static int escape(void) {
    struct stat st;
    mkdir("/x", 0755);
    CHECK(chroot("/x") == 0);               /* one is now outside one's root */
    for (int i = 0; i < 20; i++) CHECK(chdir("..") == 0);
    CHECK(chroot(".") == 0);
    return stat("/tmp/outside", &st);
}
static void pivot(void) {
    CHECK(chdir("/tmp/jail") == 0 && (mkdir("old", 0755) == 0 || errno == EEXIST) && syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0 && umount2("/old", MNT_DETACH) == 0);
}
static void a_chroot_is_left_and_a_pivot_is_not(void) {
    alone();
    CHECK(mkdir("outside", 0755) == 0 && mkdir("jail", 0755) == 0 && mount("x", "/tmp/jail", "tmpfs", 0, NULL) == 0);
    HOLDS_IN(CLONE_NEWNS, CHECK(chroot("/tmp/jail") == 0 && chdir("/") == 0 && escape() == 0));
    HOLDS_IN(CLONE_NEWNS, pivot(); CHECK(escape() == -1));
}
static void a_leaked_directory_leads_out(void) {
    alone();
    CHECK(mkdir("outside", 0755) == 0 && mkdir("jail", 0755) == 0 && mount("x", "/tmp/jail", "tmpfs", 0, NULL) == 0);
    int leaked = open("/", O_RDONLY | O_DIRECTORY);
    struct stat st;
    HOLDS_IN(CLONE_NEWNS, pivot(); CHECK(fstatat(leaked, "etc", &st, 0) == 0 || fstatat(leaked, "bin", &st, 0) == 0); CHECK(fchdir(leaked) == 0));
    HOLDS_IN(CLONE_NEWNS, pivot(); for (int i = 3; i < 64; i++) close(i); FAILS(fchdir(leaked), EBADF));
}
static void a_shared_root_does_not_pivot(void) {
    alone();
    CHECK(mkdir("jail", 0755) == 0 && mount("x", "/tmp/jail", "tmpfs", 0, NULL) == 0 && mkdir("jail/old", 0755) == 0);
    CHECK(mount(NULL, "/tmp/jail", NULL, MS_SHARED, NULL) == 0);
    FAILS(syscall(SYS_pivot_root, "/tmp/jail", "/tmp/jail/old"), EINVAL);
}

static const struct property all[] = {
    T(no_new_privs_gives_nothing_back), T(root_is_a_name_under_noroot), T(locked_bits_stay),
    T(kept_capabilities_end_at_exec), T(effective_capabilities_follow_the_effective_user),
    T(what_may_be_inherited_is_bounded), T(inherited_capabilities_defeat_the_bounding_set),
    T(ambient_capabilities_have_conditions), T(set_id_programs_lose_ambient_ones), T(proc_tells_the_sets),
    T(doors_open_to_their_capability), T(its_root_is_nobody_outside), T(numbers_change_at_the_border),
    T(programs_are_told_their_numbers), T(senders_are_told_as_the_receiver_knows_them),
    T(set_id_programs_serve_those_who_know_the_owner), T(maps_have_rules), T(namespaces_answer_questions),
    T(a_bound_namespace_lasts), T(children_have_their_own_link), T(only_rulers_enter), T(an_own_world_needs_no_privilege),
    T(a_covered_proc_is_not_shown_again), T(a_bind_does_not_uncover), T(a_chroot_is_left_and_a_pivot_is_not),
    T(a_leaked_directory_leads_out), T(a_shared_root_does_not_pivot), { 0 }
};

int main(int argc, char **argv) {
    struct sets s = { 0 };
    if (argc == 2 && !strcmp(argv[1], "-sets")) return s = sets_now(), write(9, &s, sizeof s) != sizeof s;
    if (argc == 3 && !strcmp(argv[1], "-euid")) return geteuid() != atoi(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "-ids")) return getuid() != atoi(argv[2]) || getauxval(AT_UID) != atoi(argv[2]) || getauxval(AT_EGID) != atoi(argv[2]);
    all_capabilities = sets_now().permitted;
    return run_properties(all, argc, argv);
}
