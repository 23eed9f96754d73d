/* Reading tar archives: ustar (POSIX), pax headers, GNU's long names and sizes. */
#include "box.h"

#define NAME_MAX_HERE 4096

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[8], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

static _Noreturn void bad(struct stream *s, const char *why) { die("%s is no good tar archive: %s", s->what, why); }

static uint64_t number(struct stream *s, const char *field, int size) {
    uint64_t n = 0;
    if (field[0] & 0x80) {                              /* GNU: base 256 */
        for (int i = 0; i < size; i++) {
            if (n >> 55) bad(s, "a number is too large");
            n = n << 8 | (uint8_t)(i ? field[i] : field[i] & 0x7f);
        }
        return n;
    }
    int i = 0;
    while (i < size && field[i] == ' ') i++;
    for (; i < size && field[i] && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7') bad(s, "a number is none");
        n = n << 3 | (field[i] - '0');
    }
    return n;
}

static bool sum_is_right(const struct header *h) {
    const uint8_t *b = (const uint8_t *)h;
    unsigned sum = 0, given = 0;
    for (int i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : b[i];
    return sscanf(h->sum, "%8o", &given) == 1 && sum == given;
}

static char *contents(struct stream *s, uint64_t size, uint64_t limit) {
    if (size > limit) bad(s, "a header is too long");
    char *data = reserve((size + 511) / 512 * 512 + 1);
    stream_exactly(s, data, (size + 511) / 512 * 512);
    data[size] = 0;
    return data;
}

/* Rows "LENGTH KEY=VALUE\n". */
static void pax(struct stream *s, char *data, uint64_t size, struct entry *e, bool *has_size) {
    for (char *row = data; row < data + size;) {
        char *end, *key, *value;
        unsigned long length = strtoul(row, &end, 10);
        if (end == row || *end != ' ' || length < (unsigned long)(end - row) + 3 || length > (unsigned long)(data + size - row) || row[length - 1] != '\n') bad(s, "a pax header is broken");
        key = end + 1;
        row[length - 1] = 0;
        if (!(value = strchr(key, '='))) bad(s, "a pax header is broken");
        *value++ = 0;
        if (strlen(value) != (size_t)(row + length - 1 - value)) bad(s, "a name has a zero byte");
        if (!strcmp(key, "path")) e->name = strdup(value);
        else if (!strcmp(key, "linkpath")) e->link = strdup(value);
        else if (!strcmp(key, "size")) e->size = strtoull(value, NULL, 10), *has_size = true;
        else if (!strcmp(key, "uid")) e->uid = strtoul(value, NULL, 10) + 1;            /* 0: not given */
        else if (!strcmp(key, "gid")) e->gid = strtoul(value, NULL, 10) + 1;
        row += length;
    }
}

bool tar_next(struct stream *s, struct entry *e) {
    struct header h;
    struct entry extra = { 0 };
    bool has_size = false;
    for (;;) {
        stream_exactly(s, &h, 512);
        if (!h.name[0] && !memcmp(&h, (char[512]){ 0 }, 512)) return false;
        if (!sum_is_right(&h)) bad(s, "the checksum of a header is wrong");   /* check: guestos/test_box.py::test_a_header_whose_checksum_is_wrong */
        uint64_t size = number(s, h.size, 12);
        if (size > 1ull << 40) bad(s, "a size is too large");
        if (h.type == 'L') extra.name = contents(s, size, NAME_MAX_HERE);
        else if (h.type == 'K') extra.link = contents(s, size, NAME_MAX_HERE);
        else if (h.type == 'x') pax(s, contents(s, size, 1 << 20), size, &extra, &has_size);
        else if (h.type == 'g') free(contents(s, size, 1 << 20));
        else {
            *e = (struct entry){ .type = h.type ? h.type : '0', .mode = number(s, h.mode, 8) & 07777, .mtime = number(s, h.mtime, 12) };
            bool posix = !memcmp(h.magic, "ustar\0", 6);
            e->name = extra.name ? extra.name : posix && h.prefix[0] ? text("%.155s/%.100s", h.prefix, h.name) : text("%.100s", h.name);
            e->link = extra.link ? extra.link : text("%.100s", h.link);
            e->uid = extra.uid ? extra.uid - 1 : number(s, h.uid, 8);
            e->gid = extra.gid ? extra.gid - 1 : number(s, h.gid, 8);
            e->size = strchr("07", e->type) ? (has_size ? extra.size : size) : 0;
            if (e->size > 1ull << 40) bad(s, "a size is too large");
            return true;
        }
    }
}

void tar_pad(struct stream *s, uint64_t size) { stream_exactly(s, (char[512]){ 0 }, -size & 511); }
