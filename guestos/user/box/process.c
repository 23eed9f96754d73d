/* What a process of a container may: user and groups, capabilities, no new privileges; and exec. */
#include "box.h"
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const char *const names[] = {
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
    "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
    "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
    "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
};
#define COUNT (int)(sizeof(names) / sizeof(names[0]))
#define BIT(name) (1ull << CAP_##name)
/* What root of a container needs within it. No MKNOD: the devices of its /dev are all that it opens. */
#define DEFAULT (BIT(CHOWN) | BIT(DAC_OVERRIDE) | BIT(FOWNER) | BIT(FSETID) | BIT(KILL) | BIT(SETGID) | BIT(SETUID) | BIT(SETPCAP) | \
                 BIT(NET_BIND_SERVICE) | BIT(SYS_CHROOT))

static uint64_t capability(const char *name) {
    const char *plain = strncasecmp(name, "CAP_", 4) ? name : name + 4;
    for (int i = 0; i < COUNT; i++) if (!strcasecmp(names[i], plain)) return 1ull << i;
    if (!strcasecmp(plain, "all")) return (1ull << COUNT) - 1;
    die("there is no capability %s", name);
}

uint64_t capabilities_of(const struct record *c) {
    uint64_t set = DEFAULT;
    for (char **name = list(c, "cap-drop"); *name; name++) set &= ~capability(*name);
    for (char **name = list(c, "cap-add"); *name; name++) set |= capability(*name);
    return set;
}

/* The row of `file` (passwd or group) whose first field is `name`, or whose third is that number: its fields; or NULL. */
static char **account(const char *file, const char *name) {
    static char *fields[8];
    char *rows = read_file(file, NULL), *line;
    while (rows && (line = strsep(&rows, "\n"))) {
        int n = 0;
        for (char *field; n < 7 && (field = strsep(&line, ":"));) fields[n++] = field;
        if (n > 3 && (!strcmp(fields[0], name) || !strcmp(fields[2], name))) return fields;
    }
    return NULL;
}

static unsigned number(const char *file, const char *name) {
    char *end, **row = account(file, name);
    unsigned long n = strtoul(row ? row[2] : name, &end, 10);
    if (!*name || *end || n >= UINT_MAX) die("the image knows no %s in %s", name, file);
    return n;
}

static void become(const char *user) {
    char *name = strdup(user), *group = strchr(name, ':');
    if (group) *group++ = 0;
    unsigned uid = number("/etc/passwd", name), gid = 0;
    char **row = account("/etc/passwd", name);
    if (group) gid = number("/etc/group", group);
    else if (row) gid = strtoul(row[3], NULL, 10);
    if (setgroups(1, &(gid_t){ gid }) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) die_errno("can't become user %s", user);   /* check: guestos/test_box.py::test_capabilities_and_privileges */
}

void process_restrict(const struct record *c) {
    uint64_t set = capabilities_of(c);
    for (int i = 0; i < 64; i++) {
        bool wanted = set >> i & 1;
        if (wanted && prctl(PR_CAPBSET_READ, i) != 1) set &= ~(1ull << i);
        if (wanted || !prctl(PR_CAPBSET_DROP, i)) continue;
        if (errno != EINVAL) die_errno("can't drop capability %d", i);
        break;                                          /* the kernel knows no more */
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    become(get(c, "user"));
    if (getuid()) set = 0;                              /* as exec would have it */ /* check: guestos/test_box.py::test_capabilities_and_privileges */
    /* Inheritable ones would outlive a change of user in programs with file capabilities: none (CVE-2022-27649). */
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { { set, set, 0 }, { set >> 32, set >> 32, 0 } };
    if (syscall(SYS_capset, &header, data)) die_errno("%s", "can't set capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die_errno("%s", "no_new_privs");   /* check: guestos/test_box.py::test_capabilities_and_privileges */
}

_Noreturn void process_exec(const struct record *c, char **argv) {
    char where[PATH_MAX], **env = list(c, "env"), *path = NULL;
    int error = ENOENT;
    if (chdir(get(c, "workdir"))) die_errno("working directory %s", get(c, "workdir"));
    if (!getcwd(where, sizeof(where)) || where[0] != '/') die("the working directory is outside of the container");
    for (int s = 1; s < 32; s++) signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    close_from(4);
    for (char **e = env; *e; e++) if (!strncmp(*e, "PATH=", 5)) path = strdup(*e + 5);
    seccomp_install(capabilities_of(c));   /* check: guestos/test_box.py::test_capabilities_and_privileges */
    if (strchr(argv[0], '/')) execve(argv[0], argv, env), error = errno;
    else for (char *part; error == ENOENT && path && (part = strsep(&path, ":"));) execve(text("%s/%s", *part ? part : ".", argv[0]), argv, env), error = errno;
    dprintf(error_fd, "%scan't run %s: %s%s", error_fd == 2 ? "box: " : "", argv[0], strerror(error), error_fd == 2 ? "\n" : "");
    _exit(error == ENOENT ? 127 : 126);
}
