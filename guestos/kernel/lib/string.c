/* Memory and string functions of ISO C, as the compiler and the kernel expect them.
 *
 * The bulk goes through REP MOVSQ/STOSQ: eight bytes an iteration, and one instruction for the
 * processor to optimise.
 */
#include "lib.h"

void *memcpy(void *to, const void *from, size_t n) {
    void *result = to;
    size_t words = n >> 3, rest = n & 7;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) :: "memory");
    if (rest) asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) :: "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t n) {
    if ((u64)to - (u64)from >= n) return memcpy(to, from, n);
    char *d = (char *)to + n - 1;
    const char *s = (const char *)from + n - 1;
    asm volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) :: "memory");
    return to;
}

void *memset(void *to, int byte, size_t n) {
    void *result = to;
    size_t words = n >> 3, rest = n & 7;
    u64 pattern = (u8)byte * 0x0101010101010101UL;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    if (rest) asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n) {
    const u8 *p = a, *q = b;
    for (; n; n--, p++, q++)
        if (*p != *q) return *p - *q;
    return 0;
}

void *memchr(const void *s, int byte, size_t n) {
    for (const u8 *p = s; n; n--, p++)
        if (*p == (u8)byte) return (void *)p;
    return NULL;
}

size_t strlen(const char *s) {
    const char *p = s;
    while (*p) p++;
    return p - s;
}

size_t strnlen(const char *s, size_t max) {
    size_t n = 0;
    while (n < max && s[n]) n++;
    return n;
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n) {
    for (; n; n--, a++, b++)
        if (*a != *b || !*a) return (u8)*a - (u8)*b;
    return 0;
}

char *strchr(const char *s, int c) {
    for (;; s++) {
        if (*s == (char)c) return (char *)s;
        if (!*s) return NULL;
    }
}

char *strrchr(const char *s, int c) {
    const char *found = NULL;
    for (;; s++) {
        if (*s == (char)c) found = s;
        if (!*s) return (char *)found;
    }
}

size_t strlcpy(char *to, const char *from, size_t size) {
    size_t length = strlen(from);
    if (size) {
        size_t n = MIN(length, size - 1);
        memcpy(to, from, n);
        to[n] = 0;
    }
    return length;
}

u64 strtou64(const char *s, const char **end, int base) {
    u64 value = 0;
    if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 32) == 'x') s += 2, base = 16;
    if (base == 0) base = s[0] == '0' ? 8 : 10;
    for (;; s++) {
        int digit = *s >= '0' && *s <= '9' ? *s - '0' : (*s | 32) >= 'a' && (*s | 32) <= 'z' ? (*s | 32) - 'a' + 10 : 99;
        if (digit >= base) break;
        value = value * base + digit;
    }
    if (end) *end = s;
    return value;
}
