/* Copying without string instructions, by bytes and by eight bytes: loads and stores and little else. */
#include "workload.h"

enum { SIZE = 16 * 1024 };
static uint8_t source[SIZE], target[SIZE];

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1, random = 19;
    for (uint32_t i = 0; i < SIZE; i++)
        source[i] = (uint8_t)next_random(&random);
    for (uint64_t round = 0; round < iterations; round++) {
        source[round % SIZE] ^= (uint8_t)(round + 1);
        for (uint32_t i = 0; i < SIZE; i++)
            target[i] = source[i];
        uint64_t sum = 0;
        for (uint32_t i = 0; i < SIZE; i += 8) {
            uint64_t value = *(uint64_t *)(target + i);
            *(uint64_t *)(source + SIZE - 8 - i) = value;
            sum += value;
        }
        checksum = mix(checksum, sum);
    }
    return checksum;
}
