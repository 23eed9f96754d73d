/* vmm: runs small virtual machines, which boot a kernel of their own.
 *
 *   vmm run [--name N] [--memory 32M] [--kernel F] [--disk F [--writable]] [--append WORDS] [-c CMD] [-d]
 *   vmm ps | console N | stop N
 *
 * The status of run is the guest's (of its init, or of CMD); 125: it was stopped; 2: a mistake in what was given. */
#include "vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL "/boot/kernel.elf"
#define DISK "/boot/disk.img"

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    control_end();
    va_start(arguments, format);
    fprintf(stderr, "vmm: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(2);
}

static size_t size_of(const char *text) {
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end == 'G') n <<= 30, end++;
    else if (*end == 'M') n <<= 20, end++;
    else if (*end == 'K') n <<= 10, end++;
    if (*end || end == text || n < 4 << 20 || n > RAM_MAX || n % 4096) fail("%s is no memory size; give 4M to 3G, as 32M", text);
    return n;
}

static const char *value(int argc, char **argv, int *i) {
    if (*i + 1 >= argc) fail("%s needs a value", argv[*i]);
    return argv[++*i];
}

static struct options options(int argc, char **argv) {
    static char name[32];
    snprintf(name, sizeof(name), "vm%d", getpid());
    struct options o = { .name = name, .kernel = KERNEL, .append = "", .memory = 32 << 20 };
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--name")) o.name = value(argc, argv, &i);
        else if (!strcmp(argv[i], "--memory")) o.memory = size_of(value(argc, argv, &i));
        else if (!strcmp(argv[i], "--kernel")) o.kernel = value(argc, argv, &i);
        else if (!strcmp(argv[i], "--disk")) o.disk = value(argc, argv, &i);
        else if (!strcmp(argv[i], "--append")) o.append = value(argc, argv, &i);
        else if (!strcmp(argv[i], "-c")) o.command = value(argc, argv, &i);
        else if (!strcmp(argv[i], "--writable")) o.writable = true;
        else if (!strcmp(argv[i], "-d")) o.detach = true;
        else fail("there is no option %s; the options of run: --name --memory --kernel --disk --writable --append -c -d", argv[i]);
    }
    if (strlen(o.name) > 40 || strchr(o.name, '/') || !*o.name || *o.name == '.') fail("%s is no name for a machine; give up to 40 letters and digits", o.name);
    if (o.writable && !o.disk) fail("--writable needs --disk: the built-in disk is never changed");
    if (!o.disk && !access(DISK, R_OK)) o.disk = DISK;
    return o;
}

/* What the kernel is told; -- begins what init is told. */
static const char *command_line(const struct options *o) {
    char quoted[2048] = "", *to = quoted;
    static char line[4096];
    for (const char *from = o->command; from && *from; from++) {
        if (to - quoted > (int)sizeof(quoted) - 3) fail("the command is too long; put it into a file");
        if (*from == '"' || *from == '\\') *to++ = '\\';
        *to++ = *from;
    }
    int n = snprintf(line, sizeof(line), "%s virtio_mmio.device=%d@%#lx:%d%s%s%s%s", *o->append ? o->append : "init=/bin/init", DISK_SIZE, DISK_ADDRESS, DISK_IRQ,
                     o->command ? " quiet -- -c \"" : "", quoted, o->command ? "\"" : "", "");
    if (n >= (int)sizeof(line)) fail("the kernel's command line is too long; put the command into a file");
    return line;
}

static void go_to_background(void) {
    pid_t pid = fork();
    if (pid < 0) fail("no process for the machine: %s", strerror(errno));
    if (pid) _exit(0);
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (null > 2) close(null);
}

static int command_run(int argc, char **argv) {
    struct options o = options(argc, argv);
    const char *line = command_line(&o);
    if (o.disk) disk_open(o.disk, o.writable);
    if (o.detach) {
        if (access("/dev/kvm", R_OK | W_OK)) fail("can't open /dev/kvm: %s", strerror(errno));
        if (access(o.kernel, R_OK)) fail("can't open the kernel %s: %s; give another one with --kernel", o.kernel, strerror(errno));
        go_to_background();
    }
    machine_create(&o);
    struct entry e = boot_load(o.kernel, line);
    control_start(&o);
    int status = machine_run(e);
    control_end();
    return status;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(command, "run")) return command_run(argc - 2, argv + 2);
    if (!strcmp(command, "ps") && argc == 2) return command_ps();
    if (!strcmp(command, "stop") && argc == 3) return command_stop(argv[2]);
    if (!strcmp(command, "console") && argc == 3) return command_console(argv[2]);
    fprintf(stderr, "usage: vmm run [--name N] [--memory 32M] [--kernel F] [--disk F [--writable]] [--append WORDS] [-c CMD] [-d]\n"
                    "       vmm ps | console N | stop N\n");
    return 2;
}
