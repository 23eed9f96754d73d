/* Time: the TSC, calibrated once against the PIT, and the date from the RTC.
 *
 * Calibration doesn't spin. The PIT counts down freely, the local APIC's timer ends a HLT about a
 * millisecond later, and the counts of all three are compared: so interrupt latency doesn't matter,
 * and an emulator can skip the wait.
 */
#include "arch.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "user.h"

void apic_timer_count(u32 ticks);
void apic_timer_calibrated(u32 ticks_per_ms, u64 deadline_hz);

#define PIT_HZ 1193182UL
#define CALIBRATION_TICKS 1000000           /* 1 ms of a 1 GHz APIC timer */

static u64 tsc_start, scale;                /* ns = (tsc - start) * scale >> 32 */
static u64 boot_real_time;                  /* ns since 1970 */
static volatile bool calibrating, calibrated;
static u64 tsc_end;
static u32 pit_elapsed;

static u16 pit_read(void) {
    outb(0x43, 0x00);                       /* latch channel 0 */
    u16 low = inb(0x40);
    return low | inb(0x40) << 8;
}

static u8 cmos(u8 index) {
    outb(0x70, index);
    return inb(0x71);
}

static u64 bcd(u64 v, bool binary) { return binary ? v : (v >> 4) * 10 + (v & 15); }

/* Seconds since 1970, UTC. The RTC is read twice until both agree, for it may tick in between. */
static u64 rtc_read(void) {
    static const u8 index[] = { 0, 2, 4, 7, 8, 9, 0x32 };
    u8 v[7], again[7];
    for (int tries = 0; tries < 8; tries++) {
        for (int i = 0; i < 7; i++) v[i] = cmos(index[i]);
        for (int i = 0; i < 7; i++) again[i] = cmos(index[i]);
        if (!memcmp(v, again, sizeof(v))) break;
    }
    u8 format = cmos(0x0b);
    bool binary = format & 4;
    u64 hour = bcd(v[2] & 0x7f, binary), century = bcd(v[6], binary);
    if (!(format & 2)) hour = hour % 12 + (v[2] & 0x80 ? 12 : 0);
    if (century < 19 || century > 22) century = 20;
    u64 year = century * 100 + bcd(v[5], binary), month = bcd(v[4], binary), day = bcd(v[3], binary);
    /* Days from civil date, counting years from March. */
    u64 y = year - (month <= 2), m = (month + 9) % 12;
    u64 days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
    return ((days * 24 + hour) * 60 + bcd(v[1], binary)) * 60 + bcd(v[0], binary);
}

/* In the timer interrupt that ends the calibration. */
static void calibration_end(u16 pit_start) {
    pit_elapsed = (u16)(pit_start - pit_read());
    tsc_end = rdtsc();
    calibrated = true;
}

void clock_init(void) {
    u32 r[4];
    cpuid(1, 0, r);
    bool deadline = r[2] & 1 << 24;
    outb(0x43, 0x34);                       /* channel 0, both bytes, mode 2: counts from 65536 for ever */
    outb(0x40, 0);
    outb(0x40, 0);
    pit_read();                             /* the count is loaded with the PIT's next own tick */
    calibrating = true;
    u16 pit_start = pit_read();
    tsc_start = rdtsc();
    apic_timer_count(CALIBRATION_TICKS);
    asm volatile("sti; hlt; cli" ::: "memory");
    calibration_end(pit_start);
    calibrating = false;
    u64 tsc = tsc_end - tsc_start;
    /* Without a PIT the APIC timer's usual 1 GHz is all there is. */
    u64 ns = pit_elapsed ? pit_elapsed * NSEC_PER_SEC / PIT_HZ : CALIBRATION_TICKS;
    scale = (ns << 32) / tsc;
    apic_timer_calibrated(CALIBRATION_TICKS * NSEC_PER_MSEC / ns, deadline ? tsc * NSEC_PER_SEC / ns : 0);
    boot_real_time = rtc_read() * NSEC_PER_SEC;
    kprintf("clock: TSC %lu kHz, APIC timer %s\n", tsc * 1000000 / ns, deadline ? "compares with it" : "counts by itself");
}

u64 clock_cycles_ns(u64 cycles) { return (unsigned __int128)cycles * scale >> 32; }

u64 ktime(void) { return clock_cycles_ns(rdtsc() - tsc_start); }

u64 real_time(void) { return boot_real_time + ktime(); }

bool clock_calibrating(void) { return calibrating; }

int timespec_from_user(const struct timespec __user *from, u64 *ns) {
    struct timespec t;
    if (copy_from_user(&t, from, sizeof(t))) return -EFAULT;
    if (t.tv_sec < 0 || (u64)t.tv_nsec >= NSEC_PER_SEC) return -EINVAL;
    /* Past 292 years is for ever. */
    *ns = t.tv_sec > 9000000000 ? 9000000000 * NSEC_PER_SEC : t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
    return 0;
}
