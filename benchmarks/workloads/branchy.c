/* Branches that data decides, new data each round: quicksort, a search tree, a byte-code interpreter's indirect jumps. */
#include "workload.h"

enum { COUNT = 512, NONE = COUNT, PROGRAM = 128 };
static uint32_t values[COUNT];
static struct { uint32_t key; uint16_t left, right; } tree[COUNT];

static void quicksort(int low, int high)
{
    while (low < high) {
        uint32_t pivot = values[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t swapped = values[i];
                values[i++] = values[j];
                values[j--] = swapped;
            }
        }
        quicksort(low, j);
        low = i;
    }
}

static uint64_t search_tree(uint64_t *random)
{
    uint64_t depth = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        tree[i].key = next_random(random);
        tree[i].left = tree[i].right = NONE;
        uint32_t at = 0;
        while (i) {
            uint16_t *child = tree[i].key < tree[at].key ? &tree[at].left : &tree[at].right;
            depth++;
            if (*child == NONE) {
                *child = (uint16_t)i;
                break;
            }
            at = *child;
        }
    }
    return depth;
}

static uint64_t interpret(uint64_t *random)
{
    uint8_t program[PROGRAM];
    for (int i = 0; i < PROGRAM; i++)
        program[i] = (uint8_t)(next_random(random) >> 8);
    uint64_t a = 1, b = 2;
    uint32_t pc = 0;
    for (int step = 0; step < 2048; step++) {
        uint8_t op = program[pc];
        pc = (pc + 1) % PROGRAM;
        switch (op & 15) {
        case 0: a += b; break;
        case 1: b ^= a; break;
        case 2: a = a << 3 | a >> 61; break;
        case 3: b -= a; break;
        case 4: if (a & 4) pc = (pc + (op >> 4)) % PROGRAM; break;
        case 5: if ((int64_t)b < 0) pc = (pc + 3) % PROGRAM; break;
        case 6: a *= 0x10dcd; break;
        case 7: b += 0x3039; break;
        case 8: { uint64_t t = a; a = b; b = t; } break;
        case 9: a ^= a >> 17; break;
        case 10: b = ~b; break;
        case 11: if (a > b) a -= b; else b -= a; break;
        case 12: a += op; break;
        case 13: b = b >> 5 | b << 59; break;
        case 14: if ((a ^ b) & 1) pc = op % PROGRAM; break;
        default: a -= 1; break;
        }
    }
    return a ^ b;
}

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint64_t random = round;
        for (int i = 0; i < COUNT; i++)
            values[i] = next_random(&random);
        quicksort(0, COUNT - 1);
        uint64_t result = round + values[COUNT / 2] + search_tree(&random);
        for (int i = 0; i < 4; i++)
            result = result * 31 + interpret(&random);
        checksum = mix(checksum, result);
    }
    return checksum;
}
