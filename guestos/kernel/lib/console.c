/* The kernel's own voice: the first serial port, polled, usable before and after everything. */
#include "lib.h"
#include "io.h"
#include "sync.h"

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20

static void put(char c) {
    /* A port that reads all ones isn't there: the bound keeps a machine without one from hanging. */
    for (int tries = 0; !(inb(LINE_STATUS) & TRANSMITTER_EMPTY) && tries < 100000; tries++) asm volatile("pause");
    outb(COM1, c);
}

void console_write(const char *text, size_t n) {
    u64 flags = irq_save();
    for (; n; n--, text++) {
        if (*text == '\n') put('\r');
        put(*text);
    }
    irq_restore(flags);
}

static void print(const char *format, va_list ap) {
    char line[512];
    int n = vsnprintf(line, sizeof(line), format, ap);
    console_write(line, MIN((size_t)n, sizeof(line) - 1));
}

void kprintf(const char *format, ...) {
    if (cmdline_get("quiet")) return;
    va_list ap;
    va_start(ap, format);
    print(format, ap);
    va_end(ap);
}

void kerror(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    print(format, ap);
    va_end(ap);
}
