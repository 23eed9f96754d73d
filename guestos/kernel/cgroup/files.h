/* Inside of cgroup/: the files of a group. */
#pragma once
#include "cgroup.h"
#include "text.h"

struct cgroup_file {
    const char *name;
    u32 mode;
    int (*show)(struct cgroup *, struct text *);
    int (*store)(struct cgroup *, char *text);  /* what was written, without spaces around it */
    u8 controller;                          /* CONTROL_; 0: every group has it */
    bool not_in_root;
    bool delegated;                         /* may be written at the top of a namespace, from inside */
};
extern const struct cgroup_file cgroup_files[CGROUP_FILES];

struct inode *cgroup_file_inode(struct cgroup *, int i);    /* not referenced; NULL: no memory, or removed */
struct cgroup *cgroup_namespace_root(void);                 /* current's */
