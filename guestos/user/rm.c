/* rm [-rf] FILE...: remove names; with -r whole directories, with -f without complaint of what isn't there. */
#include "tool.h"
#include <ftw.h>

static int force, result;

static int one(const char *path, const struct stat *st, int kind, struct FTW *unused) {
    if (remove(path) && !(force && errno == ENOENT)) result = fail("rm", path);
    return 0;
}

int main(int argc, char **argv) {
    int option, deep = 0;
    while ((option = getopt(argc, argv, "rRf")) > 0) {
        if (option == '?') return usage("rm [-rf] FILE...");
        if (option == 'f') force = 1;
        else deep = 1;
    }
    if (optind == argc && !force) return usage("rm [-rf] FILE...");
    for (int i = optind; i < argc; i++) {
        struct stat st;
        if (lstat(argv[i], &st)) {
            if (!force || errno != ENOENT) result = fail("rm", argv[i]);
        } else if (deep) nftw(argv[i], one, 8, FTW_DEPTH | FTW_PHYS);
        else if (unlink(argv[i])) result = fail("rm", argv[i]);
    }
    return result;
}
