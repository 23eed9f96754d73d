/* sort [-nru] [FILE...]: lines in order, by byte or with -n by number; -r backwards, -u each once. */
#include "tool.h"

static char **lines;
static size_t count, room;
static int numeric, backwards, unique;

static int one(int fd, const char *name) {
    FILE *f = fdopen(dup(fd), "r");
    if (!f) return fail("sort", name);
    char *line = NULL;
    size_t size = 0;
    for (ssize_t n; (n = getline(&line, &size, f)) > 0; line = NULL, size = 0) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        if (count == room && !(lines = realloc(lines, (room = room * 2 + 64) * sizeof(*lines)))) return fail("sort", name);
        lines[count++] = line;
    }
    fclose(f);
    return 0;
}

static int compare(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    long m = numeric ? strtol(x, NULL, 10) : 0, n = numeric ? strtol(y, NULL, 10) : 0;
    int order = m != n ? (m > n) - (m < n) : strcmp(x, y);
    return backwards ? -order : order;
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "nru")) > 0) {
        if (option == '?') return usage("sort [-nru] [FILE...]");
        *(option == 'n' ? &numeric : option == 'r' ? &backwards : &unique) = 1;
    }
    int result = each_file("sort", argc - optind, argv + optind, one);
    qsort(lines, count, sizeof(*lines), compare);
    for (size_t i = 0; i < count; i++)
        if (!unique || !i || strcmp(lines[i], lines[i - 1])) puts(lines[i]);
    return result;
}
