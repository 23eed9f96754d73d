/* The command line: `box COMMAND`, and `boxd`, which is the same program. */
#include "box.h"
#include <sys/prctl.h>

static const struct { const char *name; int (*run)(char **argv); const char *help; } commands[] = {
    { "run", command_run, "[-d] [-it] [--rm] [OPTIONS] IMAGE|--rootfs DIR [COMMAND...]: create and start a container" },
    { "create", command_create, "[OPTIONS] IMAGE [COMMAND...]: all but running the command; prints the id" },
    { "start", command_start, "[-a] [-i] CONTAINER: run the command of a created container" },
    { "exec", command_exec, "[-it] [-e NAME=VALUE] [--user USER] [--workdir DIR] CONTAINER COMMAND...: another process in a container" },
    { "stop", command_stop, "[-t SECONDS] CONTAINER...: SIGTERM, and after 10 seconds SIGKILL" },
    { "kill", command_kill, "[-s SIGNAL] CONTAINER...: a signal (KILL) to its first process" },
    { "rm", command_rm, "[-f] CONTAINER...: remove what has stopped" },
    { "ps", command_ps, "[-a] [--json]: containers" },
    { "logs", command_logs, "CONTAINER: what it has written" },
    { "stats", command_stats, "[--json] [CONTAINER...]: what running containers use" },
    { "inspect", command_inspect, "CONTAINER: all that is known, as JSON" },
    { "images", command_images, "[--json]: images" },
    { "import", command_import, "FILE [NAME]: an OCI layout, `docker save` archive (gzip, too), or a plain root file system with a NAME" },
    { "build", command_build, "-t NAME [-f BOXFILE] DIRECTORY: an image of a Boxfile" },
    { "rmi", command_rmi, "IMAGE...: remove images, and layers that no other has" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char options_help[] =
    "options of run and create:\n"
    "  --name NAME  --hostname NAME  -e NAME=VALUE  -v /SOURCE:/DESTINATION[:ro]  --workdir DIR  --user USER[:GROUP]  --read-only\n"
    "  --memory BYTES (k m g)  --cpus N (0.5)  --pids N  --net none|bridge  --ip 10.88.0.N  --cap-add NAME  --cap-drop NAME|all\n";

/* Flags of one letter can stand together (-it). Options end at the first other word. */
char **parse_options(struct record *r, char **argv, const struct option *options) {
    for (; *argv && (*argv)[0] == '-' && (*argv)[1]; argv++) {
        char *word = *argv;
        if (!strcmp(word, "--")) return argv + 1;
        bool cluster = word[1] != '-' && word[2] && word[2] != '=';
        for (char *letter = word + 1; *letter; letter++) {
            char *name = cluster ? strndup(letter, 1) : strdup(word + 1 + (word[1] == '-')), *value = cluster ? NULL : strchr(name, '=');
            if (value) *value++ = 0;
            const struct option *o = options;
            while (o->name && strcmp(o->name, name)) o++;
            if (!o->name || (cluster && o->kind != 'f')) die("there is no option %s: see `box help`", cluster ? word : text("%.*s", (int)(strlen(name) + (word[1] == '-') + 1), word));
            if (o->kind == 'f' && value) die("option %s takes no value", word);
            if (o->kind != 'f' && !value && !(value = *++argv)) die("option %s needs a value", word);
            if (o->kind == 'm') add(r, name, value);
            else put(r, name, value ? value : "1");
            if (!cluster) break;
        }
    }
    return argv;
}

static int help(int status) {
    FILE *to = status ? stderr : stdout;
    fprintf(to, "usage: box COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++) fprintf(to, "  box %s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\n%s", options_help);
    return status;
}

int run_command(int argc, char **argv) {
    umask(022);
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, argv[1])) {
            int status = commands[i].run(argv + 2);
            return fflush(stdout) ? 125 : status;
        }
    die("there is no command %s: see `box help`", argv[1]);
}

/* A container may get hold of the file of the program that runs in it before exec (/proc/self/exe as a command). So that is never
 * the installed file: box goes on as a copy that has no name and that, while any process runs it, nobody can write to. */
static void go_on_as_copy(char **argv) {
    char *at = text("%s/self.%d", state_run(), getpid());
    size_t size;
    char *self = read_file("/proc/self/exe", &size);
    make_directories(state_run());
    int fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
    if (!self || fd < 0 || write_all(fd, self, size) || close(fd)) die_errno("can't make %s", at);
    fd = open(at, O_RDONLY | O_CLOEXEC);
    unlink(at);
    setenv("BOX_COPY", "1", 1);
    execv(text("/proc/self/fd/%d", fd), argv);
    die_errno("can't run %s", at);
}

int main(int argc, char **argv) {
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    bool daemon = !strcmp(name, "boxd");
    int status;
    if (!daemon && (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help"))) return help(argc < 2 ? 2 : 0);
    if (geteuid()) die("only root may use box");
    if (!daemon && daemon_ask(argc, argv, &status)) return status;
    bool enters = daemon || !strcmp(argv[1], "run") || !strcmp(argv[1], "create") || !strcmp(argv[1], "exec") || !strcmp(argv[1], "build");
    if (enters && !getenv("BOX_COPY")) go_on_as_copy(argv);
    unsetenv("BOX_COPY");
    prctl(PR_SET_DUMPABLE, 0);
    make_directories(state_root());
    if (chmod(state_root(), 0700)) die_errno("%s", state_root());       /* what is in images is for their containers */
    return daemon ? daemon_main(argc, argv) : run_command(argc, argv);
}
