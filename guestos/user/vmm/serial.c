/* A 16550 UART (National Semiconductor PC16550D): the guest's console. The caller holds `lock`. */
#include "vmm.h"

#define FIFO 64
enum { DATA, INTERRUPT_ENABLE, IDENTIFY, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS, MODEM_STATUS, SCRATCH };
enum { RECEIVED = 1, EMPTY = 2 };           /* bits of interrupt enable */

static uint8_t fifo[FIFO], enable, line, modem, scratch, divisor[2], fifo_control;
static unsigned first, count;
static bool empty_untold;

static void update(void) {
    static bool raised;
    bool wanted = (enable & RECEIVED && count) || (enable & EMPTY && empty_untold);
    if (wanted != raised) interrupt_line(SERIAL_IRQ, raised = wanted);
}

void serial_write(unsigned reg, uint8_t value) {
    bool latch = line & 0x80;
    switch (reg) {
    case DATA:
        if (latch) divisor[0] = value;
        else control_output(value), empty_untold = true;
        break;
    case INTERRUPT_ENABLE:
        if (latch) divisor[1] = value;
        else empty_untold |= value & ~enable & EMPTY, enable = value & 15;
        break;
    case IDENTIFY:
        fifo_control = value;
        if (value & 2) count = 0;
        break;
    case LINE_CONTROL: line = value; break;
    case MODEM_CONTROL: modem = value & 31; break;
    case SCRATCH: scratch = value; break;
    }
    update();
}

uint8_t serial_read(unsigned reg) {
    bool latch = line & 0x80;
    uint8_t value = 0;
    switch (reg) {
    case DATA:
        if (latch) return divisor[0];
        if (count) value = fifo[first], first = (first + 1) % FIFO, count--;
        break;
    case INTERRUPT_ENABLE: return latch ? divisor[1] : enable;
    case IDENTIFY:
        value = enable & RECEIVED && count ? 4 : enable & EMPTY && empty_untold ? 2 : 1;
        if (value == 2) empty_untold = false;
        value |= fifo_control & 1 ? 0xc0 : 0;
        break;
    case LINE_CONTROL: return line;
    case MODEM_CONTROL: return modem;
    case LINE_STATUS: return 0x60 | !!count;
    case MODEM_STATUS: return 0xb0;
    case SCRATCH: return scratch;
    }
    update();
    return value;
}

bool serial_has_room(void) { return count < FIFO; }

void serial_receive(uint8_t byte) {
    fifo[(first + count++) % FIFO] = byte;
    update();
}
