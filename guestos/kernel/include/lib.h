/* Strings, formatted printing on the console, and panic. */
#pragma once
#include "types.h"

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* Copies at most size-1 bytes and terminates; returns strlen(from). */
size_t strlcpy(char *to, const char *from, size_t size);
/* Base 0 takes 0x and 0 prefixes. *end is the first byte not used. */
u64 strtou64(const char *s, const char **end, int base);

/* %d %i %u %x %X %o %c %s %p %% with flags 0 - and width, precision for %s, and l, ll, z modifiers.
 * snprintf returns what the whole text would have measured, as in ISO C. */
int vsnprintf(char *to, size_t size, const char *format, va_list ap);
int snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* On the console, polled, usable anywhere. kprintf is silent once the command line said `quiet`;
 * kerror is not. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kerror(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_write(const char *text, size_t n); /* "\n" becomes "\r\n" */

/* Prints the reason, registers and a backtrace, then stops the machine (debug-exit value 0xff). */
noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define ASSERT(condition) \
    do { if (unlikely(!(condition))) panic("%s:%d: %s does not hold", __FILE__, __LINE__, #condition); } while (0)

/* Kernel command line. cmdline_get: value of `name=value` ("" for a bare word), NULL if absent; the
 * text lives for ever. cmdline_each: the n-th (from 0) value of a repeated name, e.g.
 * virtio_mmio.device; NULL past the last. */
const char *cmdline_get(const char *name);
const char *cmdline_text(void);             /* all of it, as the loader gave it */
const char *cmdline_each(const char *name, int n);
