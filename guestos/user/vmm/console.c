/* The other end of the guest's serial port: the terminal that the machine was started at, if it is still there, and who has
 * connected to the machine's socket. A thread waits for keys and requests. */
#include "vmm.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#define CLIENTS 8
#define SAID 16384
#define AGAIN_MS 50

static const char *name, *kernel;
static u64 memory;
static time_t since;
static int listener = -1, link_fd = -1;     /* link: to the process the shell waits for, while this one is at its terminal */
static volatile bool showing;               /* on standard output */
static bool keys, terminal, plain, held;    /* plain: no terminal, so its lines end with LF alone; held: a CR that waits for what follows */
static const char *stop;                    /* asked for, and why */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;        /* of what follows */
static struct client { int fd; bool attached, patient; unsigned length; char line[16]; } clients[CLIENTS];
static char said[SAID];                     /* the last output, for who comes later */
static size_t said_bytes;
static bool closed;

static void show(const char *bytes, size_t n) {
    while (n && showing) {
        ssize_t some = write(1, bytes, n);
        if (some > 0) bytes += some, n -= some;
        else if (errno == EINTR && machine_stopping()) break;
        else if (some < 0 && errno != EINTR) showing = false, machine_stop("nobody reads its console any more");
    }
}

void console_put(u8 byte) {
    pthread_mutex_lock(&lock);
    said[said_bytes++ % SAID] = byte;
    for (struct client *c = clients; c < clients + CLIENTS; c++)
        if (c->attached) send(c->fd, &byte, 1, c->patient ? MSG_NOSIGNAL : MSG_DONTWAIT | MSG_NOSIGNAL);    /* who doesn't read misses it, but exec */
    pthread_mutex_unlock(&lock);
    if (held && byte != '\n') show("\r", 1);
    held = plain && byte == '\r';
    if (!held) show((char *)&byte, 1);
}

static void drop(struct client *c) {
    close(c->fd);
    *c = (struct client){ .fd = -1 };
}

static void accept_one(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (struct client *c = clients; fd >= 0 && c < clients + CLIENTS; c++)
        if (c->fd < 0) {
            c->fd = fd;
            return;
        }
    close(fd);
}

static void requested(struct client *c) {
    char text[256];
    if (!strcmp(c->line, "console")) {
        size_t from = said_bytes % SAID;
        if (said_bytes > SAID) send(c->fd, said + from, SAID - from, MSG_DONTWAIT | MSG_NOSIGNAL);
        send(c->fd, said, from, MSG_DONTWAIT | MSG_NOSIGNAL);
        c->attached = true;
    } else if (!strcmp(c->line, "agent")) c->attached = c->patient = true;
    else if (!strcmp(c->line, "stop")) stop = "it was stopped";
    else {
        int n = snprintf(text, sizeof(text), "%6d %6luM %7ld  %.200s\n", getpid(), memory >> 20, (long)(time(NULL) - since), kernel);
        if (!strcmp(c->line, "status")) send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        drop(c);
    }
}

static void client_input(struct client *c) {
    u8 bytes[4096];
    ssize_t n = recv(c->fd, bytes, c->attached ? MIN(sizeof(bytes), serial_room()) : 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) drop(c);
    else if (c->attached) serial_receive(bytes, n);
    else if (*bytes == '\n') c->line[c->length] = 0, requested(c);
    else if (c->length == sizeof(c->line) - 1) drop(c);
    else c->line[c->length++] = *bytes;
}

/* The machine goes on without the terminal; the process at it is told, and ends. */
static void detach(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    showing = keys = false;
    terminal_restore();
    setsid();
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (write(link_fd, "d", 1) < 0 || close(link_fd)) return;
    link_fd = -1;
}

static void own_input(void) {
    u8 bytes[4096];
    ssize_t n = read(0, bytes, MIN(sizeof(bytes), serial_room()));
    if (n < 0 && errno == EINTR) return;
    u8 *leave = terminal && n > 0 ? memchr(bytes, LEAVE, n) : NULL;
    if (n <= 0) {
        keys = false;                       /* the guest's terminal hears of it as it would from a user */
        serial_receive((u8[]){ 4 }, 1);
    } else serial_receive(bytes, leave ? leave - bytes : n);
    if (leave) detach();
}

static void *attend(void *unused) {
    for (;;) {
        bool room = serial_room();
        struct pollfd p[3 + CLIENTS] = { { .fd = listener, .events = POLLIN }, { .fd = link_fd, .events = POLLIN }, { .fd = keys && room ? 0 : -1, .events = POLLIN } };
        for (int i = 0; i < CLIENTS; i++) p[3 + i].fd = clients[i].attached && !room ? -1 : clients[i].fd, p[3 + i].events = POLLIN;
        int ready = poll(p, 3 + CLIENTS, stop || !room ? AGAIN_MS : -1);
        if (stop) machine_stop(stop);
        if (ready <= 0) continue;
        pthread_mutex_lock(&lock);
        if (!closed) {
            if (p[1].revents) stop = "who started it has gone", close(link_fd), link_fd = -1;
            if (p[2].revents) own_input();
            for (int i = 0; i < CLIENTS; i++)
                if (p[3 + i].fd >= 0 && p[3 + i].revents) client_input(&clients[i]);
            if (p[0].revents) accept_one();
        }
        pthread_mutex_unlock(&lock);
        if (stop) machine_stop(stop);
    }
    return NULL;
}

void console_open(const char *called, u64 bytes, const char *kernel_path, int listens, int link, bool detached, bool input) {
    pthread_t thread;
    sigset_t all, before;
    name = called, memory = bytes, kernel = kernel_path, listener = listens, link_fd = link, since = time(NULL);
    for (int i = 0; i < CLIENTS; i++) clients[i].fd = -1;
    signal(SIGPIPE, SIG_IGN);
    if (detached) detach();
    else {
        showing = true, plain = !isatty(1);
        terminal = terminal_raw(), keys = terminal || input;
        if (terminal && input) fprintf(stderr, "Ctrl-] leaves %s running\r\n", name);
    }
    sigfillset(&all);                       /* signals are for the thread that runs the processor */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (pthread_create(&thread, NULL, attend, NULL)) die("no thread for the console: %s", strerror(errno));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void console_close(const char *reason) {
    char path[108], text[256];
    pthread_mutex_lock(&lock);
    closed = true;
    if (name) control_path(path, name), unlink(path);
    terminal_restore();
    for (struct client *c = clients; reason && name && c < clients + CLIENTS; c++)
        if (c->attached) send(c->fd, text, snprintf(text, sizeof(text), "\r\nvmm: %s: %s\r\n", name, reason), MSG_DONTWAIT | MSG_NOSIGNAL);
    name = NULL;
    pthread_mutex_unlock(&lock);
}
