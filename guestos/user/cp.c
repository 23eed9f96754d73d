/* cp FROM... TO: copies of files, with their permissions. */
#include "tool.h"

static int copy(const char *from, const char *to) {
    struct stat st;
    int in = open(from, O_RDONLY);
    if (in < 0 || fstat(in, &st)) return fail("cp", from);
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return fail("cp", from);
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 07777);
    if (out < 0) return fail("cp", to);
    int result = copy_all(in, out) ? fail("cp", to) : 0;
    close(in);
    return close(out) ? fail("cp", to) : result;
}

int main(int argc, char **argv) {
    int result = 0;
    if (argc < 3) return usage("cp FROM... TO");
    const char *to = argv[argc - 1];
    int into = is_directory(to);
    if (argc > 3 && !into) return usage("cp FROM... DIRECTORY");
    for (int i = 1; i < argc - 1; i++) {
        char *name = into ? inside(to, argv[i]) : strdup(to);
        result |= copy(argv[i], name);
        free(name);
    }
    return result;
}
