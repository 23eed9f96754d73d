/* The virtual file system: the objects every file system and every file system call share.
 *
 * Four objects, as in every Unix:
 *   inode   one file, whatever its names
 *   dentry  one name in one directory, cached; a tree that mirrors the directories seen so far
 *   mount   one file system attached at one place; (mount, dentry) is a `struct path`
 *   file    one open file: an inode, a position and flags; shared by fork and dup
 *
 * Locking: the kernel is never preempted inside itself, so only what spans a sleep needs a lock.
 * inode->lock is held while a directory or a file's length and block map are changed; never while
 * user memory is written, because a page fault may have to change the same file. A write reads user
 * memory under it: such a fault only fills pages.
 *
 * Functions return 0 or a count, or -errno; those that return a pointer return ERR_PTR(-errno).
 */
#pragma once
#include "types.h"
#include "sync.h"
#include "time.h"
#include "list.h"
#include "cache.h"

#define NAME_MAX 255
#define PATH_MAX 4096            /* with the terminating zero */
#define SYMLINK_DEPTH_MAX 40     /* symlinks followed in one walk before ELOOP */
#define FILES_MAX 1024           /* descriptors a process may hold */

struct task;
struct process;
struct inode;
struct file;
struct dentry;
struct path;
struct page;
struct block_device;
struct dir_fill;
struct superblock;
struct text;
struct poll_table;

/* ---- Linux's values -------------------------------------------------------------------------- */

#define S_IFMT   0170000
#define S_IFSOCK 0140000
#define S_IFLNK  0120000
#define S_IFREG  0100000
#define S_IFBLK  0060000
#define S_IFDIR  0040000
#define S_IFCHR  0020000
#define S_IFIFO  0010000
#define S_ISUID  0004000
#define S_ISGID  0002000
#define S_ISVTX  0001000
#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m) & S_IFMT) == S_IFDIR)
#define S_ISLNK(m) (((m) & S_IFMT) == S_IFLNK)
#define S_ISCHR(m) (((m) & S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m) & S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m) & S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m) & S_IFMT) == S_IFSOCK)

#define O_ACCMODE   000000003
#define O_RDONLY    000000000
#define O_WRONLY    000000001
#define O_RDWR      000000002
#define O_CREAT     000000100
#define O_EXCL      000000200
#define O_NOCTTY    000000400
#define O_TRUNC     000001000
#define O_APPEND    000002000
#define O_NONBLOCK  000004000
#define O_DSYNC     000010000
#define O_DIRECT    000040000
#define O_LARGEFILE 000100000
#define O_DIRECTORY 000200000
#define O_NOFOLLOW  000400000
#define O_NOATIME   001000000
#define O_CLOEXEC   002000000
#define O_SYNC      004010000
#define O_PATH      010000000
#define O_TMPFILE   (020000000 | O_DIRECTORY)

#define AT_FDCWD            (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_EACCESS          0x200
#define AT_REMOVEDIR        0x200
#define AT_SYMLINK_FOLLOW   0x400
#define AT_NO_AUTOMOUNT     0x800
#define AT_EMPTY_PATH       0x1000

#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4

#define POLLIN     0x001
#define POLLPRI    0x002
#define POLLOUT    0x004
#define POLLERR    0x008
#define POLLHUP    0x010
#define POLLNVAL   0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
#define POLLRDHUP  0x2000

#define MKDEV(major, minor) (((u32)(major) << 8) | (u32)(minor))
#define MAJOR(dev) ((u32)(dev) >> 8)
#define MINOR(dev) ((u32)(dev) & 0xff)

struct kstat {                                  /* struct stat of the x86-64 ABI, 144 bytes */
    u64 st_dev, st_ino, st_nlink;
    u32 st_mode, st_uid, st_gid, pad0;
    u64 st_rdev;
    s64 st_size, st_blksize, st_blocks;         /* st_blocks in units of 512 bytes */
    struct timespec st_atime_, st_mtime_, st_ctime_;
    s64 unused[3];
};

struct kstatfs {                                /* struct statfs of the x86-64 ABI, 120 bytes */
    s64 f_type, f_bsize;
    u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
    s32 f_fsid[2];
    s64 f_namelen, f_frsize, f_flags, f_spare[4];
};

/* ---- bytes in and out: user or kernel memory -------------------------------------------------- */

struct iovec { char *base; size_t length; };    /* as the ABI's */

/* Where a read puts its bytes or a write takes them from. `user` memory may fault and sleep. */
struct io {
    char *base;
    size_t left;                    /* in all */
    bool user;
    const struct iovec *next;       /* NULL: all of `left` is at base */
    size_t here;                    /* else: what is at base; more is at *next */
};
/* Copy n <= left bytes and advance. 0 or -EFAULT. */
int io_put(struct io *io, const void *from, size_t n);
int io_get(struct io *io, void *to, size_t n);
int io_zero(struct io *io, size_t n);
/* A program's vector of `count` pieces as *io; its copy *vector is to be freed unless it is `few`. */
int io_vector(struct io *io, const struct iovec __user *from, size_t count, struct iovec few[8], struct iovec **vector);

/* ---- inodes ----------------------------------------------------------------------------------- */

struct inode_ops {
    /* dir->lock is held by the caller for all of these but readlink and get_link. Names are not
     * terminated. Modes have been masked by umask and carry the file type. */
    struct inode *(*lookup)(struct inode *dir, const char *name, size_t len); /* NULL: no such name */
    int (*create)(struct inode *dir, const char *name, size_t len, u32 mode, u32 rdev, struct inode **out);
    int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target);
    int (*link)(struct inode *dir, const char *name, size_t len, struct inode *inode);
    int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *inode); /* and rmdir */
    int (*rename)(struct inode *from, const char *name, size_t len, struct inode *inode,
                  struct inode *to, const char *to_name, size_t to_len, struct inode *replaced);
    int (*readlink)(struct inode *inode, char *to, size_t size);   /* length, no terminator */
    int (*get_link)(struct inode *inode, struct path *out);        /* procfs: jump to an object */
    int (*truncate)(struct inode *inode, u64 size);                /* inode->lock held; as cache_resize */
    /* Of a regular file with cached pages. The disk's block for a file's block, 0 for a hole; with create, never 0.
     * NULL: the pages are all there is of the file. */
    s64 (*map)(struct inode *inode, u64 block, bool create);
    /* Room for n bytes at pos, all in `page`, which will be changed; inode->lock held. 0 or -ENOSPC. */
    int (*reserve)(struct inode *inode, struct page *page, u64 pos, size_t n);
    int (*changed)(struct inode *inode);                           /* attributes were changed */
    bool (*stale)(struct inode *inode);                            /* procfs: a cached name died */
    int (*copy_up)(struct dentry *);                               /* overlay: before the file is changed */
    void (*refresh)(struct inode *);                               /* overlay: attributes from where they are */
};

struct inode {
    struct superblock *sb;
    u64 ino;
    u32 mode, nlink, uid, gid, rdev;
    u64 size;                       /* bytes */
    u64 blocks;                     /* units of 512 bytes */
    struct timespec atime, mtime, ctime;
    s32 refs;
    bool linkable;                  /* O_TMPFILE's: may get its first name */
    bool opaque;                    /* a directory of an overlay's layer that hides what is below it */
    s32 writers;                    /* files open for writing; less than 0: programs that run from it */
    struct cache cache;
    struct list dirty_link;         /* in sb->dirty while it has dirty pages, and so stays in memory */
    struct mutex lock;
    const struct inode_ops *ops;
    const struct file_ops *fops;    /* of a file opened on this inode */
    struct inode *hash_next;
    struct lock *locks;             /* locks.c */
    struct watch *watches;          /* inotify.c */
    struct pipe *pipe;              /* a FIFO's buffer while it is open */
    union {
        void *data;
        u64 number;
        u32 block[15];              /* ext2's block map */
    };
};

struct superblock {
    const char *type;               /* as /proc/mounts shows it */
    u32 dev, block_size;
    u32 flags;                      /* MS_RDONLY */
    bool stores_opaque;             /* inode->opaque, of directories */
    bool never_writable;            /* of itself, so that remounting can't help */
    u64 size_max;                   /* of a file, in bytes */
    struct block_device *device;    /* its files' pages are read from and written to it */
    struct list link, dirty;        /* among those with `commit`; inodes with dirty pages */
    struct pid_ns *pid_ns;          /* whose processes it shows (procfs) */
    bool volatile_names;            /* don't cache names (procfs) */
    void *data;
    struct inode *root;
    struct dentry *top;             /* root's name, once mounted; every mount of it shares the names */
    s32 mounts;
    void (*drop)(struct inode *);   /* last reference went away: free storage if nlink is 0 */
    /* Make every change so far survive a power cut, with no change under way (NULL: nothing survives one).
     * clean: the disk shall also look as if it had been unmounted. */
    int (*commit)(struct superblock *, bool clean);
    int (*statfs)(struct superblock *, struct kstatfs *);
    void (*show_options)(struct superblock *, struct text *);       /* for /proc/mounts: ",name=value" */
    struct dentry *(*mount_root)(void);     /* what a mount of it shows, referenced; NULL: `top`, or of this function, no memory */
    void (*unmount)(struct superblock *);   /* the last mount of it went away; NULL: it stays for ever */
};

struct inode *inode_new(struct superblock *sb, u64 ino);    /* refs 1, zeroed; NULL: no memory */
struct inode *inode_find(struct superblock *sb, u64 ino);   /* cached: one more reference, or NULL */
struct inode *inode_anonymous(u32 mode);                    /* of no file system one could mount; NULL: no memory */
struct timespec time_now(void);
struct inode *inode_get(struct inode *);                    /* these two take NULL, too */
void inode_put(struct inode *);
void inode_touch(struct inode *, bool data_changed);        /* mtime if data_changed, and ctime */
int inode_permission(struct inode *, int may);              /* 0 or -EACCES, by the effective ids */
void inode_stat(struct inode *, struct kstat *);
bool inode_any_unlinked(struct superblock *);               /* files without a name that are still in use */

/* ---- names and paths -------------------------------------------------------------------------- */

struct dentry {
    struct dentry *parent;          /* itself at a root; the child holds a reference */
    struct inode *inode;            /* NULL: the name is known not to exist */
    s32 refs;                       /* 0: only cached, on the LRU list */
    u32 hash;
    u32 length;
    bool hashed;                    /* false once unlinked: findable no more */
    u32 mounted;                    /* mounts that cover it */
    struct dentry *hash_next;
    struct list lru;
    char *name;                     /* terminated; short_name, or its own allocation */
    char short_name[32];
};

/* An unlinked file's, or a removed directory's. */
static inline bool dentry_is_removed(const struct dentry *d) { return !d->hashed && d->parent != d; }

struct path {
    struct mount *mnt;
    struct dentry *dentry;
};

#define WALK_FOLLOW    1            /* follow a symlink in the last component */
#define WALK_DIRECTORY 2            /* the result must be a directory */
#define WALK_EMPTY     4            /* "" means the start itself */

void path_get(const struct path *);
void path_put(const struct path *);
static inline struct inode *path_inode(const struct path *p) { return p->dentry->inode; }

static inline bool name_is_dots(const char *name, size_t length) {
    return length && name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}
/* Where a relative `name` starts: the directory dirfd, or for AT_FDCWD the cwd; the root if `name`
 * is absolute. "" may start at any file. -EBADF, -ENOTDIR. *out is referenced. */
int path_start(int dirfd, const char *name, struct path *out);
/* Walk `name` from dirfd (AT_FDCWD: the cwd) to an existing file. *out is referenced. */
int path_walk(int dirfd, const char *name, unsigned flags, struct path *out);
/* The same with a program's path and AT_ flags: AT_SYMLINK_NOFOLLOW and those in `allowed`; else -EINVAL. */
int path_walk_user(int dirfd, const char __user *path, int flags, int allowed, struct path *out);
/* What a descriptor stands for; of a pipe too, whose path then has no name. *out is referenced. -EBADF. */
int path_walk_fd(int fd, struct path *out);
int path_of_fd(int fd, struct path *out);                   /* and -EBADF for O_PATH */
int path_of_file(const struct file *, struct path *out);
int path_nameless(struct inode *, struct path *out);      /* of an object without a name; takes the inode's reference */
/* The last component of a path, not looked up yet; `name` points into the text that was walked. */
struct last {
    struct path dir;                /* referenced; a directory the caller may search */
    const char *name;
    size_t length;                  /* 0: the path was "/" */
    bool trailing;                  /* slashes followed it */
    char *text;                     /* that `name` is in, if it is this one's own */
};
/* As path_walk, up to the last component; WALK_FOLLOW: of what a link there says. */
int path_walk_last(int dirfd, const char *name, unsigned flags, struct last *out);
void last_put(struct last *);
/* The dentry of a name in a directory, positive or negative, referenced. dir->inode->lock must be
 * held for dentry_lookup_locked, must not be for dentry_lookup. */
struct dentry *dentry_lookup(struct dentry *dir, const char *name, size_t length);
struct dentry *dentry_lookup_locked(struct dentry *dir, const char *name, size_t length);
struct dentry *dentry_new_root(struct inode *);             /* takes the reference; NULL: no memory */
struct dentry *dentry_get(struct dentry *);
void dentry_put(struct dentry *);
void dentry_unhash(struct dentry *);                        /* not to be found again */
void dentry_removed(struct dentry *);                       /* the file system has it no more */
int dentry_move(struct dentry *, struct dentry *parent, const char *name, size_t length);
void dentry_prune(struct superblock *);                     /* forget what is only cached (NULL: all) */
static inline int dentry_copy_up(struct dentry *d) { return d->inode->ops->copy_up ? d->inode->ops->copy_up(d) : 0; }
/* names.c: the file system's operation and the cached name's, with the directory locked. Make and link
 * take a negative dentry. */
int dentry_make(struct dentry *, u32 mode, u32 rdev, const char *target);
int dentry_link(struct dentry *, struct inode *);
int dentry_remove(struct dentry *);
int dentry_rename(struct dentry *, struct dentry *target);
void lock_directories(struct inode *, struct inode *);      /* both, or the one */
void unlock_directories(struct inode *, struct inode *);
/* Step from a covered directory to what is mounted on it. */
void path_cross_mounts(struct path *);

/* Text of a path as the caller's root sees it, built at the end of buf; ERR_PTR(-ENAMETOOLONG).
 * An unlinked file has " (deleted)" after it. */
char *path_text(const struct path *, char *buf, size_t size);
/* The same as `root` sees it; *outside: the root was not on the way up. With root NULL, the way up ends
 * at the top of the file system. */
char *path_text_from(const struct path *, const struct path *root, char *buf, size_t size, bool *outside);
/* Is `at` the same as or below `above`, through mounts. */
bool path_is_below(struct path at, const struct path *above);
bool dentry_is_below(const struct dentry *, const struct dentry *above);
static inline bool path_equal(const struct path *a, const struct path *b) { return a->mnt == b->mnt && a->dentry == b->dentry; }

/* ---- open files ------------------------------------------------------------------------------- */

struct file_ops {
    int (*open)(struct inode *, struct file *);
    void (*release)(struct file *);
    ssize_t (*read)(struct file *, struct io *, u64 pos);           /* advances io, not the position */
    ssize_t (*write)(struct file *, struct io *, u64 pos);
    int (*readdir)(struct file *, struct dir_fill *);               /* from file->pos on */
    int (*poll)(struct file *, struct poll_table *);                /* POLL* mask that holds now */
    long (*ioctl)(struct file *, unsigned command, unsigned long argument);
    int (*sync)(struct file *);
    bool stream;                    /* no position: lseek and pread give ESPIPE */
    bool mappable;                  /* though read is not cache_read: its inode's pages may be mapped */
    const char *name;               /* of a kind of file that has no path, in /proc/N/fd */
};

struct file {
    s32 refs;
    s8 writer;                      /* 1: among the writers of its path's inode and mount; -1: a program, there must be none */
    u32 flags;                      /* O_* without the creation flags */
    u64 pos;
    const struct file_ops *ops;
    struct inode *inode;            /* NULL for none (never for a path) */
    struct path path;               /* path.mnt is NULL for pipes */
    void *data;                     /* the opener's: a tty, a pipe, text of procfs */
    struct list watches;            /* epoll's */
};

/* The inode that names and attributes belong to; an overlay's files have another one's contents. */
static inline struct inode *file_inode(const struct file *f) { return f->path.mnt ? path_inode(&f->path) : f->inode; }

/* readdir hands its entries to this; a nonzero return means "full, stop before this one". */
struct dir_fill {
    int (*add)(struct dir_fill *, const char *name, size_t len, u64 ino, u32 mode, u64 next_pos);
};

int vfs_create(const char *path, u32 mode);         /* a node, as mknod(2) does; kernel path string */
/* Open by path, as open(2) does (mode is masked by the caller's umask). Kernel path string. */
struct file *vfs_open(int dirfd, const char *path, u32 flags, u32 mode);
struct file *vfs_open_path(const struct path *, u32 flags); /* existing, permissions not checked */
/* For execve: a regular file, executable by the caller, not on a noexec mount; else -EACCES. */
struct file *vfs_open_exec(int dirfd, const char *path, u32 at_flags);
/* Read and write at a byte offset with kernel memory; short at end of file. */
ssize_t vfs_read_at(struct file *, u64 pos, void *to, size_t n);
ssize_t vfs_write_at(struct file *, u64 pos, const void *from, size_t n);
/* A new file without a name, all zero, for what processes share and tmpfs would hold. */
struct file *file_anonymous(u64 size);
struct file *file_new(const struct file_ops *, struct inode *, u32 flags);
struct file *file_get(struct file *);
void file_put(struct file *);

/* ---- per-process: descriptors and directories -------------------------------------------------- */

/* A descriptor table; shared between tasks by CLONE_FILES. */
struct files {
    s32 refs;
    int size;                       /* slots allocated; grows by doubling */
    struct file **slot;
    u8 *cloexec;
};
struct files *files_new(void);
struct files *files_copy(struct files *);           /* fork: same open files, own table; NULL: no memory */
struct files *files_get(struct files *);
void files_put(struct files *);
void files_close_on_exec(struct files *);

struct file *fd_get(int fd);                        /* of the current task, referenced; NULL: EBADF */
int fd_install(struct file *, int at_least, bool cloexec);  /* takes the reference; -EMFILE keeps it */
int fd_take(struct file *, bool cloexec);           /* the same, and an error lets the file go; or gives on ERR_PTR's */
/* A descriptor for an object without a path: takes the inode's reference (NULL: there was no memory for
 * it); if it fails, releases `data`. */
int fd_open(const struct file_ops *, struct inode *, void *data, u32 flags);

/* Root, working directory and umask; shared between tasks by CLONE_FS. */
struct fs_context {
    s32 refs;
    u32 umask;
    struct path root, cwd;
    struct mnt_namespace *ns;       /* that root and cwd were found in */
};
struct fs_context *fs_new(void);                    /* at the first namespace's root, umask 022 */
struct fs_context *fs_copy(struct fs_context *);
struct fs_context *fs_get(struct fs_context *);
void fs_put(struct fs_context *);

/* ---- poll --------------------------------------------------------------------------------------- */

/* Called by a file's poll operation: "tell me when this queue is woken". */
void poll_wait(struct poll_table *, struct wait_queue *);
/* POLL* that holds now; with a table, its waiters are put into the file's queues. */
int file_poll(struct file *, struct poll_table *);

/* Waiters, one for each queue that a file names; they stay where they are, so chunks, not one array. */
struct poll_chunk {
    struct poll_chunk *next;
    int used;
    struct { struct waiter waiter; struct file *file; } slot[4];
};
struct poll_table {
    struct poll_chunk *chunks, first;       /* NULL at first */
    bool no_memory;
    struct file *file;                      /* being asked, and to be kept while it is waited for; or NULL */
    void (*woken)(struct waiter *);         /* with waiter->owner; NULL: the current task is woken */
    void *owner;
};
void poll_table_empty(struct poll_table *);

u64 deadline_in(u64 ns);                            /* from now; 1, which is past, for 0 */
int deadline_from_user(const struct timespec __user *, u64 *deadline);  /* 0, never, for no timespec */
/* The mask a call runs under is put back after the handler of the signal that ended it, or at once. */
int call_mask_set(const u64 __user *mask, size_t size);
void call_mask_unset(const u64 __user *mask, bool interrupted);
void epoll_forget(struct file *);                   /* it is being closed */

/* ---- paths of programs --------------------------------------------------------------------------- */

/* A path copied in: free with kfree. -EFAULT, -ENAMETOOLONG, -ENOMEM. "" is allowed here. */
char *path_from_user(const char __user *);
/* A read-only view of the file, counting only: permission to change it under the mount and inode. */
int path_may_write(const struct path *);            /* 0, -EROFS or -EACCES */

/* ---- start and end ------------------------------------------------------------------------------ */

/* Bring up drivers that need interrupts, caches, and mount the root: `root` is "/dev/vda" or
 * "tmpfs". Panics with the reason if the root can't be mounted. /dev and /proc are init's to mount,
 * except /dev, which the kernel mounts so that /dev/console opens before init runs. */
void vfs_init(const char *root);
void vfs_sync(void);                                /* everything dirty to the disk; may sleep */
