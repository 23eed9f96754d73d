/* Network devices: lo, veth pairs and bridges, what they are called and connected to, their addresses; namespaces
 * of them, whose end is theirs. */
#include "device.h"
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "socket.h"

/* ---- names ---- */

struct netdev *netdev_find(const struct net_namespace *net, int index, const char *name) {
    struct netdev *dev;
    list_for_each(dev, &net->devices, link)
        if (index ? dev->index == index : name && !strncmp(dev->name, name, sizeof(dev->name))) return dev;
    return NULL;
}

/* Into `to`, `name` with a number that makes it new. */
static int new_name(const struct net_namespace *net, const char *name, char *to) {
    const char *number = strchr(name, '%');
    size_t n = strlen(name);
    if (!n || n > 15 || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/') || strchr(name, ':') || strchr(name, ' ')) return -EINVAL;
    if (number && (number[1] != 'd' || strchr(number + 1, '%'))) return -EINVAL;
    for (int i = 0; i == 0 || (number && i < 32768); i++) {
        if (number) snprintf(to, 16, "%.*s%d%s", (int)(number - name), name, i, number + 2);
        else strlcpy(to, name, 16);
        if (!netdev_find(net, 0, to)) return 0;
    }
    return number ? -ENFILE : -EEXIST;
}

int netdev_rename(struct netdev *dev, const char *name) {
    char to[16];
    int error = strcmp(dev->name, name) ? new_name(dev->net, name, to) : -EALREADY;
    if (!error) memcpy(dev->name, to, sizeof(to));
    return error == -EALREADY ? 0 : error;
}

/* ---- life ---- */

static void insert(struct netdev *dev, struct net_namespace *net) {
    struct list *after = net->devices.prev;
    dev->net = net;
    if (!dev->index || netdev_find(net, dev->index, NULL)) dev->index = ++net->last_index;
    while (after != &net->devices && list_entry(after, struct netdev, link)->index > dev->index) after = after->prev;
    list_add(after, &dev->link);
}

struct netdev *netdev_new(struct net_namespace *net, enum netdev_kind kind, const char *name) {
    struct netdev *dev = kzalloc(sizeof(*dev));
    int error = dev ? new_name(net, name, dev->name) : -ENOMEM;
    if (error) {
        kfree(dev);
        return ERR_PTR(error);
    }
    dev->kind = kind;
    dev->flags = kind == LOOPBACK ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;
    dev->mtu = kind == LOOPBACK ? 65536 : 1500;
    if (kind != LOOPBACK) random_bytes(dev->mac, sizeof(dev->mac));
    if (kind != LOOPBACK) dev->mac[0] = (dev->mac[0] & 0xfe) | 2;   /* one station, locally given */
    insert(dev, net);
    return dev;
}

/* Nothing in its namespace refers to it afterwards. */
static void detach(struct netdev *dev) {
    struct netdev *port;
    netdev_set_up(dev, false);
    dev->master = NULL;
    list_for_each(port, &dev->net->devices, link) if (port->master == dev) port->master = NULL;
    while (dev->addresses) address_remove(dev, dev->addresses->ip, -1);
    list_del(&dev->link);
}

void netdev_delete(struct netdev *dev) {
    struct netdev *peer = dev->peer;
    detach(dev);
    kfree(dev);
    if (!peer) return;
    peer->peer = NULL;
    netdev_delete(peer);
}

int netdev_move(struct netdev *dev, struct net_namespace *net) {
    char name[16];
    if (dev->net == net) return 0;
    if (dev->kind == LOOPBACK) return -EINVAL;
    int error = new_name(net, dev->name, name);
    if (error) return error;
    detach(dev);
    insert(dev, net);
    return 0;
}

struct net_namespace *net_namespace_new(struct user_ns *owner) {
    struct net_namespace *net = kzalloc(sizeof(*net));
    if (!net) return NULL;
    list_init(&net->devices);
    list_init(&net->routes);
    ns_init(&net->ns, NS_NET, owner);
    if (!IS_ERR(netdev_new(net, LOOPBACK, "lo"))) return net;
    ns_put(&net->ns);
    return NULL;
}

void net_namespace_free(struct net_namespace *net) {
    while (!list_empty(&net->devices)) netdev_delete(net_loopback(net));
    kfree(net);
}

/* ---- state ---- */

static bool carrier(const struct netdev *dev) {
    struct netdev *port;
    if (dev->kind == VETH) return dev->flags & IFF_UP && dev->peer && dev->peer->flags & IFF_UP;
    if (dev->kind == BRIDGE) list_for_each(port, &dev->net->devices, link) if (port->master == dev && carrier(port)) return true;
    return dev->kind == LOOPBACK;
}

u32 netdev_flags(const struct netdev *dev) { return dev->flags | (dev->flags & IFF_UP && carrier(dev) ? IFF_RUNNING | IFF_LOWER_UP : 0); }

void netdev_set_up(struct netdev *dev, bool up) {
    struct ifaddr *a;
    if (up == !!(dev->flags & IFF_UP)) return;
    dev->flags ^= IFF_UP;
    dev->was_up |= up;
    if (!up) routes_forget(dev, 0);
    if (up && dev->kind == LOOPBACK && !dev->addresses)
        address_add(dev, &(struct ifaddr){ .ip = 0x0100007f, .prefix = 8, .scope = SCOPE_HOST });
    else for (a = dev->addresses; up && a; a = a->next) routes_connect(dev, a);
    network_changed();
}

int netdev_set_master(struct netdev *dev, struct netdev *bridge) {
    if (bridge && bridge->kind != BRIDGE) return -EOPNOTSUPP;
    if (bridge && dev->kind != VETH) return dev->kind == BRIDGE ? -ELOOP : -EINVAL;
    dev->master = bridge;
    network_changed();
    return 0;
}

int netdev_set_mtu(struct netdev *dev, u32 bytes) {
    if (dev->kind != LOOPBACK && (bytes < 68 || bytes > 65535)) return -EINVAL;
    dev->mtu = bytes;
    return 0;
}

/* ---- addresses ---- */

static bool same_subnet(const struct ifaddr *a, const struct ifaddr *b) {
    return a->prefix == b->prefix && !((a->ip ^ b->ip) & prefix_mask(a->prefix));
}

int address_add(struct netdev *dev, const struct ifaddr *new) {
    struct ifaddr **at = &dev->addresses, *a;
    bool secondary = false;
    for (; *at; at = &(*at)->next) {
        if (same_subnet(*at, new) && (*at)->ip == new->ip) return -EEXIST;
        secondary |= same_subnet(*at, new);
    }
    if (!(a = *at = kmalloc(sizeof(*a)))) return -ENOBUFS;
    *a = *new;
    a->next = NULL;
    a->secondary = secondary;
    if (dev->flags & IFF_UP) routes_connect(dev, a);
    network_changed();
    return 0;
}

/* The first of a subnet takes the others with it, and a device's last one its routes. */
int address_remove(struct netdev *dev, u32 ip, int prefix) {
    struct ifaddr **at = &dev->addresses, *a;
    while (*at && ((*at)->ip != ip || (prefix >= 0 && (*at)->prefix != prefix))) at = &(*at)->next;
    if (!*at) return -EADDRNOTAVAIL;
    const struct ifaddr gone = **at;
    while ((a = *at)) {
        if (same_subnet(a, &gone) && (!gone.secondary || a->ip == ip)) *at = a->next, kfree(a);
        else at = &a->next;
    }
    routes_forget(dev, dev->addresses ? gone.ip : 0);
    network_changed();
    return 0;
}
