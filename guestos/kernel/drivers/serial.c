/* The first serial port, a 16550 (National Semiconductor PC16550D): the console's wires. */
#include "device.h"
#include "io.h"
#include "irq.h"
#include "lib.h"

#define COM1 0x3f8
#define COM1_IRQ 4
enum { DATA = COM1, INTERRUPT_ENABLE, FIFO_CONTROL, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS };
enum { DIVISOR_LOW = COM1, DIVISOR_HIGH };

#define FIFO_BYTES 16UL
#define STATUS_READY 0x01
#define STATUS_TRANSMITTER_EMPTY 0x20

static struct tty *port;

static void write(struct tty *tty, const char *bytes, size_t n) {
    u64 flags = irq_save();             /* echo from the interrupt must not come between */
    while (n) {
        for (int tries = 0; !(inb(LINE_STATUS) & STATUS_TRANSMITTER_EMPTY) && tries < 100000; tries++) asm volatile("pause");
        /* Empty means room for the whole FIFO. */
        for (size_t burst = MIN(n, FIFO_BYTES); burst; burst--, n--) outb(DATA, *bytes++);
    }
    irq_restore(flags);
}

static void interrupt(void *unused) {
    /* Until the FIFO is empty: the line is edge-triggered and falls only then. */
    for (int bound = 0; bound < 4096 && inb(LINE_STATUS) & STATUS_READY; bound++) tty_input(port, inb(DATA));
}

void serial_init(void) {
    static const struct tty_driver driver = { .write = write };
    port = tty_create("ttyS0", MKDEV(4, 64), &driver);
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x80);           /* divisor latch */
    outb(DIVISOR_LOW, 1);               /* 115200 baud */
    outb(DIVISOR_HIGH, 0);
    outb(LINE_CONTROL, 0x03);           /* 8 bits, no parity, one stop bit */
    outb(FIFO_CONTROL, 0x07);           /* on, both emptied, interrupt at the first byte */
    outb(MODEM_CONTROL, 0x0b);          /* DTR, RTS, OUT2: interrupts reach the line */
    if (irq_register(COM1_IRQ, false, interrupt, NULL)) kerror("serial: interrupt %d is taken; no input\n", COM1_IRQ);
    else outb(INTERRUPT_ENABLE, 0x01);  /* received data */
}
