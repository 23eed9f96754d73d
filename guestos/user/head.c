/* head [-n COUNT] [FILE...]: the first lines, 10 if not told. */
#include "tool.h"

static long count = 10;

static int one(int fd, const char *name) {
    FILE *f = fdopen(dup(fd), "r");
    if (!f) return fail("head", name);
    long left = count;
    for (int c; left > 0 && (c = getc(f)) != EOF; left -= c == '\n') putchar(c);
    fclose(f);
    return 0;
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "n:")) > 0) {
        if (option == '?') return usage("head [-n COUNT] [FILE...]");
        count = atol(optarg);
    }
    return each_file("head", argc - optind, argv + optind, one);
}
