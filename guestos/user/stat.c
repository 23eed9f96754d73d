/* stat FILE...: what the file system knows of a file. */
#include "tool.h"
#include <sys/sysmacros.h>

int main(int argc, char **argv) {
    int result = 0;
    if (argc < 2) return usage("stat FILE...");
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (lstat(argv[i], &st)) {
            result = fail("stat", argv[i]);
            continue;
        }
        printf("%s\n  size %ld  blocks %ld  device %u:%u  inode %lu  links %lu\n  mode %06o  uid %u  gid %u\n"
               "  modified %ld.%09ld  changed %ld.%09ld\n", argv[i], (long)st.st_size, (long)st.st_blocks, major(st.st_dev),
               minor(st.st_dev), (unsigned long)st.st_ino, (unsigned long)st.st_nlink, st.st_mode, st.st_uid, st.st_gid,
               (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    }
    return result;
}
