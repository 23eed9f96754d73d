/* Streams of bytes: parts of a file, and what is packed in another stream with gzip (RFC 1952) by deflate (RFC 1951). */
#include "box.h"

ssize_t stream_read(struct stream *s, void *to, size_t size) {
    ssize_t n = s->read(s, to, size);
    if (n > 0) sha256_add(&s->hash, to, n);
    return n;
}

static ssize_t read_part(struct stream *s, void *to, size_t size) {
    ssize_t n = pread(s->fd, to, size < s->left ? size : s->left, s->offset);
    if (n < 0) die_errno("can't read %s", s->what);
    if (!n && s->left) die("%s is truncated: %llu bytes are missing", s->what, (unsigned long long)s->left);
    s->left -= n;
    s->offset += n;
    return n;
}

struct stream *stream_open(int fd, uint64_t offset, uint64_t size, const char *what) {
    struct stream *s = reserve(sizeof(*s));
    *s = (struct stream){ .read = read_part, .what = what, .fd = fd, .left = size, .offset = offset };
    sha256_begin(&s->hash);
    return s;
}

void stream_exactly(struct stream *s, void *to, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = stream_read(s, (char *)to + done, size - done);
        if (n <= 0) die("%s is truncated", s->what);
        done += n;
    }
}

void stream_end(struct stream *s, char hex[65]) {
    char rest[4096];
    while (stream_read(s, rest, sizeof(rest)) > 0) ;
    sha256_end(&s->hash, hex);
}

/* ---- deflate ---- */

#define WINDOW 32768u
struct code { uint16_t count[16], symbol[288]; };       /* of a canonical Huffman code: how many of each length; symbols by code */
struct gzip {
    uint8_t in[4096], window[2 * WINDOW];
    size_t have, used;                                  /* of `in` */
    uint64_t made, given;                               /* bytes of the current member; those not given lie in `window` */
    uint32_t bits, crc;
    int bit_count;
    enum { MEMBER, BLOCK, STORED, CODED, END } state;
    bool last, first_done;
    uint32_t stored;
    struct code lengths, distances;
};

static _Noreturn void corrupt(struct stream *s) { die("%s: corrupt compressed data", s->below->what); }

static int byte(struct stream *s) {
    struct gzip *z = s->state;
    if (z->used == z->have) {
        ssize_t n = stream_read(s->below, z->in, sizeof(z->in));
        if (n <= 0) return -1;
        z->have = n;
        z->used = 0;
    }
    return z->in[z->used++];
}

static uint32_t take(struct stream *s, int count) {
    struct gzip *z = s->state;
    while (z->bit_count < count) {
        int b = byte(s);
        if (b < 0) die("%s is truncated", s->below->what);
        z->bits |= (uint32_t)b << z->bit_count;
        z->bit_count += 8;
    }
    uint32_t value = z->bits & ((1u << count) - 1);
    z->bits >>= count;
    z->bit_count -= count;
    return value;
}

static void build(struct stream *s, struct code *c, const uint8_t *lengths, int n) {
    uint16_t at[16] = { 0 };
    int room = 1;
    memset(c->count, 0, sizeof(c->count));
    for (int i = 0; i < n; i++) c->count[lengths[i]]++;
    c->count[0] = 0;
    for (int l = 1; l < 16; l++) if ((room = room * 2 - c->count[l]) < 0) corrupt(s);
    for (int l = 1; l < 15; l++) at[l + 1] = at[l] + c->count[l];
    for (int i = 0; i < n; i++) if (lengths[i]) c->symbol[at[lengths[i]]++] = i;
}

static int decode(struct stream *s, const struct code *c) {
    int code = 0, first = 0, index = 0;
    for (int l = 1; l < 16; l++) {
        code |= take(s, 1);
        if (code - c->count[l] < first) return c->symbol[index + code - first];
        index += c->count[l];
        first = (first + c->count[l]) * 2;
        code *= 2;
    }
    corrupt(s);
}

static void put_byte(struct gzip *z, uint8_t b) {
    static uint32_t table[256];
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (0xedb88320 & -(table[i] & 1));
    }
    z->window[z->made++ % (2 * WINDOW)] = b;
    z->crc = z->crc >> 8 ^ table[(z->crc ^ b) & 255];
}

static void begin_member(struct stream *s) {
    struct gzip *z = s->state;
    int first = byte(s);
    if (first < 0 && z->first_done) {
        z->state = END;
        return;
    }
    uint8_t head[10] = { first };
    for (int i = 1; i < 10; i++) head[i] = take(s, 8);
    if (head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3] & 0xe0) corrupt(s);
    if (head[3] & 4) for (uint32_t n = take(s, 16); n; n--) take(s, 8);
    for (int text = head[3] >> 3 & 3; text; text &= text - 1) while (take(s, 8)) ;      /* name, comment */
    if (head[3] & 2) take(s, 16);
    z->state = BLOCK;
    z->crc = ~0u;
    z->made = z->given = 0;
    z->first_done = true;
}

static void begin_block(struct stream *s) {
    static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    struct gzip *z = s->state;
    uint8_t lengths[320] = { 0 };
    if (z->last) {                                      /* the trailer */
        take(s, z->bit_count % 8);
        uint32_t crc = take(s, 16), size;
        crc |= take(s, 16) << 16;
        size = take(s, 16);
        size |= take(s, 16) << 16;
        if (crc != ~z->crc || size != (uint32_t)z->made) die("%s: the checksum of its compressed data is wrong", s->below->what);
        z->last = false;
        z->state = MEMBER;
        return;
    }
    z->last = take(s, 1);
    int kind = take(s, 2);
    z->state = CODED;
    if (kind == 0) {
        take(s, z->bit_count % 8);
        z->stored = take(s, 16);
        if (take(s, 16) != (z->stored ^ 0xffff)) corrupt(s);
        z->state = STORED;
    } else if (kind == 1) {
        for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
        build(s, &z->lengths, lengths, 288);
        memset(lengths, 5, 30);
        build(s, &z->distances, lengths, 30);
    } else if (kind == 2) {
        int literals = take(s, 5) + 257, distances = take(s, 5) + 1, codes = take(s, 4) + 4, n = 0;
        if (literals > 286 || distances > 30) corrupt(s);
        for (int i = 0; i < codes; i++) lengths[order[i]] = take(s, 3);
        build(s, &z->lengths, lengths, 19);
        struct code how = z->lengths;
        memset(lengths, 0, sizeof(lengths));
        while (n < literals + distances) {
            int symbol = decode(s, &how), value = symbol == 16 ? (n ? lengths[n - 1] : -1) : 0, times = 1;
            if (symbol < 16) value = symbol;
            else times = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
            if (value < 0 || n + times > literals + distances) corrupt(s);
            for (; times; times--) lengths[n++] = value;
        }
        if (!lengths[256]) corrupt(s);
        build(s, &z->lengths, lengths, literals);
        build(s, &z->distances, lengths + literals, distances);
    } else corrupt(s);
}

/* One literal or one copy of a block, or its end. */
static void step(struct stream *s) {
    static const uint16_t base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
    struct gzip *z = s->state;
    int symbol = decode(s, &z->lengths);
    if (symbol < 256) return put_byte(z, symbol);
    if (symbol == 256) {
        z->state = BLOCK;
        return;
    }
    if ((symbol -= 257) > 28) corrupt(s);
    int length = base[symbol] + (symbol < 8 || symbol == 28 ? 0 : take(s, symbol / 4 - 1));
    int code = decode(s, &z->distances);
    if (code > 29) corrupt(s);
    uint32_t distance = code < 4 ? code + 1 : ((2 + (code & 1)) << (code / 2 - 1)) + 1 + take(s, code / 2 - 1);
    if (distance > z->made || distance > WINDOW) corrupt(s);
    for (; length; length--) put_byte(z, z->window[(z->made - distance) % (2 * WINDOW)]);
}

static ssize_t read_gzip(struct stream *s, void *to, size_t size) {
    struct gzip *z = s->state;
    while (z->state != END && z->made - z->given < WINDOW / 2) {
        if (z->state == MEMBER) {
            if (z->made != z->given) break;             /* the next one starts with an empty window */
            begin_member(s);
        } else if (z->state == BLOCK) begin_block(s);
        else if (z->state == CODED) step(s);
        else if (!z->stored--) z->state = BLOCK;
        else put_byte(z, take(s, 8));
    }
    size_t n = 0;
    for (; n < size && z->given < z->made; n++) ((uint8_t *)to)[n] = z->window[z->given++ % (2 * WINDOW)];
    return n;
}

struct stream *gunzip(struct stream *below) {
    struct stream *s = reserve(sizeof(*s));
    *s = (struct stream){ .read = read_gzip, .what = below->what, .below = below, .state = reserve(sizeof(struct gzip)) };
    sha256_begin(&s->hash);
    return s;
}
