/* boxd: carries out other people's `box` commands, each in a process of its own, with the descriptors that came with it.
 * Nothing depends on it: containers have their monitors, and all that is known is in files; so it can die and come back. */
#include "box.h"
#include <sys/socket.h>
#include <sys/wait.h>

#define REQUEST_MAX 65536                               /* bytes of a command line, each word with its zero, after the directory */

static _Noreturn void serve(int connection) {
    static char request[REQUEST_MAX];
    char *argv[1024] = { 0 };
    int fds[3], count = 3, argc = 0;
    ssize_t n = receive_fds(connection, request, sizeof(request) - 1, fds, &count);
    if (n <= 0 || count != 3) _exit(125);
    for (char *word = request; word < request + n && argc < 1023; word += strlen(word) + 1) argv[argc++] = word;
    for (int i = 0; i < 3; i++) {
        dup2(fds[i], i);
        close(fds[i]);
    }
    pid_t pid = getpid();
    send(connection, &pid, sizeof(pid), MSG_NOSIGNAL);
    setsid();
    int status = argc < 3 || chdir(argv[0]) ? 125 : run_command(argc - 1, argv + 1);
    fflush(NULL);
    send(connection, &status, sizeof(status), MSG_NOSIGNAL);
    _exit(status);
}

int daemon_main(int argc, char **argv) {
    make_directories(state_run());
    int probe = at_socket(state_run(), "boxd", connect);
    if (probe >= 0) die("a boxd listens already");
    unlink(text("%s/boxd", state_run()));
    int listener = at_socket(state_run(), "boxd", bind);
    if (listener < 0 || chmod(text("%s/boxd", state_run()), 0600) || listen(listener, 64)) die_errno("can't listen in %s", state_run());
    containers_recover();
    pid_t pid = fork();                                 /* who called may rely on it from now on */
    if (pid < 0) die_errno("%s", "no process");
    if (pid) {
        char *number = text("%d\n", pid);
        write_file(text("%s/boxd.pid", state_run()), number, strlen(number));
        return 0;
    }
    int null = open("/dev/null", O_RDWR);
    setsid();
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    for (int fd = 3; fd < 1024; fd++) if (fd != listener) close(fd);
    signal(SIGCHLD, SIG_IGN);                           /* nobody waits for them */
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) continue;
        pid_t child = fork();
        if (!child) {
            close(listener);
            signal(SIGCHLD, SIG_DFL);
            serve(connection);
        }
        close(connection);
    }
}

static pid_t server;
static void forward(int signo) { if (server) kill(server, signo); }

bool daemon_ask(int argc, char **argv, int *status) {
    static char request[REQUEST_MAX];
    size_t size = 0;
    int connection = at_socket(state_run(), "boxd", connect);
    if (connection < 0) return false;
    if (!getcwd(request, PATH_MAX)) die_errno("%s", "working directory");
    size = strlen(request) + 1;
    for (int i = 0; i < argc; i++) {
        if (size + strlen(argv[i]) + 1 >= REQUEST_MAX) die("the command line is too long");
        strcpy(request + size, argv[i]);
        size += strlen(argv[i]) + 1;
    }
    signal(SIGINT, forward);
    signal(SIGTERM, forward);
    *status = 125;
    if (send_fds(connection, request, size, (int[]){ 0, 1, 2 }, 3) || recv(connection, &server, sizeof(server), 0) != sizeof(server)) die("boxd has ended");
    ssize_t n;
    while ((n = recv(connection, status, sizeof(*status), 0)) < 0 && errno == EINTR) ;
    close(connection);
    return true;
}
