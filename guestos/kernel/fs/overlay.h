/* An overlay and its inodes: what overlay.c, the tree, shares with overlay_mount.c. */
#pragma once
#include "fs.h"

#define LAYERS_MAX 64

struct overlay {
    struct superblock sb;
    int layers;
    struct path layer[LAYERS_MAX];  /* [0]: upper, or no mount; of mounts that nobody else has */
    struct dentry *work;
    u32 temporaries;
    struct mutex lock;              /* one copy at a time */
    char *options;                  /* for /proc/mounts */
};

static inline struct overlay *overlay_of(const struct inode *inode) { return inode->sb->data; }
/* The inode of each layer that this one stands for, by a name it has there; at least one. */
static inline struct dentry **real(const struct inode *inode) { return inode->data; }
static inline struct inode *top(const struct inode *inode) {
    struct dentry **r = real(inode);
    while (!*r) r++;
    return (*r)->inode;
}

struct inode *overlay_inode(struct overlay *, struct dentry **);    /* takes the array; or ERR_PTR */
void overlay_drop(struct inode *);
