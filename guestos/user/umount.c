/* umount DIRECTORY... */
#include "tool.h"
#include <sys/mount.h>

int main(int argc, char **argv) {
    int result = 0;
    if (argc < 2) return usage("umount DIRECTORY...");
    for (int i = 1; i < argc; i++)
        if (umount2(argv[i], 0)) result = fail("umount", argv[i]);
    return result;
}
