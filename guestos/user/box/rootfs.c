/* A container's view of files: its root from layers, /proc, /sys, /dev with the listed devices alone, volumes, masks; and no
 * way back. Everything is mounted after pivot_root, where no name, link or ".." of the image leads out of it, and on
 * directories that were reached without following a link. The old root is only there as a descriptor, until the end. */
#include "box.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>

#define SAFE (MS_NOSUID | MS_NODEV)

/* A descriptor of `path`, below /, with no link on the way; what is missing is made: directories, and last a file if `file`. */
static int reach(const char *path, bool file) {
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *copy = strdup(path), *rest = copy, *part;
    while ((part = strsep(&rest, "/"))) {
        struct stat st;
        bool last = !rest || !rest[strspn(rest, "/")];
        if (!*part || !strcmp(part, ".")) continue;
        if (!strcmp(part, "..")) die("%s: a container's path has no ..", path);   /* check: guestos/test_box.py::test_a_containers_paths_do_not_climb */
        if (fstatat(at, part, &st, AT_SYMLINK_NOFOLLOW)) {
            int made = last && file ? mknodat(at, part, S_IFREG | 0644, 0) : mkdirat(at, part, 0755);
            if (made) die_errno("can't make %s in the container", path);
        }
        int next = openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 || fstat(next, &st)) die_errno("%s in the container", path);
        if (S_ISLNK(st.st_mode)) die("%s in the container leads through a symbolic link", path);   /* check: guestos/test_box.py::test_a_volume_is_never_put_behind_a_link */
        if (!last && !S_ISDIR(st.st_mode)) die("%s in the container: not a directory", path);
        close(at);
        at = next;
    }
    free(copy);
    return at;
}

/* From a descriptor; its text stays good until the next two calls. */
static const char *by_descriptor(int fd) {
    static char names[2][32];
    static int next;
    char *name = names[next ^= 1];
    snprintf(name, sizeof(names[0]), "/proc/self/fd/%d", fd);
    return name;
}

static void mount_at(const char *path, const char *type, unsigned long flags, const char *data) {
    int at = reach(path, false);
    if (fchdir(at) || mount(type, ".", type, flags, data)) die_errno("can't mount %s on %s", type, path);
    close(at);
    if (chdir("/")) die_errno("%s", "/");
}

static void bind_at(int source, const char *path, unsigned long flags) {
    struct stat st;
    if (fstat(source, &st)) die_errno("%s", path);
    bool directory = S_ISDIR(st.st_mode);
    int at = reach(path, !directory);
    if (mount(by_descriptor(source), by_descriptor(at), NULL, MS_BIND, NULL)) die_errno("can't bind %s", path);
    close(at);
    at = reach(path, !directory);                       /* now what is mounted there */
    if (mount(NULL, by_descriptor(at), NULL, MS_BIND | MS_REMOUNT | flags, NULL)) die_errno("can't set the flags of %s", path);
    close(at);
}

static void make_devices(void) {
    static const struct { const char *path; int major, minor; } devices[] = {
        { "/dev/null", 1, 3 }, { "/dev/zero", 1, 5 }, { "/dev/full", 1, 7 }, { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
    };
    static const char *const links[][2] = { { "pts/ptmx", "/dev/ptmx" }, { "/proc/self/fd", "/dev/fd" }, { "/proc/self/fd/0", "/dev/stdin" },
                                            { "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" } };
    mount_at("/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=65536");
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        if (mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) || chmod(devices[i].path, 0666)) die_errno("can't make %s", devices[i].path);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (symlink(links[i][0], links[i][1])) die_errno("can't make %s", links[i][1]);
    mount_at("/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_at("/dev/shm", "tmpfs", SAFE | MS_NOEXEC, "mode=1777");
}

/* Files are hidden behind the container's null device, whose descriptor is checked to be that: an image can't put anything
 * in its place, as a link (CVE-2025-31133) or otherwise. */
static void hide(void) {
    static const char *const hidden[] = { "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/acpi",
                                          "/proc/scsi", "/proc/interrupts", "/sys/firmware", "/sys/devices/virtual/powercap" };
    static const char *const fixed[] = { "/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger" };
    struct stat st;
    int null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (null < 0 || fstat(null, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) die("the container's /dev/null is not device 1:3");   /* check: C31 */
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (lstat(hidden[i], &st)) continue;
        if (S_ISDIR(st.st_mode)) mount_at(hidden[i], "tmpfs", SAFE | MS_NOEXEC | MS_RDONLY, "size=0,mode=555");
        else bind_at(null, hidden[i], MS_NOSUID | MS_NOEXEC | MS_RDONLY);
    }
    close(null);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (lstat(fixed[i], &st)) continue;
        if (!S_ISDIR(st.st_mode)) {
            int at = reach(fixed[i], true);
            bind_at(at, fixed[i], SAFE | MS_NOEXEC | MS_RDONLY);
            close(at);
        } else if (chdir(fixed[i]) || mount(".", ".", NULL, MS_BIND, NULL) || chdir(fixed[i]) ||
                   mount(NULL, ".", NULL, MS_BIND | MS_REMOUNT | SAFE | MS_NOEXEC | MS_RDONLY, NULL)) die_errno("can't make %s read-only", fixed[i]);
    }
}

/* An overlay of the layers, the last uppermost, on `root`. */
void mount_layers(const struct record *c, const char *root, const char *upper, const char *work) {
    char *lower = text("%s", ""), **layers = list(c, "layer");
    if (!*layers) {
        make_directories(text("%s/fs", layer_path("empty")));
        lower = "empty/fs";
    }
    for (; *layers; layers++) lower = text("%s/fs%s%s", *layers, *lower ? ":" : "", lower);
    char *options = text("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
    if (strlen(options) > 4000) die("the image has too many layers");
    if (chdir(text("%s/layers", state_root()))) die_errno("%s", "no layers");
    if (mount("overlay", root, "overlay", MS_NODEV, options)) die_errno("can't mount the layers (%s)", options);
}

/* On the container's own directory, which is hidden by that, here. */
static void mount_root(const struct record *c, const char *root) {
    if (is_set(c, "rootfs")) {
        if (mount(get(c, "rootfs"), root, NULL, MS_BIND, NULL)) die_errno("can't bind %s", get(c, "rootfs"));
        if (mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_NODEV, NULL)) die_errno("%s", "can't set the root's flags");
    } else mount_layers(c, root, text("%supper", root), text("%swork", root));
    if (chdir(root)) die_errno("%s", root);
}

void rootfs_enter(const struct record *c, const char *directory) {
    char **volumes = list(c, "v");
    int sources[64], count = 0;
    struct stat inside, now;
    char where[PATH_MAX];
    /* Nothing that is mounted here shows outside. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) die_errno("%s", "can't make mounts private");
    for (char **v = volumes; *v; v++) {
        char *source = strndup(*v, strchr(*v, ':') - *v);
        if (count == 64) die("more than 64 volumes");
        if ((sources[count++] = open(source, O_PATH | O_CLOEXEC)) < 0) die_errno("-v %s", source);
        free(source);
    }
    mount_root(c, directory);
    int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || stat(".", &inside) || syscall(SYS_pivot_root, ".", ".") || chdir("/")) die_errno("%s", "can't change the root");
    mount_at("/proc", "proc", SAFE | MS_NOEXEC, NULL);
    mount_at("/sys", "sysfs", SAFE | MS_NOEXEC | MS_RDONLY, NULL);
    if (!lstat("/sys/fs/cgroup", &now)) mount_at("/sys/fs/cgroup", "cgroup2", SAFE | MS_NOEXEC | MS_RDONLY, NULL);
    make_devices();
    for (int i = 0; i < count; i++) {
        char *to = strdup(strchr(volumes[i], ':') + 1), *how = strchr(to, ':');
        if (how) *how++ = 0;
        bind_at(sources[i], to, SAFE | (how && !strcmp(how, "ro") ? MS_RDONLY : 0));
        close(sources[i]);
        free(to);
    }
    hide();   /* check: guestos/test_box.py::test_what_a_container_may_not */
    if (fchdir(old) || umount2(".", MNT_DETACH) || chdir("/")) die_errno("%s", "can't detach the old root");   /* check: guestos/test_box.py::test_what_a_container_may_not */
    close(old);
    if (stat("/", &now) || now.st_dev != inside.st_dev || now.st_ino != inside.st_ino || !getcwd(where, sizeof(where)) || strcmp(where, "/"))
        die("the container's root is not what was to be mounted there");
    if (access(get(c, "workdir"), F_OK)) close(reach(get(c, "workdir"), false));
    if (is_set(c, "read-only") && mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV, NULL)) die_errno("%s", "can't make the root read-only");   /* check: guestos/test_box.py::test_a_read_only_root_and_volumes */
}

int console_open(int channel) {
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0, number;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &number)) die_errno("%s", "no pseudo-terminal");
    int slave = open(text("/dev/pts/%d", number), O_RDWR | O_CLOEXEC);
    setsid();
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0)) die_errno("%s", "no controlling terminal");
    for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
    if (send_fds(channel, "", 1, &master, 1)) die_errno("%s", "can't pass the terminal on");
    close(slave);
    close(master);
    return 0;
}
