/* mv FROM... TO: new names for files, within one file system. */
#include "tool.h"

int main(int argc, char **argv) {
    int result = 0;
    if (argc < 3) return usage("mv FROM... TO");
    const char *to = argv[argc - 1];
    int into = is_directory(to);
    if (argc > 3 && !into) return usage("mv FROM... DIRECTORY");
    for (int i = 1; i < argc - 1; i++) {
        char *name = into ? inside(to, argv[i]) : strdup(to);
        if (rename(argv[i], name)) result = fail("mv", argv[i]);
        free(name);
    }
    return result;
}
