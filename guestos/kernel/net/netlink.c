/* AF_NETLINK: requests to the kernel's network as messages, answered into the asking socket's queue. Only
 * NETLINK_ROUTE, and without multicast groups. */
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "netlink.h"
#include "socket.h"
#include "task.h"
#include "user.h"

#define NLMSG_ERROR 2
#define NLMSG_DONE 3
#define FIRST_TYPE 16                               /* below: control messages, which are nothing to us */
#define REQUEST_MAX 32768ul

/* ---- names: port numbers ---- */

static const struct address kernel = { 12, .nl = { AF_NETLINK, 0, 0, 0 } };

static int take_port(struct socket *s, u32 port) {
    struct socket *o;
    u32 next = port ? port : (u32)pid_to(current->tgid);
    bool taken;
    do {
        taken = false;
        list_for_each(o, &all_sockets, all) taken |= o->family == &netlink_family && o != s && o->net == s->net && o->name.nl.port == next;
        if (taken && port) return -EADDRINUSE;
        if (taken) next = next < 0x80000000 ? ~4096u : next - 1;
    } while (taken);
    s->name = (struct address){ 12, .nl = { AF_NETLINK, 0, next, 0 } };
    return 0;
}

static int netlink_bind(struct socket *s, struct address *a) {
    if (a->length < sizeof(a->nl) || a->family != AF_NETLINK) return -EINVAL;
    if (a->nl.groups) return -EOPNOTSUPP;
    if (s->name.nl.port) return a->nl.port == s->name.nl.port ? 0 : -EINVAL;
    return take_port(s, a->nl.port);
}

static struct socket *netlink_find(struct socket *s, struct address *to, struct address *from) {
    if (to->length < sizeof(to->nl) || to->family != AF_NETLINK) return ERR_PTR(-EINVAL);
    if (to->nl.port || to->nl.groups) return ERR_PTR(to->nl.port ? -ECONNREFUSED : -EPERM);     /* the kernel alone is there */
    int error = s->name.nl.port ? 0 : take_port(s, 0);
    *from = s->name;
    return error ? ERR_PTR(error) : NULL;
}

static int netlink_claim(struct socket *s) { return -EOPNOTSUPP; }

/* ---- attributes ---- */

bool attributes_parse(const struct attribute **table, const void *from, size_t n) {
    memset(table, 0, 64 * sizeof(*table));
    while (n >= sizeof(struct attribute)) {
        const struct attribute *a = from;
        int type = a->type & 0x3fff;                /* without flags */
        if (a->length < sizeof(*a) || a->length > n || type >= 64) return false;
        table[type] = a;
        size_t size = MIN((size_t)ALIGN_UP(a->length + 0u, 4), n);
        from += size;
        n -= size;
    }
    return true;
}

u32 attribute_u32(const struct attribute *a, u32 otherwise) {
    if (a) memcpy(&otherwise, attribute_value(a), MIN(attribute_size(a), sizeof(otherwise)));
    return otherwise;
}

const char *attribute_text(const struct attribute *a, char to[16]) {
    if (!a) return NULL;
    memset(to, 0, 16);
    if (attribute_size(a) <= 16) memcpy(to, attribute_value(a), attribute_size(a));
    if (to[15]) memset(to, 0, 16);
    return to;
}

void attribute_add(struct text *t, int type, const void *value, size_t n) {
    text_add(t, (char *)&(struct attribute){ sizeof(struct attribute) + n, type }, sizeof(struct attribute));
    text_add(t, value, n);
    text_add(t, "\0\0\0", -n & 3);
}
void attribute_add_u32(struct text *t, int type, u32 value) { attribute_add(t, type, &value, sizeof(value)); }

size_t attribute_begin(struct text *t, int type) {
    attribute_add(t, type, NULL, 0);
    return t->length - sizeof(struct attribute);
}
void attribute_end(struct text *t, size_t begin) {
    if (!t->error) ((struct attribute *)(t->data + begin))->length = t->length - begin;
}

/* ---- messages ---- */

int reply(const struct request *r, int type, int flags, struct text *body) {
    struct text t = { 0 };
    struct nlmsghdr h = { sizeof(h) + body->length, type, flags, r->header->sequence, r->from->name.nl.port };
    text_add(&t, (char *)&h, sizeof(h));
    text_add(&t, body->data, body->length);
    struct io io = { .base = t.data, .left = t.length };
    int error = body->error ? body->error : t.error;
    mutex_lock(&r->from->lock);
    if (!error) error = MIN(socket_queue(r->from, &io, t.length, &(struct message){ 0 }, &kernel), 0l);
    mutex_unlock(&r->from->lock);
    kfree(t.data);
    kfree(body->data);
    *body = (struct text){ 0 };
    return error;
}

static void answer(struct request *r) {
    const struct nlmsghdr *h = r->header;
    struct text body = { 0 };
    int error = 0;
    if (h->type >= FIRST_TYPE) error = rtnetlink(r, h->length - sizeof(*h));
    bool dump = (h->flags & NLM_F_DUMP) == NLM_F_DUMP && h->type >= FIRST_TYPE && (h->type & 3) == 2 && !error;
    if (!dump && !error && !(h->flags & NLM_F_ACK)) return;
    text_add(&body, (char *)&error, sizeof(error));
    if (!dump) text_add(&body, (char *)h, error ? h->length : sizeof(*h));
    reply(r, dump ? NLMSG_DONE : NLMSG_ERROR, dump ? NLM_F_MULTI : 0, &body);
}

static ssize_t netlink_request(struct socket *s, const struct io *io, struct message *m) {
    struct io from = *io;
    struct address me, to = m->name ? *m->name : kernel;
    size_t n = io->left, at = 0;
    struct socket *nobody = netlink_find(s, &to, &me);
    if (IS_ERR(nobody)) return PTR_ERR(nobody);
    if (n > REQUEST_MAX) return -EMSGSIZE;
    if (s->queued > s->limit) return -ENOBUFS;
    struct request r = { .from = s };
    char *data = kmalloc(n + 1);
    if (!data || io_get(&from, data, n)) {
        kfree(data);
        return data ? -EFAULT : -ENOBUFS;
    }
    while (n - at >= sizeof(struct nlmsghdr)) {
        r.header = (void *)data + at;
        if (r.header->length < sizeof(*r.header) || r.header->length > n - at) break;
        if (s->queued > s->limit) s->error = -ENOBUFS;
        else if (r.header->flags & NLM_F_REQUEST) answer(&r);
        at = MIN(at + ALIGN_UP(r.header->length, 4), n);
    }
    kfree(data);
    return n;
}

const struct family netlink_family = { AF_NETLINK, 12, 1 << SOCK_RAW | 1 << SOCK_DGRAM, netlink_bind, netlink_find, netlink_claim, REQUEST_MAX, 0, 0, 0, net_ioctl,
                                       NULL, netlink_request };
