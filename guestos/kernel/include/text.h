/* Files of text that is made when it is read; see text.c. */
#pragma once
#include "vfs.h"

struct text {
    char *data;
    size_t length, room;
    u64 version;                                /* of what it tells, for those who poll for another */
    int error;
    const struct pid_ns *pid_ns;                /* whose numbers it tells */
};
void text_add(struct text *, const char *bytes, size_t n);
void text_print(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_escaped(struct text *, const char *name);

/* A file's read and release: `make` writes the whole text, at the first read and at each at 0. */
ssize_t text_read(struct file *, struct io *, u64 pos, int (*make)(struct file *, struct text *));
void text_release(struct file *);

/* procfs and sysfs: tables of what is always there, which end with a NULL path. Those of a process get the
 * task; it was alive at the call. */
enum proc_list { PROC_NONE, PROC_PROCESSES, PROC_THREADS, PROC_FDS, PROC_FDINFOS };
struct proc_row {
    const char *path;                           /* from the top; a directory has a row too */
    u32 mode;                                   /* with the type */
    int (*make)(struct task *, struct text *);  /* a file's text, or a link's; of a file without, the process's memory */
    int (*link)(struct task *, struct path *);  /* or a link to an object; the path is referenced */
    int (*store)(struct task *, char *text);    /* what was written, without the end of the line */
    enum proc_list list;                        /* what else a directory has */
};
extern const struct proc_row proc_task_rows[], proc_system_rows[], sysfs_rows[];
int proc_mounts(struct task *, struct text *);
int proc_mountinfo(struct task *, struct text *);
int proc_net_dev(struct task *, struct text *);                 /* and so on: of the task's network namespace */
int proc_net_route(struct task *, struct text *);
int proc_net_arp(struct task *, struct text *);
int proc_net_tcp(struct task *, struct text *);
int proc_net_udp(struct task *, struct text *);
int proc_net_unix(struct task *, struct text *);
