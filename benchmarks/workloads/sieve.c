/* Sieve of Eratosthenes over 16 KiB of flags: short loops of byte stores with a stride. */
#include "workload.h"

enum { LIMIT = 16384 };
static uint8_t composite[LIMIT];

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        for (uint32_t i = 0; i < LIMIT; i++)
            composite[i] = 0;
        uint64_t primes = 0, sum = round;
        for (uint32_t i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            primes++;
            sum += i;
            for (uint32_t j = 2 * i; j < LIMIT; j += i)
                composite[j] = 1;
        }
        checksum = mix(checksum, sum * 65536 + primes);
    }
    return checksum;
}
