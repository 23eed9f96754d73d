/* The console's other side: this terminal, or whoever connects to the machine's socket in /run/vmm. */
#include "vmm.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define DETACH 0x1d                         /* Ctrl-] */
#define KEPT 65536                          /* bytes of output that a later client is shown */

static char socket_path[128];
static int listener = -1, client = -1;
static bool on_terminal, output_is_terminal, raw;
static struct termios before;
static uint8_t kept[KEPT];
static size_t kept_end;

static void restore(void) {
    if (raw) tcsetattr(0, TCSADRAIN, &before);
    raw = false;
}

static void make_raw(void) {
    struct termios t;
    if (!isatty(0) || tcgetattr(0, &before)) return;
    t = before;
    cfmakeraw(&t);
    raw = !tcsetattr(0, TCSADRAIN, &t);
    atexit(restore);
}

void control_output(uint8_t byte) {
    kept[kept_end++ % KEPT] = byte;
    if (on_terminal && (byte != '\r' || output_is_terminal)) write(1, &byte, 1);      /* files have lines that end with \n */
    if (client >= 0 && send(client, &byte, 1, MSG_NOSIGNAL) < 0) close(client), client = -1;
}

/* What a client begins with: "console", "stop" or "info", and a newline. */
static void new_client(void) {
    char word[16] = "";
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) return;
    ssize_t n = read(fd, word, sizeof(word) - 1);
    if (n > 0 && !strncmp(word, "console\n", 8) && client < 0) {
        size_t from = kept_end > KEPT ? kept_end - KEPT : 0;
        for (; from < kept_end; from++) send(fd, &kept[from % KEPT], 1, MSG_NOSIGNAL);
        client = fd;
        return;
    }
    char text[64];
    if (n > 0 && !strncmp(word, "stop\n", 5)) machine_stop();
    snprintf(text, sizeof(text), "%d %zu\n", getpid(), ram_size >> 20);
    send(fd, text, strlen(text), MSG_NOSIGNAL);
    close(fd);
}

/* Bytes for the guest; false at their end. */
static bool feed(int fd) {
    uint8_t bytes[64];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++) {
        if (fd == 0 && raw && bytes[i] == DETACH) machine_stop();
        for (;;) {
            pthread_mutex_lock(&lock);
            bool room = serial_has_room();
            if (room) serial_receive(bytes[i]);
            pthread_mutex_unlock(&lock);
            if (room) break;
            usleep(1000);
        }
    }
    return n > 0;
}

static void *listen_for_input(void *unused) {
    bool typing = on_terminal;
    for (;;) {
        struct pollfd p[] = { { typing ? 0 : -1, POLLIN, 0 }, { listener, POLLIN, 0 }, { client, POLLIN, 0 } };
        if (poll(p, 3, -1) < 0) continue;
        if (p[0].revents) typing = feed(0);
        if (p[2].revents && !feed(client)) {
            pthread_mutex_lock(&lock);
            close(client), client = -1;
            pthread_mutex_unlock(&lock);
        }
        if (p[1].revents) {
            pthread_mutex_lock(&lock);
            new_client();
            pthread_mutex_unlock(&lock);
        }
    }
}

static int connect_to(const char *name, const char *word) {
    struct sockaddr_un a = { AF_UNIX, "" };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), RUN_DIRECTORY "/%s.sock", name);
    if (connect(fd, (void *)&a, sizeof(a))) {
        if (errno == ECONNREFUSED) unlink(a.sun_path);      /* left by one that was killed */
        close(fd);
        return -1;
    }
    write(fd, word, strlen(word));
    return fd;
}

void control_start(const struct options *o) {
    mkdir("/run", 0755);
    mkdir(RUN_DIRECTORY, 0700);
    int other = connect_to(o->name, "info\n");
    if (other >= 0) fail("a machine %s is running; give another --name, or stop it: vmm stop %s", o->name, o->name);
    struct sockaddr_un a = { AF_UNIX, "" };
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(socket_path, sizeof(socket_path), RUN_DIRECTORY "/%s.sock", o->name);
    strcpy(a.sun_path, socket_path);
    if (bind(listener, (void *)&a, sizeof(a)) || listen(listener, 8)) fail("can't make %s: %s", socket_path, strerror(errno));
    on_terminal = !o->detach;
    output_is_terminal = isatty(1);
    if (on_terminal && !o->command) make_raw();
    signal(SIGPIPE, SIG_IGN);
    pthread_t thread;
    if (pthread_create(&thread, NULL, listen_for_input, NULL)) fail("no thread for the console: %s", strerror(errno));
}

void control_end(void) {
    restore();
    if (socket_path[0]) unlink(socket_path);
}

/* ---- commands on machines that run ---- */

int command_ps(void) {
    DIR *directory = opendir(RUN_DIRECTORY);
    printf("%-20s %7s %6s\n", "NAME", "PID", "MIB");
    for (struct dirent *e; directory && (e = readdir(directory));) {
        char name[64], text[64] = "";
        size_t n = strlen(e->d_name);
        if (n < 6 || n >= sizeof(name) || strcmp(e->d_name + n - 5, ".sock")) continue;
        memcpy(name, e->d_name, n - 5);
        name[n - 5] = 0;
        int fd = connect_to(name, "info\n"), pid, mib;
        if (fd < 0) continue;
        if (read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%d %d", &pid, &mib) == 2) printf("%-20s %7d %6d\n", name, pid, mib);
        close(fd);
    }
    return 0;
}

int command_stop(const char *name) {
    char text[64];
    int fd = connect_to(name, "stop\n");
    if (fd < 0) fail("no machine %s is running; vmm ps lists them", name);
    while (read(fd, text, sizeof(text)) > 0);
    close(fd);
    for (int i = 0; i < 1000 && (fd = connect_to(name, "info\n")) >= 0; i++) close(fd), usleep(1000);
    return 0;
}

int command_console(const char *name) {
    int fd = connect_to(name, "console\n");
    if (fd < 0) fail("no machine %s is running; vmm ps lists them", name);
    make_raw();
    for (bool typing = true;;) {
        char bytes[256];
        struct pollfd p[] = { { fd, POLLIN, 0 }, { typing ? 0 : -1, POLLIN, 0 } };
        if (poll(p, 2, -1) < 0) continue;
        if (p[0].revents) {
            ssize_t n = read(fd, bytes, sizeof(bytes));
            if (n <= 0) return 0;
            write(1, bytes, n);
        }
        if (p[1].revents) {
            ssize_t n = read(0, bytes, sizeof(bytes));
            if (n > 0 && memchr(bytes, DETACH, n)) return 0;
            if (n > 0) write(fd, bytes, n);
            else typing = false;
        }
    }
}
