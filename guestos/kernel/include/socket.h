/* Sockets: what their families, and pipes, share. A socket has a queue of packets, which others fill, and
 * `changed`, which is woken whatever happens to it. */
#pragma once
#include "task.h"
#include "vfs.h"

enum { AF_UNSPEC, AF_UNIX, AF_INET, AF_NETLINK = 16 };
enum { SOCK_STREAM = 1, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET = 5 };
enum { SO_REUSEADDR = 2, SO_PASSCRED = 16 };            /* the others are calls.c's */
enum { MSG_OOB = 1, MSG_PEEK, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_WAITALL = 0x100, MSG_ERRQUEUE = 0x2000, MSG_NOSIGNAL = 0x4000,
       MSG_CMSG_CLOEXEC = 0x40000000 };

struct address {
    u32 length;                             /* 0: none */
    union {
        u16 family;
        struct { u16 family_, port; u32 ip; u64 zero; } in;     /* port and ip in network order */
        struct { u16 family_, pad; u32 port, groups; } nl;
        char bytes[112];                    /* more than a path may have: a nul ends it */
    };
};
struct ucred { pid_t pid; uid_t uid; gid_t gid; };
struct rights { s32 refs, count; struct rights *next; struct file *file[]; };   /* descriptors under way: the files, referenced */

struct packet {                             /* a datagram, or a piece of a stream */
    struct list link;
    u32 begin, end;                         /* of what is left in data */
    u32 overhead;                           /* charged to the queue beside the bytes */
    struct ucred cred;
    struct rights *rights;                  /* or NULL */
    struct address *from;                   /* a datagram's; behind the data */
    char data[];
};

struct message {                            /* what goes along with the bytes of one call */
    struct address *name;                   /* to, or from; or NULL */
    struct ucred cred;
    struct rights *rights;
    int flags;                              /* MSG_*, in and out */
};

struct socket {
    const struct family *family;
    struct net_namespace *net;              /* referenced; NULL for pipes, and when closed */
    int domain, type, protocol;
    enum { UNCONNECTED, LISTENING, CONNECTED, CLOSED } state;
    s32 refs;                               /* its file's or its listener's, and its peer's */
    bool bound;                             /* the name is its own, not its listener's */
    bool eof, shut;                         /* no more will come; no more may be sent */
    bool wanted;                            /* somebody found no room in it */
    int error;                              /* the next call's, negative */
    struct address name, peer_name;
    struct socket *peer;                    /* referenced; a pipe's is itself */
    struct inode *inode;                    /* that its name names */
    struct list packets, pending;           /* pending: a listener's connections, to be accepted */
    u32 queued, limit;                      /* bytes */
    int backlog;                            /* how many more may be pending */
    struct mutex lock;                      /* of the packets; user memory is touched under it */
    struct wait_queue changed;
    u32 options;                            /* bit SO_x */
    struct timeval receive_timeout, send_timeout;       /* 0: none */
    struct ucred cred, peer_cred;
    struct list all, link;                  /* in all_sockets; in a listener's pending */
    struct file *file;                      /* not referenced; NULL before it is accepted */
    int outside;                            /* collect_garbage: references from elsewhere than queues */
    bool reached;
    struct socket *next_reached;
};
extern struct list all_sockets;

struct family {
    u16 number, name_length;                /* the latter of a socket without a name */
    u32 types;                              /* bit SOCK_x */
    int (*bind)(struct socket *, struct address *);
    /* The socket at *to, a listener for what connects, referenced; NULL: datagrams to it get lost. Corrects
     * *to, and sets *from to the name that the other side sees. */
    struct socket *(*find)(struct socket *, struct address *to, struct address *from);
    int (*claim)(struct socket *);          /* a name, before it listens: 0 or an error */
    u32 datagram_max;
    int cant_receive, cant_send, no_destination;    /* errors: not connected, or nowhere to send a datagram */
    long (*ioctl)(struct socket *, unsigned command, unsigned long argument);   /* or NULL */
    /* Or NULL: always 0. n bytes now travel to the address, or, 0, could they: 0 or an error. */
    int (*travel)(struct socket *, const struct address *to, size_t n);
    ssize_t (*request)(struct socket *, const struct io *, struct message *);   /* or NULL: what is sent is the kernel's to answer */
};
extern const struct family unix_family, inet_family, netlink_family;
extern const struct file_ops socket_ops;

void socket_init(struct socket *, const struct family *, int type, struct net_namespace *);
struct socket *socket_get(struct socket *);
void socket_put(struct socket *);           /* NULL is fine */
int socket_take_error(struct socket *);     /* 0 or negative */
void socket_join(struct socket *, struct socket *peer);
int socket_connect(struct socket *, struct address *, bool wait);
struct socket *socket_accept(struct socket *, bool wait);
int socket_shutdown(struct socket *, int how);
ssize_t socket_send(struct socket *, struct io *, struct message *);
ssize_t socket_receive(struct socket *, struct io *, struct message *);
bool socket_has_room(struct socket *, size_t n);        /* for n bytes, or for a datagram; else is woken when it has */
void socket_empty(struct socket *);         /* the packets are freed */
ssize_t socket_read(struct file *, struct io *, u64 pos);       /* with f->data, as file operations */
ssize_t socket_write(struct file *, struct io *, u64 pos);
long socket_ioctl(struct file *, unsigned command, unsigned long argument);
struct rights *rights_new(size_t count);    /* with none yet; NULL: no memory */
void rights_put(struct rights *);           /* NULL is fine */
void packet_free(struct packet *);
/* Up to n bytes of a stream, or a datagram of n, into the queue: how many, or an error. */
ssize_t socket_queue(struct socket *to, struct io *, size_t n, struct message *, const struct address *from);
void collect_garbage(void);                 /* sockets that only their own queues still refer to */
static inline struct ucred current_ucred(void) { return (struct ucred){ current->tgid, current->cred.euid, current->cred.egid }; }
static inline bool connects(const struct socket *s) { return s->type == SOCK_STREAM || s->type == SOCK_SEQPACKET; }
