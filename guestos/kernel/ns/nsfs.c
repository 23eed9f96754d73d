/* Files that are namespaces: what /proc/N/ns leads to, for setns, for bind mounts and for questions (ioctl_ns(2)). */
#include "errno.h"
#include "lib.h"
#include "mount.h"
#include "ns.h"
#include "user.h"
#include "vfs.h"

const char *const ns_names[NS_KINDS] = { "mnt", "uts", "ipc", "net", "pid", "user", "cgroup" };

#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704

static const struct file_ops ns_files;
static const struct inode_ops ns_inodes;
static int no_change(struct inode *inode) { return 0; }
static void drop(struct inode *inode) { ns_put(inode->data); }
static const struct inode_ops ns_inodes = { .changed = no_change };

static struct superblock nsfs = { .type = "nsfs", .block_size = PAGE_SIZE, .drop = drop };

struct ns *ns_of_file(const struct file *f) { return f->inode && f->inode->ops == &ns_inodes ? f->inode->data : NULL; }

bool path_is_ns(const struct path *p) { return path_inode(p)->ops == &ns_inodes; }

int ns_path(struct ns *ns, struct path *out) {
    if (!nsfs.dev) nsfs.dev = superblock_new_device();
    struct inode *inode = inode_find(&nsfs, ns->ino);
    if (!inode) {
        if (!(inode = inode_new(&nsfs, ns->ino))) return -ENOMEM;
        inode->ops = &ns_inodes;
        inode->fops = &ns_files;
        inode->mode = S_IFREG | 0444;
        inode->nlink = 1;
        inode->data = ns_get(ns);
        inode->atime = inode->mtime = inode->ctime = time_now();
    }
    return path_nameless(inode, out);
}

static long open_ns(struct ns *ns) {
    struct path path;
    int error = ns_path(ns, &path);
    if (error) return error;
    struct file *f = vfs_open_path(&path, O_RDONLY | O_CLOEXEC);
    path_put(&path);
    return fd_take(f, true);
}

static long ns_ioctl(struct file *f, unsigned command, unsigned long argument) {
    static const u32 flag_of[NS_KINDS] = { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWCGROUP };
    struct ns *ns = f->inode->data;
    struct user_ns *user = ns->kind == NS_USER ? ((struct user_ns *)ns)->parent : ns->owner;
    struct ns *parent = ns->kind == NS_USER ? user ? &user->ns : NULL : ns->kind == NS_PID ? (struct ns *)((struct pid_ns *)ns)->parent : NULL;
    switch (command) {
    case NS_GET_NSTYPE: return flag_of[ns->kind];
    case NS_GET_USERNS: return user && user_ns_is_below(user, current->cred.user_ns) ? open_ns(&user->ns) : -EPERM;   /* check: captests */
    case NS_GET_PARENT:
        if (ns->kind != NS_USER && ns->kind != NS_PID) return -EINVAL;
        return parent && (ns->kind == NS_PID ? pid_ns_is_below((struct pid_ns *)parent, current->pid_ns) : user_ns_is_below(user, current->cred.user_ns)) ? open_ns(parent) : -EPERM;   /* check: captests */
    case NS_GET_OWNER_UID:
        return ns->kind != NS_USER ? -EINVAL : put_user(uid_to(((struct user_ns *)ns)->uid), (u32 *)argument);
    }
    return -ENOTTY;
}

static const struct file_ops ns_files = { .ioctl = ns_ioctl };
