/* Sockets as objects: queues of packets, connections, waiting. The same for every family, and for pipes. */
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "task.h"
#include "user.h"
#include "socket.h"

#define QUEUE_LIMIT 212992u                 /* Linux's default */
#define STREAM_PACKET (2 * PAGE_SIZE - sizeof(struct packet))
#define ATOMIC 4096ul                       /* PIPE_BUF: a write up to this is not mixed with others */

struct list all_sockets = LIST_INIT(all_sockets);

void socket_init(struct socket *s, const struct family *family, int type, struct net_namespace *net) {
    *s = (struct socket){
        .family = family, .domain = family->number, .type = type, .net = net ? net_namespace_get(net) : NULL, .refs = 1, .limit = QUEUE_LIMIT,
        .cred = current_ucred(), .name = { family->name_length, { family->number } },
        .packets = LIST_INIT(s->packets), .pending = LIST_INIT(s->pending), .link = LIST_INIT(s->link) };
    list_add_tail(&all_sockets, &s->all);
}

struct socket *socket_get(struct socket *s) {
    s->refs++;
    return s;
}

void socket_put(struct socket *s) {
    if (s && !--s->refs) kfree(s);
}

int socket_take_error(struct socket *s) {
    int error = s->error;
    s->error = 0;
    return error;
}

/* Waits until `condition`, if it may and not beyond the time allowed: else -EAGAIN. */
#define socket_wait(s, condition, wait, timeout) ({ \
    u64 ns_ = (timeout).tv_sec * NSEC_PER_SEC + (timeout).tv_usec * 1000; \
    int e_ = (condition) ? 0 : !(wait) ? -EAGAIN : wait_event_until(&(s)->changed, condition, ns_ ? ktime() + ns_ : 0); \
    e_ == -ETIMEDOUT ? -EAGAIN : e_ == -ERESTARTSYS && ns_ ? -EINTR : e_; })

/* ---- queues ---- */

void packet_free(struct packet *p) {
    rights_put(p->rights);
    kfree(p);
}

bool socket_has_room(struct socket *to, size_t n) {
    bool room = !to->queued || to->queued + n <= to->limit || to->state == CLOSED;
    to->wanted |= !room;
    return room;
}

static void wake_all(void) {                /* one of them waits, nobody knows which */
    struct socket *s;
    list_for_each(s, &all_sockets, all) wake_up(&s->changed);
}
void network_changed(void) { wake_all(); }

ssize_t socket_queue(struct socket *to, struct io *io, size_t n, struct message *m, const struct address *from) {
    bool stream = to->type == SOCK_STREAM, joins = stream && !m->rights && !list_empty(&to->packets);
    struct packet *p = list_entry(to->packets.prev, struct packet, link);
    size_t spare = joins && !p->rights && !memcmp(&p->cred, &m->cred, sizeof(p->cred)) ? kmalloc_size(p) - sizeof(*p) - p->end : 0;
    n = MIN(n, spare ? spare : stream ? STREAM_PACKET : n);
    if (!spare) {
        if (!(p = kmalloc(sizeof(*p) + ALIGN_UP(n, 8) + (stream ? 0 : sizeof(*from))))) return -ENOBUFS;
        *p = (struct packet){ .cred = m->cred, .overhead = stream && !m->rights ? 0 : sizeof(*p) };
        if (!stream) *(p->from = (struct address *)(p->data + ALIGN_UP(n, 8))) = *from;
    }
    if (io_get(io, p->data + p->end, n)) {
        if (!spare) kfree(p);
        return -EFAULT;
    }
    p->end += n;
    to->queued += n + (spare ? 0 : p->overhead);
    if (!spare) list_add_tail(&to->packets, &p->link);
    if (m->rights) p->rights = m->rights, m->rights = NULL;
    wake_up(&to->changed);
    return n;
}

/* The first n bytes of the packet leave the queue, or all of it. */
static void remove(struct socket *s, struct packet *p, size_t n) {
    bool all = n == p->end - p->begin;
    s->queued -= n + (all ? p->overhead : 0);
    p->begin += n;
    if (all) {
        list_del(&p->link);
        packet_free(p);
    }
    if (!s->wanted || s->queued > s->limit / 2) return;
    s->wanted = false;
    wake_up(&s->changed);
    if (s->peer != s) wake_all();
}

void socket_empty(struct socket *s) {
    while (!list_empty(&s->packets)) {
        struct packet *p = list_first(&s->packets, struct packet, link);
        remove(s, p, p->end - p->begin);
    }
}

/* ---- moving bytes ---- */

/* Has what is sent to its peer a way there. */
static bool way_open(struct socket *s) { return !s->family->travel || !s->family->travel(s, &s->peer_name, 0); }

/* Where to send, referenced; NULL if it gets lost. *from is the name that the receiver sees, *to whose it is. */
static struct socket *destination(struct socket *s, struct message *m, struct address *from, struct address *to) {
    *to = m->name && !connects(s) ? *m->name : s->peer_name;
    if (s->error) return ERR_PTR(socket_take_error(s));
    if (s->shut) return ERR_PTR(-EPIPE);
    if (s->type != SOCK_STREAM) *from = s->name;
    if (s->type != SOCK_STREAM && from->length == sizeof(from->family)) from->length = 0;
    if (connects(s)) {
        if (m->name && s->family == &unix_family) return ERR_PTR(s->state == CONNECTED ? -EISCONN : -EOPNOTSUPP);
        return s->state == CONNECTED ? socket_get(s->peer) : ERR_PTR(s->family->cant_send);
    }
    if (!s->peer || m->name) return to->length ? s->family->find(s, to, from) : ERR_PTR(s->family->no_destination);
    return s->peer->state == CLOSED ? ERR_PTR(-ECONNREFUSED) : socket_get(s->peer);
}

ssize_t socket_send(struct socket *s, struct io *io, struct message *m) {
    bool stream = s->type == SOCK_STREAM, more = !stream || io->left;
    struct address from, name;
    if (s->family->request) return s->family->request(s, io, m);
    struct socket *to = destination(s, m, &from, &name);
    ssize_t done = 0, n = IS_ERR(to) ? PTR_ERR(to) : !stream && io->left > MIN(s->limit, s->family->datagram_max) ? -EMSGSIZE : 0;
    while (more && n >= 0) {
        size_t least = stream && io->left > ATOMIC ? 1 : io->left;
        if (to) n = socket_wait(s, (socket_has_room(to, least) && (!stream || way_open(s))) || s->shut, !(m->flags & MSG_DONTWAIT), s->send_timeout);
        if (n < 0) break;
        if (to) mutex_lock(&to->lock);
        bool lost = !to || to->eof || to->state == CLOSED, full = !lost && !socket_has_room(to, least);
        if (s->shut) n = -EPIPE;
        else if (lost) n = io->left, io->left = 0;
        else if (!full) n = socket_queue(to, io, stream ? MIN(io->left, to->limit - to->queued) : io->left, m, &from);
        more = full || (stream && io->left);            /* full: another one was faster */
        if (to) mutex_unlock(&to->lock);
        if (n >= 0 && !full && s->family->travel) s->family->travel(s, &name, MAX(n, 1l));
        done += MAX(n, 0l);
    }
    if (!IS_ERR(to)) socket_put(to);
    return done ? done : MIN(n, 0l);
}

ssize_t socket_receive(struct socket *s, struct io *io, struct message *m) {
    bool stream = s->type == SOCK_STREAM, peek = m->flags & MSG_PEEK, more = true;
    int flags = m->flags, error = 0;
    ssize_t done = 0;
    if (connects(s) && s->state != CONNECTED && !s->eof) return s->family->cant_receive;
    for (m->flags = 0; more && !error;) {
        error = socket_wait(s, !list_empty(&s->packets) || s->eof || s->error, !(flags & MSG_DONTWAIT), s->receive_timeout);
        if (error) break;
        mutex_lock(&s->lock);
        struct packet *p = list_first(&s->packets, struct packet, link);
        size_t left = list_empty(&s->packets) ? 0 : p->end - p->begin, n = MIN(io->left, left);
        if (list_empty(&s->packets)) {
            more = !s->eof && !s->error;    /* another reader was faster */
            if (!done) error = socket_take_error(s);
        } else if (done && (p->rights || (s->options >> SO_PASSCRED & 1 && memcmp(&p->cred, &m->cred, sizeof(m->cred))))) more = false;
        else if (!(error = io_put(io, p->data + p->begin, n))) {
            done += !stream && flags & MSG_TRUNC ? left : n;
            m->cred = p->cred;
            m->rights = p->rights;
            if (p->rights && peek) p->rights->refs++;
            if (p->from && m->name) *m->name = *p->from;
            if (!stream && n < left) m->flags |= MSG_TRUNC;
            if (!peek) p->rights = NULL, remove(s, p, stream ? n : left);
            more = stream && io->left && !m->rights && !peek && (flags & MSG_WAITALL || !list_empty(&s->packets));
        }
        mutex_unlock(&s->lock);
    }
    return done ? done : error;
}

/* ---- connections ---- */

void socket_join(struct socket *s, struct socket *peer) {
    s->peer = socket_get(peer);
    s->peer_cred = peer->cred;
    s->peer_name = peer->name;
    s->state = CONNECTED;
}

static int connect(struct socket *s, struct address *a, bool wait) {
    struct address from = s->name;
    if (connects(s) && s->state != UNCONNECTED) return s->state == CONNECTED ? -EISCONN : -EINVAL;
    if (connects(s) && a->family == AF_UNSPEC) return s->family == &unix_family ? -EINVAL : 0;
    struct socket *to = a->family == AF_UNSPEC ? NULL : s->family->find(s, a, &from), *child = NULL;
    if (IS_ERR(to)) return PTR_ERR(to);
    s->name = from;
    if (!connects(s)) {
        socket_put(s->peer);
        s->peer = s->family == &unix_family ? to : NULL;        /* others are looked for every time */
        if (!s->peer) socket_put(to);
        s->peer_name = *a;
        if (a->family == AF_UNSPEC) s->peer_name.length = 0;
        return 0;
    }
    bool hurry = !wait && s->family == &inet_family;            /* nobody would finish it later */
    int error = socket_wait(s, to->state != LISTENING || to->backlog >= 0 || hurry, wait, s->send_timeout);
    if (!error) error = to->state != LISTENING ? -ECONNREFUSED : s->state != UNCONNECTED ? -EISCONN : 0;
    if (!error && !(child = kmalloc(sizeof(*child)))) error = -ENOMEM;
    if (!error) {
        socket_init(child, s->family, s->type, to->net);
        s->cred = child->cred;
        child->cred = to->cred;
        child->options = to->options;
        child->protocol = to->protocol;
        child->name = *a;
        socket_join(s, child);
        socket_join(child, s);
        list_add_tail(&to->pending, &child->link);
        to->backlog--;
        wake_up(&to->changed);
    }
    socket_put(to);
    return error;
}

/* A neighbour that doesn't answer is asked three times, a second apart; somebody farther away for two minutes. */
int socket_connect(struct socket *s, struct address *a, bool wait) {
    int error, slept = -ETIMEDOUT;
    for (int tries = 0; slept == -ETIMEDOUT; tries++) {
        error = connect(s, a, wait);
        if (!wait || tries >= (error == -EHOSTUNREACH ? 3 : error == -ETIMEDOUT ? 127 : 0)) break;
        slept = wait_event_until(&s->changed, false, ktime() + NSEC_PER_SEC);
    }
    if (slept != -ETIMEDOUT) return slept;
    if (wait || !connects(s) || s->family != &inet_family || (error && error != -ECONNREFUSED && error != -EHOSTUNREACH && error != -ETIMEDOUT)) return error;
    s->error = error;
    return -EINPROGRESS;                    /* though it is over by now */
}

struct socket *socket_accept(struct socket *s, bool wait) {
    int error = !connects(s) ? -EOPNOTSUPP : s->state != LISTENING ? -EINVAL :
                socket_wait(s, !list_empty(&s->pending), wait, s->receive_timeout);
    if (error) return ERR_PTR(error);
    struct socket *child = list_first(&s->pending, struct socket, link);
    list_del(&child->link);
    if (s->backlog++ < 0) wake_all();
    return child;
}

int socket_shutdown(struct socket *s, int how) {
    struct socket *ends[2] = { s, connects(s) && s->peer && way_open(s) ? s->peer : NULL };
    if (how < 0 || how > 2) return -EINVAL;
    if (s->family == &inet_family && !s->peer_name.length) return -ENOTCONN;
    for (int i = 0; i < 2 && ends[i]; i++) {
        ends[i]->eof |= how != !i;          /* what isn't received here, isn't sent there */
        ends[i]->shut |= how != i;
        wake_up(&ends[i]->changed);
    }
    return 0;
}

static void socket_close(struct socket *s) {
    if (s->peer && connects(s)) {
        if (!list_empty(&s->packets) && way_open(s)) s->peer->error = -ECONNRESET;
        socket_shutdown(s, 2);
    }
    bool listened = s->state == LISTENING;
    s->state = CLOSED;
    list_del(&s->all);
    while (!list_empty(&s->pending)) {
        struct socket *child = list_first(&s->pending, struct socket, link);
        list_del(&child->link);
        child->peer->error = -ECONNRESET;
        socket_close(child);
    }
    socket_empty(s);
    if (s->wanted || listened) wake_all();
    inode_put(s->inode);
    net_namespace_put(s->net);
    s->net = NULL;                          /* it ends, though a peer elsewhere may still look at us */
    socket_put(s->peer);
    socket_put(s);
}

/* ---- files ---- */

static void socket_release(struct file *f) {
    socket_close(f->data);
    collect_garbage();
}

ssize_t socket_read(struct file *f, struct io *io, u64 pos) {
    struct message m = { .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0 };
    ssize_t n = io->left ? socket_receive(f->data, io, &m) : 0;
    rights_put(m.rights);
    return n;
}

ssize_t socket_write(struct file *f, struct io *io, u64 pos) {
    struct message m = { .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, .cred = current_ucred() };
    return socket_send(f->data, io, &m);
}

static int socket_poll(struct file *f, struct poll_table *table) {
    struct socket *s = f->data;
    poll_wait(table, &s->changed);
    bool idle = connects(s) && s->state == UNCONNECTED;
    int mask = (s->error ? POLLERR : 0) | (s->eof ? POLLRDHUP : 0) | ((s->eof && s->shut) || idle ? POLLHUP : 0);
    if (!list_empty(&s->packets) || !list_empty(&s->pending) || s->eof) mask |= POLLIN | POLLRDNORM;
    if (s->state != LISTENING && (!s->peer || s->shut || (socket_has_room(s->peer, ATOMIC) && way_open(s)))) mask |= POLLOUT | POLLWRNORM;
    return mask;
}

long socket_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct socket *s = f->data;
    struct packet *p;
    int n = 0;
    if (command != 0x541b) return s->family->ioctl ? s->family->ioctl(s, command, argument) : -ENOTTY;
    if (s->state == LISTENING) return -EINVAL;      /* FIONREAD */
    list_for_each(p, &s->packets, link) if (s->type == SOCK_STREAM || !n) n += p->end - p->begin;
    return put_user(n, (int *)argument);
}

const struct file_ops socket_ops = {
    .read = socket_read, .write = socket_write, .poll = socket_poll, .ioctl = socket_ioctl, .release = socket_release, .stream = true,
};
