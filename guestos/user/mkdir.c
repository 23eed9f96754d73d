/* mkdir [-p] DIRECTORY...: with -p, its parents too, and no complaint if it is there. */
#include "tool.h"

static int make(char *path, int parents) {
    for (char *p = path + 1; parents && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(path, 0777) && errno != EEXIST) return fail("mkdir", path);
        *p = '/';
    }
    if (mkdir(path, 0777) && !(parents && errno == EEXIST && is_directory(path))) return fail("mkdir", path);
    return 0;
}

int main(int argc, char **argv) {
    int parents = argc > 1 && !strcmp(argv[1], "-p"), result = 0;
    if (argc < 2 + parents) return usage("mkdir [-p] DIRECTORY...");
    for (int i = 1 + parents; i < argc; i++) result |= make(argv[i], parents);
    return result;
}
