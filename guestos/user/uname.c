/* uname [-a]: the kernel's name, or all it says of itself. */
#include "tool.h"
#include <sys/utsname.h>

int main(int argc, char **argv) {
    struct utsname u;
    if (uname(&u)) return fail("uname", "uname");
    if (argc > 1 && !strcmp(argv[1], "-a")) printf("%s %s %s %s %s\n", u.sysname, u.nodename, u.release, u.version, u.machine);
    else puts(u.sysname);
    return 0;
}
