/* Runs a flat workload image natively, as a Linux process: host IMAGE ENTRY ITERATIONS -> "checksum nanoseconds".
 *
 * The 64 MiB below are mapped as the guest would have them: at the same addresses, in 4 KiB pages,
 * all present before the clock starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LOAD = 0x100000, TOP = 0x4000000 };

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: host IMAGE ENTRY ITERATIONS\n");
        return 2;
    }
    uint8_t *memory = mmap((void *)LOAD, TOP - LOAD, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != (void *)LOAD) {
        perror("host: the workload's addresses, 1 to 64 MiB, can't be mapped");
        return 2;
    }
    madvise(memory, TOP - LOAD, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < TOP - LOAD; at += 4096)
        ((volatile uint8_t *)memory)[at] = 0;
    int image = open(argv[1], O_RDONLY);
    if (image < 0 || read(image, memory, TOP - LOAD) <= 0) {
        perror(argv[1]);
        return 2;
    }
    uint64_t (*workload)(uint64_t) = (uint64_t (*)(uint64_t))strtoull(argv[2], 0, 0);
    uint64_t iterations = strtoull(argv[3], 0, 0);
    uint64_t start = now();
    uint64_t checksum = workload(iterations);
    uint64_t end = now();
    printf("%016llx %llu\n", (unsigned long long)checksum, (unsigned long long)(end - start));
    return 0;
}
