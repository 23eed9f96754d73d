/* /proc/N/net: the devices, routes and sockets of a process's network namespace, in the formats of proc(5). */
#include "lib.h"
#include "net.h"
#include "socket.h"
#include "text.h"

int proc_net_dev(struct task *t, struct text *out) {
    struct netdev *dev;
    text_print(out, "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame"
                    " compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n");
    if (t->net) list_for_each(dev, &t->net->devices, link)
        text_print(out, "%6s: %7lu %7lu    0    0    0     0          0         0 %8lu %7lu    0    0    0     0       0          0\n",
                   dev->name, dev->in.bytes, dev->in.packets, dev->out.bytes, dev->out.packets);
    return 0;
}

static void line(struct text *out, int width, const char *text) { text_print(out, "%-*s\n", width - 1, text); }

int proc_net_route(struct task *t, struct text *out) {
    struct route *r;
    char text[128];
    line(out, 128, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
    if (t->net) list_for_each(r, &t->net->routes, link) {
        snprintf(text, sizeof(text), "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0", r->dev->name, r->to, r->gateway,
                 1 | (r->gateway ? 2 : 0) | (r->prefix == 32 ? 4 : 0), r->metric, prefix_mask(r->prefix));
        line(out, 128, text);
    }
    return 0;
}

/* Neighbours are asked anew for every packet. */
int proc_net_arp(struct task *t, struct text *out) {
    text_print(out, "IP address       HW type     Flags       HW address            Mask     Device\n");
    return 0;
}

static int list_inet(struct task *t, struct text *out, int type) {
    struct socket *s;
    int n = 0;
    char text[160];
    line(out, type == SOCK_STREAM ? 150 : 128, type == SOCK_STREAM ?
         "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode" :
         "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops");
    list_for_each(s, &all_sockets, all) {
        if (s->family != &inet_family || s->net != t->net || s->type != type || !s->name.in.port) continue;
        int state = type == SOCK_DGRAM ? (s->peer_name.length ? 1 : 7) : s->state == LISTENING ? 10 : s->state == CONNECTED ? 1 : 7;
        snprintf(text, sizeof(text), "%4d: %08X:%04X %08X:%04X %02X %08X:%08X 00:00000000 00000000 %5u        0 %lu %d 0000000000000000 0", n++, s->name.in.ip,
                 swap16(s->name.in.port), s->peer_name.in.ip, swap16(s->peer_name.in.port), state, 0, s->queued, uid_to(s->cred.uid),
                 s->file ? s->file->inode->ino : 0, s->refs);
        line(out, type == SOCK_STREAM ? 150 : 128, text);
    }
    return 0;
}
int proc_net_tcp(struct task *t, struct text *out) { return list_inet(t, out, SOCK_STREAM); }
int proc_net_udp(struct task *t, struct text *out) { return list_inet(t, out, SOCK_DGRAM); }

int proc_net_unix(struct task *t, struct text *out) {
    struct socket *s;
    text_print(out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    list_for_each(s, &all_sockets, all) {
        if (s->family != &unix_family || s->net != t->net) continue;
        text_print(out, "0000000000000000: %08X 00000000 %08X %04X %02X %5lu", s->refs + 1, s->state == LISTENING ? 0x10000 : 0, s->type,
                   s->state == CONNECTED ? 3 : 1, s->file ? s->file->inode->ino : 0);
        if (s->name.length > sizeof(u16)) text_print(out, s->name.bytes[2] ? " %.*s" : " @%.*s", (int)s->name.length - (s->name.bytes[2] ? 2 : 3),
                                                     s->name.bytes + (s->name.bytes[2] ? 2 : 3));
        text_print(out, "\n");
    }
    return 0;
}
