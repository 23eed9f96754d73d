/* The virtio MMIO windows (VIRTIO 1.1, 4.2, version 2): the last has the disk behind it, the others nobody. A broken rule stops the
 * device with DEVICE_NEEDS_RESET until the driver resets it, and is all that comes of it. */
#include "vmm.h"

#define MAGIC 0x74726976
#define ID_BLOCK 2
#define FEATURE_INDIRECT (1ul << 28)
#define FEATURE_VERSION_1 (1ul << 32)
#define DRIVER_OK 4u
#define FEATURES_OK 8u
#define NEEDS_RESET 64u
#define USED_BUFFER 1u
#define CONFIG_CHANGE 2u

static struct { u32 status, interrupt, device_select, driver_select, queue_select; u64 driver_features; struct queue queue; bool level; }
    device = { .queue.size = QUEUE_MOST };

static u64 features(void) { return block_features() | FEATURE_INDIRECT | FEATURE_VERSION_1; }

static void update(void) {
    if (device.level != !!device.interrupt) machine_irq(DISK_IRQ, device.level = !!device.interrupt);
}

static void broken(const char *rule) {
    (void)rule;                             /* the guest's own affair; its driver sees the status */
    device.status |= NEEDS_RESET;
    device.interrupt |= CONFIG_CHANGE;
}

/* One round of the ring for each notification: more wants another one. */
static void notify(void) {
    static struct chain chain;
    unsigned count;
    u32 written;
    bool done = false;
    if ((device.status & (DRIVER_OK | NEEDS_RESET)) != DRIVER_OK) return;
    const char *rule = queue_pending(&device.queue, &count);
    for (; !rule && count && !machine_stopping(); count--) {
        rule = queue_pop(&device.queue, &chain);
        if (!rule) rule = block_request(&chain, &written);
        if (!rule) rule = queue_push(&device.queue, &chain, written);
        done |= !rule;
    }
    if (done && queue_wants_interrupt(&device.queue)) device.interrupt |= USED_BUFFER;
    if (rule) broken(rule);
    update();
}

static void set_status(u32 value) {
    if (!value) {
        bool level = device.level;
        memset(&device, 0, sizeof(device));
        device.queue.size = QUEUE_MOST;
        device.level = level;
        update();
        return;
    }
    /* Who takes what isn't offered, or leaves VERSION_1 out, is refused. */
    if (device.driver_features & ~features() || !(device.driver_features & FEATURE_VERSION_1)) value &= ~FEATURES_OK;   /* check: guestos/test_vmm.py::test_no_request_breaks_the_device */
    if (!((value | device.status) & FEATURES_OK)) value &= ~DRIVER_OK;   /* check: guestos/test_vmm.py::test_no_request_breaks_the_device */
    device.status |= value & 0xff & ~NEEDS_RESET;           /* only a reset clears bits */
    device.queue.indirect = device.driver_features & FEATURE_INDIRECT;
}

static void half(u64 *address, bool high, u32 value) {
    *address = high ? (*address & 0xffffffff) | (u64)value << 32 : (*address & ~0xfffffffful) | value;
}

static void set_queue(u32 at, u32 value) {
    struct queue *q = &device.queue;
    if (at == 0x44) {
        q->ready = value & 1;
        if (!q->ready) q->seen = q->done = 0;
    } else if (q->ready) return;            /* while it is live its addresses must not move */
    else if (at == 0x38 && value && value <= QUEUE_MOST && !(value & (value - 1))) q->size = value;
    else if ((at & ~4u) == 0x80) half(&q->descriptors, at & 4, value);
    else if ((at & ~4u) == 0x90) half(&q->available, at & 4, value);
    else if ((at & ~4u) == 0xa0) half(&q->used, at & 4, value);
}

u32 virtio_read(unsigned window, u32 at, unsigned width) {
    bool here = window == DISK_WINDOW && disk_present(), queue = here && !device.queue_select;
    if (at >= 0x100) {
        u8 config[24];
        u32 value = 0;
        if (!here) return ~0u;
        block_config(config);
        if (at - 0x100 + width <= sizeof(config)) memcpy(&value, config + at - 0x100, width);
        return value;
    }
    if (width != 4 || at & 3) return 0;
    switch (at) {
    case 0x00: return MAGIC;
    case 0x04: return 2;
    case 0x08: return here ? ID_BLOCK : 0;
    case 0x0c: return 0x554d4551;           /* the vendor tools know such boards by */
    case 0x10: return !here || device.device_select > 1 ? 0 : features() >> 32 * device.device_select;
    case 0x34: return queue ? QUEUE_MOST : 0;
    case 0x44: return queue && device.queue.ready;
    case 0x60: return here ? device.interrupt : 0;
    case 0x70: return here ? device.status : 0;
    case 0xb0: case 0xb4: case 0xb8: case 0xbc: return ~0u; /* there is no shared memory */
    }
    return 0;
}

void virtio_write(unsigned window, u32 at, unsigned width, u32 value) {
    if (window != DISK_WINDOW || !disk_present() || at >= 0x100 || width != 4 || at & 3) return;
    switch (at) {
    case 0x14: device.device_select = value; break;
    case 0x20:
        if (!(device.status & FEATURES_OK) && device.driver_select < 2) half(&device.driver_features, device.driver_select, value);
        break;
    case 0x24: device.driver_select = value; break;
    case 0x30: device.queue_select = value; break;
    case 0x50:
        if (!value) notify();
        break;
    case 0x64:
        device.interrupt &= ~value;
        update();
        break;
    case 0x70: set_status(value); break;
    default:
        if (!device.queue_select) set_queue(at, value);
    }
}
