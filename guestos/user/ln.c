/* ln [-s] TARGET NAME: another name for a file, or with -s a symbolic link. */
#include "tool.h"

int main(int argc, char **argv) {
    int symbolic = argc > 1 && !strcmp(argv[1], "-s");
    if (argc != 3 + symbolic) return usage("ln [-s] TARGET NAME");
    const char *target = argv[1 + symbolic], *name = argv[2 + symbolic];
    char *to = is_directory(name) ? inside(name, target) : strdup(name);
    return (symbolic ? symlink(target, to) : link(target, to)) ? fail("ln", to) : 0;
}
