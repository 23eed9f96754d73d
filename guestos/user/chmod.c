/* chmod MODE FILE...: MODE in octal. */
#include "tool.h"

int main(int argc, char **argv) {
    char *end;
    int result = 0;
    unsigned long mode = argc > 2 ? strtoul(argv[1], &end, 8) : 0;
    if (argc < 3 || *end || mode > 07777) return usage("chmod OCTAL_MODE FILE...");
    for (int i = 2; i < argc; i++)
        if (chmod(argv[i], mode)) result = fail("chmod", argv[i]);
    return result;
}
