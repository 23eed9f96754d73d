/* syscall NUMBER [ARGUMENT]...: makes one system call and prints what it returned. An argument is a number if it reads like one in C,
 * otherwise a pointer to its text; one that begins with = is the text behind it. */
#include "tool.h"

static long argument(const char *text) {
    if (*text == '=') return (long)(text + 1);
    char *end;
    long number = (long)strtoull(text, &end, 0);
    return *text && !*end ? number : (long)text;
}

int main(int argc, char **argv) {
    long given[7] = {0};
    if (argc < 2 || argc > 8) return usage("syscall NUMBER [ARGUMENT]...");
    for (int i = 1; i < argc; i++) given[i - 1] = argument(argv[i]);
    long result = syscall(given[0], given[1], given[2], given[3], given[4], given[5], given[6]);
    printf("%ld\n", result == -1 ? -errno : result);
    return 0;
}
