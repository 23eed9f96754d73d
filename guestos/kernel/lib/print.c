/* Formatted printing. */
#include "lib.h"

struct sink {
    char *to;
    size_t size, n;
};

static void put(struct sink *s, char c) {
    if (s->n + 1 < s->size) s->to[s->n] = c;
    s->n++;
}

static void put_padded(struct sink *s, const char *text, int length, int width, bool left, char pad) {
    int missing = width - length;
    if (!left) for (; missing > 0; missing--) put(s, pad);
    for (int i = 0; i < length; i++) put(s, text[i]);
    for (; missing > 0; missing--) put(s, ' ');
}

static void put_number(struct sink *s, u64 value, bool negative, unsigned base, bool upper, int width, bool left, bool zero) {
    char digits[24], *p = digits + sizeof(digits);
    do {
        unsigned d = value % base;
        *--p = d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10;
        value /= base;
    } while (value);
    if (negative && zero && !left) put(s, '-'), width--;
    else if (negative) *--p = '-';
    put_padded(s, p, digits + sizeof(digits) - p, width, left, zero && !left ? '0' : ' ');
}

int vsnprintf(char *to, size_t size, const char *format, va_list ap) {
    struct sink s = { to, size, 0 };
    for (; *format; format++) {
        if (*format != '%') {
            put(&s, *format);
            continue;
        }
        bool left = false, zero = false, wide = false;
        int width = 0, precision = -1;
        for (format++; *format == '-' || *format == '0'; format++) *format == '-' ? (left = true) : (zero = true);
        if (*format == '*') width = va_arg(ap, int), format++;
        for (; *format >= '0' && *format <= '9'; format++) width = width * 10 + *format - '0';
        if (*format == '.') {
            format++;
            precision = 0;
            if (*format == '*') precision = va_arg(ap, int), format++;
            for (; *format >= '0' && *format <= '9'; format++) precision = precision * 10 + *format - '0';
        }
        for (; *format == 'l' || *format == 'z'; format++) wide = true;
        switch (*format) {
        case 'd': case 'i': {
            s64 v = wide ? va_arg(ap, s64) : va_arg(ap, int);
            put_number(&s, v < 0 ? -(u64)v : (u64)v, v < 0, 10, false, width, left, zero);
            break;
        }
        case 'u': case 'x': case 'X': case 'o': {
            u64 v = wide ? va_arg(ap, u64) : va_arg(ap, u32);
            unsigned base = *format == 'u' ? 10 : *format == 'o' ? 8 : 16;
            put_number(&s, v, false, base, *format == 'X', width, left, zero);
            break;
        }
        case 'p': put_number(&s, (u64)va_arg(ap, void *), false, 16, false, 16, false, true); break;
        case 'c': {
            char c = va_arg(ap, int);
            put_padded(&s, &c, 1, width, left, ' ');
            break;
        }
        case 's': {
            const char *text = va_arg(ap, const char *);
            if (!text) text = "(null)";
            put_padded(&s, text, precision >= 0 ? strnlen(text, precision) : strlen(text), width, left, ' ');
            break;
        }
        case 0: format--; break;
        default: put(&s, *format); break;
        }
    }
    if (size) to[MIN(s.n, size - 1)] = 0;
    return s.n;
}

int snprintf(char *to, size_t size, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(to, size, format, ap);
    va_end(ap);
    return n;
}
