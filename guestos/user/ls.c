/* ls [-laid] [FILE...]: names in directories; -l with their attributes, -i with inode numbers. */
#include "tool.h"
#include <dirent.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <time.h>

static int full, all, numbers, directories, result;

static void show(const char *path, const char *name) {
    struct stat st;
    if (lstat(path, &st)) {
        result = fail("ls", path);
        return;
    }
    if (numbers) printf("%7lu ", (unsigned long)st.st_ino);
    if (full) {
        static const char kinds[] = "?pc?d?b?-?l?s???";
        char mode[11] = "?rwxrwxrwx", when[32];
        mode[0] = kinds[st.st_mode >> 12 & 15];
        for (int i = 0; i < 9; i++) if (!(st.st_mode >> (8 - i) & 1)) mode[1 + i] = '-';
        if (st.st_mode & S_ISUID) mode[3] = st.st_mode & S_IXUSR ? 's' : 'S';
        if (st.st_mode & S_ISGID) mode[6] = st.st_mode & S_IXGRP ? 's' : 'S';
        if (st.st_mode & S_ISVTX) mode[9] = st.st_mode & S_IXOTH ? 't' : 'T';
        printf("%s %3lu %4u %4u ", mode, (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) printf("%4u,%4u", major(st.st_rdev), minor(st.st_rdev));
        else printf("%9ld", (long)st.st_size);
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", gmtime(&st.st_mtime));
        printf(" %s ", when);
    }
    fputs(name, stdout);
    if (full && S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n >= 0) printf(" -> %.*s", (int)n, target);
    }
    putchar('\n');
}

static int not_hidden(const struct dirent *entry) { return all || entry->d_name[0] != '.'; }

static void list(const char *path, int heading) {
    struct stat st;
    if (directories || lstat(path, &st) || (full && S_ISLNK(st.st_mode)) || !is_directory(path)) return show(path, path);
    struct dirent **entries;
    int n = scandir(path, &entries, not_hidden, alphasort);
    if (n < 0) {
        result = fail("ls", path);
        return;
    }
    if (heading) printf("%s:\n", path);
    for (int i = 0; i < n; i++) {
        char *joined;
        if (asprintf(&joined, "%s/%s", path, entries[i]->d_name) < 0) exit(1);
        show(joined, entries[i]->d_name);
        free(joined);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "laid")) > 0) {
        switch (option) {
        case 'l': full = 1; break;
        case 'a': all = 1; break;
        case 'i': numbers = 1; break;
        case 'd': directories = 1; break;
        default: return usage("ls [-laid] [FILE...]");
        }
    }
    if (optind == argc) list(".", 0);
    for (int i = optind; i < argc; i++) list(argv[i], argc - optind > 1);
    return result;
}
