/* What the parts of vmm share. One process is one machine: its memory, its processor, the devices of the microvm board. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define BAD 2                       /* exit status: what was given can't be used */
#define UNFINISHED 125              /* with -c: the machine stopped before the command did */
#define LEAVE 0x1d                  /* Ctrl-] lets go of a console */
#define NAME_MAX_BYTES 32

#define SERIAL_PORT 0x3f8
#define SERIAL_IRQ 4
#define VIRTIO_BASE 0xfeb00000      /* eight windows, of which the last is the disk's */
#define VIRTIO_WINDOW 0x200
#define VIRTIO_WINDOWS 8
#define DISK_WINDOW 7
#define DISK_IRQ 12

/* main.c: "vmm: ..." on standard error, exit status BAD. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory.c: RAM from guest-physical address 0 on. */
#define MEMORY_LEAST (4ul << 20)
#define MEMORY_MOST (3ul << 30)     /* below the devices */
extern u64 ram_size;
void memory_new(u64 size);          /* zeroed */
void *ram_at(u64 address, u64 size);                    /* NULL: not all of it is RAM */
u64 memory_parse(const char *text);

/* boot.c: the kernel into RAM. */
struct entry { u32 rip, rbx; };
struct entry boot_load(const char *path, const char *command_line);

/* machine.c: the processor and who answers it. */
void machine_new(void);
void machine_start(struct entry);
int machine_run(bool command);      /* until the guest ends; its exit status */
void machine_stop(const char *why); /* by another thread or a signal; repeat until the process has gone */
bool machine_stopping(void);
void machine_irq(unsigned line, bool level);

/* serial.c: the 16550. The lock is its, for keys come from another thread. */
#define SERIAL_QUEUE 65536
u8 serial_read(unsigned reg);
void serial_write(unsigned reg, u8 value);
size_t serial_room(void);           /* how much serial_receive takes now */
void serial_receive(const u8 *bytes, size_t n);

/* rtc.c */
u8 rtc_read(unsigned port);
void rtc_write(unsigned port, u8 value);

/* disk.c: an image, by bytes; what isn't to be written to the file is kept in memory. */
enum disk_mode { DISK_COPY, DISK_WRITABLE, DISK_READ_ONLY };
void disk_open(const char *path, enum disk_mode);
bool disk_present(void);
bool disk_read_only(void);
u64 disk_sectors(void);
bool disk_move(u64 at, u8 *bytes, size_t n, bool write);        /* at: up to the size; false: past the end, read-only, or it failed */
bool disk_flush(void);

/* virtio.c: the window; virtqueue.c: chains of descriptors; virtio_blk.c: requests. */
#define QUEUE_MOST 256
struct part { u8 *at; u32 bytes; };
struct chain { u16 head; int readable, writable; u64 read_bytes, write_bytes; struct part part[QUEUE_MOST]; };   /* the readable first */
struct queue { u32 size; bool ready, indirect; u64 descriptors, available, used; u16 seen, done; };
u32 virtio_read(unsigned window, u32 at, unsigned width);
void virtio_write(unsigned window, u32 at, unsigned width, u32 value);
/* These return NULL, or the rule that the driver broke. */
const char *queue_pending(const struct queue *, unsigned *count);
const char *queue_pop(struct queue *, struct chain *);
const char *queue_push(struct queue *, const struct chain *, u32 written);
bool queue_wants_interrupt(const struct queue *);
const char *block_request(struct chain *, u32 *written);
u32 block_features(void);
void block_config(u8 config[24]);

/* console.c: where the serial port's other end is: this process' terminal, and who has connected. */
void console_open(const char *name, u64 memory, const char *kernel, int listener, int link, bool detached, bool input);
void console_put(u8 byte);
void console_close(const char *reason);                 /* the socket goes, the terminal is as it was */

/* terminal.c */
bool terminal_raw(void);            /* false: standard input is none */
void terminal_restore(void);

/* control.c: the machines that run, by their sockets */
void control_path(char path[108], const char *name);
int control_listen(const char *name);                   /* -1: a machine of this name runs */
int control_reach(const char *name, const char *request);   /* connected, and asked for that */
bool control_runs(const char *name);
int control_exec(const char *name, const char *command);    /* exec.c; the command's status */
int control_ps(void);
int control_console(const char *name);
int control_stop(const char *name);
