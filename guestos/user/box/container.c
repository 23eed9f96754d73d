/* Containers: their configuration and states, and the commands from `create` to `rm`. */
#include "box.h"
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <termios.h>

#define NETWORK "10.88.0."
#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

char *container_file(const char *id, const char *file) { return text("%s/containers/%s/%s", state_root(), id, file); }

void container_load(struct record *c, const char *id) {
    if (!load(c, container_file(id, "config"))) die("container %s has no configuration", id);
}

static char **all_containers(void) {
    struct record ids = { 0 };
    DIR *d = opendir(text("%s/containers", state_root()));
    for (struct dirent *e; d && (e = readdir(d));)
        if (name_is_sane(e->d_name) && !access(container_file(e->d_name, "config"), F_OK)) add(&ids, "id", e->d_name);
    if (d) closedir(d);
    return list(&ids, "id");
}

char *container_find(const char *name) {
    char *found = NULL;
    if (!name) die("name a container");
    for (char **id = all_containers(); *id; id++) {
        struct record c = { 0 };
        if (!load(&c, container_file(*id, "config"))) continue;
        if (!strcmp(get(&c, "name"), name) || !strcmp(*id, name)) return *id;
        if (strncmp(*id, name, strlen(name))) continue;
        if (found) die("%s is the beginning of several containers' ids", name);
        found = *id;
    }
    if (!found) die("there is no container %s: see `box ps -a`", name);
    return found;
}

const char *container_state(const char *id, struct record *c) {
    struct answer a;
    int connection = monitor_ask(id, (struct message){ QUERY }, NULL, 0);
    bool lives = connection >= 0 && monitor_answer(connection, &a);
    if (connection >= 0) close(connection);
    char *status = lives ? NULL : read_file(container_file(id, "status"), NULL);
    put(c, "state", lives ? strdup(a.text) : "stopped");
    put(c, "pid", lives ? text("%d", a.status) : NULL);
    put(c, "exit", lives ? NULL : status ? text("%d", atoi(status)) : "137");       /* no status: killed with its monitor */
    return get(c, "state");
}

static bool lives(const char *id) { return strcmp(container_state(id, &(struct record){ 0 }), "stopped"); }

void container_delete(const char *id) {
    cgroup_remove(id);
    remove_tree(AT_FDCWD, text("%s/%s", state_run(), id));
    if (remove_tree(AT_FDCWD, container_file(id, ""))) die_errno("can't remove container %s", id);
}

/* What a monitor would have done at the end, had nobody killed it. */
void containers_recover(void) {
    for (char **id = all_containers(); *id; id++) {
        struct record c = { 0 };
        container_load(&c, *id);
        if (lives(*id) || !access(container_file(*id, "status"), F_OK)) continue;
        if (is_set(&c, "rm")) container_delete(*id);
        else write_file(container_file(*id, "status"), "137\n", 4);
        cgroup_remove(*id);
        remove_tree(AT_FDCWD, text("%s/%s", state_run(), *id));
    }
}

/* ---- create, start ---- */

static const struct option run_options[] = {
    { "d", 'f' }, { "i", 'f' }, { "t", 'f' }, { "rm", 'f' }, { "name", 's' }, { "e", 'm' }, { "v", 'm' }, { "memory", 's' }, { "cpus", 's' },
    { "pids", 's' }, { "net", 's' }, { "read-only", 'f' }, { "user", 's' }, { "cap-add", 'm' }, { "cap-drop", 'm' }, { "hostname", 's' },
    { "workdir", 's' }, { "rootfs", 's' }, { "ip", 's' }, { 0 },
};

static void check_volume(const char *volume) {
    char *to = strchr(volume, ':');
    if (!to || volume[0] != '/' || to[1] != '/') die("-v %s: expected /SOURCE:/DESTINATION, or with :ro", volume);
    char *how = strchr(to + 1, ':');
    if (how && strcmp(how, ":ro") && strcmp(how, ":rw")) die("-v %s: after the destination comes ro or nothing, not %s", volume, how + 1);
    char *source = strndup(volume, to - volume);
    if (access(source, F_OK)) die_errno("-v %s", source);
    free(source);
}

/* What the image says, under what the command line says. */
static void configure(struct record *c, char **rest) {
    struct record image = { 0 };
    char **own = rest;
    if (!is_set(c, "rootfs")) {
        if (!*rest) die("name an image: see `box images`");
        image_load(&image, own[0]);
        put(c, "image", image_name(*own++));
        copy_rows(c, &image, "layer");
    } else {
        char *real = realpath(get(c, "rootfs"), NULL);
        if (!real) die_errno("%s", get(c, "rootfs"));
        put(c, "rootfs", real);
    }
    struct record env = { 0 };
    add(&env, "PATH", PATH);
    add(&env, "HOME", "/root");
    if (is_set(c, "t")) add(&env, "TERM", "xterm");
    for (int from = 0; from < 2; from++)
        for (char **e = list(from ? c : &image, from ? "e" : "env"); *e; e++) {
            char *equals = strchr(*e, '='), *name = equals ? strndup(*e, equals - *e) : *e;
            const char *value = equals ? equals + 1 : getenv(*e);
            if (value) put(&env, name, value);
        }
    for (int i = 0; i < env.count; i++) add(c, "env", text("%s=%s", env.rows[i].key, env.rows[i].value));
    copy_rows(c, &image, "entrypoint");
    for (char **word = list(c, "entrypoint"); *word; word++) add(c, "command", *word);
    if (*own) for (; *own; own++) add(c, "command", *own);
    else for (char **word = list(&image, "cmd"); *word; word++) add(c, "command", *word);
    if (!is_set(c, "command")) die("the image names no command: give one");
    if (!is_set(c, "workdir")) add(c, "workdir", is_set(&image, "workdir") ? get(&image, "workdir") : "/");
    if (!is_set(c, "user")) add(c, "user", is_set(&image, "user") ? get(&image, "user") : "0");
    if (!is_set(c, "net")) add(c, "net", "none");
    if (strcmp(get(c, "net"), "none") && strcmp(get(c, "net"), "bridge")) die("--net %s: expected none or bridge", get(c, "net"));
    if (is_set(c, "ip") && strcmp(get(c, "net"), "bridge")) die("--ip needs --net bridge");
    if (is_set(c, "t")) add(c, "tty", "1");
    for (char **v = list(c, "v"); *v; v++) check_volume(*v);
    capabilities_of(c);
}

static int address_number(const char *ip) {
    int n = 0, end = 0;
    sscanf(ip, NETWORK "%d%n", &n, &end);
    if (n < 2 || n > 254 || ip[end]) die("--ip %s: expected " NETWORK "2 to " NETWORK "254", ip);
    return n;
}

static char *new_id(void) {
    uint8_t random[6];
    if (getrandom(random, 6, 0) != 6) die_errno("%s", "no random number");
    return text("%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2], random[3], random[4], random[5]);
}

static char *create(struct record *c) {
    char *id = new_id();
    add(c, "id", id);
    if (!is_set(c, "name")) add(c, "name", id);
    if (!name_is_sane(get(c, "name"))) die("--name %s: expected letters, digits and . _ -", get(c, "name"));
    if (!is_set(c, "hostname")) add(c, "hostname", id);
    int lock = open(text("%s/lock", state_root()), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX)) die_errno("can't lock %s", state_root());
    bool taken[255] = { true, true };
    for (char **other = all_containers(); *other; other++) {
        struct record o = { 0 };
        if (!load(&o, container_file(*other, "config"))) continue;
        if (!strcmp(get(&o, "name"), get(c, "name"))) die("there is a container named %s: remove it first", get(c, "name"));
        if (is_set(&o, "ip")) taken[address_number(get(&o, "ip"))] = true;
    }
    if (is_set(c, "ip") && taken[address_number(get(c, "ip"))]) die("--ip %s: another container has it", get(c, "ip"));
    if (!strcmp(get(c, "net"), "bridge") && !is_set(c, "ip")) {
        int n = 2;
        while (n < 255 && taken[n]) n++;
        if (n == 255) die("--net bridge: all addresses are taken");
        add(c, "ip", text(NETWORK "%d", n));
    }
    char *own = container_file(id, ""), *run = text("%s/%s", state_run(), id);
    undo_later(own);
    undo_later(run);
    make_directories(container_file(id, "upper"));
    make_directories(container_file(id, "work"));
    make_directories(run);
    save(c, container_file(id, "config"));
    close(lock);
    monitor_begin(c);
    undo_nothing();
    return id;
}

int command_create(char **argv) {
    struct record c = { 0 };
    char **rest = parse_options(&c, argv, run_options);
    if (is_set(&c, "d")) die("create starts nothing: -d is for run");
    configure(&c, rest);
    puts(create(&c));
    return 0;
}

static int forward_to;
static void forward(int signo) {
    send_fds(forward_to, &(struct message){ KILL, signo }, sizeof(struct message), NULL, 0);
}

int end_of(int connection) {
    struct answer a;
    forward_to = connection;
    signal(SIGINT, forward);
    signal(SIGTERM, forward);
    signal(SIGHUP, forward);
    /* A forwarded signal is answered, too, with a text; the end has none. */
    while (monitor_answer(connection, &a)) if (!a.text[0]) return a.status;
    return 137;
}

static int start(const char *id, bool attach, bool interactive, bool terminal) {
    struct termios before, raw;
    struct message q = { START, .interactive = interactive };
    struct answer a;
    bool change = attach && terminal && interactive && !tcgetattr(0, &before);
    if (change) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    int connection = monitor_ask(id, q, (int[]){ 0, 1, 2 }, attach ? 3 : 0);
    bool answered = connection >= 0 && monitor_answer(connection, &a);
    int status = !answered ? 125 : attach || a.status == 125 ? (a.status == 1 ? 1 : end_of(connection)) : a.status;
    if (change) tcsetattr(0, TCSANOW, &before);
    if (!answered) die("container %s has ended: it can't be started", id);
    if (a.status) fprintf(stderr, "box: container %s: %s\n", id, a.text);
    close(connection);
    return status;
}

int command_start(char **argv) {
    struct record o = { 0 }, c = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "a", 'f' }, { "i", 'f' }, { 0 } }), *id = container_find(rest[0]);
    container_load(&c, id);
    const char *state = container_state(id, &c);
    if (strcmp(state, "created")) die("container %s is %s: only a created container can be started", id, state);   /* check: C46 */
    return start(id, is_set(&o, "a"), is_set(&o, "i"), is_set(&c, "tty"));
}

int command_run(char **argv) {
    struct record c = { 0 };
    char **rest = parse_options(&c, argv, run_options), *id;
    bool detached = is_set(&c, "d");
    if (detached && is_set(&c, "i")) die("-d and -i exclude each other");
    configure(&c, rest);
    id = create(&c);
    int status = start(id, !detached, is_set(&c, "i"), is_set(&c, "tty"));
    if (detached && !status) puts(id);
    return status;
}

int container_step(struct record *c) {
    for (const char *const *row = (const char *const[]){ "net", "none", "user", "0", "workdir", "/", NULL }; *row; row += 2)
        if (!is_set(c, row[0])) add(c, row[0], row[1]);
    bool path = false;
    for (char **e = list(c, "env"); *e; e++) path |= !strncmp(*e, "PATH=", 5);
    if (!path) add(c, "env", "PATH=" PATH);
    return start(create(c), true, false, false);
}

/* ---- signals and the end ---- */

static int number_of_signal(const char *name) {
    static const char *const names[] = { [SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
                                         [SIGUSR2] = "USR2", [SIGTERM] = "TERM", [SIGCONT] = "CONT", [SIGSTOP] = "STOP" };
    if (!strncmp(name, "SIG", 3)) name += 3;
    for (int i = 1; i <= SIGSTOP; i++) if (names[i] && !strcmp(names[i], name)) return i;
    int number = atoi(name);
    if (number < 1 || number > 64) die("there is no signal %s", name);
    return number;
}

static void signal_container(const char *id, int signo) {
    struct answer a;
    int connection = monitor_ask(id, (struct message){ KILL, signo }, NULL, 0);
    if (connection < 0 || !monitor_answer(connection, &a)) die("container %s is stopped: there is nothing to signal", id);
    if (a.status) die("container %s: %s", id, a.text);
    close(connection);
}

int command_kill(char **argv) {
    struct record o = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "s", 's' }, { 0 } });
    int signo = is_set(&o, "s") ? number_of_signal(get(&o, "s")) : SIGKILL;
    if (!*rest) die("name a container");
    for (; *rest; rest++) signal_container(container_find(*rest), signo);
    return 0;
}

/* Whether it ends within that time (ms; -1: any). */
static bool ends(const char *id, int milliseconds) {
    int connection = monitor_ask(id, (struct message){ WAIT }, NULL, 0);
    if (connection < 0) return true;
    bool ended = poll(&(struct pollfd){ connection, POLLIN }, 1, milliseconds) == 1;
    close(connection);
    return ended;
}

int command_stop(char **argv) {
    struct record o = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "t", 's' }, { 0 } });
    if (!*rest) die("name a container");
    for (; *rest; rest++) {
        char *id = container_find(*rest);
        signal_container(id, SIGTERM);
        if (ends(id, is_set(&o, "t") ? atoi(get(&o, "t")) * 1000 : 10000)) continue;
        signal_container(id, SIGKILL);
        ends(id, -1);
    }
    return 0;
}

int command_rm(char **argv) {
    struct record o = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "f", 'f' }, { 0 } });
    if (!*rest) die("name a container");
    for (; *rest; rest++) {
        char *id = container_find(*rest);
        struct record c = { 0 };
        container_load(&c, id);
        if (lives(id)) {
            if (!is_set(&o, "f")) die("container %s is %s: stop it first, or rm -f", id, container_state(id, &c));
            signal_container(id, SIGKILL);
            ends(id, -1);
            if (is_set(&c, "rm")) continue;             /* its monitor does that */
        }
        container_delete(id);
    }
    return 0;
}

/* ---- what there is to know ---- */

int command_ps(char **argv) {
    struct record o = { 0 }, rows[256] = { 0 };
    int count = 0;
    parse_options(&o, argv, (const struct option[]){ { "a", 'f' }, { "json", 'f' }, { 0 } });
    for (char **id = all_containers(); *id && count < 256; id++) {
        struct record c = { 0 }, *row = &rows[count];
        if (!load(&c, container_file(*id, "config"))) continue;
        if (!strcmp(container_state(*id, &c), "stopped") && !is_set(&o, "a")) continue;
        for (const char *const *key = (const char *const[]){ "id", "name", "image", "state", "pid", "exit", NULL }; *key; key++)
            if (is_set(&c, *key)) add(row, *key, get(&c, *key));
        char *command = text("%s", "");
        for (char **word = list(&c, "command"); *word; word++) command = text("%s%s%s", command, *command ? " " : "", *word);
        add(row, "command", command);
        count++;
    }
    print_table(rows, count, (const char *const[]){ "id", "name", "image", "state", "pid", "exit", "command", NULL }, is_set(&o, "json"));
    return 0;
}

int command_inspect(char **argv) {
    struct record c = { 0 };
    char *id = container_find(argv[0]);
    container_load(&c, id);
    container_state(id, &c);
    print_json(&c, (const char *const[]){ "command", "env", "e", "v", "layer", "entrypoint", "cap-add", "cap-drop", NULL });
    puts("");
    return 0;
}

int command_logs(char **argv) {
    char *id = container_find(argv[0]);
    size_t size;
    char *log = read_file(container_file(id, "log"), &size);
    if (!log) die_errno("container %s has no log", id);
    return write_all(1, log, size) ? 1 : 0;
}

int command_stats(char **argv) {
    struct record o = { 0 }, rows[256] = { 0 };
    int count = 0;
    char **rest = parse_options(&o, argv, (const struct option[]){ { "json", 'f' }, { 0 } });
    for (char **id = *rest ? rest : all_containers(); *id && count < 256; id++) {
        struct record c = { 0 };
        char *real = *rest ? container_find(*id) : *id;
        container_load(&c, real);
        if (strcmp(container_state(real, &c), "running")) continue;
        static const char *const values[][3] = { { "cpu_usec", "cpu.stat", "usage_usec" }, { "memory", "memory.current", "" }, { "memory_max", "memory.max", "" },
                                                 { "pids", "pids.current", "" }, { "pids_max", "pids.max", "" }, { "oom_kills", "memory.events", "oom_kill" } };
        add(&rows[count], "id", real);
        add(&rows[count], "name", get(&c, "name"));
        for (int i = 0; i < 6; i++) {
            char *value = cgroup_value(real, values[i][1], values[i][2]);
            if (value) add(&rows[count], values[i][0], value);
        }
        count++;
    }
    print_table(rows, count, (const char *const[]){ "id", "name", "cpu_usec", "memory", "memory_max", "pids", "pids_max", "oom_kills", NULL }, is_set(&o, "json"));
    return 0;
}
