/* Mounting an overlay: its options, its layers, and what it tells of itself. */
#include "overlay.h"
#include "lib.h"
#include "mm.h"
#include "text.h"

#define OVERLAYFS_MAGIC 0x794c7630

static int statfs(struct superblock *sb, struct kstatfs *st) {
    struct superblock *from = top(sb->root)->sb;
    st->f_bsize = st->f_frsize = from->block_size;
    if (from->statfs) from->statfs(from, st);
    st->f_type = OVERLAYFS_MAGIC;
    return 0;
}

static void show_options(struct superblock *sb, struct text *out) {
    text_add(out, ",", 1);
    text_escaped(out, ((struct overlay *)sb->data)->options);
}

static void unmount(struct superblock *sb) {
    struct overlay *o = sb->data;
    inode_put(sb->root);
    for (int i = 0; i < o->layers; i++)
        if (o->layer[i].mnt) path_put(&o->layer[i]);
    if (o->work) dentry_put(o->work);
    kfree(o->options);
    kfree(o);
}

static int add_layer(struct path *layer, const char *name, struct mount **in) {
    struct path at;
    int error = path_walk(AT_FDCWD, name, WALK_FOLLOW | WALK_DIRECTORY, &at);
    if (error) return error;
    *layer = (struct path){ mount_clone(at.mnt, at.dentry), at.dentry };
    *in = at.mnt;
    if (!layer->mnt) error = -ENOMEM;
    else {
        layer->mnt->shared = layer->mnt->master = 0;
        dentry_get(at.dentry);
    }
    path_put(&at);
    return error;
}

/* The work directory must be in the same mount as the upper layer, and neither in the other. */
static int add_work(struct overlay *o, const struct mount *mnt, const char *name) {
    struct path at;
    int error = path_walk(AT_FDCWD, name, WALK_FOLLOW | WALK_DIRECTORY, &at);
    if (error) return error;
    struct dentry *upper = o->layer[0].dentry;
    if (at.mnt != mnt || dentry_is_below(at.dentry, upper) || dentry_is_below(upper, at.dentry) || mount_writable(mnt)) error = -EINVAL;
    if (!error) {
        mutex_lock(&path_inode(&at)->lock);
        struct dentry *d = dentry_lookup_locked(at.dentry, "work", 4);
        error = IS_ERR(d) ? PTR_ERR(d) : d->inode ? 0 : dentry_make(d, S_IFDIR, 0, NULL);
        mutex_unlock(&path_inode(&at)->lock);
        if (!IS_ERR(d)) o->work = d;
    }
    path_put(&at);
    return error;
}

static int parse(struct overlay *o, char *options) {
    char *lower = NULL, *upper = NULL, *work = NULL, *name, *value;
    while ((name = mount_option(&options, &value))) {
        if (!strcmp(name, "lowerdir")) lower = value;
        else if (!strcmp(name, "upperdir")) upper = value;
        else if (!strcmp(name, "workdir")) work = value;
        else return -EINVAL;
    }
    if (!lower || !upper != !work) return -EINVAL;
    struct mount *in;
    int error = upper ? add_layer(&o->layer[0], upper, &in) : 0;
    if (!error && upper) error = add_work(o, in, work);
    for (char *next; lower && !error; lower = next) {
        if ((next = strchr(lower, ':'))) *next++ = 0;
        if (o->layers == LAYERS_MAX) return -EINVAL;
        error = add_layer(&o->layer[o->layers++], lower, &in);
    }
    return error;
}

static struct superblock *mount(const char *source, u32 flags, char *options) {
    struct overlay *o = kzalloc(sizeof(*o));
    if (!o) return ERR_PTR(-ENOMEM);
    o->layers = 1;
    if ((o->options = kmalloc(strlen(options) + 1))) memcpy(o->options, options, strlen(options) + 1);
    int error = o->options ? parse(o, options) : -ENOMEM;
    o->sb = (struct superblock){
        .type = "overlay", .dev = superblock_new_device(), .block_size = PAGE_SIZE, .data = o, .never_writable = !o->work,
        .flags = o->work ? flags & MS_RDONLY : MS_RDONLY, .drop = overlay_drop, .statfs = statfs, .show_options = show_options, .unmount = unmount,
    };
    struct dentry **all = error ? NULL : kzalloc(o->layers * sizeof(*all));
    for (int i = 0; all && i < o->layers; i++) all[i] = o->layer[i].mnt ? dentry_get(o->layer[i].dentry) : NULL;
    struct inode *root = error ? ERR_PTR(error) : all ? overlay_inode(o, all) : ERR_PTR(-ENOMEM);
    if (!IS_ERR(root)) return o->sb.root = root, &o->sb;
    unmount(&o->sb);
    return (struct superblock *)root;
}

static struct filesystem overlay = { "overlay", .mount = mount, .for_users = true };
void overlay_register(void) { filesystem_register(&overlay); }
