/* A container's network: lo alone, or with --net bridge also eth0, one end of a veth pair whose other end is a port of the
 * bridge box0. Containers there reach each other and the host, which is 10.88.0.1, in 10.88.0.0/16. */
#include "box.h"
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BRIDGE "box0"
#define GATEWAY "10.88.0.1"

static int set(int fd, int command, const char *device, int flags, const char *address) {
    struct ifreq r = { 0 };
    struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
    if (address) *a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
    else if (command == SIOCSIFFLAGS) r.ifr_flags = flags;
    else r.ifr_ifindex = flags;
    return ioctl(fd, command, &r);
}

static int open_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die_errno("%s", "no network");
    return fd;
}

static void bring_up(int fd, const char *device, const char *address) {
    if (address && (set(fd, SIOCSIFADDR, device, 0, address) || set(fd, SIOCSIFNETMASK, device, 0, "255.255.0.0"))) die_errno("can't give %s the address %s", device, address);
    if (set(fd, SIOCSIFFLAGS, device, IFF_UP, NULL)) die_errno("can't switch %s on", device);
}

/* ---- netlink: a request of attributes, which nest ---- */

struct netlink { struct nlmsghdr head; char body[480]; };

static void *grow(struct netlink *r, const void *data, size_t size) {
    void *at = (char *)r + r->head.nlmsg_len;
    if (r->head.nlmsg_len + NLMSG_ALIGN(size) > sizeof(*r)) die("a netlink message is too long");
    if (data) memcpy(at, data, size);
    r->head.nlmsg_len += NLMSG_ALIGN(size);
    return at;
}

static struct rtattr *attribute(struct netlink *r, int type, const void *data, size_t size) {
    struct rtattr *a = grow(r, &(struct rtattr){ RTA_LENGTH(size), type }, sizeof(*a));
    if (size) grow(r, data, size);
    return a;
}

static void end(struct netlink *r, struct rtattr *a) { a->rta_len = (char *)r + r->head.nlmsg_len - (char *)a; }

/* 0 or -1 with errno. */
static int ask(struct netlink *r) {
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[512]; } answer = { 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, r, r->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0) die_errno("%s", "netlink");
    close(fd);
    errno = -answer.error.error;
    return errno ? -1 : 0;
}

static struct netlink netlink(int type, int flags) {
    return (struct netlink){ .head = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags } };
}

/* A pair: `name` here, eth0 where process `pid` is. */
static void make_pair(const char *name, pid_t pid) {
    struct netlink r = netlink(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct ifinfomsg none = { 0 };
    grow(&r, &none, sizeof(none));
    attribute(&r, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = attribute(&r, IFLA_LINKINFO, NULL, 0);
    attribute(&r, IFLA_INFO_KIND, "veth", 5);
    struct rtattr *data = attribute(&r, IFLA_INFO_DATA, NULL, 0), *peer = attribute(&r, VETH_INFO_PEER, NULL, 0);
    grow(&r, &none, sizeof(none));
    attribute(&r, IFLA_IFNAME, "eth0", 5);
    attribute(&r, IFLA_NET_NS_PID, &(uint32_t){ pid }, 4);
    end(&r, peer);
    end(&r, data);
    end(&r, info);
    if (ask(&r)) die_errno("%s", "--net bridge: can't make a veth pair");
}

/* What a container has of its own; in its namespace. */
void net_inside(const struct record *c) {
    int fd = open_socket();
    bring_up(fd, "lo", NULL);
    if (is_set(c, "ip")) {
        bring_up(fd, "eth0", get(c, "ip"));
        struct netlink r = netlink(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        struct rtmsg all = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST };
        grow(&r, &all, sizeof(all));
        attribute(&r, RTA_GATEWAY, &(struct in_addr){ inet_addr(GATEWAY) }, 4);
        if (ask(&r)) die_errno("%s", "--net bridge: can't set the route");
    }
    close(fd);
}

/* And its cable; outside. It goes with the namespace. */
void net_make(const struct record *c, pid_t pid) {
    if (!is_set(c, "ip")) return;
    int fd = open_socket();
    char *name = text("b%.12s", get(c, "id"));
    if (ioctl(fd, SIOCBRADDBR, BRIDGE) && errno != EEXIST) die_errno("%s", "--net bridge: this kernel makes no bridge");
    bring_up(fd, BRIDGE, GATEWAY);
    make_pair(name, pid);
    if (set(fd, SIOCBRADDIF, BRIDGE, if_nametoindex(name), NULL)) die_errno("%s", "--net bridge: can't use the bridge");
    bring_up(fd, name, NULL);
    close(fd);
}
