/* mount [-t TYPE [-r] [-o OPTIONS] SOURCE DIRECTORY]: attach a file system, or show what is attached. */
#include "tool.h"
#include <sys/mount.h>

int main(int argc, char **argv) {
    const char *type = "ext2", *options = NULL;
    unsigned long flags = 0;
    int option;
    if (argc == 1) {
        int fd = open("/proc/mounts", O_RDONLY);
        return fd < 0 || copy_all(fd, 1) ? fail("mount", "/proc/mounts") : 0;
    }
    while ((option = getopt(argc, argv, "t:ro:")) > 0) {
        if (option == '?') return usage("mount [-t TYPE] [-r] [-o OPTIONS] SOURCE DIRECTORY");
        if (option == 't') type = optarg;
        else if (option == 'o') options = optarg;
        else flags |= MS_RDONLY;
    }
    if (argc - optind != 2) return usage("mount [-t TYPE] [-r] [-o OPTIONS] SOURCE DIRECTORY");
    return mount(argv[optind], argv[optind + 1], type, flags, options) ? fail("mount", argv[optind + 1]) : 0;
}
