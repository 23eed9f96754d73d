/* The system calls of sockets: what programs pass, checked and copied, and control messages. */
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "socket.h"
#include "syscalls.h"

enum { SOL_SOCKET = 1, SOL_TCP = 6 };
enum { SCM_RIGHTS = 1, SCM_CREDENTIALS };
enum { SO_TYPE = 3, SO_ERROR, SO_SNDBUF = 7, SO_RCVBUF, SO_LINGER = 13, SO_PEERCRED = 17, SO_RCVTIMEO = 20, SO_SNDTIMEO,
       SO_ACCEPTCONN = 30, SO_PROTOCOL = 38, SO_DOMAIN };
#define SWITCHES 0x18664u                   /* REUSEADDR, DONTROUTE, BROADCAST, KEEPALIVE, OOBINLINE, REUSEPORT, PASSCRED */
#define SOCK_FLAGS (O_NONBLOCK | O_CLOEXEC)
#define TCP_NODELAY (1u << 31)              /* in socket.options */
#define SCM_MAX_FD 253

struct msghdr { void *name; int name_length; struct iovec *iov; size_t iov_count; void *control; size_t control_length; int flags; };
struct cmsghdr { size_t length; int level, type; };

/* Gives `result`, in which s and f are the socket and the file of descriptor fd. */
#define WITH_SOCKET(fd, result) ({ \
    struct file *f = fd_get(fd); \
    struct socket *s = f ? f->data : NULL; \
    long result_ = !f ? -EBADF : f->ops != &socket_ops ? -ENOTSOCK : (result); \
    file_put(f); \
    (void)s; \
    result_; })

static bool waits(const struct file *f) { return !(f->flags & O_NONBLOCK); }

static int address_from_user(struct address *a, const void __user *from, int length) {
    if (length < 0 || length > (int)sizeof(a->bytes) - 2) return -EINVAL;   /* a nul remains */
    memset(a, 0, sizeof(*a));
    a->length = length;
    return copy_from_user(a->bytes, from, length);
}

static int address_to_user(const struct address *a, void __user *to, int __user *length) {
    int room;
    if (!to) return 0;
    if (get_user(room, length)) return -EFAULT;
    if (room < 0) return -EINVAL;
    return copy_to_user(to, a->bytes, MIN((u32)room, a->length)) ? -EFAULT : put_user(a->length, length);
}

/* ---- making and connecting ---- */

static struct socket *make(int family, int type, int protocol) {
    const struct family *f = family == AF_UNIX ? &unix_family : family == AF_INET ? &inet_family : family == AF_NETLINK ? &netlink_family : NULL;
    int kind = type & ~SOCK_FLAGS, own = family == AF_UNIX ? AF_UNIX : family == AF_NETLINK ? 0 : kind == SOCK_STREAM ? 6 : 17;
    if (kind < 1 || kind > 10) return ERR_PTR(-EINVAL);
    if (!f) return ERR_PTR(-EAFNOSUPPORT);
    if (!(f->types >> kind & 1)) return ERR_PTR(-ESOCKTNOSUPPORT);
    if (protocol && protocol != own) return ERR_PTR(-EPROTONOSUPPORT);
    struct socket *s = kmalloc(sizeof(*s));
    if (!s) return ERR_PTR(-ENOMEM);
    socket_init(s, f, kind, current->net);
    s->protocol = family == AF_UNIX ? 0 : own;
    return s;
}

static int give(struct socket *s, int flags) {
    int fd = IS_ERR(s) ? PTR_ERR(s) : fd_open(&socket_ops, inode_anonymous(S_IFSOCK | 0777), s, O_RDWR | (flags & SOCK_FLAGS));
    if (fd >= 0) s->file = current->files->slot[fd];
    return fd;
}

long sys_socket(int family, int type, int protocol) { return give(make(family, type, protocol), type); }

long sys_socketpair(int family, int type, int protocol, int *fds) {
    struct socket *a = make(family, type, protocol), *b = IS_ERR(a) ? a : make(family, type, protocol);
    int fd[2] = { give(a, type), give(b, type) };
    int error = fd[0] < 0 ? fd[0] : fd[1] < 0 ? fd[1] : family != AF_UNIX ? -EOPNOTSUPP : copy_to_user(fds, fd, sizeof(fd));
    if (!error) {
        socket_join(a, b);
        socket_join(b, a);
        return 0;
    }
    sys_close(fd[0]);
    sys_close(fd[1]);
    return error;
}

long sys_bind(int fd, const struct sockaddr *name, int length) {
    struct address a;
    return WITH_SOCKET(fd, address_from_user(&a, name, length) ?: s->family->bind(s, &a));
}

long sys_connect(int fd, const struct sockaddr *to, int length) {
    struct address a;
    return WITH_SOCKET(fd, address_from_user(&a, to, length) ?: length < 2 ? -EINVAL : socket_connect(s, &a, waits(f)));
}

static int listen(struct socket *s, int backlog) {
    struct socket *child;
    if (!connects(s)) return -EOPNOTSUPP;
    int error = s->state > LISTENING ? -EINVAL : s->family->claim(s);
    if (error) return error;
    s->state = LISTENING;
    s->cred = current_ucred();
    s->backlog = MIN((unsigned)backlog, 4096u);
    list_for_each(child, &s->pending, link) s->backlog--;
    return 0;
}
long sys_listen(int fd, int backlog) { return WITH_SOCKET(fd, listen(s, backlog)); }

long sys_accept4(int fd, struct sockaddr *name, int *length, int flags) {
    if (flags & ~SOCK_FLAGS) return -EINVAL;
    struct socket *child = NULL;
    long error = WITH_SOCKET(fd, (child = socket_accept(s, waits(f)), IS_ERR(child) ? PTR_ERR(child) : 0));
    int new = error ? error : give(child, flags);
    if (new >= 0 && (error = address_to_user(&child->peer_name, name, length))) sys_close(new);
    return error ? error : new;
}
long sys_accept(int fd, struct sockaddr *name, int *length) { return sys_accept4(fd, name, length, 0); }

long sys_shutdown(int fd, int how) { return WITH_SOCKET(fd, socket_shutdown(s, how)); }

long sys_getsockname(int fd, struct sockaddr *name, int *length) { return WITH_SOCKET(fd, address_to_user(&s->name, name, length)); }
long sys_getpeername(int fd, struct sockaddr *name, int *length) {
    return WITH_SOCKET(fd, s->peer_name.length ? address_to_user(&s->peer_name, name, length) : -ENOTCONN);
}

/* ---- messages ---- */

static int rights_from_user(struct message *m, const int __user *from, size_t count) {
    int fds[SCM_MAX_FD];
    if (count > SCM_MAX_FD || m->rights) return -EINVAL;
    if (copy_from_user(fds, from, count * sizeof(*fds))) return -EFAULT;
    if (!(m->rights = rights_new(count))) return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!(m->rights->file[m->rights->count++] = fd_get(fds[i]))) return -EBADF;
    return 0;
}

static int cred_from_user(struct message *m, const struct ucred __user *from) {
    const struct cred *c = &current->cred;
    if (get_user(m->cred, from)) return -EFAULT;
    m->cred = (struct ucred){ pid_from(current->pid_ns, m->cred.pid), uid_from(m->cred.uid), gid_from(m->cred.gid) };
    if (m->cred.uid == ID_NONE || m->cred.gid == ID_NONE) return -EINVAL;
    bool may = (m->cred.pid == current->tgid || ns_capable(c->user_ns, CAP_SYS_ADMIN)) &&   /* check: accesstests */
               (m->cred.uid == c->uid || m->cred.uid == c->euid || m->cred.uid == c->suid || ns_capable(c->user_ns, CAP_SETUID)) &&   /* check: accesstests */
               (m->cred.gid == c->gid || m->cred.gid == c->egid || m->cred.gid == c->sgid || ns_capable(c->user_ns, CAP_SETGID));   /* check: accesstests */
    return may ? 0 : -EPERM;
}

static int control_from_user(struct message *m, const struct msghdr *h) {
    struct cmsghdr c;
    int error = 0;
    for (size_t at = 0; !error && at + sizeof(c) <= h->control_length; at += ALIGN_UP(c.length, 8)) {
        const struct cmsghdr *from = h->control + at;
        if (get_user(c, from)) return -EFAULT;
        if (c.length < sizeof(c) || c.length > h->control_length - at) return -EINVAL;
        if (c.level != SOL_SOCKET) continue;
        if (c.type == SCM_RIGHTS) error = rights_from_user(m, (int *)(from + 1), (c.length - sizeof(c)) / sizeof(int));
        else error = c.type == SCM_CREDENTIALS && c.length == sizeof(c) + sizeof(m->cred) ? cred_from_user(m, (struct ucred *)(from + 1)) : -EINVAL;
    }
    return error;
}

static void control_to_user(struct msghdr *h, struct message *m, int type, const void *data, size_t n) {
    struct cmsghdr c = { sizeof(c) + n, SOL_SOCKET, type };
    if (h->control_length < c.length) m->flags |= MSG_CTRUNC;
    else if (!copy_to_user(h->control, &c, sizeof(c)) && !copy_to_user(h->control + sizeof(c), data, n)) {
        h->control += MIN(ALIGN_UP(c.length, 8), h->control_length);
        h->control_length -= MIN(ALIGN_UP(c.length, 8), h->control_length);
    }
}

static void rights_to_user(struct msghdr *h, struct message *m, bool cloexec) {
    int fds[SCM_MAX_FD], n = 0, room = h->control_length > sizeof(struct cmsghdr) ? (h->control_length - sizeof(struct cmsghdr)) / sizeof(int) : 0;
    while (n < MIN(room, m->rights->count) && (fds[n] = fd_take(file_get(m->rights->file[n]), cloexec)) >= 0) n++;
    if (n < m->rights->count) m->flags |= MSG_CTRUNC;
    if (n) control_to_user(h, m, SCM_RIGHTS, fds, n * sizeof(*fds));
}

static long send_message(struct socket *s, struct file *f, struct msghdr *h, struct io *io, int flags) {
    struct address to;
    struct message m = { .name = h->name ? &to : NULL, .flags = flags | (waits(f) ? 0 : MSG_DONTWAIT), .cred = current_ucred() };
    if (flags & (MSG_OOB | MSG_ERRQUEUE)) return -EOPNOTSUPP;
    long n = h->name ? address_from_user(&to, h->name, h->name_length) : 0;
    if (!n && s->family == &unix_family) n = control_from_user(&m, h);
    if (!n) n = socket_send(s, io, &m);
    rights_put(m.rights);
    if (n == -EPIPE && !(flags & MSG_NOSIGNAL)) send_signal(current, SIGPIPE);
    return n;
}

static long receive_message(struct socket *s, struct file *f, struct msghdr *h, struct io *io, int flags) {
    struct address from = { 0 };
    struct message m = { .name = &from, .flags = flags | (waits(f) ? 0 : MSG_DONTWAIT) };
    long n = flags & (MSG_OOB | MSG_ERRQUEUE) ? -EOPNOTSUPP : socket_receive(s, io, &m);
    m.cred = (struct ucred){ pid_to(m.cred.pid), uid_to(m.cred.uid), gid_to(m.cred.gid) };
    if (n >= 0 && s->options >> SO_PASSCRED & 1) control_to_user(h, &m, SCM_CREDENTIALS, &m.cred, sizeof(m.cred));
    if (n >= 0 && m.rights) rights_to_user(h, &m, flags & MSG_CMSG_CLOEXEC);
    rights_put(m.rights);
    if (n >= 0 && h->name && copy_to_user(h->name, from.bytes, MIN((u32)h->name_length, from.length))) n = -EFAULT;
    h->flags = m.flags;
    h->name_length = from.length;
    return n;
}

long sys_sendto(int fd, const char *buf, size_t count, int flags, const struct sockaddr *to, int length) {
    struct io io = { .base = (char *)buf, .left = count, .user = true };
    struct msghdr h = { .name = (void *)to, .name_length = length };
    return !user_range_ok(buf, count) ? -EFAULT : WITH_SOCKET(fd, send_message(s, f, &h, &io, flags));
}

long sys_recvfrom(int fd, char *buf, size_t count, int flags, struct sockaddr *from, int *length) {
    struct io io = { .base = buf, .left = count, .user = true };
    struct msghdr h = { .name = from };
    if (!user_range_ok(buf, count) || (from && get_user(h.name_length, length))) return -EFAULT;
    long result = h.name_length < 0 ? -EINVAL : WITH_SOCKET(fd, receive_message(s, f, &h, &io, flags));
    return result >= 0 && from && put_user(h.name_length, length) ? -EFAULT : result;
}

static long message_call(int fd, struct msghdr *user, int flags, bool receive) {
    struct iovec few[8], *vector;
    struct msghdr h, *to = user;
    struct io io;
    long result = get_user(h, user) ? -EFAULT : h.name_length < 0 ? -EINVAL : io_vector(&io, h.iov, h.iov_count, few, &vector);
    if (result) return result == -EINVAL && h.iov_count > 1024 ? -EMSGSIZE : result;
    size_t room = h.control_length;
    result = WITH_SOCKET(fd, (receive ? receive_message : send_message)(s, f, &h, &io, flags));
    if (vector != few) kfree(vector);
    if (!receive || result < 0) return result;
    bool bad = put_user(h.name_length, &to->name_length) || put_user(room - h.control_length, &to->control_length) || put_user(h.flags, &to->flags);
    return bad ? -EFAULT : result;
}
long sys_sendmsg(int fd, const struct msghdr *message, int flags) { return message_call(fd, (struct msghdr *)message, flags, false); }
long sys_recvmsg(int fd, struct msghdr *message, int flags) { return message_call(fd, message, flags, true); }

/* ---- options ---- */

/* Those that are a member of struct socket. */
static const struct option { int name; u32 offset, size; bool settable; } options[] = {
#define OPTION(name, member, settable) { name, offsetof(struct socket, member), sizeof(((struct socket *)0)->member), settable }
    OPTION(SO_TYPE, type, false), OPTION(SO_DOMAIN, domain, false), OPTION(SO_PROTOCOL, protocol, false),
    OPTION(SO_PEERCRED, peer_cred, false), OPTION(SO_SNDBUF, limit, true), OPTION(SO_RCVBUF, limit, true),
    OPTION(SO_RCVTIMEO, receive_timeout, true), OPTION(SO_SNDTIMEO, send_timeout, true),
};

static const struct option *member_option(int level, int name) {
    for (size_t i = 0; level == SOL_SOCKET && i < ARRAY_SIZE(options); i++) if (options[i].name == name) return &options[i];
    return NULL;
}

/* The bit in s->options of one that is on or off; 0: it is another. */
static u32 switch_option(struct socket *s, int level, int name) {
    if (level == SOL_TCP) return name == 1 && s->protocol == SOL_TCP ? TCP_NODELAY : 0;
    return level == SOL_SOCKET && name >= 0 && name < 31 ? SWITCHES & 1u << name : 0;
}

static int set_option(struct socket *s, int level, int name, const void __user *from, unsigned length) {
    const struct option *o = member_option(level, name);
    u32 bit = switch_option(s, level, name);
    union { int number; struct timeval time; } value = { 0 };
    size_t size = o ? o->size : sizeof(value.number);
    if (length < size) return -EINVAL;
    if (copy_from_user(&value, from, size)) return -EFAULT;
    if (bit) s->options = value.number ? s->options | bit : s->options & ~bit;
    else if (!o || !o->settable) return -ENOPROTOOPT;
    else if (size == sizeof(value.number)) s->limit = MAX(MIN((u32)value.number, 212992u) * 2, 4608u);
    else if (value.time.tv_usec < 0 || value.time.tv_usec > 999999) return -EDOM;
    else *(struct timeval *)((char *)s + o->offset) = (struct timeval){ MIN(MAX(value.time.tv_sec, 0l), 1l << 33), value.time.tv_usec };
    return 0;
}

static int get_option(struct socket *s, int level, int name, void __user *to, int __user *length) {
    const struct option *o = member_option(level, name);
    u32 bit = switch_option(s, level, name);
    int room;
    if (get_user(room, length)) return -EFAULT;
    if (room < 0) return -EINVAL;
    if (!o && !bit && (level != SOL_SOCKET || (name != SO_ERROR && name != SO_ACCEPTCONN))) return -ENOPROTOOPT;
    int value = o ? 0 : bit ? !!(s->options & bit) : name == SO_ERROR ? -socket_take_error(s) : s->state == LISTENING;
    struct ucred peer = { pid_to(s->peer_cred.pid), uid_to(s->peer_cred.uid), gid_to(s->peer_cred.gid) };
    room = MIN((u32)room, o ? o->size : sizeof(value));
    return copy_to_user(to, name == SO_PEERCRED && o ? (char *)&peer : o ? (char *)s + o->offset : (char *)&value, room) ? -EFAULT : put_user(room, length);
}

long sys_setsockopt(int fd, int level, int name, const void *value, unsigned length) {
    return WITH_SOCKET(fd, set_option(s, level, name, value, length));
}
long sys_getsockopt(int fd, int level, int name, void *value, int *length) { return WITH_SOCKET(fd, get_option(s, level, name, value, length)); }
