/* A monitor for small virtual machines, written for Linux's KVM: what its files share.
 *
 * One thread runs the processor (machine.c), one listens to the terminal and to clients (control.c). `lock` is held by
 * whoever touches a device. */
#pragma once
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_DIRECTORY "/run/vmm"
#define RAM_MAX (3UL << 30)
#define SERIAL_PORT 0x3f8
#define SERIAL_IRQ 4
#define DISK_ADDRESS 0xd0000000UL
#define DISK_SIZE 512
#define DISK_IRQ 5

struct options {
    const char *name, *kernel, *disk, *append, *command;
    size_t memory;                          /* bytes */
    bool writable, detach;
};

extern int vm;                              /* the descriptor of the machine */
extern uint8_t *ram;
extern size_t ram_size;
extern pthread_mutex_t lock;

_Noreturn void fail(const char *format, ...);   /* one line on standard error; status 2 */

/* Guest-physical memory: NULL unless all of it is RAM. */
static inline void *at(uint64_t address, size_t size) {
    return address < ram_size && size <= ram_size - address ? ram + address : NULL;
}

/* boot.c: puts a kernel, its command line and the memory map into RAM. The entry point and the start info's address. */
struct entry { uint32_t rip, start_info; };
struct entry boot_load(const char *kernel, const char *command_line);

/* machine.c: returns the status the guest ended with. */
void machine_create(const struct options *);
int machine_run(struct entry);
void machine_stop(void);                    /* from another thread */
void interrupt_line(int pin, bool level);

/* serial.c: a 16550. */
void serial_write(unsigned reg, uint8_t value);
uint8_t serial_read(unsigned reg);
bool serial_has_room(void);
void serial_receive(uint8_t byte);

/* disk.c: a virtio block device behind a virtio-mmio window (version 2). */
void disk_open(const char *path, bool writable);
void disk_store(uint64_t offset, int size, uint32_t value);
uint32_t disk_load(uint64_t offset, int size);

/* control.c: the console's other side, and /run/vmm. */
void control_start(const struct options *);
void control_end(void);
void control_output(uint8_t byte);
int command_ps(void);
int command_stop(const char *name);
int command_console(const char *name);
