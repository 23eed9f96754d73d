/* Device interrupts: ISA and IOAPIC lines 0-23 delivered to handlers. */
#pragma once
#include "types.h"

/* Runs with interrupts off, after the line was acknowledged if edge, before if level. May wake
 * tasks and start timers; may not sleep or touch user memory. */
typedef void (*irq_handler)(void *argument);

/* Route line `irq` (as a virtio_mmio.device= word or the ISA numbers give it) to `handler` and
 * unmask it. level: level-triggered; ISA lines are edge. -EBUSY if taken, -EINVAL if no such line. */
int irq_register(unsigned irq, bool level, irq_handler handler, void *argument);
