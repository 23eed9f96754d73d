/* Names seen so far: a cache of directory entries, existing or known to be missing. */
#include "vfs.h"
#include "mm.h"
#include "lib.h"

#define BUCKETS 512
#define UNUSED_MAX 2048             /* names kept though nobody uses them */

static struct dentry *buckets[BUCKETS];
static struct list lru = LIST_INIT(lru);    /* unused names, the last used at the head */
static int unused;

static u32 hash_name(const struct dentry *parent, const char *name, size_t length) {
    u32 hash = (u32)((u64)parent >> 6);
    for (size_t i = 0; i < length; i++) hash = hash * 31 + (u8)name[i];
    return hash;
}

static int set_name(struct dentry *d, const char *name, size_t length) {
    char *to = d->short_name;
    if (length >= sizeof(d->short_name) && !(to = kmalloc(length + 1))) return -ENOMEM;
    if (d->name && d->name != d->short_name) kfree(d->name);
    memcpy(to, name, length);
    to[length] = 0;
    d->name = to;
    d->length = length;
    return 0;
}

static void hash_insert(struct dentry *d) {
    d->hash = hash_name(d->parent, d->name, d->length);
    d->hash_next = buckets[d->hash % BUCKETS];
    buckets[d->hash % BUCKETS] = d;
    d->hashed = true;
}

void dentry_unhash(struct dentry *d) {
    if (!d->hashed) return;
    struct dentry **link = &buckets[d->hash % BUCKETS];
    while (*link != d) link = &(*link)->hash_next;
    *link = d->hash_next;
    d->hashed = false;
}

static struct dentry *find(struct dentry *parent, const char *name, size_t length) {
    u32 hash = hash_name(parent, name, length);
    for (struct dentry *d = buckets[hash % BUCKETS]; d; d = d->hash_next)
        if (d->hash == hash && d->parent == parent && d->length == length && !memcmp(d->name, name, length))
            return dentry_get(d);
    return NULL;
}

struct dentry *dentry_get(struct dentry *d) {
    if (d->refs++ == 0 && !list_empty(&d->lru)) {
        list_del(&d->lru);
        unused--;
    }
    return d;
}

/* Frees an unused name, and its directory's if that was its last use. */
static void destroy(struct dentry *d) {
    dentry_unhash(d);
    if (!list_empty(&d->lru)) {
        list_del(&d->lru);
        unused--;
    }
    struct dentry *parent = d->parent;
    inode_put(d->inode);
    if (d->name != d->short_name) kfree(d->name);
    kfree(d);
    if (parent != d) dentry_put(parent);
}

void dentry_put(struct dentry *d) {
    if (--d->refs) return;
    bool alive = d->parent->hashed || d->parent->parent == d->parent;   /* the directory: else it must go */
    bool keep = d->hashed && alive && !d->parent->inode->sb->volatile_names;
    if (!keep) return destroy(d);
    list_add(&lru, &d->lru);
    if (++unused > UNUSED_MAX) destroy(list_entry(lru.prev, struct dentry, lru));
}

void dentry_removed(struct dentry *d) {
    dentry_unhash(d);
    if (d->refs == 1) return;
    /* Names once looked for in it, and not found, would keep a removed directory's blocks alive. */
    for (struct list *at = lru.next, *next; at != &lru; at = next) {
        struct dentry *child = list_entry(at, struct dentry, lru);
        next = at->next;
        if (child->parent == d) destroy(child);
    }
}

void dentry_prune(struct superblock *sb) {
    for (struct list *at = lru.next; at != &lru;) {
        struct dentry *d = list_entry(at, struct dentry, lru);
        if (sb && d->parent->inode->sb != sb) {
            at = at->next;
            continue;
        }
        destroy(d);             /* may free others and sleep: start again */
        at = lru.next;
    }
}

static struct dentry *new_dentry(struct dentry *parent, const char *name, size_t length) {
    struct dentry *d = kzalloc(sizeof(*d));
    if (!d) return NULL;
    if (set_name(d, name, length)) {
        kfree(d);
        return NULL;
    }
    list_init(&d->lru);
    d->refs = 1;
    d->parent = parent ? dentry_get(parent) : d;
    return d;
}

struct dentry *dentry_new_root(struct inode *inode) {
    struct dentry *d = new_dentry(NULL, "/", 1);
    if (d) d->inode = inode;
    return d;
}

struct dentry *dentry_lookup_locked(struct dentry *dir, const char *name, size_t length) {
    struct dentry *d = find(dir, name, length);
    if (d) {
        if (!d->inode || !d->inode->ops->stale || !d->inode->ops->stale(d->inode)) return d;
        dentry_unhash(d);
        dentry_put(d);
    }
    struct inode *inode = dir->inode->ops->lookup(dir->inode, name, length);
    if (IS_ERR(inode)) return (struct dentry *)inode;
    d = new_dentry(dir, name, length);
    if (!d) {
        inode_put(inode);
        return ERR_PTR(-ENOMEM);
    }
    d->inode = inode;
    hash_insert(d);
    return d;
}

struct dentry *dentry_lookup(struct dentry *dir, const char *name, size_t length) {
    if (!dir->inode->sb->volatile_names) {
        struct dentry *d = find(dir, name, length);
        if (d) return d;
    }
    mutex_lock(&dir->inode->lock);
    struct dentry *d = dentry_lookup_locked(dir, name, length);
    mutex_unlock(&dir->inode->lock);
    return d;
}

int dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t length) {
    int error = 0;
    dentry_unhash(d);
    if ((error = set_name(d, name, length))) return error;
    struct dentry *old = d->parent;
    d->parent = dentry_get(parent);
    dentry_put(old);
    hash_insert(d);
    return 0;
}
