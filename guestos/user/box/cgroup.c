/* A container's control group, box/ID of the version 2 hierarchy, and its limits. */
#include "box.h"
#include <sys/mount.h>
#include <sys/vfs.h>

#define CGROUP2_MAGIC 0x63677270

/* Where the hierarchy is mounted; mounted now if it is nowhere known. */
static const char *hierarchy(void) {
    static char *at;
    struct statfs fs;
    if (at) return at;
    if (!statfs("/sys/fs/cgroup", &fs) && fs.f_type == CGROUP2_MAGIC) return at = "/sys/fs/cgroup";
    at = text("%s/cgroup", state_run());
    make_directories(at);
    if (statfs(at, &fs) || fs.f_type != CGROUP2_MAGIC)
        if (mount("none", at, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) die_errno("can't mount control groups on %s", at);
    return at;
}

static char *group(const char *id) { return text("%s/box/%s", hierarchy(), id); }

static char *bytes(const char *given) {
    char *end;
    double n = strtod(given, &end);
    const char *units = "bkmg", *unit = *end ? strchr(units, *end | 32) : units;
    if (end == given || n < 0 || !unit || (*end && end[1])) die("--memory %s: expected a number of bytes, or with k, m or g", given);
    for (; unit > units; unit--) n *= 1024;
    return text("%.0f", n);
}

static void limit(const char *id, const char *controller, const char *file, const char *value) {
    char *parent = text("%s/box", hierarchy()), *on = text("+%s", controller);
    /* From the top down; where it is on already, this changes nothing. */
    if (write_at(hierarchy(), "cgroup.subtree_control", on) || write_at(parent, "cgroup.subtree_control", on))
        die_errno("there is no limit of %s here: can't switch the controller on", controller);
    if (write_at(group(id), file, value)) die_errno("can't set %s to %s", file, value);
}

void cgroup_make(const struct record *c) {
    const char *id = get(c, "id"), *cpus = get(c, "cpus"), *pids = get(c, "pids");
    char *at = group(id), *end;
    if (mkdir(text("%s/box", hierarchy()), 0755) && errno != EEXIST) die_errno("%s", "no control groups");
    if (mkdir(at, 0755)) die_errno("can't make control group %s", at);
    if (is_set(c, "memory")) limit(id, "memory", "memory.max", bytes(get(c, "memory")));
    if (pids) {
        long n = strtol(pids, &end, 10);
        if (*end || n < 1) die("--pids %s: expected a number from 1", pids);
        limit(id, "pids", "pids.max", pids);
    }
    if (cpus) {
        double n = strtod(cpus, &end);
        if (*end || n < 0.01 || n > 1024) die("--cpus %s: expected a number from 0.01, as 0.5", cpus);
        limit(id, "cpu", "cpu.max", text("%.0f 100000", n * 100000));
    }
}

void cgroup_join(const char *id, pid_t pid) {
    if (write_at(group(id), "cgroup.procs", text("%d", pid))) die_errno("can't put process %d into its control group", pid);
}

void cgroup_signal(const char *id) { write_at(group(id), "cgroup.kill", "1"); }

void cgroup_remove(const char *id) {
    char *at = group(id);
    for (int tries = 0; rmdir(at) && errno == EBUSY && tries < 500; tries++) {      /* killed tasks take a moment to go */
        cgroup_signal(id);
        usleep(1000);
    }
}

char *cgroup_value(const char *id, const char *file, const char *key) {
    char *all = read_file(text("%s/%s", group(id), file), NULL), *line;
    size_t length = strlen(key);
    while (all && (line = strsep(&all, "\n"))) {
        if (!length) return line;
        if (!strncmp(line, key, length) && line[length] == ' ') return line + length + 1;
    }
    return NULL;
}
