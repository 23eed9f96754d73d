/* free: memory, from /proc/meminfo, in KiB. */
#include "tool.h"

int main(void) {
    FILE *f = fopen("/proc/meminfo", "r");
    if (!f) return fail("free", "/proc/meminfo");
    unsigned long total = 0, unused = 0, buffers = 0, value;
    for (char name[32]; fscanf(f, "%31[^:]: %lu kB\n", name, &value) == 2;) {
        if (!strcmp(name, "MemTotal")) total = value;
        else if (!strcmp(name, "MemFree")) unused = value;
        else if (!strcmp(name, "Buffers")) buffers = value;
    }
    printf("%10s %10s %10s %10s\n%10lu %10lu %10lu %10lu\n", "TOTAL", "USED", "FREE", "BUFFERS", total, total - unused - buffers, unused, buffers);
    return 0;
}
