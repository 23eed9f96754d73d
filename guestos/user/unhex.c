/* unhex TEXT: the bytes that the hexadecimal digits stand for, on standard output. */
#include "tool.h"

int main(int argc, char **argv) {
    unsigned byte;
    if (argc != 2 || strlen(argv[1]) % 2) return usage("unhex TEXT");
    for (const char *at = argv[1]; *at; at += 2) {
        if (strspn(at, "0123456789abcdefABCDEF") < 2 || sscanf(at, "%2x", &byte) != 1) return usage("unhex TEXT");
        putchar(byte);
    }
    return fflush(stdout) ? fail("unhex", "standard output") : 0;
}
