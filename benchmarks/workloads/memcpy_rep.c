/* Long copies and fills by rep movsb, movsq, stosb and stosq between two buffers of 1 MiB.
 *
 * Arrays of a power of two lie a power of two apart, so a byte and its copy share a slot in a direct-mapped
 * TLB of up to 256 pages. Emulators that translate each element pay for that; rep_short is without it. */
#include "rep.h"
#include "workload.h"

enum { SIZE = 1 << 20, STEP = 1 << 16 };
static uint8_t source[SIZE] __attribute__((aligned(4096))), target[SIZE] __attribute__((aligned(4096)));

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint32_t at = (uint32_t)(round * STEP) % SIZE;
        stosb(source + at, (uint8_t)(round + 1), 4096);
        stosq(source + at + 20480, checksum, 512);
        movsb(target + at, source + at, 24576);
        movsq(target + at + 24576, source + at + 16384, 1024);
        stosb(target + at + 32768, (uint8_t)checksum, 4096);
        movsb(target + at + 40960 + 3, source + at + 16384 + 1, 8192);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < STEP; i += 2048)
            sum = sum * 31 + *(uint64_t *)(target + at + i);
        checksum = mix(checksum, sum);
    }
    return checksum;
}
