/* Network namespaces: their devices, addresses and routes, and what reaches what. Runs on Linux, too, as root. */
#include "properties.h"
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- rtnetlink ---- */

static struct { struct nlmsghdr h; char body[4000]; } m;
static char answers[32768];
static void begin(int type, int flags, const void *body, int n) {
    m.h = (struct nlmsghdr){ NLMSG_LENGTH(n), type, NLM_F_REQUEST | NLM_F_ACK | flags, 7, 0 };
    memset(m.body, 0, sizeof m.body);
    memcpy(m.body, body, n);
}
static struct rtattr *attribute(int type, const void *value, int n) {
    struct rtattr *a = (void *)((char *)&m + NLMSG_ALIGN(m.h.nlmsg_len));
    *a = (struct rtattr){ RTA_LENGTH(n), type };
    memcpy(RTA_DATA(a), value, n);
    m.h.nlmsg_len = NLMSG_ALIGN(m.h.nlmsg_len) + RTA_LENGTH(n);
    return a;
}
static void number(int type, unsigned n) { attribute(type, &n, 4); }
static void name(int type, const char *s) { attribute(type, s, strlen(s) + 1); }
static void end(struct rtattr *a) { a->rta_len = (char *)&m + m.h.nlmsg_len - (char *)a; }
static int netlink(void) { int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); CHECK(fd >= 0); return fd; }
/* -1 and errno, or 0, as the acknowledgement says; what came before it is in answers. */
static int ask(void) {
    int fd = netlink(), error;
    CHECK(send(fd, &m, m.h.nlmsg_len, 0) == (int)m.h.nlmsg_len);
    for (struct nlmsghdr *h = (void *)answers;;) {
        int n = recv(fd, h, answers + sizeof answers - (char *)h, 0);
        CHECK(n >= (int)sizeof *h && h->nlmsg_seq == 7);
        for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
            if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
                error = *(int *)NLMSG_DATA(h);
                h->nlmsg_type = NLMSG_DONE;
                close(fd);
                errno = -error;
                return error ? -1 : 0;
            }
    }
}
static int link_call(int type, int flags, const char *dev, unsigned on, unsigned change) {
    struct ifinfomsg i = { .ifi_index = dev ? if_nametoindex(dev) : 0, .ifi_flags = on, .ifi_change = change };
    begin(type, flags, &i, sizeof i);
    return i.ifi_index;
}
static int up(const char *dev, int on) { CHECK(link_call(RTM_NEWLINK, 0, dev, on ? IFF_UP : 0, IFF_UP)); return ask(); }
static int set(const char *dev, int type, unsigned value) { link_call(RTM_NEWLINK, 0, dev, 0, 0); number(type, value); return ask(); }
static int rename_to(const char *dev, const char *to) { link_call(RTM_NEWLINK, 0, dev, 0, 0); name(IFLA_IFNAME, to); return ask(); }
static int delete(const char *dev) { link_call(RTM_DELLINK, 0, NULL, 0, 0); name(IFLA_IFNAME, dev); return ask(); }
static int bridge(const char *dev) {
    link_call(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, NULL, 0, 0);
    name(IFLA_IFNAME, dev);
    struct rtattr *info = attribute(IFLA_LINKINFO, "", 0);
    name(IFLA_INFO_KIND, "bridge");
    end(info);
    return ask();
}
/* The peer into the network namespace of pid, if that isn't 0. */
static int veth(const char *dev, const char *peer, int pid) {
    link_call(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, NULL, 0, 0);
    name(IFLA_IFNAME, dev);
    struct rtattr *info = attribute(IFLA_LINKINFO, "", 0);
    name(IFLA_INFO_KIND, "veth");
    struct rtattr *data = attribute(IFLA_INFO_DATA, "", 0), *other = attribute(VETH_INFO_PEER, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
    name(IFLA_IFNAME, peer);
    if (pid) number(IFLA_NET_NS_PID, pid);
    end(other); end(data); end(info);
    return ask();
}
static int address(int type, const char *dev, const char *ip, int prefix) {
    struct ifaddrmsg a = { .ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = if_nametoindex(dev) };
    begin(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, &a, sizeof a);
    number(IFA_LOCAL, inet_addr(ip));
    return ask();
}
static int route(int type, const char *to, int prefix, const char *gateway) {
    struct rtmsg r = { .rtm_family = AF_INET, .rtm_dst_len = prefix, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST };
    begin(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0, &r, sizeof r);
    if (prefix) number(RTA_DST, inet_addr(to));
    number(RTA_GATEWAY, inet_addr(gateway));
    return ask();
}
static int has(const char *dev) { return if_nametoindex(dev) != 0; }
static int vanishes(const char *dev) { for (int i = 0; i < 200 && has(dev); i++) nap(10); return !has(dev); }
static unsigned flags_of(const char *dev) {
    struct ifreq r = { 0 };
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    strcpy(r.ifr_name, dev);
    CHECK(!ioctl(s, SIOCGIFFLAGS, &r));
    close(s);
    return (unsigned short)r.ifr_flags;
}
/* Linux notices a while later what becomes of the other end. */
static int running(const char *dev, int wanted) {
    for (int i = 0; i < 200 && !!(flags_of(dev) & IFF_RUNNING) != wanted; i++) nap(10);
    return !!(flags_of(dev) & IFF_RUNNING) == wanted && flags_of(dev) & IFF_UP;
}
/* How many objects a dump has, of routes those of the main table. */
static int dump(int type) {
    int n = 0;
    begin(type, NLM_F_DUMP, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
    m.h.nlmsg_flags &= ~NLM_F_ACK;
    CHECK(!ask());
    for (struct nlmsghdr *h = (void *)answers; h->nlmsg_type != NLMSG_DONE; h = (void *)((char *)h + NLMSG_ALIGN(h->nlmsg_len)))
        n += type != RTM_GETROUTE || (((struct rtmsg *)NLMSG_DATA(h))->rtm_table == RT_TABLE_MAIN && ((struct rtmsg *)NLMSG_DATA(h))->rtm_family == AF_INET);
    return n;
}
static void own_namespace(void) { CHECK(!unshare(CLONE_NEWNET)); }

/* ---- boxes: processes in network namespaces of their own, which do what they are told ---- */

static struct box { int pid, to, from; } a, b;
enum order { CONFIGURE = 1, GATEWAY, SEND, TALK, TRY, SERVE, LISTEN, HEAR, LINK };
struct job { int order, port, number; char text[32]; };
static struct sockaddr *at(const char *ip, int port) {
    static struct sockaddr_in in;
    in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(ip) };
    return (struct sockaddr *)&in;
}
static int serve(int type, int port) {
    int s = socket(AF_INET, type, 0), on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(s >= 0 && !bind(s, at("0.0.0.0", port), sizeof(struct sockaddr_in)) && (type == SOCK_DGRAM || !listen(s, 5)));
    return s;
}
static void limit(int s, int ms) { struct timeval t = { ms / 1000, ms % 1000 * 1000 }; setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t); }
/* 0 or an errno: a connection and a byte there and back. */
static int talk(const char *ip, int port) {
    char c = 'q';
    int s = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    limit(s, 3000);
    if (connect(s, at(ip, port), sizeof(struct sockaddr_in)) || write(s, &c, 1) != 1 || read(s, &c, 1) != 1) error = errno;
    close(s);
    return error ? error : c == 'Q' ? 0 : 1000;
}
/* The same with datagrams; 1001: no answer. */
static int tell(const char *ip, int port) {
    char c = 'q';
    int s = socket(AF_INET, SOCK_DGRAM, 0), error = 0;
    limit(s, 500);
    if (connect(s, at(ip, port), sizeof(struct sockaddr_in)) || send(s, &c, 1, 0) != 1 || recv(s, &c, 1, 0) != 1) error = errno;
    close(s);
    return error == EAGAIN ? 1001 : error ? error : c == 'Q' ? 0 : 1000;
}
/* 0: a connection isn't made in a while, nor refused. */
static int try(const char *ip, int port) {
    struct sockaddr_in peer;
    socklen_t n = sizeof peer;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = connect(s, at(ip, port), sizeof peer) ? errno : 0;
    nap(300);
    if (error == EINPROGRESS) error = getpeername(s, (void *)&peer, &n) ? errno == ENOTCONN ? 0 : errno : 1002;
    close(s);
    return error;
}
/* Answers q with Q, to streams and datagrams, for ever. */
static void server(int port) {
    int fd[2] = { serve(SOCK_STREAM, port), serve(SOCK_DGRAM, port) };
    for (int i = 0; i < 2; i++) if (!fork()) for (;;) {
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        char c;
        if (i == 0) {
            int s = accept(fd[0], NULL, NULL);
            limit(s, 2000);
            if (read(s, &c, 1) == 1) write(s, "Q", 1);
            close(s);
        } else if (recvfrom(fd[1], &c, 1, 0, (void *)&from, &length) == 1) sendto(fd[1], "Q", 1, 0, (void *)&from, length);
    }
    close(fd[0]); close(fd[1]);
}
static int heard;
static int obey(const struct job *j) {
    switch (j->order) {
    case CONFIGURE: return up("lo", 1) || address(RTM_NEWADDR, "eth0", j->text, j->number) || up("eth0", 1) ? errno : 0;
    case GATEWAY: return route(RTM_NEWROUTE, "0.0.0.0", 0, j->text) ? errno : 0;
    case TALK: return talk(j->text, j->port);
    case SEND: return tell(j->text, j->port);
    case TRY: return try(j->text, j->port);
    case LISTEN: limit(heard = serve(SOCK_DGRAM, j->port), 300); return 0;
    case HEAR: return recv(heard, (char *)j->text, 1, 0) == 1 ? 0 : errno;
    case SERVE: return server(j->port), 0;
    case LINK: return up(j->text, j->number) ? errno : 0;
    }
    return -1;
}
static struct box box(void) {
    int to[2], from[2], result = 0;
    struct job j;
    CHECK(!pipe(to) && !pipe(from));
    int pid = fork();
    if (!pid) {
        setpgid(0, 0);
        close(to[1]); close(from[0]);
        own_namespace();
        write(from[1], &result, 4);
        while (read(to[0], &j, sizeof j) == sizeof j) result = obey(&j), write(from[1], &result, 4);
        kill(0, SIGKILL);
    }
    close(to[0]); close(from[1]);
    CHECK(read(from[0], &result, 4) == 4);
    return (struct box){ pid, to[1], from[0] };
}
static int order(struct box *x, int what, const char *text, int port, int n) {
    struct job j = { what, port, n };
    int result = -1;
    strcpy(j.text, text);
    CHECK(write(x->to, &j, sizeof j) == sizeof j && read(x->from, &result, 4) == 4);
    return result;
}
/* Linux may still know where the neighbour was, and then doesn't say that it is gone. */
static int lost(int result) { return result == EHOSTUNREACH || result == 1001; }
#define LOST(x, ip) lost(order(x, SEND, ip, 80, 0))
#define DO(...) CHECK(order(__VA_ARGS__) == 0)
/* A box with address ip behind a veth pair, whose end here is called dev. */
static struct box box_behind(const char *dev, const char *ip) {
    struct box x = box();
    CHECK(!veth(dev, "eth0", x.pid) && !up(dev, 1));
    DO(&x, CONFIGURE, ip, 0, 24);
    return x;
}
static int eventually(struct box *x, int what, const char *ip, int result) {
    for (int i = 0; i < 30; i++) {
        if (order(x, what, ip, 80, 0) == result) return 1;
        nap(50);
    }
    return 0;
}

/* ---- properties ---- */

static void new_namespaces_have_lo_alone(void) {
    own_namespace();
    int s = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq all[8];
    struct ifconf c = { sizeof all, { (char *)all } };
    CHECK(if_nametoindex("lo") == 1 && !(flags_of("lo") & IFF_UP) && !ioctl(s, SIOCGIFCONF, &c) && c.ifc_len == 0);
    FAILS(connect(s, at("127.0.0.1", 80), sizeof(struct sockaddr_in)), ENETUNREACH);
    FAILS(sendto(d, "x", 1, 0, at("127.0.0.1", 80), sizeof(struct sockaddr_in)), ENETUNREACH);
    FAILS(sendto(d, "x", 1, 0, at("10.0.0.1", 80), sizeof(struct sockaddr_in)), ENETUNREACH);
    CHECK(dump(RTM_GETADDR) == 0 && !up("lo", 1) && flags_of("lo") == (IFF_UP | IFF_RUNNING | IFF_LOOPBACK));
    FAILS(connect(s, at("127.0.0.1", 80), sizeof(struct sockaddr_in)), ECONNREFUSED);
    server(80);
    CHECK(talk("127.0.0.1", 80) == 0 && tell("127.0.0.1", 80) == 0 && talk("127.9.9.9", 80) == 0);
    FAILS(connect(d, at("10.0.0.1", 80), sizeof(struct sockaddr_in)), ENETUNREACH);
}
static void namespaces_are_apart(void) {
    struct sockaddr_un un = { AF_UNIX, "\0spot" };
    socklen_t n = offsetof(struct sockaddr_un, sun_path) + 5;
    own_namespace();
    up("lo", 1);
    int u = socket(AF_UNIX, SOCK_STREAM, 0), port = 700;
    CHECK(!bind(u, (void *)&un, n) && !listen(u, 5));
    serve(SOCK_STREAM, port);
    int pid = fork();
    if (!pid) {
        int v = socket(AF_UNIX, SOCK_STREAM, 0), w = socket(AF_UNIX, SOCK_STREAM, 0), old = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(!connect(v, (void *)&un, n));
        own_namespace();
        v = socket(AF_UNIX, SOCK_STREAM, 0);
        FAILS(connect(v, (void *)&un, n), ECONNREFUSED);
        CHECK(!connect(w, (void *)&un, n));                 /* a socket stays where it was made */
        CHECK(!bind(v, (void *)&un, n) && !up("lo", 1));
        CHECK(talk("127.0.0.1", port) == ECONNREFUSED);
        serve(SOCK_STREAM, port);
        CHECK(!connect(old, at("127.0.0.1", port), sizeof(struct sockaddr_in)));
        char mine[64] = "", other[64] = "", path[40];
        snprintf(path, sizeof path, "/proc/%d/ns/net", getppid());
        CHECK(readlink("/proc/self/ns/net", mine, 63) > 0 && readlink(path, other, 63) > 0 && strcmp(mine, other) && !strncmp(mine, "net:[", 5));
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}
static void clone_makes_them_too(void) {
    own_namespace();
    up("lo", 1);
    int pid = syscall(56 /* clone */, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
    if (!pid) _exit(flags_of("lo") & IFF_UP ? 1 : 0);
    CHECK(exit_of(pid) == 0 && flags_of("lo") & IFF_UP);
    FAILS(unshare(0x00000200 | CLONE_NEWNET | 1), EINVAL);
    pid = fork();
    if (!pid) {
        setuid(1000);
        FAILS(unshare(CLONE_NEWNET), EPERM);
        FAILS(syscall(56, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0), EPERM);
        CHECK(dump(RTM_GETLINK) == 1);                      /* one may look */
        FAILS(bridge("br0"), EPERM);
        struct ifreq r = { "lo" };
        FAILS(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &r), EPERM);
        FAILS(ioctl(socket(AF_INET, SOCK_DGRAM, 0), 0x89a0 /* SIOCBRADDBR */, "br0"), EPERM);
        FAILS(up("lo", 0), EPERM);
        FAILS(address(RTM_NEWADDR, "lo", "10.0.0.1", 24), EPERM);
        FAILS(route(RTM_NEWROUTE, "0.0.0.0", 0, "10.0.0.1"), EPERM);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}
static void pairs_connect_two(void) {
    own_namespace();
    up("lo", 1);
    a = box();
    CHECK(!veth("v0", "eth0", a.pid) && !has("eth0") && has("v0") && !(flags_of("v0") & IFF_UP));
    CHECK(!address(RTM_NEWADDR, "v0", "10.0.0.1", 24) && !up("v0", 1));
    CHECK(running("v0", 0));                               /* nothing at the other end yet */
    DO(&a, CONFIGURE, "10.0.0.2", 0, 24);
    DO(&a, SERVE, "", 80, 0);
    CHECK(talk("10.0.0.2", 80) == 0 && tell("10.0.0.2", 80) == 0 && running("v0", 1));
    CHECK(talk("10.0.0.2", 81) == ECONNREFUSED && tell("10.0.0.2", 81) == ECONNREFUSED);
    CHECK(talk("10.0.0.3", 80) == EHOSTUNREACH && talk("10.0.1.3", 80) == ENETUNREACH);
    server(80);
    DO(&a, TALK, "10.0.0.1", 80, 0);
    DO(&a, SEND, "10.0.0.1", 80, 0);
    CHECK(talk("10.0.0.1", 80) == 0);                       /* one's own address */
    struct sockaddr_in in;
    socklen_t n = sizeof in;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(s, at("10.0.0.2", 80), sizeof in) && !getsockname(s, (void *)&in, &n) && in.sin_addr.s_addr == inet_addr("10.0.0.1"));
}
static void bound_sources_matter(void) {
    own_namespace();
    a = box_behind("v0", "10.0.0.2");
    CHECK(!address(RTM_NEWADDR, "v0", "10.0.0.1", 24) && !up("lo", 1));
    int s = socket(AF_INET, SOCK_STREAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(s, at("10.0.0.2", 0), sizeof(struct sockaddr_in)), EADDRNOTAVAIL);
    CHECK(!bind(s, at("127.0.0.1", 0), sizeof(struct sockaddr_in)));
    FAILS(connect(s, at("10.0.0.2", 80), sizeof(struct sockaddr_in)), EINVAL);
    CHECK(!bind(t, at("10.0.0.1", 0), sizeof(struct sockaddr_in)));
    FAILS(connect(t, at("10.0.0.2", 80), sizeof(struct sockaddr_in)), ECONNREFUSED);
}
static void bridges_connect_many(void) {
    alarm(60);
    own_namespace();
    up("lo", 1);
    CHECK(!bridge("br0") && !address(RTM_NEWADDR, "br0", "10.0.0.1", 24) && !up("br0", 1));
    a = box_behind("va", "10.0.0.2");
    b = box_behind("vb", "10.0.0.3");
    CHECK(!set("va", IFLA_MASTER, if_nametoindex("br0")));
    server(80);
    DO(&a, SERVE, "", 80, 0);
    DO(&b, SERVE, "", 80, 0);
    CHECK(eventually(&a, TALK, "10.0.0.1", 0));
    CHECK(order(&a, TALK, "10.0.0.3", 80, 0) == EHOSTUNREACH);      /* which isn't on the bridge yet */
    CHECK(!set("vb", IFLA_MASTER, if_nametoindex("br0")));
    CHECK(eventually(&a, TALK, "10.0.0.3", 0) && eventually(&b, TALK, "10.0.0.2", 0) && eventually(&b, SEND, "10.0.0.1", 0));
    DO(&a, SEND, "10.0.0.3", 80, 0);
    CHECK(talk("10.0.0.2", 80) == 0 && talk("10.0.0.3", 80) == 0 && tell("10.0.0.3", 80) == 0);
    CHECK(!up("br0", 0));
    CHECK(LOST(&a, "10.0.0.3") && talk("10.0.0.2", 80) == ENETUNREACH);
    CHECK(!up("br0", 1) && eventually(&a, TALK, "10.0.0.3", 0) && !set("vb", IFLA_MASTER, 0));
    CHECK(LOST(&b, "10.0.0.1"));
    CHECK(!bridge("br1") && !up("br1", 1) && !set("vb", IFLA_MASTER, if_nametoindex("br1")));
    CHECK(LOST(&b, "10.0.0.2") && LOST(&b, "10.0.0.1"));
}
static void bridges_connect_bridges(void) {
    own_namespace();
    CHECK(!bridge("br0") && !bridge("br1") && !address(RTM_NEWADDR, "br0", "10.0.0.1", 24));
    CHECK(!veth("x0", "x1", 0) && !set("x0", IFLA_MASTER, if_nametoindex("br0")) && !set("x1", IFLA_MASTER, if_nametoindex("br1")));
    CHECK(!up("br0", 1) && !up("br1", 1) && !up("x0", 1) && !up("x1", 1));
    a = box_behind("va", "10.0.0.2");
    CHECK(!set("va", IFLA_MASTER, if_nametoindex("br1")));
    up("lo", 1);
    server(80);
    CHECK(eventually(&a, TALK, "10.0.0.1", 0));             /* across both */
    FAILS(set("br1", IFLA_MASTER, if_nametoindex("br0")), ELOOP);
    FAILS(set("lo", IFLA_MASTER, if_nametoindex("br0")), EINVAL);
    FAILS(set("va", IFLA_MASTER, 99), EINVAL);
}
static void forward(int on) {
    int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDWR);
    char c = 0;
    CHECK(fd >= 0 && write(fd, on ? "1" : "0", 1) == 1 && pread(fd, &c, 1, 0) == 1 && c == '0' + on);
    close(fd);
}
static void routers_forward(void) {
    own_namespace();
    up("lo", 1);
    a = box_behind("va", "10.0.1.2");
    b = box_behind("vb", "10.0.2.2");
    CHECK(!address(RTM_NEWADDR, "va", "10.0.1.1", 24) && !address(RTM_NEWADDR, "vb", "10.0.2.1", 24));
    DO(&b, SERVE, "", 80, 0);
    CHECK(order(&a, TALK, "10.0.2.2", 80, 0) == ENETUNREACH);
    DO(&a, GATEWAY, "10.0.1.1", 0, 0);
    CHECK(order(&a, SEND, "10.0.2.2", 80, 0) == 1001);      /* nobody forwards */
    forward(1);
    CHECK(order(&a, SEND, "10.0.2.2", 80, 0) == 1001);      /* the answer doesn't come back */
    DO(&a, TRY, "10.0.2.2", 80, 0);
    DO(&b, GATEWAY, "10.0.2.1", 0, 0);
    CHECK(eventually(&a, SEND, "10.0.2.2", 0) && eventually(&a, TALK, "10.0.2.2", 0));
    CHECK(order(&a, TALK, "10.0.2.9", 80, 0) == EHOSTUNREACH && order(&a, TALK, "10.7.2.9", 80, 0) == ENETUNREACH);
    server(81);
    DO(&a, TALK, "10.0.2.1", 81, 0);                        /* the router's address on its other side */
    CHECK(!up("vb", 0));
    CHECK(order(&a, TALK, "10.0.2.2", 80, 0) == ENETUNREACH);
    forward(0);
    CHECK(order(&a, SEND, "10.0.2.2", 80, 0) == 1001);
}
static void loopback_stays_inside(void) {
    own_namespace();
    up("lo", 1);
    a = box_behind("va", "10.0.1.2");
    CHECK(!address(RTM_NEWADDR, "va", "10.0.1.1", 24) && !address(RTM_DELADDR, "lo", "127.0.0.1", 8));
    DO(&a, SERVE, "", 80, 0);
    DO(&a, LISTEN, "", 81, 0);
    CHECK(!route(RTM_NEWROUTE, "127.0.0.0", 8, "10.0.1.2") && tell("127.0.0.1", 80) == 1001 && tell("127.0.0.1", 81) == 1001);
    CHECK(order(&a, HEAR, "", 0, 0) == EAGAIN && tell("10.0.1.2", 81) == 1001);
    DO(&a, HEAR, "", 0, 0);
}
static void streams_wait_for_the_way(void) {
    own_namespace();
    a = box_behind("va", "10.0.1.2");
    CHECK(!address(RTM_NEWADDR, "va", "10.0.1.1", 24));
    DO(&a, SERVE, "", 80, 0);
    char c = 'q';
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(s, at("10.0.1.2", 80), sizeof(struct sockaddr_in)));
    DO(&a, LINK, "eth0", 0, 0);
    limit(s, 300);
    if (!fork()) { write(s, &c, 1); _exit(0); }
    FAILS(read(s, &c, 1), EAGAIN);
    DO(&a, LINK, "eth0", 0, 1);
    limit(s, 5000);
    CHECK(read(s, &c, 1) == 1 && c == 'Q');
}
static void devices_end_with_their_namespace(void) {
    own_namespace();
    a = box_behind("va", "10.0.1.2");
    CHECK(!veth("x0", "x1", 0) && !delete("x1") && !has("x0"));
    DO(&a, SERVE, "", 80, 0);
    int c = socket(AF_INET, SOCK_STREAM, 0), s;
    CHECK(!address(RTM_NEWADDR, "va", "10.0.1.1", 24) && !connect(c, at("10.0.1.2", 80), sizeof(struct sockaddr_in)));
    close(a.to);                            /* it kills its servers and itself */
    CHECK(status_of(a.pid) && vanishes("va"));      /* though a connection to there is still open */
    int pid = fork();
    if (!pid) { own_namespace(); s = socket(AF_INET, SOCK_DGRAM, 0); pause(); }
    nap(100);
    CHECK(!veth("vb", "eth0", pid));
    CHECK(!bridge("br0") && !set("vb", IFLA_MASTER, if_nametoindex("br0")) && !up("br0", 1) && !delete("br0") && has("vb"));
    kill(pid, SIGKILL);
    CHECK(status_of(pid) && vanishes("vb") && dump(RTM_GETLINK) == 1 && dump(RTM_GETROUTE) == 0);
}
static void devices_move(void) {
    own_namespace();
    a = box();
    b = box();
    CHECK(!veth("eth0", "v1", 0) && !address(RTM_NEWADDR, "eth0", "10.0.1.1", 24) && !up("eth0", 1));
    int index = if_nametoindex("eth0");
    CHECK(!set("eth0", IFLA_NET_NS_PID, a.pid) && !has("eth0") && has("v1"));
    DO(&a, CONFIGURE, "10.0.1.2", 0, 24);                   /* without the address it had */
    FAILS(set("lo", IFLA_NET_NS_PID, a.pid), EINVAL);
    CHECK(!rename_to("v1", "eth0"));
    FAILS(set("eth0", IFLA_NET_NS_PID, a.pid), EEXIST);
    FAILS(set("eth0", IFLA_NET_NS_PID, 999999), ESRCH);
    CHECK(!set("eth0", IFLA_NET_NS_PID, b.pid) && dump(RTM_GETLINK) == 1);
    DO(&b, CONFIGURE, "10.0.1.3", 0, 24);
    DO(&b, SERVE, "", 80, 0);
    CHECK(eventually(&a, TALK, "10.0.1.3", 0) && index == 3);
    CHECK(order(&b, TALK, "10.0.1.1", 80, 0) == EHOSTUNREACH);
}
static int namespace_of(const char *pid, const char *kind) {
    char path[60];
    snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}
static void descriptors_name_namespaces(void) {
    char pid[12];
    own_namespace();
    a = box();
    snprintf(pid, sizeof pid, "%d", a.pid);
    int there = namespace_of(pid, "net"), here = namespace_of("self", "net");
    CHECK(!veth("v0", "eth0", 0) && !set("eth0", IFLA_NET_NS_FD, there) && !has("eth0"));
    DO(&a, CONFIGURE, "10.0.1.2", 0, 24);
    FAILS(set("v0", IFLA_NET_NS_FD, 99), EBADF);
    FAILS(set("v0", IFLA_NET_NS_FD, namespace_of("self", "uts")), EINVAL);
    FAILS(set("v0", IFLA_NET_NS_FD, 0), EINVAL);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(!setns(there, CLONE_NEWNET) && has("eth0") && !has("v0") && dump(RTM_GETLINK) == 2);
    struct ifreq r = { "v0" };
    CHECK(!ioctl(s, SIOCGIFINDEX, &r));                     /* where the socket was made */
    CHECK(!setns(here, 0) && has("v0"));
    kill(a.pid, SIGKILL);
    CHECK(status_of(a.pid));
    nap(200);
    CHECK(has("v0"));                                       /* the descriptor keeps it */
    close(there);
    CHECK(vanishes("v0"));
}
static void owners_rule(void) {
    own_namespace();
    CHECK(!veth("v0", "v1", 0));
    int outer = namespace_of("self", "net"), pid = fork();
    if (!pid) {
        setgid(1000), setuid(1000);
        CHECK(!unshare(CLONE_NEWUSER));
        FAILS(bridge("br0"), EPERM);                        /* root, but not of this network */
        CHECK(!unshare(CLONE_NEWNET) && !bridge("br0") && !veth("x0", "x1", 0) && !up("lo", 1));
        FAILS(set("x0", IFLA_NET_NS_FD, outer), EPERM);
        FAILS(setns(outer, CLONE_NEWNET), EPERM);
        serve(SOCK_STREAM, 80);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0 && has("v0") && !has("x0"));
}
static void names_are_checked(void) {
    own_namespace();
    FAILS(bridge(""), EINVAL);
    FAILS(bridge("a/b"), EINVAL);
    CHECK(bridge("sixteen_letters_") && !has("sixteen_letters"));
    FAILS(bridge("a b"), EINVAL);
    FAILS(bridge(".."), EINVAL);
    FAILS(bridge("lo"), EEXIST);
    CHECK(!bridge("br%d") && !bridge("br%d") && has("br0") && has("br1"));
    FAILS(rename_to("br0", "br1"), EEXIST);
    CHECK(!rename_to("br0", "fifteen_letters") && has("fifteen_letters"));
    FAILS(delete("br0"), ENODEV);
    FAILS(delete("lo"), EOPNOTSUPP);
    FAILS(veth("v0", "v0", 0), EEXIST);
    CHECK(!has("v0") && dump(RTM_GETLINK) == 3);
    link_call(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, NULL, 0, 0);
    name(IFLA_IFNAME, "x");
    FAILS(ask(), EOPNOTSUPP);                               /* of no kind */
    link_call(RTM_NEWLINK, 0, NULL, 0, 0);
    name(IFLA_IFNAME, "x");
    FAILS(ask(), ENODEV);
    FAILS(set("br1", IFLA_MTU, 67), EINVAL);
    CHECK(!set("br1", IFLA_MTU, 1400));
}
static void addresses_and_routes_are_checked(void) {
    own_namespace();
    CHECK(!veth("v0", "v1", 0) && !address(RTM_NEWADDR, "v0", "10.0.1.1", 24) && dump(RTM_GETROUTE) == 0);
    FAILS(address(RTM_NEWADDR, "v0", "10.0.1.1", 24), EEXIST);
    FAILS(address(RTM_NEWADDR, "nope", "10.0.1.1", 24), ENODEV);
    FAILS(address(RTM_NEWADDR, "v0", "10.0.1.1", 33), EINVAL);
    FAILS(address(RTM_DELADDR, "v0", "10.0.1.2", 24), EADDRNOTAVAIL);
    FAILS(route(RTM_NEWROUTE, "10.3.0.0", 16, "10.0.1.2"), ENETUNREACH);    /* while the device is down */
    CHECK(!up("v0", 1) && !up("v1", 1) && !route(RTM_NEWROUTE, "10.3.0.0", 16, "10.0.1.2"));
    FAILS(route(RTM_NEWROUTE, "10.3.0.0", 16, "10.0.1.3"), EEXIST);
    FAILS(route(RTM_NEWROUTE, "10.4.0.0", 16, "10.9.1.3"), ENETUNREACH);
    FAILS(route(RTM_NEWROUTE, "10.4.0.1", 16, "10.0.1.3"), EINVAL);
    FAILS(route(RTM_DELROUTE, "10.4.0.0", 16, "10.0.1.2"), ESRCH);
    FAILS(route(RTM_DELROUTE, "10.3.0.0", 16, "10.0.1.9"), ESRCH);
    CHECK(!route(RTM_DELROUTE, "10.3.0.0", 16, "10.0.1.2"));
    CHECK(!route(RTM_NEWROUTE, "10.3.0.0", 16, "10.0.1.2") && !up("v0", 0));
    CHECK(!up("v0", 1));
    FAILS(route(RTM_DELROUTE, "10.3.0.0", 16, "10.0.1.2"), ESRCH);          /* it went when the device did */
}
static void messages_are_checked(void) {
    own_namespace();
    int fd = netlink(), other = netlink();
    struct sockaddr_nl me = { 0 }, kernel = { .nl_family = AF_NETLINK };
    socklen_t n = sizeof me;
    CHECK(!bind(fd, (void *)&kernel, sizeof kernel) && !getsockname(fd, (void *)&me, &n) && n == 12 && me.nl_pid == (unsigned)getpid());
    FAILS(bind(other, (void *)&me, sizeof me), EADDRINUSE);
    CHECK(!bind(other, (void *)&kernel, sizeof kernel) && !getsockname(other, (void *)&me, &n) && me.nl_pid && me.nl_pid != (unsigned)getpid());
    FAILS(socket(AF_NETLINK, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
    FAILS(socket(AF_NETLINK, SOCK_RAW, 99), EPROTONOSUPPORT);
    FAILS(listen(fd, 5), EOPNOTSUPP);
    FAILS(bind(fd, (void *)&kernel, 4), EINVAL);
    begin(RTM_GETLINK, 0, "", 1);
    FAILS(ask(), EINVAL);                                   /* too short */
    for (int type = 23; type <= 27; type += 4) {
        begin(type, 0, "", 16);
        FAILS(ask(), EOPNOTSUPP);
    }
    begin(99, 0, "", 16);
    FAILS(ask(), EOPNOTSUPP);
    begin(RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = 77 }, sizeof(struct ifinfomsg));
    FAILS(ask(), ENODEV);
    begin(RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = 1 }, sizeof(struct ifinfomsg));
    CHECK(!ask() && ((struct nlmsghdr *)answers)->nlmsg_type == RTM_NEWLINK);
    begin(3, 0, "", 16);
    CHECK(!ask());                                          /* control messages are acknowledged */
    struct { struct nlmsghdr h; int pad[3]; } odd = { { 200, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 } };
    CHECK(send(fd, &odd, sizeof odd, 0) == sizeof odd);
    FAILS(recv(fd, answers, sizeof answers, MSG_DONTWAIT), EAGAIN);     /* longer than it is: nothing */
}
static void floods_of_questions_are_limited(void) {
    static struct { struct nlmsghdr h; struct rtgenmsg g; char pad[3]; } many[1500];
    own_namespace();
    for (int i = 0; i < 100; i++) CHECK(!bridge("br%d"));
    for (int i = 0; i < 1500; i++) {
        many[i].h = (struct nlmsghdr){ sizeof *many, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, i, 0 };
        many[i].g.rtgen_family = AF_UNSPEC;
    }
    int fd = netlink();
    long before = free_pages();
    CHECK(send(fd, many, sizeof many, 0) == sizeof many && before - free_pages() < 2000);
    while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0);
    close(fd);
}
static unsigned seed = 1;
static unsigned chance(unsigned n) { seed = seed * 1103515245 + 12345; return (seed >> 16) % n; }
/* Messages with types that are, and anything else in them. */
static void garbage_is_survived(void) {
    own_namespace();
    CHECK(!veth("v0", "v1", 0) && !bridge("br0") && !up("v0", 1));
    int fd = netlink();
    for (int i = 0; i < 3000; i++) {
        char body[400];
        int n = chance(2) ? chance(sizeof body) : (int[]){ 16, 8, 12 }[chance(3)];
        for (int k = 0; k < n; k++) body[k] = chance(3) ? 0 : chance(256);
        if (n >= 8 && chance(2)) *(int *)(body + 4) = chance(5);            /* an index that may be one */
        begin((int[]){ 16, 17, 18, 19, 20, 21, 22, 24, 25, 26 }[chance(10)], chance(0x1000) & ~2, body, n);
        for (int k = chance(6); k > 0; k--) {
            for (int j = 0; j < 32; j++) body[j] = chance(2) ? 0 : chance(256);
            attribute(chance(4) ? chance(20) : chance(65536), body, chance(32));
        }
        if (!chance(9)) m.h.nlmsg_len += chance(40);
        CHECK(send(fd, &m, m.h.nlmsg_len, 0) == (int)m.h.nlmsg_len || errno == ENOBUFS);
        while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0);
    }
    bridge("br7");
    CHECK(dump(RTM_GETLINK) >= 1 && has("br7"));
}
static unsigned long counted(const char *dev, int field) {
    char line[300];
    unsigned long v[16] = { 0 };
    FILE *f = fopen("/proc/net/dev", "r");
    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':'), *start = line + strspn(line, " ");
        if (!colon || colon - start != (long)strlen(dev) || strncmp(start, dev, strlen(dev))) continue;
        char *p = colon + 1;
        for (int i = 0; i < 16; i++) v[i] = strtoul(p, &p, 10);
    }
    fclose(f);
    return v[field];
}
static void devices_count(void) {
    own_namespace();
    CHECK(!bridge("br0") && !address(RTM_NEWADDR, "br0", "10.0.0.1", 24) && !up("br0", 1));
    a = box_behind("va", "10.0.0.2");
    b = box_behind("vb", "10.0.0.3");
    CHECK(!set("va", IFLA_MASTER, if_nametoindex("br0")) && !set("vb", IFLA_MASTER, if_nametoindex("br0")));
    DO(&b, SERVE, "", 80, 0);
    CHECK(eventually(&a, SEND, "10.0.0.3", 0));
    unsigned long in = counted("va", 0), out = counted("vb", 8), host = counted("lo", 0);
    char data[1000] = "";
    DO(&a, SEND, "10.0.0.3", 80, 0);
    CHECK(counted("va", 0) >= in + 43 && counted("vb", 8) >= out + 43 && counted("lo", 0) == host);
    unsigned long bytes = counted("vb", 8), packets = counted("vb", 9);
    int d = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(sendto(d, data, 1000, 0, at("10.0.0.3", 81), sizeof(struct sockaddr_in)) == 1000);
    CHECK(counted("vb", 8) >= bytes + 1042 && counted("vb", 9) > packets);
}
static void sockets_are_listed(void) {
    own_namespace();
    up("lo", 1);
    serve(SOCK_STREAM, 4660);
    char path[40], text[4000];
    snprintf(path, sizeof path, "/proc/%d/net/tcp", getpid());
    int pid = fork();
    if (!pid) {
        own_namespace();
        for (int i = 0; i < 2; i++) {
            int fd = open(i ? path : "/proc/net/tcp", O_RDONLY), n = read(fd, text, sizeof text - 1);
            CHECK(fd >= 0 && n >= 150);
            text[n] = 0;
            CHECK(!!strstr(text, ": 00000000:1234 00000000:0000 0A 00000000:00000000 00:00000000") == i && (n == 150) == !i);
        }
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}

static const struct property properties[] = {
    T(new_namespaces_have_lo_alone), T(namespaces_are_apart), T(clone_makes_them_too), T(pairs_connect_two), T(bound_sources_matter),
    T(bridges_connect_many), T(bridges_connect_bridges), T(routers_forward), T(loopback_stays_inside), T(streams_wait_for_the_way),
    T(devices_end_with_their_namespace), T(devices_move), T(descriptors_name_namespaces), T(owners_rule), T(names_are_checked), T(addresses_and_routes_are_checked), T(messages_are_checked), T(garbage_is_survived), T(floods_of_questions_are_limited),
    T(devices_count), T(sockets_are_listed), { NULL, NULL } };
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
