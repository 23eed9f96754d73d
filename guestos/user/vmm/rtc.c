/* The MC146818 clock: the host's time in UTC, as BCD in 24 hours, and 114 bytes of memory. It can't be set and interrupts nobody. */
#include "vmm.h"
#include <time.h>

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9, A = 10, B = 11, C = 12, D = 13, CENTURY = 0x32 };

static u8 memory[128], chosen;

u8 rtc_read(unsigned port) {
    if (!(port & 1)) return 0xff;
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    int value;
    switch (chosen) {
    case SECONDS: value = t.tm_sec; break;
    case MINUTES: value = t.tm_min; break;
    case HOURS: value = t.tm_hour; break;
    case WEEKDAY: value = t.tm_wday + 1; break;
    case DAY: value = t.tm_mday; break;
    case MONTH: value = t.tm_mon + 1; break;
    case YEAR: value = t.tm_year % 100; break;
    case CENTURY: value = (t.tm_year + 1900) / 100; break;
    case A: return 0x26;                    /* 32,768 Hz, and no update under way */
    case B: return 0x02;                    /* 24 hours, BCD */
    case C: return 0;
    case D: return 0x80;                    /* the battery is good */
    default: return memory[chosen];
    }
    return value / 10 << 4 | value % 10;
}

void rtc_write(unsigned port, u8 value) {
    if (!(port & 1)) chosen = value & 0x7f;
    else memory[chosen] = value;
}
