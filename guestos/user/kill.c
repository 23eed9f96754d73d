/* kill [-SIGNAL] PID...: a number or a name; a negative PID is a process group. */
#include "tool.h"
#include <signal.h>

static const struct { const char *name; int number; } names[] = {
    { "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "KILL", SIGKILL }, { "TERM", SIGTERM },
    { "STOP", SIGSTOP }, { "CONT", SIGCONT }, { "TSTP", SIGTSTP }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
};

static int signal_number(const char *text) {
    char *end;
    long n = strtol(text, &end, 10);
    if (*text && !*end) return n;
    if (!strncmp(text, "SIG", 3)) text += 3;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(names[i].name, text)) return names[i].number;
    return -1;
}

int main(int argc, char **argv) {
    int first = 1, number = SIGTERM, result = 0;
    if (argc > 2 && argv[1][0] == '-') number = signal_number(argv[first++] + 1);
    if (first >= argc || number < 0) return usage("kill [-SIGNAL] PID...");
    for (int i = first; i < argc; i++) {
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (end == argv[i] || *end) return usage("kill [-SIGNAL] PID...");      /* 0 would be our own group */
        if (kill(pid, number)) result = fail("kill", argv[i]);
    }
    return result;
}
