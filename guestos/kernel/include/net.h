/* The network of a namespace: devices, their addresses, and routes; and how a packet finds its way through them.
 *
 * Sockets hand each other bytes directly (socket.c). What is here decides whether they may: packets have no
 * headers, but every device that one would pass must be up and connected, and counts it. Devices, addresses and
 * routes are changed and walked without sleeping; with more processors, that needs one lock around either.
 * Addresses are in network order.
 */
#pragma once
#include "list.h"
#include "ns.h"
#include "types.h"

enum { IFF_UP = 1, IFF_BROADCAST = 2, IFF_LOOPBACK = 8, IFF_RUNNING = 0x40, IFF_MULTICAST = 0x1000, IFF_LOWER_UP = 0x10000 };
enum { SCOPE_UNIVERSE, SCOPE_LINK = 253, SCOPE_HOST };
enum { RTPROT_KERNEL = 2, RTPROT_BOOT };

struct ifaddr {
    struct ifaddr *next;
    u32 ip, broadcast;                      /* the latter 0: none */
    u8 prefix, scope;
    bool secondary;                         /* another one of the device is in the same subnet */
};

struct netdev {
    struct list link;                       /* net->devices, by index */
    struct net_namespace *net;
    enum netdev_kind { LOOPBACK, VETH, BRIDGE } kind;
    int index;
    char name[16];
    u32 flags, mtu;                         /* IFF_UP, IFF_LOOPBACK, IFF_BROADCAST, IFF_MULTICAST; bytes */
    bool was_up;
    u8 mac[6];
    struct netdev *peer, *master;           /* a veth's other end; the bridge it is a port of, or NULL */
    struct ifaddr *addresses;
    struct { u64 packets, bytes; } in, out;
    u32 flood;                              /* the last one that came by */
};

struct route {
    struct list link;                       /* net->routes, by destination, longer prefixes first, then by metric */
    u32 to, gateway, source, metric;        /* gateway 0: on the device's own link; source 0: any of the device's */
    u8 prefix, protocol, scope;
    struct netdev *dev;
};

struct net_namespace {
    struct ns ns;
    int last_index;
    u16 last_port;
    bool forward;                           /* net.ipv4.ip_forward */
    struct list devices, routes;            /* the first device is lo */
};
struct net_namespace *net_namespace_new(struct user_ns *owner);     /* NULL: no memory */
void net_namespace_free(struct net_namespace *);
static inline struct net_namespace *net_namespace_get(struct net_namespace *net) { return (struct net_namespace *)ns_get(&net->ns); }
static inline void net_namespace_put(struct net_namespace *net) { ns_put((struct ns *)net); }

static inline u16 swap16(u16 x) { return x << 8 | x >> 8; }
static inline u32 prefix_mask(int prefix) { return prefix ? __builtin_bswap32(~0u << (32 - prefix)) : 0; }
static inline struct netdev *net_loopback(const struct net_namespace *net) { return list_first(&net->devices, struct netdev, link); }

/* device.c. Errors are Linux's of ip-link(8) and ip-address(8). */
struct netdev *netdev_find(const struct net_namespace *, int index, const char *name);      /* by name if index is 0 */
struct netdev *netdev_new(struct net_namespace *, enum netdev_kind, const char *name);      /* "%d" in it becomes a number; ERR_PTR */
void netdev_delete(struct netdev *);                /* a veth's peer, too */
int netdev_rename(struct netdev *, const char *name);
int netdev_move(struct netdev *, struct net_namespace *);
void netdev_set_up(struct netdev *, bool up);
int netdev_set_master(struct netdev *, struct netdev *bridge);      /* or NULL */
int netdev_set_mtu(struct netdev *, u32 bytes);
u32 netdev_flags(const struct netdev *);            /* with what follows from other devices */
static inline u16 netdev_hardware(const struct netdev *dev) { return dev->kind == LOOPBACK ? 772 : 1; }    /* ARPHRD_* */
int address_add(struct netdev *, const struct ifaddr *);
int address_remove(struct netdev *, u32 ip, int prefix);            /* prefix < 0: any */

/* route.c */
int route_check(const struct net_namespace *, struct route *);  /* fills in the gateway's device; or why there can't be such a route */
int route_add(struct net_namespace *, const struct route *, bool exclusive);
int route_remove(struct net_namespace *, const struct route *);     /* the first that is like it; 0 of a member: any */
void routes_connect(struct netdev *, const struct ifaddr *);        /* the one to the address's subnet */
void routes_forget(struct netdev *, u32 source);    /* those through it (0), or with this source */

/* A packet's way from a namespace to an address: what it passes, and where it gets to. */
struct way {
    struct net_namespace *net;
    u32 source;                             /* the address it comes from */
    int length;
    struct { struct netdev *dev; bool in; } hop[24];
};
const struct ifaddr *local_address(const struct net_namespace *, u32 ip);   /* NULL: it isn't ours */
/* 0, and then it arrives; -ETIMEDOUT: it gets lost; -EHOSTUNREACH: a neighbour doesn't answer; -ENETUNREACH;
 * -EINVAL for a loopback address as source. `source` 0: one is chosen, and tells for errors too. */
int way_find(struct way *, struct net_namespace *from, u32 source, u32 ip);
void way_count(const struct way *, size_t bytes);
struct socket;
long net_ioctl(struct socket *, unsigned command, unsigned long argument);     /* ioctl.c: netdevice(7) */
void network_changed(void);                 /* wakes senders that found no way */
