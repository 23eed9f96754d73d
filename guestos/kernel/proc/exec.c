/* execve: builds a new address space beside the old one, and changes over when nothing can fail. */
#include "abi.h"
#include "elf.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "mount.h"
#include "sched.h"
#include "trace.h"
#include "user.h"
#include "device.h"
#include "ns.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define STRING_MAX (128UL << 10)            /* bytes of one argument, with its zero */
#define SCRIPTS_MAX 5                       /* one that is the interpreter of another */
#define HEAD 256                            /* bytes of a file looked at to tell what it is */

/* A program in the making. Its strings go to the top of its stack first, growing down: its path, envp,
 * argv, and what scripts put before that. */
struct exec {
    struct mm *mm;
    struct vma *stack;
    u64 sp, limit;                          /* the lowest string; what it may not pass */
    u64 *string;                            /* addresses, in the order of pushing */
    int argc, envc;                         /* the last argc of them, and the envc before */
    u64 path;                               /* as execve was told it */
    struct cred cred;
    struct loaded program;
    char name[PATH_MAX];                    /* of the file to open */
    char head[HEAD + 1];                    /* what it begins with, zeros after its end */
};

int mm_write(struct mm *mm, u64 address, const void *from, size_t n) {
    while (n) {
        if (address >= USER_TOP || fault_in(mm, address, true, false)) return -EFAULT;
        size_t part = MIN(n, PAGE_SIZE - (address & ~PAGE_MASK));
        u64 *pte = pte_lookup(mm->pml4, address, false);
        memcpy((char *)phys_to_virt(*pte & PTE_ADDRESS) + (address & ~PAGE_MASK), from, part);
        address += part;
        from = (const char *)from + part;
        n -= part;
    }
    return 0;
}

static int push(struct exec *x, const char *string) {
    size_t n = strlen(string) + 1;
    if (n > STRING_MAX || x->sp - n < x->limit) return -E2BIG;
    x->string[x->argc + x->envc] = x->sp -= n;
    return mm_write(x->mm, x->sp, string, n) ? -ENOMEM : 0;
}

/* `room` has PATH_MAX bytes, which do for most. */
static int push_user(struct exec *x, const char __user *string, char *room) {
    ssize_t n = strncpy_from_user(room, string, PATH_MAX);
    if (n >= 0) return push(x, room);
    if (n != -ENAMETOOLONG) return n;
    char *all = kmalloc(STRING_MAX);
    if (!all) return -ENOMEM;
    n = strncpy_from_user(all, string, STRING_MAX);
    int error = n == -ENAMETOOLONG ? -E2BIG : n < 0 ? n : push(x, all);
    kfree(all);
    return error;
}

/* The strings of a vector that ends with NULL, or is NULL; from the last to the first. */
static int push_vector(struct exec *x, char *const *vector, int n, int *count, bool user) {
    char *string, *room = user ? kmalloc(PATH_MAX) : NULL;
    int error = user && !room ? -ENOMEM : 0;
    while (n-- && !error) {
        if (!user) error = push(x, vector[n]);
        else error = get_user(string, &vector[n]) ? -EFAULT : push_user(x, string, room);
        ++*count;
    }
    kfree(room);
    return error;
}

static int vector_length(char *const *vector, bool user) {
    char *string;
    int n = 0;
    for (; vector; n++) {
        if (!user) string = vector[n];
        else if (get_user(string, &vector[n])) return -EFAULT;
        if (!string) break;
    }
    return n;
}

static char *span(char *at, bool blanks) {
    while (*at && (*at == ' ' || *at == '\t') == blanks) at++;
    return at;
}

/* "#! interpreter [one argument]" takes argv[0]'s place. Of a longer line than was read the argument
 * is cut, but not the interpreter's name. */
static int script(struct exec *x) {
    char *line = x->head + 2, *end = strchr(line, '\n'), *last = x->head + HEAD - 1;
    bool cut = !end && *last;
    *last = 0;
    if (end) *end = 0;
    else end = line + strlen(line);
    while (end > line && (end[-1] == ' ' || end[-1] == '\t')) *--end = 0;
    char *name = span(line, true), *name_end = span(name, false), *argument = span(name_end, true);
    if (!*name || (cut && name_end == last)) return -ENOEXEC;
    int strings = x->argc + x->envc, error;
    x->sp = strings > 1 ? x->string[strings - 2] : x->path;
    x->argc--;
    if ((error = push(x, x->name))) return error;
    x->argc++;
    if (*argument && (error = push(x, argument))) return error;
    x->argc += *argument != 0;
    *name_end = 0;
    if ((error = push(x, name))) return error;
    x->argc++;
    strlcpy(x->name, name, sizeof(x->name));
    return 0;
}

/* Scripts lead to their interpreters, until mm->program is the file that holds the machine code. */
static int find_program(struct exec *x) {
    struct file **file = &x->mm->program;
    for (int depth = 0; depth <= SCRIPTS_MAX; depth++) {
        memset(x->head, 0, sizeof(x->head));
        ssize_t n = vfs_read_at(*file, 0, x->head, HEAD);
        if (n < 0) return n;
        if (memcmp(x->head, "#!", 2)) return 0;
        int error = script(x);
        if (error) return error;
        struct file *next = vfs_open_exec(AT_FDCWD, x->name, 0);
        if (IS_ERR(next)) return PTR_ERR(next);
        file_put(*file);
        *file = next;
    }
    return -ELOOP;
}

/* Whose rights it will have: those of the file's owner and group if it has the bits for that, and
 * capabilities by capabilities(7), files having none. Whether they aren't the user's own. */
static bool new_credentials(struct cred *c, const struct file *file) {
    *c = current->cred;
    const struct inode *inode = file->inode;
    const struct mount *mnt = file->path.mnt;
    bool ours = mnt->ns && user_ns_is_below(c->user_ns, mnt->ns->ns.owner) && id_up(&c->user_ns->uids, inode->uid) != ID_NONE && id_up(&c->user_ns->gids, inode->gid) != ID_NONE;
    bool shrinks = current->no_new_privs || !trace_allows_privileges();
    u32 root = id_down(&c->user_ns->uids, 0), mode = !ours || mnt->flags & MS_NOSUID || shrinks ? 0 : inode->mode;
    if (mode & S_ISUID) c->euid = inode->uid;
    if (mode & S_ISGID && mode & 010) c->egid = inode->gid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    bool changed = c->euid != c->uid || c->egid != c->gid;
    if (changed) c->cap_ambient = 0;   /* check: captests */
    bool privileged = !(c->securebits & SECBIT_NOROOT) && (c->uid == root || c->euid == root);
    c->cap_permitted = privileged ? c->cap_inheritable | c->cap_bounding : c->cap_ambient;
    if (shrinks) c->cap_permitted &= current->cred.cap_permitted;   /* check: captests */
    c->cap_effective = privileged && c->euid == root ? c->cap_permitted : c->cap_ambient;
    c->securebits &= ~SECBIT_KEEP_CAPS;
    return changed;
}

/* The initial stack of the ABI: argc, argv, NULL, envp, NULL, auxiliary vector; strings above. */
static int build_stack(struct exec *x, bool secure) {
    const struct cred *c = &x->cred;
    const struct loaded *program = &x->program;
    struct mm *mm = x->mm;
    char tail[24] = "x86_64";
    random_bytes(tail + 8, 16);
    mm->arg_start = x->sp;
    mm->arg_end = mm->env_start = x->envc ? x->string[x->envc - 1] : x->path;
    mm->env_end = x->path;
    u64 platform = (x->sp - sizeof(tail)) & ~15UL;
    u32 r[4];
    cpuid(1, 0, r);
    u64 auxiliary[][2] = {
        { AT_MINSIGSTKSZ, MINSIGSTKSZ }, { AT_HWCAP, r[3] }, { AT_PAGESZ, PAGE_SIZE }, { AT_CLKTCK, 100 },
        { AT_PHDR, program->phdr }, { AT_PHENT, sizeof(struct elf_segment) }, { AT_PHNUM, program->phnum },
        { AT_BASE, program->interpreter_base }, { AT_FLAGS, 0 }, { AT_ENTRY, program->program_entry },
        { AT_UID, uid_in(c->user_ns, c->uid) }, { AT_EUID, uid_in(c->user_ns, c->euid) }, { AT_GID, gid_in(c->user_ns, c->gid) }, { AT_EGID, gid_in(c->user_ns, c->egid) }, { AT_SECURE, secure },
        { AT_RANDOM, platform + 8 }, { AT_HWCAP2, 0 }, { AT_EXECFN, x->path }, { AT_PLATFORM, platform }, { AT_NULL, 0 },
    };
    size_t words = 1 + x->argc + 1 + x->envc + 1 + sizeof(auxiliary) / 8;
    u64 *block = kmalloc(words * 8), *out = block;
    if (!block) return -ENOMEM;
    *out++ = x->argc;
    for (int i = x->argc + x->envc; i--;) {
        *out++ = x->string[i];
        if (i == x->envc) *out++ = 0;
    }
    *out++ = 0;
    memcpy(out, auxiliary, sizeof(auxiliary));
    x->sp = mm->start_stack = (platform - words * 8) & ~15UL;
    int error = mm_write(mm, platform, tail, sizeof(tail)) || mm_write(mm, x->sp, block, words * 8) ? -ENOMEM : 0;
    kfree(block);
    return error;
}

/* The other threads end; ours becomes the process's leader. -EAGAIN: another one was faster. */
static int become_single(struct task *t) {
    struct process *p = t->process;
    if (t->killed) return -EAGAIN;
    threads_kill(p, t);
    wait_event(&p->child_event, p->live == 1);
    if (t->killed) return -EAGAIN;
    task_take_over(t);
    return 0;
}

/* Descriptors and handlers shared with other processes become the program's own. 0 or -ENOMEM. */
static int unshare(struct task *t) {
    struct process *p = t->process;
    struct sighand *handlers = p->sighand->refs > 1 ? sighand_copy(p->sighand) : p->sighand;
    struct files *files = t->files->refs > 1 ? files_copy(t->files) : t->files;
    if (handlers && handlers != p->sighand) sighand_put(p->sighand), p->sighand = handlers;
    if (files && files != t->files) files_put(t->files), t->files = files;
    return handlers && files ? 0 : -ENOMEM;
}

/* Nothing fails from here on. */
static void change_over(struct exec *x, const char *path) {
    struct task *t = current;
    struct mm *old = t->mm;
    const char *slash = strrchr(path, '/');
    futex_exit(t);
    t->mm = x->mm;
    mm_activate(x->mm);
    mm_put(old);
    vfork_done(t);
    files_close_on_exec(t->files);
    sighand_reset(t->process->sighand, false);
    strlcpy(t->comm, slash ? slash + 1 : path, sizeof(t->comm));
    t->cred = x->cred;
    t->process->did_exec = true;
    t->kernel_thread = false;
    t->altstack_base = t->altstack_size = 0;
    t->altstack_flags = SS_DISABLE;
    t->fs_base = t->gs_base = 0;
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    fpu_reset();
    struct trapframe *f = task_frame(t);
    *f = (struct trapframe){ .vector = f->vector, .error = f->error };  /* for a tracer, what call it was */
    f->rip = x->program.entry;
    f->rsp = x->sp;
    f->cs = USER_CS;
    f->ss = USER_DS;
    f->rflags = RFLAGS_FIXED | RFLAGS_IF;
    t->frame_changed = true;
}

/* Linux's order of errors: those of opening the file, of the strings, of what the file is. */
static int build(struct exec *x, const char *path, char *const *argv, char *const *envp, bool user) {
    struct file *file = vfs_open_exec(AT_FDCWD, path, 0);
    if (IS_ERR(file)) return PTR_ERR(file);
    if (!(x->mm = mm_new())) file_put(file);
    else x->mm->program = file, x->stack = vma_add(x->mm, STACK_TOP - PAGE_SIZE, STACK_TOP, PROT_READ | PROT_WRITE);
    if (!x->stack) return -ENOMEM;
    x->stack->grows_down = true;
    int argc = vector_length(argv, user), envc = argc < 0 ? argc : vector_length(envp, user);
    if (envc < 0) return envc;
    u64 room = MAX(MIN(current->process->rlimit[RLIMIT_STACK][0] / 4, 6UL << 20), STRING_MAX), pointers = (argc + envc) * 8UL;
    if (pointers + PAGE_SIZE > room) return -E2BIG;
    if (!(x->string = kmalloc((argc + envc + 2 * SCRIPTS_MAX + 4) * 8))) return -ENOMEM;
    x->sp = STACK_TOP - 8;
    x->limit = STACK_TOP - room + pointers;
    strlcpy(x->name, path, sizeof(x->name));
    int error = push(x, path);
    x->path = x->sp;
    if (!error) error = push_vector(x, envp, envc, &x->envc, user);
    if (!error) error = push_vector(x, argv, argc, &x->argc, user);
    if (!error && !argc) error = push(x, ""), x->argc++; /* nobody expects argv[0] to be missing */
    if (!error) error = find_program(x);
    if (!error) error = elf_load(x->mm, x->mm->program, (struct elf_header *)x->head, &x->program);
    if (error) return error;
    x->stack->prot |= x->program.stack_prot;
    bool secure = new_credentials(&x->cred, x->mm->program);
    x->mm->dumpable = !secure && !inode_permission(x->mm->program->inode, MAY_READ);
    return build_stack(x, secure);
}

static int exec(const char *path, char *const *argv, char *const *envp, bool user) {
    struct exec *x = kzalloc(sizeof(*x));
    if (!x) return -ENOMEM;
    pid_t pid = current->pid;
    int error = build(x, path, argv, envp, user);
    if (!error) error = become_single(current);
    if (!error) error = unshare(current);
    if (!error) change_over(x, path);
    else if (x->mm) mm_put(x->mm);
    kfree(x->string);
    kfree(x);
    if (!error) trace_exec(pid);
    return error;
}

int kernel_exec(const char *path, const char *const *argv, const char *const *envp) {
    int error = exec(path, (char *const *)argv, (char *const *)envp, false);
    current->frame_changed = false;         /* not in a system call */
    return error;
}

long sys_execve(const char *path, char **argv, char **envp) {
    char *name = path_from_user(path);
    if (IS_ERR(name)) return PTR_ERR(name);
    int error = exec(name, argv, envp, true);
    kfree(name);
    return error;
}
