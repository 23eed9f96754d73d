/* Open files, the descriptors that name them, and a process's directories. */
#include "fs.h"
#include "mount.h"
#include "mm.h"
#include "net.h"
#include "lib.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define FIRST_SLOTS 16
#define IOV_MAX 1024

/* Where the next of n bytes are, `*part` of them together; moves past these. */
static char *io_next(struct io *io, size_t n, size_t *part) {
    while (io->next && !io->here) {
        io->base = io->next->base;
        io->here = io->next++->length;
    }
    *part = io->next ? MIN(n, io->here) : n;
    io->here -= *part;
    io->left -= *part;
    return (io->base += *part) - *part;
}

int io_put(struct io *io, const void *from, size_t n) {
    for (size_t part; n; from += part, n -= part) {
        char *to = io_next(io, n, &part);
        if (!io->user) memcpy(to, from, part);
        else if (copy_to_user(to, from, part)) return -EFAULT;
    }
    return 0;
}

int io_get(struct io *io, void *to, size_t n) {
    for (size_t part; n; to += part, n -= part) {
        const char *from = io_next(io, n, &part);
        if (!io->user) memcpy(to, from, part);
        else if (copy_from_user(to, from, part)) return -EFAULT;
    }
    return 0;
}

int io_zero(struct io *io, size_t n) {
    for (size_t part; n; n -= part) {
        char *to = io_next(io, n, &part);
        if (!io->user) memset(to, 0, part);
        else if (clear_user(to, part)) return -EFAULT;
    }
    return 0;
}

int io_vector(struct io *io, const struct iovec *from, size_t count, struct iovec few[8], struct iovec **vector) {
    *vector = few;
    if (count > IOV_MAX) return -EINVAL;
    if (count > 8 && !(*vector = kmalloc(count * sizeof(**vector)))) return -ENOMEM;
    int error = copy_from_user(*vector, from, count * sizeof(**vector));
    *io = (struct io){ .user = true, .next = *vector };
    for (size_t i = 0; i < count && !error; i++) {
        size_t length = (*vector)[i].length;
        if ((ssize_t)length < 0 || (ssize_t)(io->left += length) < 0) error = -EINVAL;
        else if (!user_range_ok((*vector)[i].base, length)) error = -EFAULT;
    }
    if (error && *vector != few) kfree(*vector);
    return error;
}

/* ---- open files ---- */

struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags) {
    struct file *file = kzalloc(sizeof(*file));
    if (!file) return NULL;
    file->refs = 1;
    file->ops = ops;
    file->inode = inode_get(inode);
    list_init(&file->watches);
    file->flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    return file;
}

struct file *file_get(struct file *file) {
    file->refs++;
    return file;
}

void file_put(struct file *file) {
    if (!file || --file->refs) return;
    if (!list_empty(&file->watches)) epoll_forget(file);
    if (file->inode->locks) locks_release(file->inode, file);
    if (file->ops->release) file->ops->release(file);
    struct path path = file->path;
    file_inode(file)->writers -= file->writer;
    if (file->writer > 0) path.mnt->writers--;
    inode_put(file->inode);
    if (path.mnt) path_put(&path);
    kfree(file);
}

/* ---- descriptor tables ---- */

static struct files *files_sized(int size) {
    struct files *files = kzalloc(sizeof(*files));
    if (!files) return NULL;
    files->refs = 1;
    files->size = size;
    files->slot = kzalloc(size * sizeof(*files->slot));
    files->cloexec = kzalloc(size);
    if (files->slot && files->cloexec) return files;
    kfree(files->slot);
    kfree(files->cloexec);
    kfree(files);
    return NULL;
}

struct files *files_new(void) { return files_sized(FIRST_SLOTS); }

struct files *files_copy(struct files *from) {
    struct files *files = files_sized(from->size);
    if (!files) return NULL;
    for (int fd = 0; fd < from->size; fd++) {
        if (!from->slot[fd]) continue;
        files->slot[fd] = file_get(from->slot[fd]);
        files->cloexec[fd] = from->cloexec[fd];
    }
    return files;
}

struct files *files_get(struct files *files) {
    files->refs++;
    return files;
}

/* Something else, or nothing, in a slot. */
static void set_slot(struct files *files, int fd, struct file *file, bool cloexec) {
    struct file *old = files->slot[fd];
    files->slot[fd] = file;             /* first: releasing may sleep */
    files->cloexec[fd] = cloexec;
    if (old && old->inode->locks) locks_release(old->inode, files);    /* POSIX: with any descriptor of the file */
    file_put(old);
}
static void close_slot(struct files *files, int fd) { set_slot(files, fd, NULL, false); }

void files_put(struct files *files) {
    if (--files->refs) return;
    for (int fd = 0; fd < files->size; fd++) close_slot(files, fd);
    kfree(files->slot);
    kfree(files->cloexec);
    kfree(files);
}

void files_close_on_exec(struct files *files) {
    for (int fd = 0; fd < files->size; fd++)
        if (files->cloexec[fd]) close_slot(files, fd);
}

/* Room for descriptor `fd`: 0, -EMFILE or -ENOMEM. */
static int grow(struct files *files, int fd) {
    if (fd < files->size) return 0;
    int size = files->size;
    while (size <= fd) size *= 2;
    struct file **slot = kzalloc(size * sizeof(*slot));
    u8 *cloexec = kzalloc(size);
    if (!slot || !cloexec) {
        kfree(slot);
        kfree(cloexec);
        return -ENOMEM;
    }
    memcpy(slot, files->slot, files->size * sizeof(*slot));
    memcpy(cloexec, files->cloexec, files->size);
    kfree(files->slot);
    kfree(files->cloexec);
    files->slot = slot;
    files->cloexec = cloexec;
    files->size = size;
    return 0;
}

#define RLIMIT_NOFILE 7
static u64 limit(void) {
    u64 soft = current->process->rlimit[RLIMIT_NOFILE][0];
    return soft ? MIN(soft, (u64)FILES_MAX) : FILES_MAX;
}

struct file *fd_get(int fd) {
    struct files *files = current->files;
    if (fd < 0 || fd >= files->size || !files->slot[fd]) return NULL;
    return file_get(files->slot[fd]);
}

int fd_install(struct file *file, int at_least, bool cloexec) {
    struct files *files = current->files;
    int fd = at_least;
    while (fd < files->size && files->slot[fd]) fd++;
    if ((u64)fd >= limit()) return -EMFILE;
    int error = grow(files, fd);
    if (error) return error;
    files->slot[fd] = file;
    files->cloexec[fd] = cloexec;
    return fd;
}

int fd_take(struct file *file, bool cloexec) {
    int fd = IS_ERR(file) ? PTR_ERR(file) : fd_install(file, 0, cloexec);
    if (fd < 0 && !IS_ERR(file)) file_put(file);
    return fd;
}

int fd_open(const struct file_ops *ops, struct inode *inode, void *data, u32 flags) {
    struct file *f = inode ? file_new(ops, inode, flags) : NULL;
    if (!f && ops->release) ops->release(&(struct file){ .ops = ops, .inode = inode, .data = data, .flags = flags });
    inode_put(inode);
    if (!f) return -ENOMEM;
    f->data = data;
    return fd_take(f, flags & O_CLOEXEC);
}

long sys_close(int fd) {
    struct files *files = current->files;
    if (fd < 0 || fd >= files->size || !files->slot[fd]) return -EBADF;
    close_slot(files, fd);
    return 0;
}

#define CLOSE_RANGE_CLOEXEC 4
long sys_close_range(unsigned first, unsigned last, unsigned flags) {
    if (flags & ~CLOSE_RANGE_CLOEXEC || first > last) return -EINVAL;
    struct files *files = current->files;
    for (u64 fd = first; fd <= last && fd < (u64)files->size; fd++) {
        if (!(flags & CLOSE_RANGE_CLOEXEC)) close_slot(files, fd);
        else if (files->slot[fd]) files->cloexec[fd] = 1;
    }
    return 0;
}

static long duplicate(int from, int at_least, bool cloexec) {
    struct file *file = fd_get(from);
    if (!file) return -EBADF;
    int fd = fd_install(file, at_least, cloexec);
    if (fd < 0) file_put(file);
    return fd;
}

long sys_dup(int fd) { return duplicate(fd, 0, false); }

static long duplicate_to(int from, int to, bool cloexec) {
    if (to < 0 || (u64)to >= limit()) return -EBADF;
    struct file *file = fd_get(from);
    if (!file) return -EBADF;
    int error = grow(current->files, to);
    if (error) {
        file_put(file);
        return error;
    }
    set_slot(current->files, to, file, cloexec);
    return to;
}

long sys_dup2(int from, int to) {
    struct files *files = current->files;
    if (from == to) return from >= 0 && from < files->size && files->slot[from] ? to : -EBADF;
    return duplicate_to(from, to, false);
}

long sys_dup3(int from, int to, int flags) {
    if (flags & ~O_CLOEXEC || from == to) return -EINVAL;
    return duplicate_to(from, to, flags & O_CLOEXEC);
}

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_GETLK 5
#define F_SETLKW 7
#define F_OFD_GETLK 36
#define F_OFD_SETLKW 38
#define F_DUPFD_CLOEXEC 1030
#define FD_CLOEXEC 1
#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_NOATIME)

long sys_fcntl(int fd, unsigned command, unsigned long argument) {
    struct file *file = fd_get(fd);
    if (!file) return -EBADF;
    long result = 0;
    bool path_only = file->flags & O_PATH;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (argument >= limit()) result = -EINVAL;
        else result = duplicate(fd, argument, command == F_DUPFD_CLOEXEC);
        break;
    case F_GETFD: result = current->files->cloexec[fd] ? FD_CLOEXEC : 0; break;
    case F_SETFD: current->files->cloexec[fd] = argument & FD_CLOEXEC; break;
    case F_GETFL: result = file->flags; break;
    case F_SETFL:
        if (path_only) result = -EBADF;
        else file->flags = (file->flags & ~SETTABLE_FLAGS) | (argument & SETTABLE_FLAGS);
        break;
    case F_GETLK ... F_SETLKW:
    case F_OFD_GETLK ... F_OFD_SETLKW:
        result = path_only ? -EBADF : file_lock(file, command, (struct flock *)argument);
        break;
    default: result = -EINVAL;
    }
    file_put(file);
    return result;
}

/* ---- root, cwd and umask ---- */

struct fs_context *fs_new(void) {
    struct fs_context *fs = kzalloc(sizeof(*fs));
    if (!fs) return NULL;
    fs->refs = 1;
    fs->umask = 022;
    fs->ns = (struct mnt_namespace *)ns_get(&init_mounts.ns);
    fs->root = (struct path){ init_mounts.root, init_mounts.root->root };
    path_get(&fs->root);
    path_cross_mounts(&fs->root);
    fs->cwd = fs->root;
    path_get(&fs->cwd);
    return fs;
}

struct fs_context *fs_copy(struct fs_context *from) {
    struct fs_context *fs = kmalloc(sizeof(*fs));
    if (!fs) return NULL;
    *fs = *from;
    fs->refs = 1;
    path_get(&fs->root);
    path_get(&fs->cwd);
    ns_get(&fs->ns->ns);
    return fs;
}

struct fs_context *fs_get(struct fs_context *fs) {
    fs->refs++;
    return fs;
}

void fs_put(struct fs_context *fs) {
    if (--fs->refs) return;
    path_put(&fs->root);
    path_put(&fs->cwd);
    ns_put(&fs->ns->ns);
    kfree(fs);
}

long sys_umask(mode_t mask) {
    u32 old = current->fs->umask;
    current->fs->umask = mask & 0777;
    return old;
}
