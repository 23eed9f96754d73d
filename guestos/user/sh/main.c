/* sh [-c TEXT [NAME ARGUMENT...] | FILE ARGUMENT...]: a script, or a session on the terminal. */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *at = "";
jmp_buf wrong;
int status, breaking, continuing, interactive;
char **positional = (char *[]){ "sh", NULL };
int positional_count;
pid_t last_background, shell_pid;

void complain(const char *what, const char *why) { fprintf(stderr, "sh: %s: %s\n", what, why); }

static void prompt(int more) {
    char where[PATH_MAX];
    if (!interactive) return;
    if (more) fprintf(stderr, "> ");
    else fprintf(stderr, "%s %c ", getcwd(where, sizeof(where)) ? where : "?", getuid() ? '$' : '#');
}

/* From descriptor 0, a construct at a time; byte by byte, because programs read what follows. */
static void session(void) {
    buffer text = { 0 };
    add(&text, '\n');
    prompt(0);
    for (;;) {
        char c;
        ssize_t n = read(0, &c, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n == 1) add(&text, c);
        if (n == 1 && c != '\n') continue;
        if (n != 1 || run_is_complete(text.text)) {
            run_text(text.text);
            text.length = 0;
            add(&text, '\n');
            reap_background();
        }
        if (n != 1) break;
        prompt(text.length > 1);
    }
    if (interactive) fprintf(stderr, "\n");
}

int main(int argc, char **argv) {
    shell_pid = getpid();
    static char where[PATH_MAX];
    if (getcwd(where, sizeof(where))) setenv("PWD", where, 1);
    if (argc > 2 && !strcmp(argv[1], "-c")) {
        positional = argc > 3 ? argv + 3 : argv;
        positional_count = argc > 3 ? argc - 4 : 0;
        run_text(argv[2]);
    } else if (argc > 1 && argv[1][0] != '-') {
        positional = argv + 1;
        positional_count = argc - 2;
        int script = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (script < 0) {
            complain(argv[1], strerror(errno));
            return 127;
        }
        buffer text = { 0 };
        add(&text, '\n');
        char piece[512];
        for (ssize_t n; (n = read(script, piece, sizeof(piece))) > 0;)
            for (ssize_t i = 0; i < n; i++) add(&text, piece[i]);
        close(script);
        run_text(text.text);
    } else if (argc > 1) {
        complain(argv[1], "unknown option; use -c TEXT, or a file");
        return 2;
    } else {
        interactive = isatty(0) && isatty(2);
        if (interactive) {
            signals_for_shell();
            setpgid(0, 0);
            tcsetpgrp(0, getpgrp());
        }
        session();
    }
    fflush(NULL);
    return status;
}
