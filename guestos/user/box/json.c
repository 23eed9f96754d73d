/* Reading JSON (RFC 8259) of others: at most 64 deep. Numbers keep their text. */
#include "box.h"

struct reader { const char *at, *end; };

static int peek(struct reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at) r->at++;
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

static bool word(struct reader *r, const char *w) {
    size_t n = strlen(w);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, w, n)) return false;
    r->at += n;
    return true;
}

static int hex4(struct reader *r) {
    char digits[5] = "", *end;
    if (r->end - r->at < 4) return -1;
    memcpy(digits, r->at, 4);
    long value = strtol(digits, &end, 16);
    if (end != digits + 4 || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ') return -1;
    r->at += 4;
    return value;
}

static char *string(struct reader *r) {
    if (peek(r) != '"') return NULL;
    r->at++;
    char *made = reserve(r->end - r->at + 1), *to = made;
    while (r->at < r->end && *r->at != '"') {
        unsigned char c = *r->at++;
        if (c < ' ') return NULL;
        if (c != '\\') {
            *to++ = c;
            continue;
        }
        if (r->at == r->end) return NULL;
        c = *r->at++;
        const char *from = "\"\\/bfnrt", *which = strchr(from, c);
        if (which && c) *to++ = "\"\\/\b\f\n\r\t"[which - from];
        else if (c == 'u') {
            int u = hex4(r);
            if (u >= 0xd800 && u < 0xdc00 && word(r, "\\u")) {
                int low = hex4(r);
                u = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00) : -1;
            }
            if (u <= 0) return NULL;
            if (u < 0x80) *to++ = u;
            else {
                int more = u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
                *to++ = (0xf00 >> more) | u >> 6 * more;
                while (more--) *to++ = 0x80 | (u >> 6 * more & 0x3f);
            }
        } else return NULL;
    }
    return r->at < r->end ? (r->at++, made) : NULL;
}

static struct json *value(struct reader *r, int depth) {
    struct json *j = reserve(sizeof(*j)), **tail = &j->first;
    int c = peek(r);
    if (depth > 64) return NULL;
    if (c == '"') return j->kind = J_TEXT, (j->text = string(r)) ? j : NULL;
    if (c == '{' || c == '[') {
        int close = c == '{' ? '}' : ']';
        j->kind = c == '{' ? J_MAP : J_LIST;
        r->at++;
        if (peek(r) == close) return r->at++, j;
        for (;;) {
            char *key = NULL;
            if (j->kind == J_MAP && (!(key = string(r)) || peek(r) != ':' || !r->at++)) return NULL;
            struct json *each = value(r, depth + 1);
            if (!each) return NULL;
            each->key = key;
            *tail = each;
            tail = &each->next;
            if (peek(r) == close) return r->at++, j;
            if (peek(r) != ',') return NULL;
            r->at++;
        }
    }
    if (word(r, "null")) return j;
    if (word(r, "true")) return j->kind = J_TRUE, j;
    if (word(r, "false")) return j->kind = J_FALSE, j;
    const char *start = r->at;
    while (r->at < r->end && *r->at && strchr("+-.eE0123456789", *r->at)) r->at++;
    j->kind = J_NUMBER;
    j->text = strndup(start, r->at - start);
    return r->at > start ? j : NULL;
}

struct json *json_parse(const char *from, size_t size) {
    struct reader r = { from, from + size };
    struct json *j = value(&r, 0);
    return j && peek(&r) < 0 ? j : NULL;
}

const struct json *json_at(const struct json *j, const char *key) {
    for (const struct json *each = j && j->kind == J_MAP ? j->first : NULL; each; each = each->next)
        if (!strcmp(each->key, key)) return each;
    return NULL;
}

const char *json_text(const struct json *j) { return j && (j->kind == J_TEXT || j->kind == J_NUMBER) ? j->text : NULL; }
