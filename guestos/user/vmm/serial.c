/* The 16550A serial port (National PC16550D), on which the guest has its console. A character leaves at once when it is
 * written, and the other end waits while the receiver is full, so nothing is lost. A receiver below its trigger level
 * has its timeout at once. */
#include "vmm.h"
#include <pthread.h>
#include <time.h>

enum { DATA, INTERRUPTS, IDENTIFY, LINE, MODEM, LINE_STATUS, MODEM_STATUS, SCRATCH };
#define WANT_RECEIVED 1
#define WANT_EMPTY 2
#define WANT_LINE 4
#define WANT_MODEM 8
#define FIFO_ON 1
#define DIVISOR 0x80
#define LOOP 0x10
#define READY 1
#define OVERRUN 2
#define EMPTY 0x60
#define THERE 0xb0                          /* CTS, DSR, DCD */
#define DRIVER_WAIT 2                       /* seconds after which keys are no longer held back for a driver */

static struct { u8 interrupts, fifo, line, modem, status, scratch, overrun; u16 divisor; bool emptied, level; u8 received[16]; unsigned count; }
    port = { .status = THERE, .divisor = 12 };
static u8 queue[SERIAL_QUEUE];              /* keys that the other end holds */
static size_t queue_from, queued;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned room(void) { return port.fifo & FIFO_ON ? 16 : 1; }

static u8 identify(void) {
    static const u8 trigger[] = { 1, 4, 8, 14 };
    u8 on = port.fifo & FIFO_ON ? 0xc0 : 0;
    if (port.interrupts & WANT_LINE && port.overrun) return on | 6;
    if (port.interrupts & WANT_RECEIVED && port.count) return on | (on && port.count < trigger[port.fifo >> 6] ? 12 : 4);
    if (port.interrupts & WANT_EMPTY && port.emptied) return on | 2;
    if (port.interrupts & WANT_MODEM && port.status & 15) return on;
    return on | 1;
}

static void drive(bool level) {
    if (level != port.level) machine_irq(SERIAL_IRQ, port.level = level);
}
static void update(void) { drive(!(identify() & 1)); }

/* A driver empties the receiver when it begins: keys typed before wait for it, or for those who never ask for interrupts. */
static bool listened_to(void) {
    static time_t since;
    struct timespec now;
    if (port.interrupts & WANT_RECEIVED) return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!since) since = now.tv_sec;
    return now.tv_sec - since > DRIVER_WAIT;
}

static void refill(void) {
    if (!queued || port.modem & LOOP || !listened_to()) return;
    for (; queued && port.count < room(); queued--, queue_from++) port.received[port.count++] = queue[queue_from % SERIAL_QUEUE];
}

static u8 take(void) {
    if (!port.count) return 0;
    u8 byte = port.received[0];
    memmove(port.received, port.received + 1, --port.count);
    if (!port.count) drive(false);          /* an edge for each arrival */
    refill();
    return byte;
}

static void set_modem(u8 value) {
    u8 old = port.status & 0xf0, now = THERE;
    port.modem = value & 0x1f;
    if (value & LOOP) now = (value & 2) << 3 | (value & 1) << 5 | (value & 12) << 4;
    u8 changed = (old ^ now) >> 4 & 11;
    port.status = now | (port.status & 15) | changed | (old & 0x40 && !(now & 0x40) ? 4 : 0);
}

u8 serial_read(unsigned reg) {
    u8 value = 0;
    pthread_mutex_lock(&lock);
    refill();
    switch (reg) {
    case DATA: value = port.line & DIVISOR ? port.divisor : take(); break;
    case INTERRUPTS: value = port.line & DIVISOR ? port.divisor >> 8 : port.interrupts; break;
    case IDENTIFY:
        value = identify();
        if ((value & 15) == 2) port.emptied = false;
        break;
    case LINE: value = port.line; break;
    case MODEM: value = port.modem; break;
    case LINE_STATUS: value = EMPTY | port.overrun | (port.count ? READY : 0), port.overrun = 0; break;
    case MODEM_STATUS: value = port.status, port.status &= 0xf0; break;
    case SCRATCH: value = port.scratch; break;
    }
    update();
    pthread_mutex_unlock(&lock);
    return value;
}

void serial_write(unsigned reg, u8 value) {
    bool out = false;
    pthread_mutex_lock(&lock);
    switch (reg) {
    case DATA:
        if (port.line & DIVISOR) {
            port.divisor = (port.divisor & 0xff00) | value;
            break;
        }
        if (!(port.modem & LOOP)) out = true;
        else if (port.count < room()) port.received[port.count++] = value;
        else port.overrun = OVERRUN;
        /* While the character is in the holding register the interrupt is off: an edge for each. */
        if (port.level && (identify() & 15) == 2) drive(false);
        port.emptied = true;
        break;
    case INTERRUPTS:
        if (port.line & DIVISOR) port.divisor = (port.divisor & 0xff) | value << 8;
        else {
            if ((port.interrupts ^ value) & WANT_EMPTY) port.emptied = value & WANT_EMPTY;
            port.interrupts = value & 15;
        }
        break;
    case IDENTIFY:
        if ((port.fifo ^ value) & FIFO_ON || value & 2) port.count = 0;
        port.fifo = value & FIFO_ON ? value & 0xc9 : 0;
        break;
    case LINE: port.line = value; break;
    case MODEM: set_modem(value); break;
    case SCRATCH: port.scratch = value; break;
    }
    refill();
    update();
    pthread_mutex_unlock(&lock);
    if (out) console_put(value);            /* may wait, and then not with the lock */
}

size_t serial_room(void) {
    pthread_mutex_lock(&lock);
    size_t n = SERIAL_QUEUE - queued;
    pthread_mutex_unlock(&lock);
    return n;
}

void serial_receive(const u8 *bytes, size_t n) {
    pthread_mutex_lock(&lock);
    for (; n && queued < SERIAL_QUEUE; n--, queued++) queue[(queue_from + queued) % SERIAL_QUEUE] = *bytes++;
    refill();
    update();
    pthread_mutex_unlock(&lock);
}
