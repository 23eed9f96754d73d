/* execve: builds a new address space beside the old one, and changes over when nothing can fail. */
#include "abi.h"
#include "elf.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "device.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define ARGUMENTS_MAX (128UL << 10)         /* bytes of strings */
#define SCRIPT_DEPTH 4
#define HEAD 256                            /* bytes of a file looked at to tell what it is */

/* Strings of argv, then of envp, one after the other in a buffer that grows. */
struct arguments {
    char *text;
    size_t length, size;
    int argc, envc;
};

static int reserve(struct arguments *a, size_t more) {
    if (a->length + more <= a->size) return 0;
    size_t size = a->size ? a->size : PAGE_SIZE;
    while (size < a->length + more) size *= 2;
    if (size > ARGUMENTS_MAX) return -E2BIG;
    char *text = kmalloc(size);
    if (!text) return -ENOMEM;
    memcpy(text, a->text, a->length);
    kfree(a->text);
    a->text = text;
    a->size = size;
    return 0;
}

static int add_string(struct arguments *a, const char *string) {
    size_t n = strlen(string) + 1;
    int error = reserve(a, n);
    if (error) return error;
    memcpy(a->text + a->length, string, n);
    a->length += n;
    return 0;
}

static int add_user_string(struct arguments *a, const char __user *string) {
    for (;;) {
        int error = reserve(a, 64);
        if (error) return error;
        ssize_t n = strncpy_from_user(a->text + a->length, string, a->size - a->length);
        if (n >= 0) {
            a->length += n + 1;
            return 0;
        }
        if (n != -ENAMETOOLONG) return n;
        if ((error = reserve(a, a->size))) return error;
    }
}

static int add_user_vector(struct arguments *a, char *__user *__user vector, int *count) {
    char *string;
    for (; vector; vector++) {              /* Linux takes NULL for an empty one */
        if (get_user(string, vector)) return -EFAULT;
        if (!string) break;
        int error = add_user_string(a, string);
        if (error) return error;
        ++*count;
    }
    return 0;
}

/* Replace argv[0] by the words of a script's first line and its path. */
static int script_arguments(struct arguments *a, const char *interpreter, const char *option, const char *path) {
    struct arguments new = { 0 };
    int error = add_string(&new, interpreter);
    new.argc = 1;
    if (!error && option) error = add_string(&new, option), new.argc++;
    if (!error) error = add_string(&new, path), new.argc++;
    size_t skip = a->argc ? strlen(a->text) + 1 : 0;
    if (!error) error = reserve(&new, a->length - skip);
    if (error) {
        kfree(new.text);
        return error;
    }
    memcpy(new.text + new.length, a->text + skip, a->length - skip);
    new.length += a->length - skip;
    new.argc += a->argc ? a->argc - 1 : 0;
    new.envc = a->envc;
    kfree(a->text);
    *a = new;
    return 0;
}

/* "#! interpreter [one option]"; `head` is terminated. */
static int parse_script(char *head, char **interpreter, char **option) {
    char *line = head + 2, *end = strchr(line, '\n');
    if (!end) return -ENOEXEC;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *end = 0;
    while (*line == ' ' || *line == '\t') line++;
    if (!*line) return -ENOEXEC;
    *interpreter = line;
    while (*line && *line != ' ' && *line != '\t') line++;
    *option = NULL;
    if (*line) {
        *line++ = 0;
        while (*line == ' ' || *line == '\t') line++;
        *option = line;
    }
    return 0;
}

/* The file that holds the machine code: scripts lead to their interpreters. Takes `file`, which is at `path`;
 * that is rewritten. *head has its first HEAD bytes. */
static struct file *open_program(struct file *file, char *path, struct arguments *a, char *head) {
    for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        if (IS_ERR(file)) return file;
        ssize_t n = vfs_read_at(file, 0, head, HEAD);
        if (n < 0 || head[0] != '#' || head[1] != '!' || n < 2) {
            if (n >= (ssize_t)sizeof(struct elf_header)) return file;
            file_put(file);
            return ERR_PTR(n < 0 ? n : -ENOEXEC);
        }
        head[n] = 0;
        file_put(file);
        char *interpreter, *option;
        int error = parse_script(head, &interpreter, &option);
        if (!error) error = script_arguments(a, interpreter, option, path);
        if (error) return ERR_PTR(error);
        strlcpy(path, interpreter, PATH_MAX);
        file = vfs_open_exec(AT_FDCWD, path, 0);
    }
    if (!IS_ERR(file)) file_put(file);
    return ERR_PTR(-ELOOP);
}

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

/* The initial stack of the ABI: argc, argv, NULL, envp, NULL, auxiliary vector; strings above.
 * Stores the stack pointer in *rsp. */
static int build_stack(struct mm *mm, const struct arguments *a, const char *path, const struct loaded *program, u64 *rsp) {
    const struct cred *cred = &current->cred;
    struct vma *stack = vma_add(mm, STACK_TOP - PAGE_SIZE, STACK_TOP, PROT_READ | PROT_WRITE);
    if (!stack) return -ENOMEM;
    stack->grows_down = true;

    char tail[24] = "x86_64";
    random_bytes(tail + 8, 16);
    u64 at = STACK_TOP - 8;
    size_t path_length = strlen(path) + 1;
    u64 execfn = at -= path_length;
    int error = mm_write(mm, execfn, path, path_length);
    u64 strings = at -= a->length;
    if (!error && a->length) error = mm_write(mm, strings, a->text, a->length);
    u64 platform = at = (at - sizeof(tail)) & ~15UL;
    if (!error) error = mm_write(mm, platform, tail, sizeof(tail));
    if (error) return -ENOMEM;

    u32 r[4];
    cpuid(1, 0, r);
    u64 auxiliary[][2] = {
        { AT_HWCAP, r[3] }, { AT_PAGESZ, PAGE_SIZE }, { AT_CLKTCK, 100 },
        { AT_PHDR, program->phdr }, { AT_PHENT, sizeof(struct elf_segment) }, { AT_PHNUM, program->phnum },
        { AT_BASE, program->interpreter_base }, { AT_FLAGS, 0 }, { AT_ENTRY, program->program_entry },
        { AT_UID, cred->uid }, { AT_EUID, cred->euid }, { AT_GID, cred->gid }, { AT_EGID, cred->egid },
        { AT_SECURE, cred->uid != cred->euid || cred->gid != cred->egid }, { AT_RANDOM, platform + 8 }, { AT_HWCAP2, 0 }, { AT_EXECFN, execfn },
        { AT_PLATFORM, platform }, { AT_NULL, 0 },
    };
    size_t words = 1 + a->argc + 1 + a->envc + 1 + sizeof(auxiliary) / 8;
    u64 *block = kmalloc(words * 8), *out = block;
    if (!block) return -ENOMEM;
    mm->arg_start = strings;
    *out++ = a->argc;
    u64 offset = 0;
    for (int i = 0; i < a->argc + a->envc; i++) {
        if (i == a->argc) *out++ = 0, mm->arg_end = mm->env_start = strings + offset;
        *out++ = strings + offset;
        offset += strlen(a->text + offset) + 1;
    }
    if (!a->envc) *out++ = 0, mm->arg_end = mm->env_start = strings + offset;
    mm->env_end = strings + offset;
    *out++ = 0;
    memcpy(out, auxiliary, sizeof(auxiliary));
    *rsp = mm->start_stack = (at - words * 8) & ~15UL;
    error = mm_write(mm, *rsp, block, words * 8);
    kfree(block);
    return error ? -ENOMEM : 0;
}

static void set_name(struct task *t, const char *path) {
    const char *slash = strrchr(path, '/');
    strlcpy(t->comm, slash ? slash + 1 : path, sizeof(t->comm));
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
static void change_over(struct mm *mm, const char *name, u64 entry, u64 rsp) {
    struct task *t = current;
    struct mm *old = t->mm;
    futex_exit(t);
    t->mm = mm;
    mm_activate(mm);
    mm_put(old);
    vfork_done(t);
    files_close_on_exec(t->files);
    sighand_reset(t->process->sighand, false);
    set_name(t, name);
    t->process->did_exec = true;
    t->kernel_thread = false;
    t->altstack_base = t->altstack_size = 0;
    t->altstack_flags = SS_DISABLE;
    t->fs_base = t->gs_base = 0;
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    fpu_reset();
    struct trapframe *f = task_frame(t);
    memset(f, 0, sizeof(*f));
    f->rip = entry;
    f->rsp = rsp;
    f->cs = USER_CS;
    f->ss = USER_DS;
    f->rflags = RFLAGS_FIXED | RFLAGS_IF;
    t->frame_changed = true;
}

/* Takes the arguments' memory and `file`, which is at `path`; that has PATH_MAX bytes and is rewritten by scripts. */
static int exec(struct file *file, char *path, struct arguments *a) {
    char name[64], head[HEAD + 1] aligned(8);
    const char *slash = strrchr(path, '/');
    strlcpy(name, slash ? slash + 1 : path, sizeof(name));
    file = open_program(file, path, a, head);
    struct mm *mm = IS_ERR(file) ? NULL : mm_new();
    struct loaded program;
    u64 rsp;
    int error = IS_ERR(file) ? PTR_ERR(file) : !mm ? -ENOMEM : 0;
    if (!error) error = elf_load(mm, file, (struct elf_header *)head, &program);
    if (!error) error = build_stack(mm, a, path, &program, &rsp);
    if (!error) mm->program = file_get(file);
    if (!error) error = become_single(current);
    if (!error) error = unshare(current);
    if (!error) change_over(mm, name, program.entry, rsp);
    else mm_put(mm);
    if (!IS_ERR(file)) file_put(file);
    kfree(a->text);
    return error;
}

int kernel_exec(const char *path, const char *const *argv, const char *const *envp) {
    struct arguments a = { 0 };
    int error = 0;
    for (; *argv && !error; argv++, a.argc++) error = add_string(&a, *argv);
    for (; *envp && !error; envp++, a.envc++) error = add_string(&a, *envp);
    char *copy = error ? NULL : kmalloc(PATH_MAX);
    if (!copy) {
        kfree(a.text);
        return error ? error : -ENOMEM;
    }
    strlcpy(copy, path, PATH_MAX);
    error = exec(vfs_open_exec(AT_FDCWD, copy, 0), copy, &a);
    kfree(copy);
    current->frame_changed = false;         /* not in a system call */
    return error;
}

long sys_execve(const char *path, char **argv, char **envp) {
    struct arguments a = { 0 };
    char *copy = kmalloc(PATH_MAX);
    if (!copy) return -ENOMEM;
    ssize_t n = strncpy_from_user(copy, path, PATH_MAX);
    struct file *file = n < 0 ? ERR_PTR(n) : vfs_open_exec(AT_FDCWD, copy, 0);
    int error = IS_ERR(file) ? PTR_ERR(file) : add_user_vector(&a, argv, &a.argc);
    if (!error) error = add_user_vector(&a, envp, &a.envc);
    if (!error) error = exec(file, copy, &a);
    else {
        kfree(a.text);
        if (!IS_ERR(file)) file_put(file);
    }
    kfree(copy);
    return error;
}
