/* rtnetlink(7): what ip(8) asks and tells about devices, addresses and routes. What isn't known here is refused,
 * an attribute of a change, too. */
#include "errno.h"
#include "lib.h"
#include "net.h"
#include "netlink.h"
#include "socket.h"
#include "task.h"

enum { RTM_NEWLINK = 16, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR, RTM_NEWROUTE = 24, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWNSID = 88 };
enum { NETNSA_NSID = 1, NETNSA_PID, NETNSA_FD };
enum { IFLA_ADDRESS = 1, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC, IFLA_MASTER = 10, IFLA_TXQLEN = 13, IFLA_OPERSTATE = 16, IFLA_LINKMODE,
       IFLA_LINKINFO, IFLA_NET_NS_PID, IFLA_STATS64 = 23, IFLA_GROUP = 27, IFLA_NET_NS_FD, IFLA_EXT_MASK, IFLA_LINK_NETNSID = 37 };
enum { IFLA_INFO_KIND = 1, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND = 4 };
enum { IFA_ADDRESS = 1, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO = 6, IFA_FLAGS = 8 };
enum { RTA_DST = 1, RTA_OIF = 4, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE = 15 };
enum { RT_TABLE_MAIN = 254, RTN_UNICAST = 1, RTNH_F_LINKDOWN = 16 };

struct ifinfomsg { u8 family, pad; u16 type; s32 index; u32 flags, change; };
struct ifaddrmsg { u8 family, prefix, flags, scope; u32 index; };
struct rtmsg { u8 family, to_length, from_length, tos, table, protocol, scope, type; u32 flags; };
static const char *const kinds[] = { [VETH] = "veth", [BRIDGE] = "bridge" };

static bool has_only(const struct attribute *const *table, u64 types) {
    for (int i = 0; i < 64; i++) if (table[i] && !(types >> i & 1)) return false;
    return true;
}

/* ---- devices: shown ---- */

/* The namespace that a message names by a process or a descriptor, or own. */
static struct net_namespace *named_namespace(struct net_namespace *own, const struct attribute *pid, const struct attribute *fd) {
    struct process *p = pid ? process_find_here(attribute_u32(pid, 0)) : NULL;
    struct file *f = fd ? fd_get(attribute_u32(fd, 0)) : NULL;
    struct ns *ns = pid ? (p ? (struct ns *)p->leader->net : NULL) : fd ? (f ? ns_of_file(f) : NULL) : &own->ns;
    int error = pid ? -ESRCH : f ? -EINVAL : -EBADF;
    file_put(f);
    return ns && ns->kind == NS_NET ? (struct net_namespace *)ns : ERR_PTR(error);
}

/* A number for another namespace: those that devices here lead to are counted, in the order of the devices. -1: none does. */
static int namespace_number(const struct net_namespace *net, const struct net_namespace *other) {
    struct netdev *d, *e;
    int n = 0;
    list_for_each(d, &net->devices, link) {
        if (!d->peer || d->peer->net == net) continue;
        if (d->peer->net == other) return n;
        list_for_each(e, &net->devices, link) if (e->peer && e->peer->net == d->peer->net) break;
        n += e == d;                        /* the first of them */
    }
    return -1;
}

static int get_namespace_number(struct request *r, bool dump) {
    const struct attribute *const *a = r->attributes;
    struct net_namespace *other = dump ? ERR_PTR(-EOPNOTSUPP) : named_namespace(r->from->net, a[NETNSA_PID], a[NETNSA_FD]);
    struct text t = { 0 };
    if (IS_ERR(other)) return PTR_ERR(other);
    text_add(&t, "\0\0\0", 4);
    attribute_add_u32(&t, NETNSA_NSID, namespace_number(r->from->net, other));
    return reply(r, RTM_NEWNSID, 0, &t);
}

static int send_link(const struct request *r, const struct netdev *dev, int flags) {
    struct text t = { 0 };
    static const u8 all[6] = { ~0, ~0, ~0, ~0, ~0, ~0 };
    u32 state = netdev_flags(dev), on = state & IFF_UP, works = state & IFF_RUNNING;
    struct ifinfomsg m = { 0, 0, netdev_hardware(dev), dev->index, state, 0 };
    u64 counts[24] = { dev->in.packets, dev->out.packets, dev->in.bytes, dev->out.bytes };
    bool loop = dev->kind == LOOPBACK, below = dev->peer && dev->peer->net == dev->net && netdev_flags(dev->peer) & IFF_RUNNING;
    u8 operstate = loop && on ? 0 : works ? 6 : !on || dev->kind != VETH || below ? 2 : 3;
    text_add(&t, (char *)&m, sizeof(m));
    attribute_add(&t, IFLA_IFNAME, dev->name, strlen(dev->name) + 1);
    attribute_add_u32(&t, IFLA_TXQLEN, 1000);
    attribute_add(&t, IFLA_OPERSTATE, &operstate, 1);
    attribute_add(&t, IFLA_LINKMODE, "", 1);
    attribute_add_u32(&t, IFLA_MTU, dev->mtu);
    attribute_add_u32(&t, IFLA_GROUP, 0);
    if (dev->peer) attribute_add_u32(&t, IFLA_LINK, dev->peer->index);
    if (dev->peer && dev->peer->net != dev->net) attribute_add_u32(&t, IFLA_LINK_NETNSID, namespace_number(dev->net, dev->peer->net));
    if (dev->master) attribute_add_u32(&t, IFLA_MASTER, dev->master->index);
    attribute_add(&t, IFLA_QDISC, dev->was_up ? "noqueue" : "noop", dev->was_up ? 8 : 5);
    attribute_add(&t, IFLA_ADDRESS, dev->mac, 6);
    attribute_add(&t, IFLA_BROADCAST, loop ? dev->mac : all, 6);
    attribute_add(&t, IFLA_STATS64, counts, sizeof(counts));
    size_t info = attribute_begin(&t, IFLA_LINKINFO);
    if (!loop) attribute_add(&t, IFLA_INFO_KIND, kinds[dev->kind], strlen(kinds[dev->kind]) + 1);
    if (dev->master) attribute_add(&t, IFLA_INFO_SLAVE_KIND, "bridge", 7);
    attribute_end(&t, info);
    return reply(r, RTM_NEWLINK, flags, &t);
}

static struct netdev *named_device(const struct request *r) {
    const struct ifinfomsg *m = r->body;
    char name[16];
    return netdev_find(r->from->net, m->index, attribute_text(r->attributes[IFLA_IFNAME], name));
}

static int get_links(struct request *r, bool dump) {
    struct netdev *dev;
    int error = 0;
    if (!dump) return (dev = named_device(r)) ? send_link(r, dev, 0) : -ENODEV;
    list_for_each(dev, &r->from->net->devices, link) if (!error) error = send_link(r, dev, NLM_F_MULTI);
    return error;
}

/* ---- devices: changed ---- */

#define CHANGES (1 << IFLA_ADDRESS | 1 << IFLA_IFNAME | 1 << IFLA_MTU | 1 << IFLA_MASTER | 1 << IFLA_LINKINFO | 1 << IFLA_NET_NS_PID | \
                 1ul << IFLA_NET_NS_FD | 1ul << IFLA_EXT_MASK)

/* All that a message says of a device that is there, in Linux's order. */
static int change(struct netdev *dev, const struct ifinfomsg *m, const struct attribute *const *a, bool rename) {
    struct net_namespace *net = named_namespace(dev->net, a[IFLA_NET_NS_PID], a[IFLA_NET_NS_FD]);
    char name[16];
    int error = IS_ERR(net) ? PTR_ERR(net) : !ns_capable(net->ns.owner, CAP_NET_ADMIN) ? -EPERM : !has_only(a, CHANGES) ? -EOPNOTSUPP : 0;   /* check: nettests */
    u32 master = attribute_u32(a[IFLA_MASTER], 0), change = m->change ? m->change : m->flags ? ~0u : 0;
    struct netdev *bridge = master ? netdev_find(IS_ERR(net) ? dev->net : net, master, NULL) : NULL;
    if ((netdev_flags(dev) ^ m->flags) & change & ~(IFF_UP | IFF_RUNNING | IFF_LOWER_UP)) error = error ? error : -EINVAL;
    if (!error) error = netdev_move(dev, net);
    if (!error && a[IFLA_MTU]) error = netdev_set_mtu(dev, attribute_u32(a[IFLA_MTU], 0));
    if (!error && a[IFLA_ADDRESS] && (attribute_size(a[IFLA_ADDRESS]) != 6 || dev->kind == LOOPBACK)) error = -EINVAL;
    if (!error && a[IFLA_ADDRESS]) memcpy(dev->mac, attribute_value(a[IFLA_ADDRESS]), 6);
    if (!error && rename && a[IFLA_IFNAME]) error = netdev_rename(dev, attribute_text(a[IFLA_IFNAME], name));
    if (!error && a[IFLA_MASTER]) error = master && !bridge ? -EINVAL : netdev_set_master(dev, bridge);
    if (!error && change & IFF_UP) netdev_set_up(dev, m->flags & IFF_UP);
    return error;
}

static struct netdev *make(struct net_namespace *own, enum netdev_kind kind, const struct ifinfomsg *m, const struct attribute *const *a, const char *otherwise) {
    char name[16];
    struct net_namespace *net = named_namespace(own, a[IFLA_NET_NS_PID], a[IFLA_NET_NS_FD]);
    if (IS_ERR(net)) return (struct netdev *)net;
    const char *wanted = attribute_text(a[IFLA_IFNAME], name);
    struct netdev *dev = netdev_new(net, kind, wanted ? wanted : otherwise);
    int error = IS_ERR(dev) ? 0 : change(dev, m, a, false);
    if (error) netdev_delete(dev);
    return error ? ERR_PTR(error) : dev;
}

static int new_device(const struct request *r) {
    const struct ifinfomsg *m = r->body, none = { 0 }, *peer_m = &none;
    const struct attribute *info[64], *data[64], *peer[64], *a = r->attributes[IFLA_LINKINFO];
    char kind[16] = "";
    memset(peer, 0, sizeof(peer));
    if (!attributes_parse(info, a ? attribute_value(a) : NULL, a ? attribute_size(a) : 0)) return -EINVAL;
    attribute_text(info[IFLA_INFO_KIND], kind);
    bool veth = !strcmp(kind, "veth");
    if (!veth && strcmp(kind, "bridge")) return -EOPNOTSUPP;
    a = info[IFLA_INFO_DATA];
    if (!attributes_parse(data, a ? attribute_value(a) : NULL, a ? attribute_size(a) : 0)) return -EINVAL;
    if (!has_only(data, veth ? 2 : 0)) return -EOPNOTSUPP;
    if ((a = data[1])) {                                /* VETH_INFO_PEER: a message of its own, without a header */
        if (attribute_size(a) < sizeof(*m)) return -EINVAL;
        peer_m = attribute_value(a);
        if (!attributes_parse(peer, peer_m + 1, attribute_size(a) - sizeof(*m))) return -EINVAL;
    }
    if (m->index || peer_m->index) return -EOPNOTSUPP;  /* numbers are ours to give */
    struct netdev *first = veth ? make(r->from->net, VETH, peer_m, peer, "veth%d") : NULL;
    if (IS_ERR(first)) return PTR_ERR(first);
    struct netdev *dev = make(r->from->net, veth ? VETH : BRIDGE, m, r->attributes, veth ? "veth%d" : "bridge%d");
    if (IS_ERR(dev) && first) netdev_delete(first);
    if (IS_ERR(dev)) return PTR_ERR(dev);
    if (!veth) return 0;
    dev->peer = first;
    first->peer = dev;
    network_changed();
    return 0;
}

static int set_link(struct request *r) {
    struct netdev *dev = named_device(r);
    const struct ifinfomsg *m = r->body;
    int flags = r->header->flags;
    if (r->header->type == RTM_DELLINK) {
        if (!dev || dev->kind == LOOPBACK) return dev ? -EOPNOTSUPP : -ENODEV;
        netdev_delete(dev);
        return 0;
    }
    if (!dev) return r->header->type == RTM_NEWLINK && flags & NLM_F_CREATE ? new_device(r) : -ENODEV;
    if (r->header->type == RTM_NEWLINK && flags & NLM_F_EXCL) return -EEXIST;
    return flags & NLM_F_REPLACE || r->attributes[IFLA_LINKINFO] ? -EOPNOTSUPP : change(dev, m, r->attributes, m->index);
}

/* ---- addresses ---- */

static int get_addresses(struct request *r, bool dump) {
    struct netdev *dev;
    int error = dump ? 0 : -EOPNOTSUPP;
    list_for_each(dev, &r->from->net->devices, link)
        for (const struct ifaddr *a = dev->addresses; a && !error; a = a->next) {
            struct text t = { 0 };
            struct ifaddrmsg m = { AF_INET, a->prefix, 0x80 | a->secondary, a->scope, dev->index };    /* permanent */
            u32 ages[4] = { ~0u, ~0u, 0, 0 };
            text_add(&t, (char *)&m, sizeof(m));
            attribute_add_u32(&t, IFA_ADDRESS, a->ip);
            attribute_add_u32(&t, IFA_LOCAL, a->ip);
            if (a->broadcast) attribute_add_u32(&t, IFA_BROADCAST, a->broadcast);
            attribute_add(&t, IFA_LABEL, dev->name, strlen(dev->name) + 1);
            attribute_add_u32(&t, IFA_FLAGS, m.flags);
            attribute_add(&t, IFA_CACHEINFO, ages, sizeof(ages));
            error = reply(r, RTM_NEWADDR, NLM_F_MULTI, &t);
        }
    return error;
}

static int set_address(struct request *r) {
    const struct ifaddrmsg *m = r->body;
    const struct attribute *const *a = r->attributes;
    struct ifaddr new = { .ip = attribute_u32(a[IFA_LOCAL], 0), .broadcast = attribute_u32(a[IFA_BROADCAST], 0), .prefix = m->prefix, .scope = m->scope };
    struct netdev *dev = m->index ? netdev_find(r->from->net, m->index, NULL) : NULL;
    char label[16];
    if (m->prefix > 32 || !new.ip) return -EINVAL;
    if (!dev) return -ENODEV;
    if (r->header->type == RTM_DELADDR) return address_remove(dev, new.ip, m->prefix);
    if (!has_only(a, 1 << IFA_ADDRESS | 1 << IFA_LOCAL | 1 << IFA_LABEL | 1 << IFA_BROADCAST | 1 << IFA_FLAGS)) return -EOPNOTSUPP;
    if (attribute_u32(a[IFA_ADDRESS], new.ip) != new.ip || m->flags || attribute_u32(a[IFA_FLAGS], 0)) return -EOPNOTSUPP;
    if (a[IFA_LABEL] && strcmp(attribute_text(a[IFA_LABEL], label), dev->name)) return -EOPNOTSUPP;
    int error = address_add(dev, &new);
    return error == -EEXIST && (r->header->flags & NLM_F_DUMP) == NLM_F_REPLACE ? 0 : error;
}

/* ---- routes ---- */

static int get_routes(struct request *r, bool dump) {
    struct route *route;
    int error = dump ? 0 : -EOPNOTSUPP;
    list_for_each(route, &r->from->net->routes, link) {
        struct text t = { 0 };
        struct rtmsg m = { AF_INET, route->prefix, 0, 0, RT_TABLE_MAIN, route->protocol, route->scope, RTN_UNICAST, netdev_flags(route->dev) & IFF_RUNNING ? 0 : RTNH_F_LINKDOWN };
        if (error) break;
        text_add(&t, (char *)&m, sizeof(m));
        attribute_add_u32(&t, RTA_TABLE, m.table);
        if (m.to_length) attribute_add_u32(&t, RTA_DST, route->to);
        if (route->metric) attribute_add_u32(&t, RTA_PRIORITY, route->metric);
        if (route->source) attribute_add_u32(&t, RTA_PREFSRC, route->source);
        if (route->gateway) attribute_add_u32(&t, RTA_GATEWAY, route->gateway);
        attribute_add_u32(&t, RTA_OIF, route->dev->index);
        error = reply(r, RTM_NEWROUTE, NLM_F_MULTI, &t);
    }
    return error;
}

static int set_route(struct request *r) {
    const struct rtmsg *m = r->body;
    const struct attribute *const *a = r->attributes;
    struct net_namespace *net = r->from->net;
    bool add = r->header->type == RTM_NEWROUTE;
    int flags = r->header->flags;
    struct route route = { .to = attribute_u32(a[RTA_DST], 0), .gateway = attribute_u32(a[RTA_GATEWAY], 0), .source = attribute_u32(a[RTA_PREFSRC], 0),
                           .metric = attribute_u32(a[RTA_PRIORITY], 0), .prefix = m->to_length, .protocol = m->protocol, .scope = m->scope };
    if (m->family != AF_INET || m->from_length || m->tos || m->to_length > 32) return -EINVAL;
    if (!has_only(a, 1 << RTA_DST | 1 << RTA_OIF | 1 << RTA_GATEWAY | 1 << RTA_PRIORITY | 1 << RTA_PREFSRC | 1 << RTA_TABLE) || m->flags) return -EOPNOTSUPP;
    u32 table = attribute_u32(a[RTA_TABLE], m->table);
    if ((table && table != RT_TABLE_MAIN) || m->type > RTN_UNICAST) return add ? -EOPNOTSUPP : -ESRCH;
    if (a[RTA_OIF] && !(route.dev = netdev_find(net, attribute_u32(a[RTA_OIF], 0), NULL))) return -ENODEV;
    if (!add) return route_remove(net, &route);
    struct route old = { .to = route.to, .prefix = route.prefix, .metric = route.metric };
    bool replaces = flags & NLM_F_REPLACE;
    int error = route_check(net, &route);
    if (!error && replaces) error = route_remove(net, &old);
    if (error == -ESRCH || (!error && !replaces)) error = flags & NLM_F_CREATE ? 0 : -ENOENT;
    return error ? error : route_add(net, &route, flags & NLM_F_EXCL);
}

/* ---- requests ---- */

static const struct { u8 size; int (*get)(struct request *, bool dump), (*set)(struct request *); } objects[] = {
    { sizeof(struct ifinfomsg), get_links, set_link }, { sizeof(struct ifaddrmsg), get_addresses, set_address }, { sizeof(struct rtmsg), get_routes, set_route },
    [(RTM_NEWNSID - RTM_NEWLINK) / 4] = { 4, get_namespace_number, NULL } };

/* Types come in fours, of which the third asks; a dump may have no more than the family. */
int rtnetlink(struct request *r, size_t length) {
    int type = r->header->type, object = (type - RTM_NEWLINK) / 4, flags = r->header->flags;
    bool get = (type & 3) == 2, dump = get && (flags & NLM_F_DUMP) == NLM_F_DUMP;
    const u8 *family = r->body = r->header + 1;
    if (length < 1) return 0;
    if (object >= (int)ARRAY_SIZE(objects) || !objects[object].size || (!get && !objects[object].set) || ((type & 3) == 3 && object)) return -EOPNOTSUPP;
    if (!get && !ns_capable(r->from->net->ns.owner, CAP_NET_ADMIN)) return -EPERM;   /* check: nettests */
    if (dump && *family && *family != AF_INET && object) return 0;      /* of that family there is nothing */
    size_t size = objects[object].size;
    if (dump) return objects[object].get(r, true);
    if (length < size) return -EINVAL;
    if (!attributes_parse(r->attributes, r->body + size, length - size)) return -EINVAL;
    return get ? objects[object].get(r, false) : objects[object].set(r);
}
