/* Devices as files: a table from (type, major, minor) to operations, from which /dev is filled. */
#pragma once
#include "vfs.h"

struct device {
    const char *name;               /* in /dev */
    u32 mode;                       /* S_IFCHR or S_IFBLK, and permissions */
    u32 rdev;                       /* MKDEV */
    const struct file_ops *ops;
    void *data;                     /* file->data of what is opened on it */
    u64 size;                       /* of a block device, bytes */
    struct device *next;
};
extern struct device *devices;
void device_register(struct device *);
void device_unregister(struct device *);
struct device *device_find(u32 mode, u32 rdev);     /* by type and number, or NULL */

void random_bytes(void *to, size_t n);              /* /dev/urandom's; not for secrets that matter */
void memory_devices_init(void);                     /* null, zero, full, random, urandom */
void virtio_blk_init(void);
void kvm_init(void);                                /* /dev/kvm, where the processor has SVM */
void pty_init(void);                                /* ptmx, and devpts */
void serial_init(void);

/* ---- terminals ---- */

struct tty;

struct superblock;
bool is_devpts(const struct superblock *);
int devpts_add(struct superblock *, const char *name, u32 rdev);    /* a slave: 0 or an error */
void devpts_remove(struct superblock *, const char *name);

/* A line: what a terminal driver offers and what the line discipline tells it. */
struct tty_driver {
    /* Send bytes as they are; from anywhere, also interrupts. What has no room, is waited for or lost. */
    void (*write)(struct tty *, const char *bytes, size_t n);
    size_t (*room)(struct tty *);                   /* bytes that are not lost now; NULL: all */
    void (*flush)(struct tty *);                    /* lose what was written and not yet sent; NULL: nothing is */
    int (*open)(struct tty *);                      /* may it be opened? NULL: yes */
};
/* Makes terminal and device node `name`; panics without memory. */
struct tty *tty_create(const char *name, u32 rdev, const struct tty_driver *);
/* From the driver, in its interrupt: one byte arrived. */
void tty_input(struct tty *, u8 byte);
/* Called when a session leader exits: SIGHUP and SIGCONT to the foreground, and its terminal is free. */
void tty_session_ends(struct process *leader);
u32 tty_number(const struct tty *);                 /* st_rdev, for /proc/N/stat */
pid_t tty_foreground(const struct tty *);
