/* hexdump [FILE...]: offsets, bytes in hexadecimal, and those that can be printed. */
#include "tool.h"

static int one(int fd, const char *name) {
    FILE *f = fdopen(dup(fd), "r");
    if (!f) return fail("hexdump", name);
    unsigned char line[16];
    unsigned long offset = 0;
    for (size_t n; (n = fread(line, 1, 16, f)); offset += n) {
        printf("%08lx ", offset);
        for (size_t i = 0; i < 16; i++) i < n ? printf("%s%02x", i == 8 ? "  " : " ", line[i]) : printf("   ");
        printf("  |");
        for (size_t i = 0; i < n; i++) putchar(line[i] >= ' ' && line[i] < 0x7f ? line[i] : '.');
        puts("|");
    }
    printf("%08lx\n", offset);
    fclose(f);
    return 0;
}

int main(int argc, char **argv) { return each_file("hexdump", argc - 1, argv + 1, one); }
