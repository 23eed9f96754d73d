/* The table of devices, and those that are nothing but memory: null, zero, full, random, urandom. */
#include "device.h"
#include "io.h"
#include "lib.h"

struct device *devices;

void device_register(struct device *device) {
    struct device **end = &devices;
    while (*end) end = &(*end)->next;
    *end = device;
}

void device_unregister(struct device *device) {
    struct device **link = &devices;
    while (*link != device) link = &(*link)->next;
    *link = device->next;
}

struct device *device_find(u32 mode, u32 rdev) {
    for (struct device *d = devices; d; d = d->next)
        if (d->rdev == rdev && (d->mode & S_IFMT) == (mode & S_IFMT)) return d;
    return NULL;
}

static ssize_t read_nothing(struct file *f, struct io *io, u64 pos) { return 0; }

static ssize_t read_zeros(struct file *f, struct io *io, u64 pos) {
    size_t n = io->left;
    int error = io_zero(io, n);
    return error ? error : (ssize_t)n;
}

static ssize_t write_away(struct file *f, struct io *io, u64 pos) {
    size_t n = io->left;
    io->left = 0;
    return n;
}

static ssize_t write_full(struct file *f, struct io *io, u64 pos) { return -ENOSPC; }

/* xoshiro256** (Blackman and Vigna), seeded by RDRAND where there is one, else by the clock. */
static u64 state[4];

static u64 rotate(u64 x, int n) { return x << n | x >> (64 - n); }

static void seed(void) {
    u32 regs[4];
    cpuid(1, 0, regs);
    u64 mix = rdtsc();
    for (int i = 0; i < 4; i++) {
        u64 word = 0;
        if (regs[2] & (1u << 30)) asm volatile("rdrand %0" : "=r"(word) :: "cc");
        mix += 0x9e3779b97f4a7c15UL;                /* splitmix64 spreads what little the clock knows */
        u64 z = (mix ^ mix >> 30) * 0xbf58476d1ce4e5b9UL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
        state[i] = word ^ z ^ z >> 31;
    }
}

void random_bytes(void *to, size_t n) {
    if (!(state[0] | state[1] | state[2] | state[3])) seed();
    for (u8 *at = to; n;) {
        u64 word = rotate(state[1] * 5, 7) * 9, t = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= t;
        state[3] = rotate(state[3], 45);
        size_t part = MIN(n, sizeof(word));
        memcpy(at, &word, part);
        at += part;
        n -= part;
    }
}

static ssize_t read_random(struct file *f, struct io *io, u64 pos) {
    char piece[256];
    ssize_t done = 0;
    while (io->left) {
        size_t n = MIN(io->left, sizeof(piece));
        random_bytes(piece, n);
        if (io_put(io, piece, n)) return done ? done : -EFAULT;
        done += n;
    }
    return done;
}

static const struct file_ops null_ops = { .read = read_nothing, .write = write_away };
static const struct file_ops zero_ops = { .read = read_zeros, .write = write_away };
static const struct file_ops full_ops = { .read = read_zeros, .write = write_full };
static const struct file_ops random_ops = { .read = read_random, .write = write_away };

void memory_devices_init(void) {
    static struct device table[] = {
        { .name = "null", .rdev = MKDEV(1, 3), .ops = &null_ops },
        { .name = "zero", .rdev = MKDEV(1, 5), .ops = &zero_ops },
        { .name = "full", .rdev = MKDEV(1, 7), .ops = &full_ops },
        { .name = "random", .rdev = MKDEV(1, 8), .ops = &random_ops },
        { .name = "urandom", .rdev = MKDEV(1, 9), .ops = &random_ops },
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        table[i].mode = S_IFCHR | 0666;
        device_register(&table[i]);
    }
}
