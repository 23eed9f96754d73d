/* agent: carries out requests that come over the console, for a program that drives the machine from outside (emu/testing).
 *
 * Requests:  run N, then N bytes: a command for sh, run in a session of its own with empty standard input
 *            put MODE SIZE PATH: write a file (mode in octal); its bytes are stored into memory by who drives the machine
 * Replies:   \x02 T N newline, then N bytes. T: r ready, o standard output, e standard error, x exit status (128 + the
 *            signal that killed it) in decimal, a address in hexadecimal of a word to be set to 1 once the file's bytes
 *            stand one page behind it, ! what went wrong
 */
#include "tool.h"
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>

#define PAGE 4096

static void send_all(const char *data, size_t size) {
    while (size) {
        ssize_t n = write(1, data, size);
        if (n < 0) exit(1);
        data += n;
        size -= n;
    }
}

static void reply(char type, const char *data, size_t size) {
    char head[32];
    send_all(head, snprintf(head, sizeof(head), "\x02%c%zu\n", type, size));
    send_all(data, size);
}

static void reply_number(char type, const char *format, unsigned long value) {
    char text[32];
    reply(type, text, snprintf(text, sizeof(text), format, value));
}

static void receive(char *to, size_t size) {
    while (size) {
        ssize_t n = read(0, to, size);
        if (n <= 0) exit(1);
        to += n;
        size -= n;
    }
}

static void run(size_t size) {
    char *command = malloc(size + 1);
    int out[2], err[2], how;
    if (!command || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        reply('!', strerror(errno), strlen(strerror(errno)));
        exit(1);
    }
    receive(command, size);
    command[size] = 0;
    pid_t child = fork();
    if (!child) {
        setsid();
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    free(command);
    struct pollfd from[2] = {{ .fd = out[0], .events = POLLIN }, { .fd = err[0], .events = POLLIN }};
    static char piece[16384];
    while (from[0].fd >= 0 || from[1].fd >= 0) {
        if (poll(from, 2, -1) < 0) continue;
        for (int i = 0; i < 2; i++) {
            if (from[i].fd < 0 || !from[i].revents) continue;
            ssize_t n = read(from[i].fd, piece, sizeof(piece));
            if (n > 0) reply(i ? 'e' : 'o', piece, n);
            else {
                close(from[i].fd);
                from[i].fd = -1;
            }
        }
    }
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) ;
    tcflush(0, TCIFLUSH);               // what was typed at a command that had the console, and has ended
    reply_number('x', "%lu", WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
}

static void put(unsigned mode, size_t size, const char *path) {
    size_t room = PAGE + (size + PAGE - 1) / PAGE * PAGE;
    char *buffer = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED) return reply('!', "no memory", 9);
    memset(buffer, 0xFF, room);         // each page its own frame before anybody stores into it
    *(volatile int *)buffer = 0;
    reply_number('a', "%lx", (unsigned long)buffer);
    while (!*(volatile int *)buffer) ;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ssize_t done = fd < 0 ? -1 : 0;
    for (ssize_t n; done >= 0 && (size_t)done < size; done += n)
        if ((n = write(fd, buffer + PAGE + done, size - done)) <= 0) done = -1 - n;
    if (done < 0 || fchmod(fd, mode) || close(fd)) reply('!', strerror(errno), strlen(strerror(errno)));
    else reply_number('x', "%lu", 0);
    munmap(buffer, room);
}

int main(void) {
    struct termios raw;
    if (tcgetattr(0, &raw)) return fail("agent", "standard input");
    cfmakeraw(&raw);
    tcsetattr(0, TCSANOW, &raw);
    signal(SIGTTOU, SIG_IGN);
    reply('r', "", 0);
    for (;;) {
        char line[4400], path[4200];
        size_t length = 0, size;
        unsigned mode;
        do receive(&line[length], 1); while (line[length] != '\n' && ++length < sizeof(line) - 1);
        line[length] = 0;
        if (sscanf(line, "run %zu", &size) == 1) run(size);
        else if (sscanf(line, "put %o %zu %4199[^\n]", &mode, &size, path) == 3) put(mode, size, path);
        else reply('!', "unknown request", 15);
    }
}
