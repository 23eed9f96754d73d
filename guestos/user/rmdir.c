/* rmdir DIRECTORY... */
#include "tool.h"

int main(int argc, char **argv) {
    int result = 0;
    if (argc < 2) return usage("rmdir DIRECTORY...");
    for (int i = 1; i < argc; i++)
        if (rmdir(argv[i])) result = fail("rmdir", argv[i]);
    return result;
}
