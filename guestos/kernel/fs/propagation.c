/* Mount propagation (mount_namespaces(7)): what is mounted or unmounted below one member of a peer group
 * happens below all of them, and below those that receive from the group.
 *
 * A group is a number. mount->shared names the group it is a member of, mount->master the one it
 * receives from; all members of a group receive from the same. */
#include "mount.h"
#include "lib.h"

static u32 new_group(void) {
    static u32 last;
    return ++last;
}

static struct mount *member_of(u32 group) {
    struct mount *m;
    for_each_mount(m)
        if (group && m->shared == group) return m;
    return NULL;
}

/* Does m get what happens in `group`: as a member, or through the groups above it. */
static bool receives(const struct mount *m, u32 group) {
    while (m && m->shared != group && m->master != group) m = member_of(m->master);
    return m && group;
}

void propagation_leave(struct mount *m) {
    u32 group = m->shared;
    struct mount *each;
    m->shared = 0;
    if (!group || member_of(group)) return;
    for_each_mount(each)
        if (each->master == group) each->master = m->master;
}

void propagation_change(struct mount *m, u32 type) {
    u32 group = m->shared;
    m->unbindable = type == MS_UNBINDABLE;
    if (type == MS_SHARED) {
        if (!group) m->shared = new_group();
        return;
    }
    propagation_leave(m);
    if (type != MS_SLAVE) m->master = 0;
    else if (member_of(group)) m->master = group;
}

static void share(struct mount *top) {
    for (struct mount *m = top; m; m = mount_next(m, top))
        if (!m->shared) m->shared = new_group();
}

/* Turn a fresh copy, whose mounts are members of the original's groups, into their receivers. */
void propagation_enslave(struct mount *top) {
    for (struct mount *m = top; m; m = mount_next(m, top)) {
        if (!m->shared) continue;
        m->master = m->shared;
        m->shared = 0;
    }
}

/* Copies of `tree`, which is or will be mounted at `at` in `origin`, for members and receivers of a
 * group. Mounts with an id above `bound` are of this propagation. */
static int copy_to_group(struct mount *tree, struct mount *origin, struct dentry *at, u32 group, u32 bound) {
    struct mount *m;
    for (int receivers = 0; receivers < 2; receivers++) {
        for_each_mount(m) {
            struct path place = { m, at };
            struct mount *there;
            if ((receivers ? m->master : m->shared) != group || m == origin || m->id > bound) continue;
            if (!m->ns || !dentry_is_below(at, m->root)) continue;
            if (receivers && (there = mount_covering(&place)) && there->id > bound) continue;    /* by its own group */
            struct mount *copy = mount_copy(tree, tree->root, true, true);
            if (!copy) return -ENOMEM;
            if (receivers) propagation_enslave(copy);
            if (receivers && m->shared) share(copy);
            mount_attach(copy, &place);
            int error = receivers && m->shared ? copy_to_group(copy, m, at, m->shared, bound) : 0;
            if (error) return error;
        }
    }
    return 0;
}

int propagate_attach(struct mount *tree, const struct path *at) {
    u32 group = at->mnt->shared, bound = list_entry(all_mounts.prev, struct mount, all)->id;
    if (!group) return mount_attach(tree, at), 0;
    share(tree);
    int error = copy_to_group(tree, at->mnt, at->dentry, group, bound);
    if (!error) return mount_attach(tree, at), 0;
    struct mount *m;
    while (m = list_entry(all_mounts.prev, struct mount, all), m->id > bound) {
        mount_detach(m);
        mount_dissolve(m);
    }
    return error;
}

/* The copy of m at another place of its parent's group, after `from` in all_mounts (NULL: the first). */
static struct mount *copy_elsewhere(struct mount *m, struct mount *from) {
    struct list *at = from ? from->all.next : all_mounts.next;
    for (; m->parent && at != &all_mounts; at = at->next) {
        struct mount *c = list_entry(at, struct mount, all);
        if (c != m && c->ns && c->parent && c->parent != m->parent && c->at == m->at && receives(c->parent, m->parent->shared) &&
            c->root == m->root && mount_covering(&(struct path){ c->parent, c->at }) == c) return c;
    }
    return NULL;
}

bool propagate_busy(struct mount *m) {
    if (m->refs) return true;
    for (struct mount *c = NULL; (c = copy_elsewhere(m, c));)
        if (c->refs && list_empty(&c->children)) return true;
    return false;
}

/* Copies that have mounts of their own below them stay. Leaves go first, so again until none is left. */
void propagate_umount(struct mount *top) {
    for (bool again = true; again;) {
        again = false;
        for (struct mount *m = top; m; m = mount_next(m, top)) {
            struct mount *c = copy_elsewhere(m, NULL);
            while (c && (!list_empty(&c->children) || path_is_below((struct path){ c, c->root }, &(struct path){ top, top->root })))
                c = copy_elsewhere(m, c);
            if (!c) continue;
            mount_detach(c);
            mount_put(c);
            again = true;
        }
    }
}
