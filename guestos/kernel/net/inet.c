/* AF_INET: addresses, ports and interfaces (ip(7)). What one end sends, the other end's socket gets at once:
 * an interface delivers without loss and in order, so datagrams and streams need no headers. */
#include "lib.h"
#include "mm.h"
#include "task.h"
#include "user.h"
#include "socket.h"

#define FIRST_PORT 32768u                   /* Linux's range for ports that nobody asked for */
#define PORTS 28232u

enum { IFF_UP = 1, IFF_LOOPBACK = 8, IFF_RUNNING = 0x40 };
enum { SIOCGIFCONF = 0x8912, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFADDR, SIOCSIFADDR, SIOCGIFNETMASK = 0x891b, SIOCSIFNETMASK,
       SIOCGIFMTU = 0x8921, SIOCGIFHWADDR = 0x8927, SIOCGIFINDEX = 0x8933 };
#define ARPHRD_LOOPBACK 772

static u16 swap16(u16 x) { return x << 8 | x >> 8; }

static struct netdev loopback = {
    .name = "lo", .index = 1, .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING, .ip = 0x0100007f, .mask = 0x000000ff, .mtu = 65536 };
struct net_namespace init_net = { .devices = &loopback };

/* The interface by which `ip` is reached. */
static struct netdev *route(const struct net_namespace *net, u32 ip) {
    struct netdev *dev = net->devices;
    while (dev && (!(dev->flags & IFF_UP) || (dev->ip ^ ip) & dev->mask)) dev = dev->next;
    return dev;
}

static bool overlap(u32 a, u32 b) { return !a || !b || a == b; }

/* Another socket that has, or would get, what arrives at (ip, port). */
static struct socket *holder(const struct socket *s, u32 ip, u16 port) {
    struct socket *o;
    list_for_each(o, &all_sockets, all) {
        if (o == s || o->family != &inet_family || o->net != s->net || o->type != s->type || o->name.in.port != port) continue;
        bool share = o->options & s->options & 1 << SO_REUSEADDR && (!connects(o) || o->state != LISTENING);
        if (overlap(o->name.in.ip, ip) && !share) return o;
    }
    return NULL;
}

static int take_port(struct socket *s, u32 ip) {
    for (u32 tries = 0; tries < PORTS; tries++) {
        u16 port = swap16(FIRST_PORT + s->net->last_port++ % PORTS);
        if (holder(s, ip, port)) continue;
        s->name.in.port = port;
        return 0;
    }
    return -EADDRINUSE;
}

static int inet_bind(struct socket *s, struct address *a) {
    if (a->length < sizeof(a->in)) return -EINVAL;
    if (a->family != AF_INET && (a->family || a->in.ip)) return -EAFNOSUPPORT;
    if (a->in.ip && !(route(s->net, a->in.ip))) return -EADDRNOTAVAIL;
    if (a->in.port && swap16(a->in.port) < 1024 && !capable(CAP_NET_BIND_SERVICE)) return -EACCES;
    if (s->name.in.port || s->state != UNCONNECTED) return -EINVAL;
    if (a->in.port && holder(s, a->in.ip, a->in.port)) return -EADDRINUSE;
    s->name.in.ip = a->in.ip;
    s->name.in.port = a->in.port;
    return a->in.port ? 0 : take_port(s, a->in.ip);
}

static int inet_claim(struct socket *s) { return s->name.in.port ? 0 : take_port(s, 0); }

static struct socket *inet_find(struct socket *s, struct address *to, struct address *from) {
    struct socket *o, *best = NULL;
    if (to->length < sizeof(to->in)) return ERR_PTR(-EINVAL);
    if (to->family != AF_INET) return ERR_PTR(-EAFNOSUPPORT);
    if (!to->in.ip) to->in.ip = 0x0100007f;
    int error = inet_claim(s);
    if (!(s->via = route(s->net, to->in.ip))) error = -ENETUNREACH;
    if (error) return ERR_PTR(error);
    *from = s->name;
    if (!from->in.ip) from->in.ip = s->via->ip;
    to->length = sizeof(to->in);
    list_for_each(o, &all_sockets, all) {
        if (o->family != &inet_family || o->net != s->net || o->type != s->type || o->name.in.port != to->in.port) continue;
        if (!overlap(o->name.in.ip, to->in.ip) || (connects(o) && o->state != LISTENING)) continue;
        bool mine = o->peer_name.length && o->peer_name.in.port == from->in.port && o->peer_name.in.ip == from->in.ip;
        if (mine || (!o->peer_name.length && (!best || o->name.in.ip))) best = o;
        if (mine) break;
    }
    if (best) return socket_get(best);
    if (connects(s)) return ERR_PTR(-ECONNREFUSED);
    if (s->peer_name.length) s->error = -ECONNREFUSED;  /* as if an ICMP message had come back */
    return NULL;
}

/* ---- interfaces ---- */

struct ifreq { char name[16]; union { struct { u16 family, port; u32 ip; } address; s16 flags; int value; char room[24]; }; };
struct ifconf { int length, pad; struct ifreq *to; };

static long list_devices(struct net_namespace *net, struct ifconf *user) {
    struct ifconf c;
    int done = 0;
    if (get_user(c, user)) return -EFAULT;
    for (struct netdev *dev = net->devices; dev; dev = dev->next) {
        struct ifreq r = { .address = { AF_INET, 0, dev->ip } };
        memcpy(r.name, dev->name, sizeof(r.name));
        if (c.to && done + (int)sizeof(r) > c.length) break;
        if (c.to && put_user(r, (struct ifreq *)((char *)c.to + done))) return -EFAULT;
        done += sizeof(r);
    }
    return put_user(done, &user->length);
}

static long inet_ioctl(struct socket *s, unsigned command, unsigned long argument) {
    struct ifreq r, *user = (struct ifreq *)argument;
    if (command == SIOCGIFCONF) return list_devices(s->net, (struct ifconf *)argument);
    if (command < SIOCGIFCONF || command > SIOCGIFINDEX) return -ENOTTY;
    if (get_user(r, user)) return -EFAULT;
    struct netdev *dev = s->net->devices;
    while (dev && strncmp(dev->name, r.name, sizeof(r.name))) dev = dev->next;
    if (!dev) return -ENODEV;
    bool sets = command == SIOCSIFFLAGS || command == SIOCSIFADDR || command == SIOCSIFNETMASK;
    if (sets && !capable(CAP_NET_ADMIN)) return -EPERM;
    switch (command) {
    case SIOCGIFFLAGS: r.flags = dev->flags; break;
    case SIOCSIFFLAGS: dev->flags = (dev->flags & ~IFF_UP) | (r.flags & IFF_UP); break;
    case SIOCGIFADDR: r.address.family = AF_INET, r.address.port = 0, r.address.ip = dev->ip; break;
    case SIOCSIFADDR: dev->ip = r.address.ip; break;
    case SIOCGIFNETMASK: r.address.family = AF_INET, r.address.port = 0, r.address.ip = dev->mask; break;
    case SIOCSIFNETMASK: dev->mask = r.address.ip; break;
    case SIOCGIFHWADDR: r.value = ARPHRD_LOOPBACK, memset(r.room + 4, 0, sizeof(r.room) - 4); break;
    case SIOCGIFMTU: r.value = dev->mtu; break;
    case SIOCGIFINDEX: r.value = dev->index; break;
    default: return -EINVAL;
    }
    return sets ? 0 : put_user(r, user);
}

const struct family inet_family = { AF_INET, 16, inet_bind, inet_find, inet_claim, 65507, -ENOTCONN, -EPIPE, -EDESTADDRREQ, inet_ioctl };
