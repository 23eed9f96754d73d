/* What every workload shares: its one entry point, a checksum step and a small random generator. */
#pragma once
#include <stdint.h>

/* Does `iterations` rounds of work and returns a checksum of all of it. */
uint64_t workload(uint64_t iterations);

static inline uint64_t mix(uint64_t checksum, uint64_t value)
{
    checksum = (checksum ^ value) * 0x9e3779b97f4a7c15;
    return checksum ^ (checksum >> 29);
}

/* Knuth's MMIX multiplier; the upper half is the usable one. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(*state >> 32);
}
