/* procfs and sysfs: trees of files whose text is made when they are read.
 *
 * What is fixed is in tables of rows; a process adds its descriptors and threads, /proc the processes.
 * Numbers of inodes say what they are: pid << 16 | kind. */
#include "text.h"
#include "fs.h"
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "ns.h"
#include "task.h"
#include "trace.h"
#include "user.h"
#include "vm.h"

enum { TOP = 1, ROW = 2, FD = 0x1000, FDINFO = 0x2000, KIND = 0x7fff, THREAD = 0x8000 };     /* THREAD: below task/ */

static struct superblock proc, sys;
static const struct inode_ops dir_ops, text_ops, link_ops, jump_ops;
static const struct file_ops dir_files, text_files;

static int kind_of(const struct inode *inode) { return inode->ino & KIND; }
static struct task *task_of(const struct inode *inode) {
    struct task *t = task_find(inode->ino >> 16);
    return t && t->state != TASK_DEAD ? t : NULL;
}
static const struct proc_row *rows_of(const struct inode *inode) {
    return inode->sb == &sys ? sysfs_rows : inode->ino >> 16 ? proc_task_rows : proc_system_rows;
}
static const struct proc_row *row_of(const struct inode *inode) { return &rows_of(inode)[kind_of(inode) - ROW]; }

/* What a directory has beside its rows. */
static enum proc_list list_of(const struct inode *dir) {
    if (kind_of(dir) != TOP) return row_of(dir)->list;
    return dir->sb != &sys && !(dir->ino >> 16) ? PROC_PROCESSES : PROC_NONE;
}

/* A row's own name, if it is in this directory. */
static const char *name_in(const struct inode *dir, const struct proc_row *row) {
    const char *above = kind_of(dir) == TOP ? "" : row_of(dir)->path, *name = row->path;
    size_t n = strlen(above);
    if (n && (strncmp(name, above, n) || name[n] != '/')) return NULL;
    name += n + !!n;
    if (strchr(name, '/') || (dir->ino & THREAD && row->list == PROC_THREADS)) return NULL;
    return name;
}

static struct inode *make(struct superblock *sb, u64 ino, u32 mode) {
    struct inode *inode = inode_find(sb, ino);
    if (!inode) inode = inode_new(sb, ino);
    if (!inode) return ERR_PTR(-ENOMEM);
    struct task *t = ino >> 16 ? task_find(ino >> 16) : NULL;
    bool jumps = kind_of(inode) >= FD || (kind_of(inode) != TOP && row_of(inode)->link);
    inode->mode = mode;
    inode->nlink = S_ISDIR(mode) ? 2 : 1;
    bool owned = t && (mode == (S_IFDIR | 0555) || !t->mm || t->mm->dumpable);
    inode->uid = owned ? t->cred.euid : 0;
    inode->gid = owned ? t->cred.egid : 0;
    inode->ops = S_ISDIR(mode) ? &dir_ops : S_ISREG(mode) ? &text_ops : jumps ? &jump_ops : &link_ops;
    inode->fops = S_ISDIR(mode) ? &dir_files : kind_of(inode) >= FD || row_of(inode)->make ? &text_files : &proc_mem_files;
    inode->atime = inode->mtime = inode->ctime = time_now();
    return inode;
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

static struct file *open_file(struct task *t, s64 fd) {
    return t->files && fd >= 0 && fd < t->files->size ? t->files->slot[fd] : NULL;
}

/* What isn't there is an error, so that nothing can be made in its place. */
static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    const struct proc_row *rows = rows_of(dir);
    u64 base = dir->ino & ~(u64)KIND;
    struct task *t = base >> 16 ? task_of(dir) : NULL;
    if (base >> 16 && !t) return ERR_PTR(-ENOENT);
    for (int i = 0; rows[i].path; i++) {
        const char *own = name_in(dir, &rows[i]);
        if (own && strlen(own) == length && !memcmp(own, name, length)) return make(dir->sb, base | (ROW + i), rows[i].mode);
    }
    s64 n = number(name, length);
    enum proc_list list = list_of(dir);
    if (n < 0 || list == PROC_NONE) return ERR_PTR(-ENOENT);
    if (list == PROC_FDS || list == PROC_FDINFOS) {
        struct file *f = open_file(t, n);
        if (!f) return ERR_PTR(-ENOENT);
        u32 may = (f->flags & O_ACCMODE) == O_RDONLY ? 0500 : (f->flags & O_ACCMODE) == O_WRONLY ? 0300 : 0700;
        return list == PROC_FDS ? make(dir->sb, base | (FD + n), S_IFLNK | may) : make(dir->sb, base | (FDINFO + n), S_IFREG | 0400);
    }
    pid_t pid = pid_from(dir->sb->pid_ns, n);
    struct task *found = pid > 0 ? task_find(pid) : NULL;
    if (!n || !found || found->state == TASK_DEAD || (t && found->tgid != t->tgid)) return ERR_PTR(-ENOENT);
    return make(dir->sb, (u64)found->pid << 16 | (t ? THREAD : 0) | TOP, S_IFDIR | 0555);
}

/* The first of what a directory lists by numbers that is not below n; -1: there is none. */
static s64 next_number(const struct pid_ns *ns, enum proc_list list, struct task *t, s64 n) {
    struct process *p;
    struct task *thread;
    s64 first = -1;                         /* threads aren't in order, nor are a namespace's own numbers */
    if (list == PROC_PROCESSES) for_each_process(p) {
        s64 pid = pid_in(ns, p->pid);
        if (pid && pid >= n && (first < 0 || pid < first)) first = pid;
        if (!ns->parent && first >= 0) break;
    }
    if (list == PROC_THREADS) for_each_thread(thread, t->process) {
        s64 pid = pid_in(ns, thread->pid);
        if (pid && pid >= n && (first < 0 || pid < first)) first = pid;
    }
    if (list == PROC_PROCESSES || list == PROC_THREADS) return first;
    if (list == PROC_FDS || list == PROC_FDINFOS)
        for (; t->files && n < t->files->size; n++)
            if (t->files->slot[n]) return n;
    return -1;
}

#define OTHERS 0x1000                   /* positions from here on are numbers of processes, threads, descriptors */

static int readdir(struct file *f, struct dir_fill *to) {
    const struct inode *dir = f->inode;
    const struct proc_row *rows = rows_of(dir);
    u64 pos = f->pos, base = dir->ino & ~(u64)KIND;
    struct task *t = base >> 16 ? task_of(dir) : NULL;
    enum proc_list list = list_of(dir);
    char name[12];
    if (base >> 16 && !t) return -ENOENT;
    if (pos < 1 && to->add(to, ".", 1, dir->ino, S_IFDIR, 1)) return 0;
    if (pos < 2 && to->add(to, "..", 2, TOP, S_IFDIR, 2)) return 0;
    for (u64 i = 0; rows[i].path; i++) {
        const char *own = name_in(dir, &rows[i]);
        if (own && pos <= 2 + i && to->add(to, own, strlen(own), base | (ROW + i), rows[i].mode, 3 + i)) return 0;
    }
    if ((list == PROC_FDS || list == PROC_FDINFOS) && !ptrace_may_access(t, PTRACE_MODE_FS)) return -EACCES;   /* check: proctests */
    for (s64 n = MAX(pos, (u64)OTHERS) - OTHERS; (n = next_number(dir->sb->pid_ns, list, t, n)) >= 0; n++) {
        u64 ino = list == PROC_FDS ? base | (FD + n) : list == PROC_FDINFOS ? base | (FDINFO + n) : (u64)pid_from(dir->sb->pid_ns, n) << 16 | (t ? THREAD : 0) | TOP;
        u32 mode = list == PROC_FDS ? S_IFLNK : list == PROC_FDINFOS ? S_IFREG : S_IFDIR;
        if (to->add(to, name, snprintf(name, sizeof(name), "%ld", n), ino, mode, OTHERS + n + 1)) break;
    }
    return 0;
}

/* ---- links ---- */

/* To an object of the process, whatever its name is by now. */
static int get_link(struct inode *inode, struct path *out) {
    struct task *t = task_of(inode);
    if (!t) return -ENOENT;
    if (!ptrace_may_access(t, PTRACE_MODE_FS)) return -EACCES;   /* check: proctests */
    if (kind_of(inode) < FD) return row_of(inode)->link(t, out);
    struct file *f = open_file(t, kind_of(inode) - FD);
    return f ? path_of_file(f, out) : -ENOENT;
}

static int read_link(struct inode *, char *, size_t);

static int read_jump(struct inode *inode, char *to, size_t size) {
    if (kind_of(inode) < FD && row_of(inode)->make) return read_link(inode, to, size);      /* a namespace */
    struct path path;
    int length = get_link(inode, &path);
    if (length) return length;
    const struct file *f = kind_of(inode) < FD ? NULL : open_file(task_of(inode), kind_of(inode) - FD);
    char *room = kmalloc(PATH_MAX), *text = room ? path_text(&path, room, PATH_MAX) : ERR_PTR(-ENOMEM);
    if (f && f->ops->name && !IS_ERR(text)) snprintf(text = room, PATH_MAX, "anon_inode:[%s]", f->ops->name);
    path_put(&path);
    length = IS_ERR(text) ? PTR_ERR(text) : (int)MIN(strlen(text), size);
    if (length > 0) memcpy(to, text, length);
    kfree(room);
    return length;
}

static int make_text(struct file *, struct text *);

static int read_link(struct inode *inode, char *to, size_t size) {
    struct text text = { 0 };
    struct task *t = inode->ino >> 16 ? task_of(inode) : NULL;
    int error = t && !ptrace_may_access(t, PTRACE_MODE_FS) ? -EACCES : make_text(&(struct file){ .inode = inode }, &text);   /* check: C20 */
    if (!error) error = text.error;
    size = MIN(size, text.length);
    if (!error && size) memcpy(to, text.data, size);
    kfree(text.data);
    return error ? error : (int)size;
}

/* ---- texts ---- */

static int make_text(struct file *f, struct text *out) {
    const struct inode *inode = f->inode;
    struct task *t = inode->ino >> 16 ? task_of(inode) : NULL;
    out->pid_ns = inode->sb->pid_ns;
    if (inode->ino >> 16 && !t) return -ESRCH;
    if (kind_of(inode) < FDINFO) return row_of(inode)->make(t, out);
    const struct file *of = open_file(t, kind_of(inode) - FDINFO);
    if (!of) return -ENOENT;
    text_print(out, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", of->pos, of->flags, of->path.mnt ? of->path.mnt->id : 0, of->inode->ino);
    return 0;
}

/* What is for its user alone is asked about when it is opened, too. */
static int open_text(struct inode *inode, struct file *f) {
    struct task *t = inode->ino >> 16 ? task_of(inode) : NULL;
    return t && (inode->mode & 0777) == 0400 && !ptrace_may_access(t, PTRACE_MODE_FS) ? -EACCES : 0;   /* check: C20 */
}

static ssize_t read_text(struct file *f, struct io *io, u64 pos) { return text_read(f, io, pos, make_text); }

static ssize_t write_text(struct file *f, struct io *io, u64 pos) {
    char text[640];                         /* ID_EXTENTS lines */
    size_t n = MIN(io->left, sizeof(text) - 1);
    struct task *t = f->inode->ino >> 16 ? task_of(f->inode) : NULL;
    if (kind_of(f->inode) >= FD || !row_of(f->inode)->store) return -EIO;
    if (f->inode->ino >> 16 && !t) return -ESRCH;
    if (io_get(io, text, n)) return -EFAULT;
    text[n] = 0;
    text[strnlen(text, n) - (n && text[n - 1] == '\n')] = 0;
    int error = row_of(f->inode)->store(t, text);
    return error ? error : (ssize_t)n;
}

static bool stale(struct inode *inode) {
    if (!(inode->ino >> 16)) return false;
    struct task *t = task_of(inode);
    return !t || (kind_of(inode) >= FD && !open_file(t, kind_of(inode) & (FD - 1)));
}

static int no_change(struct inode *inode) { return 0; }
static int no_length(struct inode *inode, u64 size) { return 0; }

static const struct inode_ops dir_ops = { .lookup = lookup, .changed = no_change, .stale = stale };
static const struct inode_ops text_ops = { .changed = no_change, .stale = stale, .truncate = no_length };
static const struct inode_ops link_ops = { .readlink = read_link, .changed = no_change, .stale = stale };
static const struct inode_ops jump_ops = { .readlink = read_jump, .get_link = get_link, .changed = no_change, .stale = stale };
static const struct file_ops dir_files = { .readdir = readdir };
static const struct file_ops text_files = { .open = open_text, .read = read_text, .write = write_text, .release = text_release };

static int statfs(struct superblock *sb, struct kstatfs *st) {
    st->f_type = sb == &sys ? 0x62656572 : 0x9fa0;
    return 0;
}

static struct superblock *mount(struct superblock *sb, const char *type, struct pid_ns *ns) {
    if (sb->root) return sb;
    *sb = (struct superblock){ .type = type, .dev = superblock_new_device(), .block_size = PAGE_SIZE, .volatile_names = sb != &sys, .statfs = statfs, .pid_ns = ns };
    struct inode *root = make(sb, TOP, S_IFDIR | 0555);
    if (IS_ERR(root)) return (struct superblock *)root;
    sb->root = root;
    return sb;
}

/* There is one /proc for each pid namespace; but the first's goes with its last mount. */
static void unmount_proc(struct superblock *sb) {
    struct pid_ns *ns = sb->pid_ns;
    ns->proc = NULL;
    inode_put(sb->root);
    kfree(sb);
    ns_put(&ns->ns);
}
static struct superblock *mount_proc(const char *source, u32 flags, char *options) {
    struct pid_ns *ns = current->pid_ns;
    if (!ns_capable(ns->ns.owner, CAP_SYS_ADMIN)) return ERR_PTR(-EPERM);   /* check: C25 */
    if (!ns->parent) return mount(&proc, "proc", ns);
    if (ns->proc) return ns->proc;
    struct superblock *sb = kzalloc(sizeof(*sb)), *made = sb ? mount(sb, "proc", ns) : ERR_PTR(-ENOMEM);
    if (IS_ERR(made)) return kfree(sb), made;
    sb->unmount = unmount_proc;
    ns_get(&ns->ns);
    return ns->proc = sb;
}
static struct superblock *mount_sys(const char *source, u32 flags, char *options) {
    return ns_capable(current->net->ns.owner, CAP_SYS_ADMIN) ? mount(&sys, "sysfs", &init_pid_ns) : ERR_PTR(-EPERM);   /* check: C25 */
}

bool proc_is_empty(const struct inode *dir) {
    if (!S_ISDIR(dir->mode) || list_of(dir) != PROC_NONE) return false;
    for (const struct proc_row *row = rows_of(dir); row->path; row++)
        if (name_in(dir, row)) return false;
    return true;
}

static struct filesystem procfs = { "proc", .mount = mount_proc, .for_users = true, .tells = true };
static struct filesystem sysfs = { "sysfs", .mount = mount_sys, .for_users = true, .tells = true };
void procfs_register(void) {
    filesystem_register(&procfs);
    filesystem_register(&sysfs);
}
