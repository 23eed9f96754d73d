/* netdevice(7): what ifconfig and brctl ask of the network through any socket. Routes are rtnetlink.c's alone. */
#include "lib.h"
#include "net.h"
#include "socket.h"
#include "task.h"
#include "user.h"

enum { SIOCGIFNAME = 0x8910, SIOCGIFCONF = 0x8912, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFADDR, SIOCSIFADDR,
       SIOCGIFBRDADDR = 0x8919, SIOCGIFNETMASK = 0x891b, SIOCSIFNETMASK, SIOCGIFMETRIC, SIOCGIFMTU = 0x8921, SIOCSIFMTU, SIOCSIFNAME,
       SIOCGIFHWADDR = 0x8927, SIOCGIFINDEX = 0x8933, SIOCGIFTXQLEN = 0x8942, SIOCBRADDBR = 0x89a0, SIOCBRDELBR, SIOCBRADDIF, SIOCBRDELIF };

struct inet_name { u16 family, port; u32 ip; u64 zero; };
struct ifreq {
    char name[16];
    union { struct inet_name address; s16 flags; int value; char new_name[16]; struct { u16 family; u8 mac[6]; } hardware; char room[24]; };
};
struct ifconf { int length, pad; struct ifreq *to; };

static long list_addresses(struct net_namespace *net, struct ifconf __user *user) {
    struct ifconf c;
    struct netdev *dev;
    int done = 0;
    if (get_user(c, user)) return -EFAULT;
    list_for_each(dev, &net->devices, link)
        for (struct ifaddr *a = dev->addresses; a; a = a->next) {
            struct ifreq r = { .address = { .family = AF_INET, .ip = a->ip } };
            memcpy(r.name, dev->name, sizeof(r.name));
            if (c.to && done + (int)sizeof(r) > c.length) break;
            if (c.to && put_user(r, (struct ifreq *)((char *)c.to + done))) return -EFAULT;
            done += sizeof(r);
        }
    return put_user(done, &user->length);
}

/* The device's only address as it is to be, with a mask by its class if prefix < 0. */
static int set_address(struct netdev *dev, u32 ip, int prefix) {
    u8 first = ip & 0xff;
    if (dev->addresses) address_remove(dev, dev->addresses->ip, -1);
    if (!ip) return 0;
    struct ifaddr a = { .ip = ip, .prefix = prefix >= 0 ? prefix : first < 128 ? 8 : first < 192 ? 16 : 24, .scope = first == 127 ? SCOPE_HOST : SCOPE_UNIVERSE };
    if (dev->flags & IFF_BROADCAST && a.prefix < 31) a.broadcast = ip | ~prefix_mask(a.prefix);
    return address_add(dev, &a);
}

static int set(struct netdev *dev, unsigned command, struct ifreq *r) {
    switch (command) {
    case SIOCSIFFLAGS: return netdev_set_up(dev, r->flags & IFF_UP), 0;
    case SIOCSIFADDR: return r->address.family != AF_INET ? -EINVAL : set_address(dev, r->address.ip, -1);
    case SIOCSIFNETMASK:
        if (prefix_mask(__builtin_popcount(r->address.ip)) != r->address.ip) return -EINVAL;
        return dev->addresses ? set_address(dev, dev->addresses->ip, __builtin_popcount(r->address.ip)) : -EADDRNOTAVAIL;
    case SIOCSIFMTU: return netdev_set_mtu(dev, r->value);
    case SIOCSIFNAME: return r->new_name[15] = 0, netdev_rename(dev, r->new_name);
    }
    return -EINVAL;
}

static int get(const struct netdev *dev, unsigned command, struct ifreq *r) {
    const struct ifaddr *a = dev->addresses;
    memset(r->room, 0, sizeof(r->room));
    switch (command) {
    case SIOCGIFFLAGS: return r->flags = netdev_flags(dev), 0;
    case SIOCGIFMTU: return r->value = dev->mtu, 0;
    case SIOCGIFMETRIC: return 0;
    case SIOCGIFTXQLEN: return r->value = 1000, 0;
    case SIOCGIFINDEX: return r->value = dev->index, 0;
    case SIOCGIFHWADDR:
        r->hardware.family = netdev_hardware(dev);
        memcpy(r->hardware.mac, dev->mac, sizeof(dev->mac));
        return 0;
    case SIOCGIFADDR: case SIOCGIFBRDADDR: case SIOCGIFNETMASK:
        if (!a) return -EADDRNOTAVAIL;
        r->address = (struct inet_name){ .family = AF_INET, .ip = command == SIOCGIFADDR ? a->ip : command == SIOCGIFBRDADDR ? a->broadcast : prefix_mask(a->prefix) };
        return 0;
    }
    return -EINVAL;
}

static long bridge_ioctl(struct net_namespace *net, unsigned command, unsigned long argument) {
    char name[16] = "";
    struct ifreq r;
    if (command >= SIOCBRADDIF) {
        if (get_user(r, (struct ifreq *)argument)) return -EFAULT;
        struct netdev *bridge = netdev_find(net, 0, r.name), *port = netdev_find(net, r.value, NULL);
        if (!bridge) return -ENODEV;
        if (bridge->kind != BRIDGE) return -EOPNOTSUPP;
        if (!r.value || !port || (command == SIOCBRDELIF && port->master != bridge)) return -EINVAL;
        if (command == SIOCBRADDIF && port->master) return -EBUSY;
        return netdev_set_master(port, command == SIOCBRADDIF ? bridge : NULL);
    }
    if (strncpy_from_user(name, (char *)argument, sizeof(name)) < 0) return -EFAULT;
    struct netdev *bridge = command == SIOCBRADDBR ? netdev_new(net, BRIDGE, name) : netdev_find(net, 0, name);
    if (IS_ERR(bridge) || command == SIOCBRADDBR) return IS_ERR(bridge) ? PTR_ERR(bridge) : 0;
    if (!bridge || bridge->kind != BRIDGE) return bridge ? -EPERM : -ENXIO;
    if (bridge->flags & IFF_UP) return -EBUSY;
    netdev_delete(bridge);
    return 0;
}

long net_ioctl(struct socket *s, unsigned command, unsigned long argument) {
    struct ifreq r, *user = (struct ifreq *)argument;
    bool bridge = command >= SIOCBRADDBR && command <= SIOCBRDELIF;
    bool sets = bridge || command == SIOCSIFFLAGS || command == SIOCSIFADDR || command == SIOCSIFNETMASK || command == SIOCSIFMTU || command == SIOCSIFNAME;
    if (command == SIOCGIFCONF) return list_addresses(s->net, (struct ifconf *)argument);
    if (!bridge && (command < SIOCGIFNAME || command > SIOCGIFTXQLEN)) return -ENOTTY;
    if (!bridge && get_user(r, user)) return -EFAULT;
    if (sets && !ns_capable(s->net->ns.owner, CAP_NET_ADMIN)) return -EPERM;   /* check: nettests */
    if (bridge) return bridge_ioctl(s->net, command, argument);
    r.name[15] = 0;
    struct netdev *dev = netdev_find(s->net, command == SIOCGIFNAME ? r.value : 0, r.name);
    if (!dev) return -ENODEV;
    if (sets) return set(dev, command, &r);
    int error = 0;
    if (command == SIOCGIFNAME) memcpy(r.name, dev->name, sizeof(r.name));
    else error = get(dev, command, &r);
    return error ? error : put_user(r, user);
}
