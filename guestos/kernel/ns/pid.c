/* Pid namespaces (pid_namespaces(7)): numbers of their own, and an init whose end is everybody's. */
#include "arch.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "vfs.h"

struct pair { struct list link; pid_t global, local; };

static struct list namespaces = LIST_INIT(namespaces);     /* but the first */
struct pid_ns init_pid_ns = { NS_FIRST(NS_PID, 4026531836), .pairs = LIST_INIT(init_pid_ns.pairs) };

struct pid_ns *pid_ns_new(struct pid_ns *parent, struct user_ns *owner) {
    if (parent->level == NS_DEPTH) return ERR_PTR(-ENOSPC);
    struct pid_ns *ns = kzalloc(sizeof(*ns));
    if (!ns) return ERR_PTR(-ENOMEM);
    ns_init(&ns->ns, NS_PID, owner);
    ns->parent = (struct pid_ns *)ns_get(&parent->ns);
    ns->level = parent->level + 1;
    list_init(&ns->pairs);
    list_add_tail(&namespaces, &ns->all);
    return ns;
}

bool pid_ns_is_below(const struct pid_ns *ns, const struct pid_ns *above) {
    while (ns && ns != above) ns = ns->parent;
    return ns;
}

static void drop(struct pair *p) {
    list_del(&p->link);
    kfree(p);
}

void pid_ns_free(struct pid_ns *ns) {
    struct pair *p, *next;
    list_for_each_safe(p, next, &ns->pairs, link) drop(p);
    list_del(&ns->all);
    ns_put(&ns->parent->ns);
    kfree(ns);
}

pid_t pid_in(const struct pid_ns *ns, pid_t pid) {
    struct pair *p;
    if (!ns->parent || pid <= 0) return pid;
    list_for_each(p, &ns->pairs, link) if (p->global == pid) return p->local;
    return 0;
}

pid_t pid_from(const struct pid_ns *ns, pid_t pid) {
    struct pair *p;
    if (!ns->parent || pid <= 0) return pid;
    list_for_each(p, &ns->pairs, link) if (p->local == pid) return p->global;
    return 0;
}

struct task *task_find_here(pid_t pid) {
    pid = pid_from(current->pid_ns, pid);
    return pid > 0 ? task_find(pid) : NULL;
}

struct process *process_find_here(pid_t pid) {
    struct task *t = task_find_here(pid);
    return t && !t->kernel_thread ? t->process : NULL;
}

static bool local_in_use(const struct pid_ns *ns, pid_t local) {
    struct pair *p;
    list_for_each(p, &ns->pairs, link) if (p->local == local) return true;
    return false;
}

int pid_ns_join(struct task *t, struct pid_ns *own) {
    struct pair *p, *next;
    if (own->dead) return -ENOMEM;
    for (struct pid_ns *ns = own; ns->parent; ns = ns->parent) {
        list_for_each_safe(p, next, &ns->pairs, link) if (!pid_in_use(p->global)) drop(p);
        if (!(p = kmalloc(sizeof(*p)))) return pid_ns_forget(t->pid), -ENOMEM;
        do ns->last = ns->last >= PID_MAX - 1 ? 2 : ns->last + 1;
        while (local_in_use(ns, ns->last));
        p->global = t->pid;
        p->local = ns->last;
        list_add_tail(&ns->pairs, &p->link);
    }
    return 0;
}

void pid_ns_forget(pid_t pid) {
    struct pid_ns *ns;
    struct pair *p, *next;
    list_for_each(ns, &namespaces, all)
        list_for_each_safe(p, next, &ns->pairs, link) if (p->global == pid) drop(p);
}

static bool others_live(const struct pid_ns *ns, const struct process *init) {
    struct process *p;
    for_each_process(p) if (p != init && !p->ended && pid_in(ns, p->pid)) return true;
    return false;
}

/* Its parent, who is told, may be another one. */
void pid_ns_member_ended(const struct process *p) {
    for (struct pid_ns *ns = p->leader->pid_ns; ns->parent; ns = ns->parent)
        if (ns->dead && ns->init) wake_up(&ns->init->child_event);
}

void pid_ns_end(struct process *init) {
    struct pid_ns *ns = init->leader->pid_ns;
    struct process *p;
    ns->dead = true;
    init->sighand->action[SIGCHLD - 1].handler = SIG_IGN;
    for_each_process(p) if (p != init && !p->ended && pid_in(ns, p->pid)) threads_kill(p, NULL);
    wait_event(&init->child_event, !others_live(ns, init));
    reap_ended_children(init);
    ns->init = NULL;
}
