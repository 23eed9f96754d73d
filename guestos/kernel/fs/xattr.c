/* Extended attributes: the one there is, that makes a directory of an overlay's layer opaque. */
#include "vfs.h"
#include "fs.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define XATTR_CREATE 1
#define XATTR_REPLACE 2
#define XATTR_NAME_MAX 255

static const char opaque[] = "trusted.overlay.opaque";

enum { SET, GET, LIST, REMOVE };
struct request { int what; const char __user *name; char __user *value; size_t size; int flags; };

static long change(const struct path *at, bool to, int flags) {
    struct inode *inode = path_inode(at);
    int error = mount_writable(at->mnt);
    if (error) return error;
    if (!capable(CAP_SYS_ADMIN)) return -EPERM;   /* check: accesstests */
    if (to && flags & XATTR_CREATE && inode->opaque) return -EEXIST;
    if (!inode->opaque && (!to || flags & XATTR_REPLACE)) return -ENODATA;
    inode->opaque = to;
    inode_touch(inode, false);
    return 0;
}

static long handle(const struct path *at, const struct request *r) {
    char name[XATTR_NAME_MAX + 2], value;
    struct inode *inode = path_inode(at);
    bool there = inode->opaque && inode->sb->stores_opaque && capable(CAP_SYS_ADMIN);
    if (r->what != LIST) {
        ssize_t length = strncpy_from_user(name, r->name, sizeof(name));
        if (length <= 0 || length > XATTR_NAME_MAX) return length == -EFAULT ? -EFAULT : -ERANGE;
        if (strcmp(name, opaque) || !inode->sb->stores_opaque || !S_ISDIR(inode->mode)) return -EOPNOTSUPP;
    }
    if (r->what == REMOVE) return change(at, false, 0);
    if (r->what == SET) {
        if (r->flags & ~(XATTR_CREATE | XATTR_REPLACE)) return -EINVAL;
        if (r->size == 1 && copy_from_user(&value, r->value, 1)) return -EFAULT;
        return r->size != 1 || value != 'y' ? -EOPNOTSUPP : change(at, true, r->flags);
    }
    if (!there) return r->what == LIST ? 0 : -ENODATA;
    long length = r->what == LIST ? sizeof(opaque) : 1;
    if (!r->size) return length;
    if (r->size < (size_t)length) return -ERANGE;
    return copy_to_user(r->value, r->what == LIST ? opaque : "y", length) ? -EFAULT : length;
}

/* The file of fd if there is no path. */
static long on(int fd, const char *path, int at_flags, const struct request *r) {
    struct path at;
    long error = path ? path_walk_user(fd, path, at_flags, 0, &at) : path_of_fd(fd, &at);
    if (error) return error;
    error = handle(&at, r);
    path_put(&at);
    return error;
}

#define OF(path) AT_FDCWD, path, 0
#define OF_LINK(path) AT_FDCWD, path, AT_SYMLINK_NOFOLLOW
#define OF_FILE(fd) fd, NULL, 0
#define SETTING &(struct request){ SET, name, (char *)value, size, flags }
#define GETTING &(struct request){ GET, name, value, size, 0 }
#define LISTING &(struct request){ LIST, NULL, list, size, 0 }
#define REMOVING &(struct request){ REMOVE, name, NULL, 0, 0 }

long sys_setxattr(const char *path, const char *name, const void *value, size_t size, int flags) { return on(OF(path), SETTING); }
long sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags) { return on(OF_LINK(path), SETTING); }
long sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) { return on(OF_FILE(fd), SETTING); }
long sys_getxattr(const char *path, const char *name, void *value, size_t size) { return on(OF(path), GETTING); }
long sys_lgetxattr(const char *path, const char *name, void *value, size_t size) { return on(OF_LINK(path), GETTING); }
long sys_fgetxattr(int fd, const char *name, void *value, size_t size) { return on(OF_FILE(fd), GETTING); }
long sys_listxattr(const char *path, char *list, size_t size) { return on(OF(path), LISTING); }
long sys_llistxattr(const char *path, char *list, size_t size) { return on(OF_LINK(path), LISTING); }
long sys_flistxattr(int fd, char *list, size_t size) { return on(OF_FILE(fd), LISTING); }
long sys_removexattr(const char *path, const char *name) { return on(OF(path), REMOVING); }
long sys_lremovexattr(const char *path, const char *name) { return on(OF_LINK(path), REMOVING); }
long sys_fremovexattr(int fd, const char *name) { return on(OF_FILE(fd), REMOVING); }
