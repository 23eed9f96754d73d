/* A pointer chase through 8,192 pages in random order, one pointer in each: nearly every load misses the TLB. */
#include "workload.h"

enum { PAGES = 8192, PAGE = 4096 };
static uint8_t arena[PAGES][PAGE] __attribute__((aligned(4096)));
static uint16_t order[PAGES];

/* A pointer's place varies within its page, so that the data cache's sets are used evenly. */
static void **slot(uint32_t page)
{
    return (void **)(arena[page] + (page * 64 & (PAGE - 1)));
}

/* One cycle through all pages (Sattolo's shuffle). */
static void **link_pages(void)
{
    uint64_t random = 17;
    for (uint32_t i = 0; i < PAGES; i++)
        order[i] = (uint16_t)i;
    for (uint32_t i = PAGES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)((uint64_t)next_random(&random) * i >> 32);
        uint16_t page = order[i];
        order[i] = order[j];
        order[j] = page;
    }
    for (uint32_t i = 0; i < PAGES; i++)
        *slot(order[i]) = slot(order[(i + 1) % PAGES]);
    return slot(order[0]);
}

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    void **at = link_pages();
    for (uint64_t round = 0; round < iterations; round++) {
        uint64_t sum = 0;
        for (uint32_t step = 0; step < PAGES; step++) {
            at = (void **)*at;
            sum = sum * 3 + (uint64_t)at;
        }
        checksum = mix(checksum, sum + round);
    }
    return checksum;
}
