/* Files of text that is made when it is read; see text.c. */
#pragma once
#include "vfs.h"

struct text {
    char *data;
    size_t length, room;
    int error;
};
void text_add(struct text *, const char *bytes, size_t n);
void text_print(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_escaped(struct text *, const char *name);

/* A file's read and release: `make` writes the whole text, at the first read and at each at 0. */
ssize_t text_read(struct file *, struct io *, u64 pos, int (*make)(struct file *, struct text *));
void text_release(struct file *);

/* procfs's two parts. Texts of a process get the task; it was alive at the call. */
struct proc_text { const char *name; u32 mode; int (*make)(struct task *, struct text *); };
extern const struct proc_text proc_task_texts[];    /* ends with a NULL name */
extern const struct proc_text proc_system_texts[];
int proc_mounts(struct task *, struct text *);
int proc_mountinfo(struct task *, struct text *);
