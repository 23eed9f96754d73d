/* More code than caches of decoded or translated code like: 625 distinct functions called in turn, none twice. */
#include "workload.h"

typedef uint64_t function(uint64_t);

#define BODY(n)                                                                         \
    __attribute__((noinline)) static uint64_t f##n(uint64_t x)                          \
    {                                                                                   \
        enum { N = 1##n };                                                              \
        static uint32_t table[8];                                                       \
        uint64_t y = x ^ (N * 0x9e3779b97f4a7c15);                                      \
        table[x & 7] += (uint32_t)y;                                                    \
        y += (x << (N % 31 + 1)) + table[(y >> 7) & 7];                                 \
        __asm__("" : "+r"(y));                                                          \
        y = (y ^ (y >> (N % 23 + 3))) * (N * 2 + 1);                                    \
        __asm__("" : "+r"(y));                                                          \
        x = (x >> (N % 13 + 1)) - (y | N) + (uint32_t)(y >> 32) * (uint64_t)(N % 97);   \
        __asm__("" : "+r"(x));                                                          \
        table[(N + 3) & 7] ^= (uint32_t)x + N;                                          \
        y += ((x & 0xff0 + N % 16) | (y << 9)) ^ (x + (y >> 5) + N);                    \
        __asm__("" : "+r"(y));                                                          \
        x ^= (y * 5 + N) >> (N % 17 + 2);                                               \
        __asm__("" : "+r"(x));                                                          \
        return x + y + table[N & 7] - (x << (N % 11 + 1)) + (y >> (N % 19 + 1));        \
    }
#define NAME(n) f##n,

#define FIVE(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4)
#define FIVE2(m, n) FIVE(m, n##0) FIVE(m, n##1) FIVE(m, n##2) FIVE(m, n##3) FIVE(m, n##4)
#define FIVE3(m, n) FIVE2(m, n##0) FIVE2(m, n##1) FIVE2(m, n##2) FIVE2(m, n##3) FIVE2(m, n##4)
#define ALL(m) FIVE3(m, 0) FIVE3(m, 1) FIVE3(m, 2) FIVE3(m, 3) FIVE3(m, 4)

ALL(BODY)
static function *const functions[] = { ALL(NAME) };

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++)
        for (uint32_t i = 0; i < sizeof functions / sizeof *functions; i++)
            checksum = functions[i](checksum) + round;
    return checksum;
}
