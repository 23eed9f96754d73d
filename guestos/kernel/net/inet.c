/* AF_INET: addresses and ports (ip(7)). What one end sends, the other end's socket gets at once, if the network
 * has a way there: that delivers without loss and in order, so datagrams and streams need no headers. */
#include "lib.h"
#include "net.h"
#include "task.h"
#include "user.h"
#include "socket.h"

#define FIRST_PORT 32768u                   /* Linux's range for ports that nobody asked for */
#define PORTS 28232u

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
    if (a->in.ip && !local_address(s->net, a->in.ip)) return -EADDRNOTAVAIL;
    if (a->in.port && swap16(a->in.port) < 1024 && !ns_capable(s->net->ns.owner, CAP_NET_BIND_SERVICE)) return -EACCES;   /* check: captests */
    if (s->name.in.port || s->state != UNCONNECTED) return -EINVAL;
    if (a->in.port && holder(s, a->in.ip, a->in.port)) return -EADDRINUSE;
    s->name.in.ip = a->in.ip;
    s->name.in.port = a->in.port;
    return a->in.port ? 0 : take_port(s, a->in.ip);
}

static int inet_claim(struct socket *s) { return s->name.in.port ? 0 : take_port(s, 0); }

static struct socket *inet_find(struct socket *s, struct address *to, struct address *from) {
    struct socket *o, *best = NULL;
    struct way way, back;
    if (to->length < sizeof(to->in)) return ERR_PTR(-EINVAL);
    if (to->family != AF_INET) return ERR_PTR(-EAFNOSUPPORT);
    if (!to->in.ip) to->in.ip = 0x0100007f;
    int error = inet_claim(s);
    if (!error) error = way_find(&way, s->net, s->name.in.ip, to->in.ip);
    bool lost = error == -ETIMEDOUT || error == -EHOSTUNREACH;
    if (error && (connects(s) || !lost)) return ERR_PTR(error);
    *from = s->name;
    from->in.ip = way.source;
    to->length = sizeof(to->in);
    list_for_each(o, &all_sockets, all) {
        if (lost || o->family != &inet_family || o->net != way.net || o->type != s->type || o->name.in.port != to->in.port) continue;
        if (!overlap(o->name.in.ip, to->in.ip) || (connects(o) && o->state != LISTENING)) continue;
        bool mine = o->peer_name.length && o->peer_name.in.port == from->in.port && o->peer_name.in.ip == from->in.ip;
        if (mine || (!o->peer_name.length && (!best || o->name.in.ip))) best = o;
        if (mine) break;
    }
    if (connects(s) && (way_find(&back, way.net, to->in.ip, way.source) || back.net != s->net)) return ERR_PTR(-ETIMEDOUT);
    if (best) return socket_get(best);
    if (connects(s)) return ERR_PTR(-ECONNREFUSED);
    if (s->peer_name.length && error != -ETIMEDOUT) s->error = lost ? error : -ECONNREFUSED;    /* as if an ICMP message had come back */
    return NULL;
}

static int inet_travel(struct socket *s, const struct address *to, size_t n) {
    struct way way;
    int error = way_find(&way, s->net, s->name.in.ip, to->in.ip);
    if (!error && connects(s) && s->peer->state != CLOSED && s->peer->net != way.net) error = -ETIMEDOUT;
    if (!error && n) way_count(&way, n + (connects(s) ? 66 : 42));      /* headers: Ethernet's, IP's, and TCP's or UDP's */
    return error;
}

const struct family inet_family = { AF_INET, 16, 1 << SOCK_STREAM | 1 << SOCK_DGRAM, inet_bind, inet_find, inet_claim, 65507, -ENOTCONN, -EPIPE,
                                    -EDESTADDRREQ, net_ioctl, inet_travel, NULL };
