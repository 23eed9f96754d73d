/* grep [-ivcnqE] PATTERN [FILE...]: lines that match a regular expression. Status 1: none. */
#include "tool.h"
#include <regex.h>

static regex_t pattern;
static int invert, only_count, number, quiet, many, found;

static int one(int fd, const char *name) {
    FILE *f = fdopen(dup(fd), "r");
    if (!f) return fail("grep", name);
    char *line = NULL;
    size_t room = 0;
    long at = 0, matches = 0;
    for (ssize_t n; (n = getline(&line, &room, f)) > 0;) {
        at++;
        if (line[n - 1] == '\n') line[n - 1] = 0;
        if ((regexec(&pattern, line, 0, NULL, 0) == 0) == invert) continue;
        found = 1;
        matches++;
        if (quiet || only_count) continue;
        if (many) printf("%s:", name);
        if (number) printf("%ld:", at);
        puts(line);
    }
    if (only_count && many) printf("%s:%ld\n", name, matches);
    else if (only_count) printf("%ld\n", matches);
    free(line);
    fclose(f);
    return 0;
}

int main(int argc, char **argv) {
    int option, flags = REG_NOSUB;
    while ((option = getopt(argc, argv, "ivcnqE")) > 0) {
        switch (option) {
        case 'i': flags |= REG_ICASE; break;
        case 'E': flags |= REG_EXTENDED; break;
        case 'v': invert = 1; break;
        case 'c': only_count = 1; break;
        case 'n': number = 1; break;
        case 'q': quiet = 1; break;
        default: return usage("grep [-ivcnqE] PATTERN [FILE...]");
        }
    }
    if (optind == argc) return usage("grep [-ivcnqE] PATTERN [FILE...]");
    int error = regcomp(&pattern, argv[optind], flags);
    if (error) {
        char reason[80];
        regerror(error, &pattern, reason, sizeof(reason));
        fprintf(stderr, "grep: %s: %s\n", argv[optind], reason);
        return 2;
    }
    many = argc - optind > 2;
    return each_file("grep", argc - optind - 1, argv + optind + 1, one) ? 2 : !found;
}
