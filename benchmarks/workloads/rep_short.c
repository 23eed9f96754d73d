/* Shorter string instructions, some of a few dozen bytes, unaligned, within and between pages near each other. */
#include "rep.h"
#include "workload.h"

enum { SIZE = 64 * 1024 };
static uint8_t source[SIZE], target[SIZE];

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint32_t shift = (uint32_t)(round * 1021) & 0x7fff;
        stosb(source + shift, (uint8_t)(round + 1), 4096);
        stosq(source + 0x8000, checksum, 1024);
        movsb(target + (shift ^ 5), source + shift, 4096);
        movsb(source + 0xc003, target + shift, 2048);
        movsq(target + 0x8000, source + 0x9000, 512);
        for (int i = 0; i < 15; i++)
            movsb(target + i * 4099, source + i * 3001 + 1, 61);
        uint64_t sum = 0;
        for (int at = 0; at < SIZE; at += 2048)
            sum = sum * 31 + *(uint64_t *)(target + at);
        checksum = mix(checksum, sum);
    }
    return checksum;
}
