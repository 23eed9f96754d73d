/* /proc/N/mounts and /proc/N/mountinfo: the mounts of N's namespace that N can reach, as N's root sees them. */
#include "text.h"
#include "lib.h"
#include "mm.h"
#include "mount.h"
#include "task.h"

static void add_options(struct text *out, u32 flags) {
    static const struct { u32 flag; const char *name; } names[] = {
        { MS_NOSUID, ",nosuid" }, { MS_NODEV, ",nodev" }, { MS_NOEXEC, ",noexec" }, { MS_NOATIME, ",noatime" },
        { MS_NODIRATIME, ",nodiratime" }, { MS_RELATIME, ",relatime" },
    };
    text_print(out, flags & MS_RDONLY ? " ro" : " rw");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (flags & names[i].flag) text_print(out, "%s", names[i].name);
}

static void add_mount(struct text *out, const struct mount *m, const char *root, const char *at, bool info) {
    struct superblock *sb = m->sb;
    if (info) text_print(out, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : m->id, MAJOR(sb->dev), MINOR(sb->dev));
    text_escaped(out, info ? root : m->source);
    text_add(out, " ", 1);
    text_escaped(out, at);
    if (!info) text_print(out, " %s", sb->type);
    add_options(out, info ? m->flags : m->flags | sb->flags);
    if (info) {
        if (m->shared) text_print(out, " shared:%u", m->shared);
        if (m->master) text_print(out, " master:%u", m->master);
        text_print(out, "%s - %s ", m->unbindable ? " unbindable" : "", sb->type);
        text_escaped(out, m->source);
        add_options(out, sb->flags);
    }
    if (sb->show_options) sb->show_options(sb, out);
    text_print(out, info ? "\n" : " 0 0\n");
}

static int add_all(struct task *t, struct text *out, bool info) {
    if (!t->fs) return -EINVAL;
    char *room = kmalloc(2 * PATH_MAX);
    if (!room) return -ENOMEM;
    struct mount *top = t->fs->ns->root;
    for (struct mount *m = top; m; m = mount_next(m, top)) {
        bool outside, ignored;
        const struct path here = { m, m->root };
        char *at = path_text_from(&here, &t->fs->root, room, PATH_MAX, &outside);
        char *root = path_text_from(&here, NULL, room + PATH_MAX, PATH_MAX, &ignored);
        if (!outside && !IS_ERR(at) && !IS_ERR(root)) add_mount(out, m, root, at, info);
    }
    kfree(room);
    return 0;
}

int proc_mounts(struct task *t, struct text *out) { return add_all(t, out, false); }
int proc_mountinfo(struct task *t, struct text *out) { return add_all(t, out, true); }
