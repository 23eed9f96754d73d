/* echo [-n] [WORD...] */
#include "tool.h"

int main(int argc, char **argv) {
    int first = 1, line = 1;
    if (argc > 1 && !strcmp(argv[1], "-n")) first = 2, line = 0;
    for (int i = first; i < argc; i++) printf("%s%s", i > first ? " " : "", argv[i]);
    if (line) putchar('\n');
    return fflush(stdout) ? fail("echo", "write") : 0;
}
