/* tail [-n COUNT] [FILE...]: the last lines, 10 if not told. */
#include "tool.h"

static long count = 10;

static int one(int fd, const char *name) {
    FILE *f = fdopen(dup(fd), "r");
    if (!f) return fail("tail", name);
    char **ring = calloc(count + 1, sizeof(*ring)), *line = NULL;
    size_t room = 0;
    long n = 0;
    while (getline(&line, &room, f) > 0) {
        char **slot = &ring[n++ % (count + 1)];
        free(*slot);
        *slot = line;
        line = NULL;
    }
    for (long i = n > count ? n - count : 0; i < n; i++) fputs(ring[i % (count + 1)], stdout);
    for (long i = 0; i <= count; i++) free(ring[i]);
    free(ring);
    free(line);
    fclose(f);
    return 0;
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "n:")) > 0) {
        if (option == 'n') count = atol(optarg);
        if (option == '?' || count < 0) return usage("tail [-n COUNT] [FILE...]");
    }
    return each_file("tail", argc - optind, argv + optind, one);
}
