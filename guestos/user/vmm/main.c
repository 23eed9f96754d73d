/* vmm: makes virtual machines with /dev/kvm, each a process of its own, and tells those that run what to do. */
#include "vmm.h"
#include <getopt.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DEFAULT_KERNEL "/boot/kernel.elf"
#define DEFAULT_DISK "/boot/disk.img"

static const char help[] =
    "usage: vmm run [options]       make a machine and be its console; Ctrl-] leaves it running\n"
    "       vmm ps                  machines that run\n"
    "       vmm console NAME        be the console of one; Ctrl-] leaves it\n"
    "       vmm stop NAME           switch one off\n"
    "       vmm exec NAME CMD       run CMD in one that was started with -d -c 'exec /bin/agent'; its exit status becomes this one's\n"
    "       vmm exec --start NAME CMD   likewise, and start it first if it doesn't run, its disk writable\n"
    "  --name NAME       (vm1, vm2, ...)\n"
    "  --memory SIZE     (32M)\n"
    "  --kernel FILE     ELF with a PVH entry (" DEFAULT_KERNEL ")\n"
    "  --disk FILE       raw image, or 'none' (" DEFAULT_DISK "); changes are kept in memory and lost\n"
    "  --writable        changes go to the file\n"
    "  --read-only       there are no changes\n"
    "  --append WORDS    more for the kernel's command line\n"
    "  -c CMD            run CMD in the guest's shell and stop; its exit status becomes this one's\n"
    "  -d                leave it running from the beginning\n";

static void complain(const char *format, va_list values) {
    char text[512];
    vsnprintf(text, sizeof(text), format, values);
    fprintf(stderr, "vmm: %s\n", text);
}

void say(const char *format, ...) {
    va_list values;
    va_start(values, format);
    complain(format, values);
    va_end(values);
}

void die(const char *format, ...) {
    va_list values;
    console_close(NULL);
    va_start(values, format);
    complain(format, values);
    exit(BAD);
}

struct options { const char *name, *kernel, *disk, *append, *command; u64 memory; enum disk_mode mode; bool detached, silent; };

/* What the kernel is told; a backslash keeps a quote or a backslash of the command. */
static char *command_line(const struct options *o) {
    size_t size = strlen(o->append) + (o->command ? 2 * strlen(o->command) : 0) + 128;
    char *line = malloc(size), *to = line;
    if (!line) die("no memory");
    if (disk_present()) to += sprintf(to, "virtio_mmio.device=%d@%#x:%d ", VIRTIO_WINDOW, VIRTIO_BASE + DISK_WINDOW * VIRTIO_WINDOW, DISK_IRQ);
    to += sprintf(to, "%s%sinit=/bin/init", o->append, *o->append ? " " : "");      /* of several, the first counts */
    if (!o->command) return line;
    to += sprintf(to, " quiet -- -c \"");
    for (const char *c = o->command; *c; c++) {
        if (*c == '"' || *c == '\\') *to++ = '\\';
        *to++ = *c;
    }
    strcpy(to, "\"");
    return line;
}

/* In a process of its own: all that can fail comes before the machine has a name. */
static int machine(const struct options *o, int link) {
    char numbered[16];
    const char *name = o->name;
    int listener = -1;
    memory_new(o->memory);
    if (strcmp(o->disk, "none")) disk_open(o->disk, o->mode);
    struct entry entry = boot_load(o->kernel, command_line(o));
    machine_new();
    machine_start(entry);
    for (int n = 1; !o->name && listener < 0 && n < 1000; n++) snprintf(numbered, sizeof(numbered), "vm%d", n), listener = control_listen(name = numbered);
    if (o->name) listener = control_listen(name);
    if (listener < 0) die("a machine '%s' runs already", name);
    if (o->detached && !o->silent) printf("%s\n", name), fflush(stdout);
    console_open(name, o->memory, o->kernel, listener, link, o->detached, !o->command);
    return machine_run(o->command);
}

/* The machine may outlive the process that the shell waits for, so it is a child; each hears of the other's end by the link. */
static int run(const struct options *o) {
    int link[2], how;
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link)) die("no socket pair: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) die("no process for the machine: %s", strerror(errno));
    if (!child) {
        close(link[0]);
        exit(machine(o, link[1]));
    }
    close(link[1]);
    ssize_t told;
    while ((told = read(link[0], &byte, 1)) < 0 && errno == EINTR) ;
    if (told > 0) {
        if (!o->detached) say("it runs on; vmm ps lists it, vmm console NAME comes back");
        return 0;
    }
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) ;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}

static void check_name(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    if (!n || name[n] || n > NAME_MAX_BYTES || *name == '.' || *name == '-') die("'%s' is no name for a machine: letters, digits, '_', '-', '.', at most %d", name, NAME_MAX_BYTES);
}

static int run_command(int argc, char **argv) {
    enum { NAME = 256, MEMORY, KERNEL, DISK, WRITABLE, READ_ONLY, APPEND };
    static const struct option known[] = {
        { "name", 1, 0, NAME }, { "memory", 1, 0, MEMORY }, { "kernel", 1, 0, KERNEL }, { "disk", 1, 0, DISK }, { "writable", 0, 0, WRITABLE },
        { "read-only", 0, 0, READ_ONLY }, { "append", 1, 0, APPEND }, { 0 },
    };
    struct options o = { .kernel = DEFAULT_KERNEL, .disk = DEFAULT_DISK, .append = "", .memory = 32 << 20 };
    for (int which; (which = getopt_long(argc, argv, "c:d", known, NULL)) != -1;) {
        switch (which) {
        case NAME: check_name(o.name = optarg); break;
        case MEMORY: o.memory = memory_parse(optarg); break;
        case KERNEL: o.kernel = optarg; break;
        case DISK: o.disk = optarg; break;
        case WRITABLE: o.mode = DISK_WRITABLE; break;
        case READ_ONLY: o.mode = DISK_READ_ONLY; break;
        case APPEND: o.append = optarg; break;
        case 'c': o.command = optarg; break;
        case 'd': o.detached = true; break;
        default: return BAD;
        }
    }
    if (optind < argc) die("'%s' is one word too many", argv[optind]);
    return run(&o);
}

/* exec [--start] NAME CMD */
static int exec_command(int argc, char **argv) {
    bool start = argc == 4 && !strcmp(argv[1], "--start");
    if (argc != 3 + start) die("expected: vmm exec [--start] NAME CMD");
    const char *name = argv[1 + start];
    struct options o = { .name = name, .kernel = DEFAULT_KERNEL, .disk = DEFAULT_DISK, .append = "", .memory = 32 << 20, .mode = DISK_WRITABLE,
                         .command = "exec /bin/agent", .detached = true, .silent = true };
    check_name(name);
    if (start && !control_runs(name)) {
        int status = run(&o);
        if (status) return status;
        say("machine '%s' has been started", name);
    }
    return control_exec(name, argv[2 + start]);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "run")) return run_command(argc - 1, argv + 1);
    if (!strcmp(what, "exec")) return exec_command(argc - 1, argv + 1);
    if (!strcmp(what, "ps") && argc == 2) return control_ps();
    if (!strcmp(what, "console") && argc == 3) return control_console(argv[2]);
    if (!strcmp(what, "stop") && argc == 3) return control_stop(argv[2]);
    bool asked = !strcmp(what, "--help") || !strcmp(what, "-h");
    fputs(help, asked ? stdout : stderr);
    return asked ? 0 : BAD;
}
