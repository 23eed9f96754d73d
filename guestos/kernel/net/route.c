/* Routes, and a packet's way along them: from namespace to namespace, through veth pairs and across bridges.
 *
 * There is no ARP: whoever on the link has an address is asked by following the link to its ends, as a
 * broadcast would. */
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "errno.h"

/* ---- the table ---- */

static int order(const struct route *a, const struct route *b) {
    u32 x = __builtin_bswap32(a->to), y = __builtin_bswap32(b->to);
    return x != y ? (x > y) - (x < y) : a->prefix != b->prefix ? b->prefix - a->prefix : (a->metric > b->metric) - (a->metric < b->metric);
}

int route_check(const struct net_namespace *net, struct route *new) {
    const struct route *r;
    if (new->prefix > 32 || new->to & ~prefix_mask(new->prefix) || (new->source && !local_address(net, new->source))) return -EINVAL;
    list_for_each(r, &net->routes, link)
        if (new->gateway && !r->gateway && !((r->to ^ new->gateway) & prefix_mask(r->prefix)) && (!new->dev || new->dev == r->dev)) break;
    if (new->gateway && &r->link == &net->routes) return -ENETUNREACH;
    if (!new->dev && new->gateway) new->dev = r->dev;
    return !new->dev ? -ENODEV : new->dev->flags & IFF_UP ? 0 : -ENETDOWN;
}

int route_add(struct net_namespace *net, const struct route *wanted, bool exclusive) {
    struct route *r, copy = *wanted, *new = &copy;
    struct list *after = &net->routes;
    int error = route_check(net, new);
    if (error) return error;
    list_for_each(r, &net->routes, link) {
        if (!order(r, new) && exclusive) return -EEXIST;
        if (order(r, new) <= 0) after = &r->link;
    }
    if (!(r = kmalloc(sizeof(*r)))) return -ENOBUFS;
    *r = *new;
    list_add(after, &r->link);
    network_changed();
    return 0;
}

int route_remove(struct net_namespace *net, const struct route *like) {
    struct route *r;
    list_for_each(r, &net->routes, link) {
        if (r->to != like->to || r->prefix != like->prefix || (like->gateway && r->gateway != like->gateway)) continue;
        if ((like->dev && r->dev != like->dev) || (like->metric && r->metric != like->metric)) continue;
        if ((like->protocol && r->protocol != like->protocol) || (like->source && r->source != like->source)) continue;
        list_del(&r->link);
        kfree(r);
        network_changed();
        return 0;
    }
    return -ESRCH;
}

void routes_connect(struct netdev *dev, const struct ifaddr *a) {
    if (a->secondary || a->prefix == 32 || dev->kind == LOOPBACK) return;
    struct route r = { .to = a->ip & prefix_mask(a->prefix), .source = a->ip, .prefix = a->prefix, .protocol = RTPROT_KERNEL, .scope = SCOPE_LINK, .dev = dev };
    route_add(dev->net, &r, false);
}

void routes_forget(struct netdev *dev, u32 source) {
    struct route *r, *next;
    list_for_each_safe(r, next, &dev->net->routes, link) {
        if (source ? r->source != source : r->dev != dev) continue;
        list_del(&r->link);
        kfree(r);
    }
}

static const struct route *route_find(const struct net_namespace *net, u32 ip) {
    struct route *r, *best = NULL;
    list_for_each(r, &net->routes, link)
        if (!((r->to ^ ip) & prefix_mask(r->prefix)) && (!best || r->prefix > best->prefix)) best = r;
    return best;
}

/* ---- the way ---- */

static bool is_loopback(u32 ip) { return (ip & 0xff) == 127; }

/* An address is the namespace's, not its device's; all of 127/8 is lo's. */
const struct ifaddr *local_address(const struct net_namespace *net, u32 ip) {
    struct netdev *dev;
    list_for_each(dev, &net->devices, link)
        for (const struct ifaddr *a = dev->addresses; a; a = a->next)
            if (a->ip == ip || (dev->kind == LOOPBACK && dev->flags & IFF_UP && !((a->ip ^ ip) & prefix_mask(a->prefix)))) return a;
    return NULL;
}

static u32 choose_source(const struct net_namespace *net, const struct route *r, u32 next) {
    const struct ifaddr *first = r->dev->addresses, *a = first;
    struct netdev *dev;
    if (r->source) return r->source;
    while (a && (a->ip ^ next) & prefix_mask(a->prefix)) a = a->next;
    if (a || first) return (a ? a : first)->ip;
    list_for_each(dev, &net->devices, link) if (dev->addresses && dev->addresses->scope < SCOPE_HOST) return dev->addresses->ip;
    return 0;
}

static bool step(struct way *w, struct netdev *dev, bool in) {
    if (w->length == ARRAY_SIZE(w->hop)) return false;
    w->hop[w->length].dev = dev;
    w->hop[w->length++].in = in;
    return true;
}

static bool leave(struct way *, struct netdev *, u32 ip);

/* Is it one of this namespace's that the frame has got to. */
static bool deliver(struct way *w, struct netdev *dev, u32 ip) {
    if (!local_address(dev->net, ip) || !step(w, dev, true)) return false;
    w->net = dev->net;
    return true;
}

static u32 floods;

/* To the bridge's own end, and out of its other ports; a bridge passed twice is a loop, and ends there. */
static bool flood(struct way *w, struct netdev *bridge, const struct netdev *from, u32 ip) {
    struct netdev *port;
    if (!(bridge->flags & IFF_UP) || bridge->flood == floods) return false;
    bridge->flood = floods;
    if (from && deliver(w, bridge, ip)) return true;
    list_for_each(port, &bridge->net->devices, link)
        if (port->master == bridge && port != from && leave(w, port, ip)) return true;
    return false;
}

/* Does a frame sent out of dev, to whoever has this address, arrive: then at w->net, and with its hops. */
static bool leave(struct way *w, struct netdev *dev, u32 ip) {
    int before = w->length;
    struct netdev *peer = dev->peer;
    if (netdev_flags(dev) & IFF_RUNNING && step(w, dev, false)) {
        if (dev->kind == BRIDGE && flood(w, dev, NULL, ip)) return true;
        if (dev->kind == VETH && !peer->master && deliver(w, peer, ip)) return true;
        if (dev->kind == VETH && peer->master && step(w, peer, true) && flood(w, peer->master, peer, ip)) return true;
    }
    w->length = before;
    return false;
}

int way_find(struct way *w, struct net_namespace *from, u32 source, u32 ip) {
    *w = (struct way){ .net = from, .source = source };
    const struct ifaddr *own = local_address(from, ip);
    if (own) {
        struct netdev *lo = net_loopback(from);
        if (!source) w->source = own->ip;
        return lo->flags & IFF_UP && step(w, lo, false) && step(w, lo, true) ? 0 : -ETIMEDOUT;
    }
    do {
        if (w->length && !w->net->forward) return -ETIMEDOUT;
        const struct route *r = route_find(w->net, ip);
        if (!r) return -ENETUNREACH;
        u32 next = r->gateway ? r->gateway : ip;
        if (!w->source) w->source = choose_source(from, r, next);
        if (is_loopback(w->source)) return -EINVAL;
        if (is_loopback(ip)) return -ETIMEDOUT;     /* nobody takes it from outside */
        floods++;
        bool told = w->net != from || net_loopback(from)->flags & IFF_UP;   /* the message about it comes by lo */
        if (!leave(w, r->dev, next)) return told ? -EHOSTUNREACH : -ETIMEDOUT;
    } while (!local_address(w->net, ip));
    return 0;
}

void way_count(const struct way *w, size_t bytes) {
    for (int i = 0; i < w->length; i++) {
        struct netdev *dev = w->hop[i].dev;
        if (w->hop[i].in) dev->in.packets++, dev->in.bytes += bytes;
        else dev->out.packets++, dev->out.bytes += bytes;
    }
}
