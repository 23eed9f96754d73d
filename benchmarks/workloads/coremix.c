/* A mix as in embedded CPU benchmarks: linked list, small integer matrices, a state machine, a CRC. */
#include "workload.h"

enum { NODES = 96, SIDE = 9, TEXT = 480 };

struct node { struct node *next; uint32_t key, value; };
static struct node nodes[NODES];
static int32_t left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];
static char text[TEXT];

static uint16_t crc16(uint16_t crc, uint32_t value)
{
    for (int bit = 0; bit < 32; bit++, value >>= 1) {
        uint16_t low = (uint16_t)((crc ^ value) & 1);
        crc >>= 1;
        crc ^= (uint16_t)(-low & 0xa001);
    }
    return crc;
}

static struct node *merge_sort(struct node *list)
{
    if (!list || !list->next)
        return list;
    struct node *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct node *second = merge_sort(slow->next);
    slow->next = 0;
    struct node *first = merge_sort(list), head, *tail = &head;
    while (first && second) {
        struct node **smaller = first->key <= second->key ? &first : &second;
        tail->next = *smaller;
        tail = *smaller;
        *smaller = tail->next;
    }
    tail->next = first ? first : second;
    return head.next;
}

static uint16_t list_work(uint16_t crc)
{
    uint64_t random = 7;
    for (int i = 0; i < NODES; i++)
        nodes[i] = (struct node){ i + 1 < NODES ? &nodes[i + 1] : 0, next_random(&random) >> 16, (uint32_t)i };
    struct node *list = merge_sort(&nodes[0]), *reversed = 0;
    for (uint32_t wanted = 0; wanted < 16; wanted++)
        for (struct node *at = list; at; at = at->next)
            if (at->value == wanted * 5) {
                crc = crc16(crc, at->key);
                break;
            }
    while (list) {
        struct node *next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return crc16(crc, reversed->key);
}

static uint16_t matrix_work(uint16_t crc)
{
    uint64_t random = 11;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)next_random(&random);
            right[i][j] = (int16_t)next_random(&random);
        }
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                int32_t sum = pass;
                for (int k = 0; k < SIDE; k++)
                    sum += (int32_t)((uint32_t)left[i][k] * (uint32_t)right[k][j]) >> 4;
                product[i][j] = sum;
            }
    for (int i = 0; i < SIDE; i++)
        crc = crc16(crc, (uint32_t)product[i][SIDE - 1 - i]);
    return crc;
}

/* Classifies numbers in a text: integers, decimals, exponents, rubbish. */
static uint16_t state_work(uint16_t crc)
{
    static const char alphabet[] = "0123456789.+-eE,,x";
    uint64_t random = 13;
    for (int i = 0; i < TEXT; i++)
        text[i] = alphabet[next_random(&random) % (sizeof alphabet - 1)];
    enum { START, INTEGER, FRACTION, EXPONENT, INVALID, STATES } state = START;
    uint32_t counts[STATES] = { 0 };
    for (int i = 0; i < TEXT; i++) {
        char c = text[i];
        if (c == ',') {
            counts[state]++;
            state = START;
            continue;
        }
        switch (state) {
        case START: state = c >= '0' && c <= '9' ? INTEGER : c == '.' ? FRACTION : c == '+' || c == '-' ? START : INVALID; break;
        case INTEGER: if (c < '0' || c > '9') state = c == '.' ? FRACTION : c == 'e' || c == 'E' ? EXPONENT : INVALID; break;
        case FRACTION: if (c < '0' || c > '9') state = c == 'e' || c == 'E' ? EXPONENT : INVALID; break;
        case EXPONENT: if ((c < '0' || c > '9') && c != '-' && c != '+') state = INVALID; break;
        default: break;
        }
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc, counts[i]);
    return crc;
}

uint64_t workload(uint64_t iterations)
{
    uint64_t checksum = 1;
    for (uint64_t round = 0; round < iterations; round++) {
        uint16_t crc = list_work((uint16_t)round);
        crc = matrix_work(crc);
        crc = state_work(crc);
        checksum = mix(checksum, crc);
    }
    return checksum;
}
