/* What the files of fs/ share among themselves. */
#pragma once
#include "mount.h"

extern const struct file_ops fifo_ops;              /* pipe.c; its open may sleep for the other end */

bool in_group(gid_t gid);                           /* of current: its own or a supplementary one */

void locks_release(struct inode *, const void *owner);      /* locks.c: a file or a descriptor table let go */
void inotify_tell(struct inode *, bool data_changed);       /* of an inode with watches */
struct flock;
long file_lock(struct file *, unsigned command, struct flock __user *);
long file_copy(struct file *in, off_t __user *in_offset, struct file *out, size_t);   /* bytes; fewer if a signal came */
int inode_truncate(struct inode *, u64 size);       /* takes the lock; -EFBIG, -EISDIR, -EINVAL */
int dir_may_change(const struct path *dir);         /* create or remove names: 0, -ENOENT, -EROFS, -EACCES */

/* The file systems. */
int commit_file(struct file *);                     /* file_ops.sync of file systems */
void ext2_register(void);
void ramfs_register(void);                          /* tmpfs and devtmpfs */
void procfs_register(void);
bool proc_is_empty(const struct inode *);           /* a directory of /proc or /sys with nothing in it, ever */
void overlay_register(void);
/* Put a node into a mounted ramfs; used to fill /dev. 0 or an error. */
int ramfs_add(struct superblock *, const char *name, u32 mode, u32 rdev);
