/* env [NAME=VALUE...] [COMMAND...]: the environment, or a command in a changed one. */
#include "tool.h"

extern char **environ;

int main(int argc, char **argv) {
    int i = 1;
    for (; i < argc && strchr(argv[i], '='); i++) putenv(argv[i]);
    if (i < argc) {
        execvp(argv[i], argv + i);
        fail("env", argv[i]);
        return errno == ENOENT ? 127 : 126;
    }
    for (char **e = environ; *e; e++) puts(*e);
    return 0;
}
