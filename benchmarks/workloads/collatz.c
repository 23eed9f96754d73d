/* Lengths of Collatz sequences of consecutive numbers: a loop in registers with a branch that is hard to guess. */
#include "workload.h"

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint64_t total = 0;
        for (uint64_t start = round * 128 + 1; start <= round * 128 + 128; start++) {
            uint64_t steps = 0;
            for (uint64_t n = start; n != 1; steps++) {
                if (n & 1) {
                    n = 3 * n + 1;
                    __asm__ volatile("" : "+r"(n));     /* keep the branch: no conditional move */
                } else
                    n >>= 1;
            }
            total = total * 3 + steps;
        }
        checksum = mix(checksum, total);
    }
    return checksum;
}
