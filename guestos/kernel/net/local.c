/* AF_UNIX: names in the file system or beside it (unix(7)); and sockets that only their own queues hold. */
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "task.h"
#include "socket.h"

static bool same_name(const struct address *a, const struct address *b) {
    return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}

/* The bound socket of an inode; or with NULL, that of an abstract name. */
static struct socket *named(const struct net_namespace *net, const struct inode *inode, const struct address *a) {
    struct socket *s;
    list_for_each(s, &all_sockets, all)
        if (s->family == &unix_family && s->bound && s->inode == inode && (inode || (s->net == net && same_name(&s->name, a)))) return s;
    return NULL;
}

static int unix_bind(struct socket *s, struct address *a) {
    static u32 next;
    if (a->length < sizeof(a->family) || a->family != AF_UNIX || s->bound) return -EINVAL;
    char *path = a->bytes + sizeof(a->family);
    if (a->length == sizeof(a->family))     /* any: a nul and five digits */
        do a->length = 3 + snprintf(path + 1, 8, "%05x", next++ & 0xfffff);
        while (named(s->net, NULL, a));
    if (!*path && named(s->net, NULL, a)) return -EADDRINUSE;
    if (*path) {
        struct path at;
        a->length = sizeof(a->family) + strlen(path) + 1;
        int error = vfs_create(path, S_IFSOCK | 0777);
        if (!error) error = path_walk(AT_FDCWD, path, 0, &at);
        if (error) return error == -EEXIST ? -EADDRINUSE : error;
        s->inode = inode_get(path_inode(&at));
        path_put(&at);
    }
    s->name = *a;
    s->bound = true;
    return 0;
}

static struct socket *unix_find(struct socket *s, struct address *to, struct address *from) {
    struct inode *inode = NULL;
    if (to->length <= sizeof(to->family) || to->family != AF_UNIX) return ERR_PTR(-EINVAL);
    if (to->bytes[2]) {
        struct path at;
        int error = path_walk(AT_FDCWD, to->bytes + 2, WALK_FOLLOW, &at);
        if (error) return ERR_PTR(error);
        inode = path_inode(&at);
        error = inode_permission(inode, MAY_WRITE);
        path_put(&at);                      /* the socket, if there is one, keeps it */
        if (error) return ERR_PTR(error);
    }
    struct socket *found = named(s->net, inode, to);
    if (!found) return ERR_PTR(-ECONNREFUSED);
    if (found->type != s->type) return ERR_PTR(-EPROTOTYPE);
    if (!connects(s) && found->peer && found->peer != s) return ERR_PTR(-EPERM);   /* check: sockettests */
    *to = found->name;
    return socket_get(found);
}

static int unix_claim(struct socket *s) { return s->bound ? 0 : -EINVAL; }

const struct family unix_family = { AF_UNIX, sizeof(u16), 1 << SOCK_STREAM | 1 << SOCK_DGRAM | 1 << SOCK_SEQPACKET, unix_bind, unix_find, unix_claim, ~0u, -EINVAL, -ENOTCONN, -ENOTCONN, net_ioctl, NULL, NULL };

/* ---- descriptors under way ---- */

static int rights_alive;
static bool freeing;                        /* some of them; others wait for that to end */

struct rights *rights_new(size_t count) {
    struct rights *rights = kzalloc(sizeof(*rights) + count * sizeof(struct file *));
    if (!rights) return NULL;
    rights->refs = 1;
    rights_alive++;
    return rights;
}

/* Closing a socket may free the rights in its queue, which closes another, and so on: not on the stack. */
void rights_put(struct rights *rights) {
    static struct rights *ended;
    if (!rights || --rights->refs) return;
    rights->next = ended;
    ended = rights;
    if (freeing) return;
    for (freeing = true; (rights = ended); rights_alive--) {
        ended = rights->next;
        for (int i = 0; i < rights->count; i++) file_put(rights->file[i]);
        kfree(rights);
    }
    freeing = false;
}

/* For every socket that descriptors queued at s, or s as a listener, refer to. */
static void each_held(struct socket *s, void (*visit)(struct socket *)) {
    struct packet *p;
    struct socket *child;
    list_for_each(p, &s->packets, link)
        for (int i = 0; p->rights && i < p->rights->count; i++)
            if (p->rights->file[i]->ops == &socket_ops) visit(p->rights->file[i]->data);
    list_for_each(child, &s->pending, link) visit(child);
}
static void not_from_outside(struct socket *s) { s->outside--; }

static struct socket *reached;              /* and not yet looked into */
static void reach(struct socket *s) {
    if (s->reached) return;
    s->reached = true;
    s->next_reached = reached;
    reached = s;
}

/* A descriptor sent over the very socket it stands for would live for ever. So: count the references
 * to each socket that aren't from queues, spread from those that have any, and empty the others' queues. */
void collect_garbage(void) {
    struct list garbage = LIST_INIT(garbage);
    struct socket *s;
    struct packet *p, *next;
    if (!rights_alive || freeing) return;
    list_for_each(s, &all_sockets, all) {
        s->outside = s->file ? s->file->refs : 1;       /* 1: its listener's */
        s->reached = false;
    }
    list_for_each(s, &all_sockets, all) each_held(s, not_from_outside);
    list_for_each(s, &all_sockets, all) if (s->outside > 0) reach(s);
    while ((s = reached)) {
        reached = s->next_reached;
        each_held(s, reach);
    }
    list_for_each(s, &all_sockets, all)
        list_for_each_safe(p, next, &s->packets, link) {
            if (s->reached) break;
            list_del(&p->link);
            s->queued -= p->end - p->begin + p->overhead;
            list_add_tail(&garbage, &p->link);
        }
    list_for_each_safe(p, next, &garbage, link) packet_free(p);
}
