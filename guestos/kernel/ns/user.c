/* User namespaces (user_namespaces(7)): ids with other numbers, and capabilities that end at the border. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "mount.h"
#include "ns.h"
#include "text.h"
#include "vfs.h"

#define CAP_LAST 40
#define CAP_ALL ((1UL << (CAP_LAST + 1)) - 1)
#define EVERYONE { 1, { { 0, 0, ~0U } } }

struct user_ns init_user_ns = { NS_FIRST(NS_USER, 4026531837), .uids = EVERYONE, .gids = EVERYONE };

u32 id_down(const struct id_map *map, u32 id) {
    for (u32 i = 0; i < map->count; i++)
        if (id - map->extent[i].first < map->extent[i].count) return map->extent[i].lower + (id - map->extent[i].first);
    return ID_NONE;
}

u32 id_up(const struct id_map *map, u32 id) {
    for (u32 i = 0; i < map->count; i++)
        if (id - map->extent[i].lower < map->extent[i].count) return map->extent[i].first + (id - map->extent[i].lower);
    return ID_NONE;
}

static u32 seen(u32 id) { return id == ID_NONE ? ID_OVERFLOW : id; }
u32 uid_in(const struct user_ns *ns, u32 uid) { return ns == &init_user_ns ? uid : seen(id_up(&ns->uids, uid)); }
u32 gid_in(const struct user_ns *ns, u32 gid) { return ns == &init_user_ns ? gid : seen(id_up(&ns->gids, gid)); }

/* Who made a namespace, and stands in its parent, may do everything there. */
bool cred_capable(const struct cred *c, const struct user_ns *ns, int capability) {
    for (; ns; ns = ns->parent) {
        if (ns == c->user_ns) return c->cap_effective >> capability & 1;   /* check: captests */
        if (ns->level <= c->user_ns->level) return false;
        if (ns->parent == c->user_ns && ns->uid == c->euid) return true;
    }
    return false;
}

bool ns_capable(struct user_ns *ns, int capability) { return cred_capable(&current->cred, ns, capability); }
bool capable(int capability) { return ns_capable(&init_user_ns, capability); }

bool capable_over(const struct inode *inode, int capability) {
    const struct user_ns *ns = current->cred.user_ns;
    return ns_capable(current->cred.user_ns, capability) && id_up(&ns->uids, inode->uid) != ID_NONE && id_up(&ns->gids, inode->gid) != ID_NONE;   /* check: captests */
}

bool user_ns_is_below(const struct user_ns *ns, const struct user_ns *above) {
    while (ns && ns != above) ns = ns->parent;
    return ns;
}

void user_ns_enter(struct cred *c, struct user_ns *ns) {
    ns_put(&c->user_ns->ns);
    c->user_ns = ns;
    c->cap_inheritable = c->cap_ambient = 0;
    c->cap_permitted = c->cap_effective = c->cap_bounding = CAP_ALL;
    c->securebits = 0;
}

int user_ns_new(struct cred *c) {
    struct user_ns *parent = c->user_ns;
    if (parent->level > NS_DEPTH) return -ENOSPC;   /* check: C19 */
    struct path *root = &current->fs->root, outermost = { current->fs->ns->root, current->fs->ns->root->root };
    path_get(&outermost);
    path_cross_mounts(&outermost);
    bool in_chroot = !path_equal(root, &outermost);
    path_put(&outermost);
    if (in_chroot) return -EPERM;   /* check: C18 */
    if (id_up(&parent->uids, c->euid) == ID_NONE || id_up(&parent->gids, c->egid) == ID_NONE) return -EPERM;   /* check: accesstests */
    struct user_ns *ns = kzalloc(sizeof(*ns));
    if (!ns) return -ENOMEM;
    ns_init(&ns->ns, NS_USER, parent);
    ns->parent = parent;
    ns->level = parent->level + 1;
    ns->uid = c->euid;
    ns->gid = c->egid;
    ns->setgroups_denied = parent->setgroups_denied;
    user_ns_enter(c, ns);
    return 0;
}

/* ---- /proc/N/uid_map, gid_map, setgroups ---- */

int id_map_print(struct task *t, struct text *out, bool gids) {
    const struct user_ns *of = t->cred.user_ns, *reader = current->cred.user_ns;
    const struct id_map *map = gids ? &of->gids : &of->uids;
    if (reader == of && of->parent) reader = of->parent;
    for (u32 i = 0; i < map->count; i++)
        text_print(out, "%10u %10u %10u\n", map->extent[i].first, id_up(gids ? &reader->gids : &reader->uids, map->extent[i].lower), map->extent[i].count);
    return 0;
}

static bool overlaps(u32 a, u32 b, u32 n, u32 m) { return a < b + m && b < a + n; }

static int parse(struct id_map *map, char *text) {
    while (*text) {
        u32 field[3];
        for (int i = 0; i < 3; i++) {
            const char *end;
            while (*text == ' ' || *text == '\t') text++;
            u64 value = strtou64(text, &end, 10);
            if (end == text || value > 0xffffffff) return -EINVAL;
            field[i] = value;
            text = (char *)end;
        }
        while (*text == ' ' || *text == '\t') text++;
        if (*text && *text++ != '\n') return -EINVAL;
        if (!field[2] || field[0] == ~0U || field[1] == ~0U || field[0] + field[2] < field[0] || field[1] + field[2] < field[1]) return -EINVAL;
        if (map->count == ID_EXTENTS) return -EINVAL;
        for (u32 i = 0; i < map->count; i++) {
            const struct id_extent *e = &map->extent[i];
            if (overlaps(e->first, field[0], e->count, field[2]) || overlaps(e->lower, field[1], e->count, field[2])) return -EINVAL;
        }
        map->extent[map->count++] = (struct id_extent){ field[0], field[1], field[2] };
    }
    return map->count ? 0 : -EINVAL;
}

/* Who may set a map, beside those with the capability over both namespaces: its maker, of one's own id alone. */
static bool may_map(const struct user_ns *ns, const struct id_map *map, bool gids) {
    const struct cred *c = &current->cred;
    if (map->count == 1 && map->extent[0].count == 1 && ns->uid == c->euid) {
        u32 lower = id_down(gids ? &ns->parent->gids : &ns->parent->uids, map->extent[0].lower);
        if (gids ? ns->setgroups_denied && lower == c->egid : lower == c->euid) return true;
    }
    return ns_capable(ns->parent, gids ? CAP_SETGID : CAP_SETUID);   /* check: C16 */
}

int id_map_write(struct task *t, char *text, bool gids) {
    struct user_ns *ns = t->cred.user_ns;
    struct id_map new = { 0 }, *map = gids ? &ns->gids : &ns->uids;
    if (!ns->parent || map->count) return -EPERM;   /* check: C15 */
    if (current->cred.user_ns != ns && current->cred.user_ns != ns->parent) return -EPERM;   /* check: captests */
    if (!ns_capable(ns, CAP_SYS_ADMIN)) return -EPERM;   /* check: captests */
    int error = parse(&new, text);
    if (error) return error;
    if (!may_map(ns, &new, gids)) return -EPERM;   /* check: C16 */
    for (u32 i = 0; i < new.count; i++) {
        struct id_extent *e = &new.extent[i];
        const struct id_map *above = gids ? &ns->parent->gids : &ns->parent->uids;
        u32 lower = id_down(above, e->lower);
        if (lower == ID_NONE || id_down(above, e->lower + e->count - 1) != lower + e->count - 1) return -EPERM;   /* check: captests */
        e->lower = lower;
    }
    *map = new;
    return 0;
}

int setgroups_write(struct task *t, char *text) {
    struct user_ns *ns = t->cred.user_ns;
    bool deny = !strcmp(text, "deny");
    if (!deny && strcmp(text, "allow")) return -EINVAL;
    if (!ns_capable(ns, CAP_SYS_ADMIN)) return -EPERM;   /* check: accesstests */
    if (deny ? ns->gids.count : ns->setgroups_denied) return -EPERM;   /* check: C16 */
    ns->setgroups_denied = deny;
    return 0;
}
