/* epoll: a set of files watched together. Each file tells when something about it may have changed;
 * what holds then is asked when a program waits. */
#include "vfs.h"
#include "mm.h"
#include "user.h"
#include "syscalls.h"

enum { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL, EPOLL_CTL_MOD };
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define EVENTS 0x0fffffffu                  /* the rest says how to tell; EPOLLEXCLUSIVE may wake all, and does */
#define NESTED_MAX 4                        /* epolls that watch epolls, in a row */
#define EVENTS_AT_ONCE 64

struct epoll_event { u32 events; u64 data; } packed;

struct epoll {
    struct list items, ready;               /* `ready` changes in interrupts: with them off */
    struct wait_queue queue;
    struct file *file;
};

struct item {
    struct epoll *epoll;
    struct file *file;                      /* not referenced: its last close ends the watch */
    int fd;
    struct epoll_event event;
    struct list in_epoll, in_ready, in_file;
    struct poll_table table;
};

static void item_woken(struct waiter *w) {
    struct item *item = w->owner;
    if (list_empty(&item->in_ready)) list_add_tail(&item->epoll->ready, &item->in_ready);
    wake_up(&item->epoll->queue);
}

/* Moves at most `max` of what has happened to `to`; with NULL there says whether there is any. */
static int collect(struct epoll *ep, struct epoll_event *to, int max) {
    u64 flags = irq_save();
    int n = 0;
    /* Level-triggered ones go to the end at once, to be asked again; so look at each only once. */
    for (struct list *last = ep->ready.prev, *at = &ep->ready; n < max && at != last;) {
        at = ep->ready.next;
        struct item *item = list_entry(at, struct item, in_ready);
        u32 *wanted = &item->event.events, mask = *wanted & EVENTS ? file_poll(item->file, NULL) & *wanted : 0;
        if (mask && !to) n++;
        else list_del(at);
        if (!mask || !to) continue;
        if (!(*wanted & (EPOLLET | EPOLLONESHOT))) list_add_tail(&ep->ready, at);
        if (*wanted & EPOLLONESHOT) *wanted &= ~EVENTS;
        to[n++] = (struct epoll_event){ mask, item->event.data };
    }
    irq_restore(flags);
    return n;
}

static int epoll_poll(struct file *f, struct poll_table *table) {
    struct epoll *ep = f->data;
    poll_wait(table, &ep->queue);
    return collect(ep, NULL, 1) ? POLLIN | POLLRDNORM : 0;
}

static void item_free(struct item *item) {
    poll_table_empty(&item->table);
    list_del(&item->in_ready);
    list_del(&item->in_epoll);
    list_del(&item->in_file);
    kfree(item);
}

void epoll_forget(struct file *f) {
    struct item *item, *next;
    list_for_each_safe(item, next, &f->watches, in_file) item_free(item);
}

static void epoll_release(struct file *f) {
    struct epoll *ep = f->data;
    struct item *item, *next;
    list_for_each_safe(item, next, &ep->items, in_epoll) item_free(item);
    kfree(ep);
}

static const struct file_ops epoll_ops = { .poll = epoll_poll, .release = epoll_release, .stream = true, .name = "eventpoll" };

/* Epolls in a row from `f` down (what it watches) or up (what watches it); more than are allowed if
 * `loop` is among them. */
static int nested(struct file *f, struct file *loop, bool down) {
    struct item *item;
    int deepest = 0;
    if (f->ops != &epoll_ops) return 0;
    if (f == loop) return NESTED_MAX + 2;
    if (down) list_for_each(item, &((struct epoll *)f->data)->items, in_epoll) deepest = MAX(deepest, nested(item->file, loop, down));
    else list_for_each(item, &f->watches, in_file) deepest = MAX(deepest, nested(item->epoll->file, loop, down));
    return deepest + 1;
}

static int control(struct file *epf, int operation, struct file *f, int fd, const struct epoll_event *event) {
    struct epoll *ep = epf->data;
    struct item *item = NULL, *i;
    list_for_each(i, &f->watches, in_file) if (i->epoll == ep && i->fd == fd) item = i;
    if (operation == EPOLL_CTL_ADD) {
        if (item) return -EEXIST;
        if (f->ops == &epoll_ops && nested(f, epf, true) + nested(epf, NULL, false) > NESTED_MAX + 1) return -ELOOP;
        if (!(item = kzalloc(sizeof(*item)))) return -ENOMEM;
        *item = (struct item){ .epoll = ep, .file = f, .fd = fd, .table = { .woken = item_woken, .owner = item } };
        list_add_tail(&ep->items, &item->in_epoll);
        list_add_tail(&f->watches, &item->in_file);
        list_init(&item->in_ready);
    } else if (operation != EPOLL_CTL_MOD && operation != EPOLL_CTL_DEL) return -EINVAL;
    else if (!item) return -ENOENT;
    if (operation != EPOLL_CTL_DEL) {
        item->event = (struct epoll_event){ event->events | POLLERR | POLLHUP, event->data };
        u64 flags = irq_save();
        if (file_poll(f, operation == EPOLL_CTL_ADD ? &item->table : NULL) & item->event.events)
            item_woken(&(struct waiter){ .owner = item });
        irq_restore(flags);
        if (!item->table.no_memory) return 0;
    }
    item_free(item);
    return operation == EPOLL_CTL_DEL ? 0 : -ENOMEM;
}

long sys_epoll_ctl(int epfd, int operation, int fd, const struct epoll_event *user) {
    struct epoll_event event = { 0 };
    if (operation != EPOLL_CTL_DEL && get_user(event, user)) return -EFAULT;
    struct file *epf = fd_get(epfd), *f = fd_get(fd);
    long result = !epf || !f ? -EBADF : !f->ops->poll ? -EPERM : epf == f || epf->ops != &epoll_ops ? -EINVAL :
                  control(epf, operation, f, fd, &event);
    file_put(epf);
    file_put(f);
    return result;
}

long sys_epoll_create1(int flags) {
    struct epoll *ep = flags & ~O_CLOEXEC ? ERR_PTR(-EINVAL) : kzalloc(sizeof(*ep));
    if (!ep || IS_ERR(ep)) return ep ? PTR_ERR(ep) : -ENOMEM;
    list_init(&ep->items);
    list_init(&ep->ready);
    int fd = fd_open(&epoll_ops, inode_anonymous(0600), ep, flags | O_RDWR);
    if (fd >= 0) file_put(ep->file = fd_get(fd));
    return fd;
}
long sys_epoll_create(int size) { return size > 0 ? sys_epoll_create1(0) : -EINVAL; }

long sys_epoll_pwait(int epfd, struct epoll_event *user, int count, int timeout_ms, const u64 *mask, size_t size) {
    u64 deadline = timeout_ms < 0 ? 0 : deadline_in(timeout_ms * NSEC_PER_MSEC);
    struct epoll_event events[EVENTS_AT_ONCE];
    struct file *f = fd_get(epfd);
    long n = count <= 0 || count > 0x7fffffff / (int)sizeof(*user) ? -EINVAL : !user_range_ok(user, count * sizeof(*user)) ? -EFAULT :
             !f ? -EBADF : f->ops != &epoll_ops ? -EINVAL : call_mask_set(mask, size);
    if (!n) {
        struct epoll *ep = f->data;
        bool interrupted = wait_event_until(&ep->queue, collect(ep, NULL, 1), deadline) == -ERESTARTSYS;
        call_mask_unset(mask, interrupted);
        n = interrupted ? -EINTR : collect(ep, events, MIN(count, EVENTS_AT_ONCE));
        if (n > 0 && copy_to_user(user, events, n * sizeof(*user))) n = -EFAULT;
    }
    file_put(f);
    return n;
}
long sys_epoll_wait(int epfd, struct epoll_event *events, int count, int timeout_ms) {
    return sys_epoll_pwait(epfd, events, count, timeout_ms, NULL, 0);
}
