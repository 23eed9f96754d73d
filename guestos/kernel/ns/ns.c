/* Namespaces in general: their ends, clone's and unshare's new ones, and setns. */
#include "cgroup.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "mount.h"
#include "net.h"
#include "ns.h"
#include "seccomp.h"
#include "user.h"
#include "vfs.h"
#include "syscalls.h"

static struct uts_ns init_uts_ns = { NS_FIRST(NS_UTS, 4026531838), { "Linux", "ringzero", RELEASE, "#1", "x86_64", "(none)" } };
static struct ipc_ns init_ipc_ns = { NS_FIRST(NS_IPC, 4026531839) };
static struct cgroup_ns init_cgroup_ns = { NS_FIRST(NS_CGROUP, 4026531835), &root_cgroup };
struct nsproxy init_nsproxy = { 1, &init_uts_ns, &init_ipc_ns, &init_pid_ns, &init_cgroup_ns };

void ns_init(struct ns *ns, enum ns_kind kind, struct user_ns *owner) {
    static u32 last = 0xf0000000;
    *ns = (struct ns){ 1, ++last, kind, owner };
    if (owner) ns_get(&owner->ns);
}

/* The first ones are not counted: they last. */
struct ns *ns_get(struct ns *ns) {
    if (ns->refs < NS_FOREVER) ns->refs++;
    return ns;
}

void ns_put(struct ns *ns) {
    if (!ns || ns->refs >= NS_FOREVER || --ns->refs) return;
    struct user_ns *owner = ns->owner;
    if (ns->kind == NS_MNT) mnt_namespace_free((struct mnt_namespace *)ns);
    else if (ns->kind == NS_NET) net_namespace_free((struct net_namespace *)ns);
    else if (ns->kind == NS_PID) pid_ns_free((struct pid_ns *)ns);
    else if (ns->kind == NS_CGROUP) cgroup_put(((struct cgroup_ns *)ns)->root), kfree(ns);
    else kfree(ns);                         /* a user namespace is below its owner: that is its parent */
    if (owner) ns_put(&owner->ns);
}

/* ---- of a task ---- */

static struct ns *ns_new(u64 flags, u64 flag, struct ns *old, size_t size, struct user_ns *owner) {
    if (!(flags & flag)) return ns_get(old);
    struct ns *ns = kmalloc(size);
    if (!ns) return NULL;
    memcpy(ns, old, size);
    ns_init(ns, old->kind, owner);
    return ns;
}

void nsproxy_put(struct nsproxy *p) {
    if (!p || p == &init_nsproxy || --p->refs) return;
    ns_put((struct ns *)p->uts);
    ns_put((struct ns *)p->ipc);
    ns_put((struct ns *)p->pid);
    ns_put((struct ns *)p->cgroup);
    kfree(p);
}

struct nsproxy *nsproxy_copy(struct nsproxy *old, u64 flags, struct user_ns *owner) {
    if (!(flags & (CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWCGROUP))) return old->refs++, old;
    struct nsproxy *p = kzalloc(sizeof(*p));
    if (!p) return ERR_PTR(-ENOMEM);
    p->refs = 1;
    struct pid_ns *pid = flags & CLONE_NEWPID ? pid_ns_new(old->pid, owner) : (struct pid_ns *)ns_get(&old->pid->ns);
    if (!IS_ERR(pid)) p->pid = pid;
    p->uts = (struct uts_ns *)ns_new(flags, CLONE_NEWUTS, &old->uts->ns, sizeof(struct uts_ns), owner);
    p->ipc = (struct ipc_ns *)ns_new(flags, CLONE_NEWIPC, &old->ipc->ns, sizeof(struct ipc_ns), owner);
    p->cgroup = (struct cgroup_ns *)ns_new(flags, CLONE_NEWCGROUP, &old->cgroup->ns, sizeof(struct cgroup_ns), owner);
    if (p->cgroup && p->cgroup != old->cgroup) p->cgroup->root = cgroup_get(current->process->cgroup);
    if (p->pid && p->uts && p->ipc && p->cgroup) return p;
    nsproxy_put(p);
    return IS_ERR(pid) ? (struct nsproxy *)pid : ERR_PTR(-ENOMEM);
}

struct ns *task_ns(struct task *t, enum ns_kind kind) {
    if (!t->fs) return NULL;
    switch (kind) {
    case NS_MNT: return &t->fs->ns->ns;
    case NS_NET: return &t->net->ns;
    case NS_UTS: return &t->nsproxy->uts->ns;
    case NS_IPC: return &t->nsproxy->ipc->ns;
    case NS_PID: return &t->pid_ns->ns;
    case NS_USER: return &t->cred.user_ns->ns;
    case NS_CGROUP: return &t->nsproxy->cgroup->ns;
    default: return t->nsproxy->pid->init ? &t->nsproxy->pid->ns : NULL;
    }
}

/* ---- unshare(2), setns(2) ---- */

#define CLONE_VM 0x100UL
#define CLONE_FS 0x200UL
#define CLONE_FILES 0x400UL
#define CLONE_SIGHAND 0x800UL
#define CLONE_THREAD 0x10000UL

long sys_unshare(u64 flags) {
    struct task *t = current;
    struct cred cred = t->cred;
    if (flags & ~(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEW_ALL)) return -EINVAL;
    if (flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUSER) && t->process->live > 1) return -EINVAL;   /* check: C18 */
    if (flags & CLONE_NEWUSER) flags |= CLONE_FS;
    if (flags & CLONE_NEWPID && t->nsproxy->pid != t->pid_ns) return -EINVAL;   /* check: C2 */
    ns_get(&cred.user_ns->ns);
    int error = flags & CLONE_NEWUSER ? user_ns_new(&cred) : 0;
    if (!error && flags & CLONE_NEW_ALL & ~CLONE_NEWUSER && !(flags & CLONE_NEWUSER) && !ns_capable(cred.user_ns, CAP_SYS_ADMIN)) error = -EPERM;   /* check: captests */
    if (error) return ns_put(&cred.user_ns->ns), error;
    struct fs_context *fs = flags & (CLONE_FS | CLONE_NEWNS) ? fs_copy(t->fs) : fs_get(t->fs);
    struct files *files = flags & CLONE_FILES ? files_copy(t->files) : files_get(t->files);
    struct nsproxy *proxy = nsproxy_copy(t->nsproxy, flags, cred.user_ns);
    struct net_namespace *net = flags & CLONE_NEWNET ? net_namespace_new(cred.user_ns) : (struct net_namespace *)ns_get(&t->net->ns);
    error = IS_ERR(proxy) ? PTR_ERR(proxy) : !fs || !files || !net ? -ENOMEM : flags & CLONE_NEWNS ? mnt_namespace_unshare(fs, cred.user_ns) : 0;
#define EXCHANGE(a, b) do { __typeof__(a) was_ = a; a = b; b = was_; } while (0)
    if (!error) {
        EXCHANGE(t->fs, fs);
        EXCHANGE(t->files, files);
        EXCHANGE(t->nsproxy, proxy);
        EXCHANGE(t->net, net);
        EXCHANGE(t->cred, cred);
    }
    if (fs) fs_put(fs);
    if (files) files_put(files);
    if (!IS_ERR(proxy)) nsproxy_put(proxy);
    if (net) ns_put(&net->ns);
    ns_put(&cred.user_ns->ns);
    return error;
}

static int enter(struct ns *ns) {
    struct task *t = current;
    struct cred *c = &t->cred;
    if (ns->kind == NS_USER) {
        struct user_ns *to = (struct user_ns *)ns;
        if (to == c->user_ns || t->process->live > 1 || t->fs->refs > 1) return -EINVAL;   /* check: C18 */
        if (!ns_capable(to, CAP_SYS_ADMIN)) return -EPERM;   /* check: captests */
        ns_get(ns);
        user_ns_enter(c, to);
        return 0;
    }
    if (!ns_capable(ns->owner, CAP_SYS_ADMIN) || !ns_capable(c->user_ns, CAP_SYS_ADMIN)) return -EPERM;   /* check: captests */
    if (ns->kind == NS_NET) {
        ns_put(&t->net->ns);
        t->net = (struct net_namespace *)ns_get(ns);
        return 0;
    }
    if (ns->kind == NS_MNT) return ns_capable(c->user_ns, CAP_SYS_CHROOT) ? mnt_namespace_enter((struct mnt_namespace *)ns) : -EPERM;   /* check: captests */
    if (ns->kind == NS_PID) {
        if (!pid_ns_is_below((struct pid_ns *)ns, t->pid_ns)) return -EINVAL;   /* check: C2 */
    }
    struct nsproxy *p = kmalloc(sizeof(*p));
    if (!p) return -ENOMEM;
    *p = *t->nsproxy;
    p->refs = 1;
    if (ns->kind == NS_UTS) p->uts = (struct uts_ns *)ns;
    if (ns->kind == NS_IPC) p->ipc = (struct ipc_ns *)ns;
    if (ns->kind == NS_PID) p->pid = (struct pid_ns *)ns;
    if (ns->kind == NS_CGROUP) p->cgroup = (struct cgroup_ns *)ns;
    ns_get(&p->uts->ns), ns_get(&p->ipc->ns), ns_get(&p->pid->ns), ns_get(&p->cgroup->ns);
    nsproxy_put(t->nsproxy);
    t->nsproxy = p;
    return 0;
}

long sys_setns(int fd, u64 flags) {
    static const u64 flag_of[NS_KINDS] = { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWCGROUP };
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    struct ns *ns = ns_of_file(f);
    int error = !ns || (flags && flags != flag_of[ns->kind]) ? -EINVAL : enter(ns);
    file_put(f);
    return error;
}

long sys_uname(struct utsname *to) { return put_user(current->nsproxy->uts->name, to); }

static long set_name(char *which, const char *name, size_t length) {
    struct uts_ns *uts = current->nsproxy->uts;
    char copy[sizeof(uts->name.nodename)] = { 0 };
    if (!ns_capable(uts->ns.owner, CAP_SYS_ADMIN)) return -EPERM;   /* check: C17 */
    if (length >= sizeof(copy)) return -EINVAL;
    if (copy_from_user(copy, name, length)) return -EFAULT;
    memcpy(which, copy, sizeof(copy));
    return 0;
}
long sys_sethostname(const char *name, size_t length) { return set_name(current->nsproxy->uts->name.nodename, name, length); }
long sys_setdomainname(const char *name, size_t length) { return set_name(current->nsproxy->uts->name.domainname, name, length); }
