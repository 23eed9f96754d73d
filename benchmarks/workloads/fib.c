/* Fibonacci numbers modulo 2^64 in a loop that stays in registers. */
#include "workload.h"

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint64_t a = round, b = 1;
        for (uint32_t i = 0; i < 10000; i++) {
            uint64_t next = a + b;
            a = b;
            b = next;
            __asm__("" : "+r"(a), "+r"(b));         /* keep the compiler from unrolling */
        }
        checksum = mix(checksum, a);
    }
    return checksum;
}
