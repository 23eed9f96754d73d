/* procfs: the tree of /proc. Numbers of inodes say what they are: pid << 16 | kind. */
#include "text.h"
#include "fs.h"
#include "lib.h"
#include "mm.h"
#include "task.h"

enum { ROOT = 1, TASK_DIR = 1, FD_DIR = 2, EXE = 3, CWD = 4, ROOT_LINK = 5, SELF = 6, MOUNTS = 7, TEXT = 0x100, FD = 0x1000 };

static struct superblock proc;
static const struct inode_ops dir_ops, text_ops, link_ops, jump_ops;
static const struct file_ops root_files, task_files, fd_files, text_files;

static int kind_of(const struct inode *inode) { return inode->ino & 0xffff; }
static struct task *task_of(const struct inode *inode) {
    struct task *t = task_find(inode->ino >> 16);
    return t && t->state != TASK_DEAD ? t : NULL;
}

static struct inode *make(pid_t pid, int kind, u32 mode, const struct inode_ops *ops, const struct file_ops *fops) {
    u64 ino = (u64)pid << 16 | kind;
    struct inode *inode = inode_find(&proc, ino);
    if (!inode) inode = inode_new(&proc, ino);
    if (!inode) return ERR_PTR(-ENOMEM);
    struct task *t = pid ? task_find(pid) : NULL;
    inode->mode = mode;
    inode->nlink = S_ISDIR(mode) ? 2 : 1;
    inode->uid = t ? t->cred.euid : 0;
    inode->gid = t ? t->cred.egid : 0;
    inode->ops = ops;
    inode->fops = fops;
    inode->atime = inode->mtime = inode->ctime = time_now();
    return inode;
}

static bool named(const char *name, size_t length, const char *wanted) {
    return strlen(wanted) == length && !memcmp(name, wanted, length);
}

static s64 number(const char *name, size_t length) {
    s64 n = 0;
    if (!length || length > 7 || (name[0] == '0' && length > 1)) return -1;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9') return -1;
        n = n * 10 + name[i] - '0';
    }
    return n;
}

static struct inode *find_text(const struct proc_text *texts, pid_t pid, const char *name, size_t length) {
    for (int i = 0; texts[i].name; i++)
        if (named(name, length, texts[i].name)) return make(pid, TEXT + i, S_IFREG | texts[i].mode, &text_ops, &text_files);
    return NULL;
}

static struct file *open_file(struct task *t, s64 fd) {
    return t->files && fd >= 0 && fd < t->files->size ? t->files->slot[fd] : NULL;
}

static bool may_look_into(const struct task *t) { return t->cred.uid == current->cred.fsuid || capable(CAP_SYS_PTRACE); }

static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    pid_t pid = dir->ino >> 16;
    s64 n = number(name, length);
    if (!pid) {
        if (n > 0) {
            struct task *t = task_find(n);
            return t && t->tgid == t->pid ? make(n, TASK_DIR, S_IFDIR | 0555, &dir_ops, &task_files) : NULL;
        }
        if (named(name, length, "self")) return make(0, SELF, S_IFLNK | 0777, &link_ops, NULL);
        if (named(name, length, "mounts")) return make(0, MOUNTS, S_IFLNK | 0777, &link_ops, NULL);
        return find_text(proc_system_texts, 0, name, length);
    }
    struct task *t = task_of(dir);
    if (!t) return NULL;
    if (kind_of(dir) == FD_DIR) {
        if (!may_look_into(t)) return ERR_PTR(-EACCES);
        struct file *f = open_file(t, n);
        if (!f) return NULL;
        u32 mode = (f->flags & O_ACCMODE) == O_RDONLY ? 0500 : (f->flags & O_ACCMODE) == O_WRONLY ? 0300 : 0700;
        return make(pid, FD + n, S_IFLNK | mode, &jump_ops, NULL);
    }
    if (named(name, length, "fd")) return make(pid, FD_DIR, S_IFDIR | 0500, &dir_ops, &fd_files);
    if (named(name, length, "exe")) return make(pid, EXE, S_IFLNK | 0777, &jump_ops, NULL);
    if (named(name, length, "cwd")) return make(pid, CWD, S_IFLNK | 0777, &jump_ops, NULL);
    if (named(name, length, "root")) return make(pid, ROOT_LINK, S_IFLNK | 0777, &jump_ops, NULL);
    return find_text(proc_task_texts, pid, name, length);
}

/* Where a link of a process leads; *out is referenced. -ENXIO for what has no path, with *f set. */
static int target(struct inode *inode, struct path *out, struct file **f) {
    struct task *t = task_of(inode);
    *f = NULL;
    if (!t) return -ENOENT;
    if (!may_look_into(t)) return -EACCES;
    switch (kind_of(inode)) {
    case EXE: {
        struct file *program = task_program(t);
        if (!program) return -ENOENT;
        *out = program->path;
        path_get(out);
        file_put(program);
        return 0;
    }
    case CWD:
    case ROOT_LINK:
        if (!t->fs) return -ENOENT;
        *out = kind_of(inode) == CWD ? t->fs->cwd : t->fs->root;
        path_get(out);
        return 0;
    default: *f = open_file(t, kind_of(inode) - FD);
    }
    if (!*f) return -ENOENT;
    if (!(*f)->path.mnt) return -ENXIO;
    *out = (*f)->path;
    path_get(out);
    return 0;
}

static int get_link(struct inode *inode, struct path *out) {
    struct file *f;
    return target(inode, out, &f);
}

static int read_jump(struct inode *inode, char *to, size_t size) {
    struct path path;
    struct file *f;
    int error = target(inode, &path, &f);
    if (error == -ENXIO) {
        if (f->ops->name) error = snprintf(to, size, "anon_inode:[%s]", f->ops->name);
        else error = snprintf(to, size, "%s:[%lu]", S_ISFIFO(f->inode->mode) ? "pipe" : "socket", f->inode->ino);
        return MIN((size_t)error, size);
    }
    if (error) return error;
    char *room = kmalloc(PATH_MAX);
    char *text = room ? path_text(&path, room, PATH_MAX) : ERR_PTR(-ENOMEM);
    path_put(&path);
    int length = IS_ERR(text) ? PTR_ERR(text) : (int)MIN(strlen(text), size);
    if (length > 0) memcpy(to, text, length);
    kfree(room);
    return length;
}

static int read_link(struct inode *inode, char *to, size_t size) {
    char text[24];
    if (kind_of(inode) == SELF) snprintf(text, sizeof(text), "%d", current->tgid);
    else strlcpy(text, "self/mounts", sizeof(text));
    size = MIN(size, strlen(text));
    memcpy(to, text, size);
    return size;
}

static bool stale(struct inode *inode) {
    if (!(inode->ino >> 16)) return false;
    struct task *t = task_of(inode);
    if (!t) return true;
    return kind_of(inode) >= FD && !open_file(t, kind_of(inode) - FD);
}

/* ---- directories ---- */

static int add_texts(struct dir_fill *to, const struct proc_text *texts, u64 ino_base, u64 *pos, u64 first) {
    for (int i = 0; texts[i].name; i++) {
        if (*pos > first + i) continue;
        if (to->add(to, texts[i].name, strlen(texts[i].name), ino_base | (TEXT + i), S_IFREG, first + i + 1)) return 1;
        *pos = first + i + 1;
    }
    return 0;
}

static int add_fixed(struct dir_fill *to, u64 *pos, u64 at, const char *name, u64 ino, u32 mode) {
    if (*pos > at) return 0;
    if (to->add(to, name, strlen(name), ino, mode, at + 1)) return 1;
    *pos = at + 1;
    return 0;
}

#define PIDS 0x1000                     /* positions from here on are process numbers */

static int root_readdir(struct file *f, struct dir_fill *to) {
    u64 pos = f->pos;
    if (add_fixed(to, &pos, 0, ".", ROOT, S_IFDIR) || add_fixed(to, &pos, 1, "..", ROOT, S_IFDIR) ||
        add_fixed(to, &pos, 2, "self", SELF, S_IFLNK) || add_fixed(to, &pos, 3, "mounts", MOUNTS, S_IFLNK) ||
        add_texts(to, proc_system_texts, 0, &pos, 4)) return 0;
    struct process *p;
    for_each_process(p) {
        char name[12];
        u64 at = PIDS + p->pid;
        if (at < pos) continue;
        int length = snprintf(name, sizeof(name), "%d", p->pid);
        if (to->add(to, name, length, (u64)p->pid << 16 | TASK_DIR, S_IFDIR, at + 1)) break;
    }
    return 0;
}

static int task_readdir(struct file *f, struct dir_fill *to) {
    u64 pos = f->pos, base = f->inode->ino & ~0xffffUL;
    if (!task_of(f->inode)) return -ENOENT;
    if (add_fixed(to, &pos, 0, ".", base | TASK_DIR, S_IFDIR) || add_fixed(to, &pos, 1, "..", ROOT, S_IFDIR) ||
        add_fixed(to, &pos, 2, "fd", base | FD_DIR, S_IFDIR) || add_fixed(to, &pos, 3, "exe", base | EXE, S_IFLNK) ||
        add_fixed(to, &pos, 4, "cwd", base | CWD, S_IFLNK) || add_fixed(to, &pos, 5, "root", base | ROOT_LINK, S_IFLNK)) return 0;
    add_texts(to, proc_task_texts, base, &pos, 6);
    return 0;
}

static int fd_readdir(struct file *f, struct dir_fill *to) {
    u64 pos = f->pos, base = f->inode->ino & ~0xffffUL;
    struct task *t = task_of(f->inode);
    if (!t) return -ENOENT;
    if (!may_look_into(t)) return -EACCES;
    if (add_fixed(to, &pos, 0, ".", base | FD_DIR, S_IFDIR) || add_fixed(to, &pos, 1, "..", base | TASK_DIR, S_IFDIR)) return 0;
    for (int fd = pos - 2; t->files && fd < t->files->size; fd++) {
        char name[12];
        if (!t->files->slot[fd]) continue;
        int length = snprintf(name, sizeof(name), "%d", fd);
        if (to->add(to, name, length, base | (FD + fd), S_IFLNK, fd + 3)) break;
    }
    return 0;
}

/* ---- texts ---- */

static int make_text(struct file *f, struct text *out) {
    const struct inode *inode = f->inode;
    if (!(inode->ino >> 16)) return proc_system_texts[kind_of(inode) - TEXT].make(NULL, out);
    struct task *t = task_of(inode);
    return t ? proc_task_texts[kind_of(inode) - TEXT].make(t, out) : -ESRCH;
}

static ssize_t read_text(struct file *f, struct io *io, u64 pos) { return text_read(f, io, pos, make_text); }

static int no_change(struct inode *inode) { return 0; }

static const struct inode_ops dir_ops = { .lookup = lookup, .changed = no_change, .stale = stale };
static const struct inode_ops text_ops = { .changed = no_change, .stale = stale };
static const struct inode_ops link_ops = { .readlink = read_link, .changed = no_change };
static const struct inode_ops jump_ops = { .readlink = read_jump, .get_link = get_link, .changed = no_change, .stale = stale };
static const struct file_ops root_files = { .readdir = root_readdir };
static const struct file_ops task_files = { .readdir = task_readdir };
static const struct file_ops fd_files = { .readdir = fd_readdir };
static const struct file_ops text_files = { .read = read_text, .release = text_release };

static int statfs(struct superblock *sb, struct kstatfs *st) {
    st->f_type = 0x9fa0;
    return 0;
}

static struct superblock *mount(const char *source, u32 flags, char *options) {
    if (proc.root) return &proc;
    proc = (struct superblock){ .type = "proc", .dev = superblock_new_device(), .block_size = 1024, .volatile_names = true, .statfs = statfs };
    struct inode *root = make(0, ROOT, S_IFDIR | 0555, &dir_ops, &root_files);
    if (IS_ERR(root)) return (struct superblock *)root;
    proc.root = root;
    return &proc;
}

static struct filesystem procfs = { "proc", false, mount, NULL };
void procfs_register(void) { filesystem_register(&procfs); }
