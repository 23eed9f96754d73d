/* NT's processes: made of an image and a command line, ended with 32 bits of status, waited for by handle. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ntcalls.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define WORDS 64

/* What a handle stands for, after its process has been waited for, too. */
struct nt_process { pid_t pid; bool ended; u32 status; };

static struct process *look(struct nt_process *);

/* With its last handle the interest in a process ends. */
static void process_release(struct file *f) {
    struct process *p = look(f->data);
    if (p) p->unwaited = true;
    kfree(f->data);
}

static const struct file_ops process_ops = { .release = process_release, .stream = true, .name = "nt:process" };

/* A program of NT's wrote all 32 bits of its status down; a fault is the exception it would have been. */
static u32 status_of(const struct process *p) {
    switch (p->exit_status & 0x7f) {
    case 0: return p->nt_status ? p->nt_status : (u32)p->exit_status >> 8;
    case SIGSEGV: case SIGBUS: return STATUS_ACCESS_VIOLATION;
    case SIGILL: return 0xc000001d;
    case SIGFPE: return 0xc0000094;
    default: return 0xc000013a;             /* STATUS_CONTROL_C_EXIT */
    }
}

static struct process *look(struct nt_process *n) {
    struct process *p = n->ended ? NULL : process_find(n->pid);
    if (!p || !p->ended) return p;
    n->ended = true;
    n->status = status_of(p);
    sys_wait4(n->pid, NULL, 0, NULL);
    return NULL;
}

static int process_get(u64 handle, struct file **file) {
    *file = fd_get(fd_of(handle));
    if (!*file || (*file)->ops == &process_ops) return *file ? 0 : -EBADF;
    file_put(*file);
    return -ENOTDIR;
}

/* ---- creation ---- */

/* Shared by who asks and the child, of whom either may go first. */
struct start { int refs, error; char *path, *command, *argv[WORDS + 1]; };

static void start_put(struct start *s) {
    if (--s->refs) return;
    kfree(s->path);
    kfree(s->command);
    kfree(s);
}

static void become(void *argument) {
    static const char *const environment[] = { NULL };
    struct start *s = argument;
    int error = s->error = kernel_exec(s->path, (const char *const *)s->argv, environment);
    start_put(s);
    if (error) process_exit(255 << 8);
}

/* As Windows' programs do: blanks part, quotes keep, a backslash keeps a quote. */
static void split(char *line, char **argv) {
    char *out = line;
    for (int n = 0; n < WORDS && *line; n++) {
        while (*line == ' ') line++;
        if (!*line) break;
        argv[n] = out;
        for (bool quoted = false; *line && (quoted || *line != ' '); line++)
            if (*line == '\\' && line[1] == '"') *out++ = *++line;
            else if (*line == '"') quoted = !quoted;
            else *out++ = *line;
        if (*line) line++;
        *out++ = 0;
    }
}

#define PS_ATTRIBUTE_IMAGE_NAME 0x20005
struct attribute_list { u64 length; struct { u64 attribute, size, value, returned; } first; };
#define COMMAND_LINE 0x70                   /* in RTL_USER_PROCESS_PARAMETERS */

long NtCreateUserProcess(u64 *process, u64 *thread, u32 process_access, u32 thread_access, const void *process_object, const void *thread_object,
                         u32 process_flags, u32 thread_flags, const void *parameters, void *create_info, const void *attributes) {
    struct attribute_list list;
    struct unicode_string image;
    if (copy_from_user(&list, attributes, sizeof(list))) return -EFAULT;
    /* The image's name is all that can be said of one; a process begins running. */
    if (process_flags || thread_flags || process_object || thread_object || list.length != sizeof(list) || list.first.attribute != PS_ATTRIBUTE_IMAGE_NAME) return STATUS_NOT_SUPPORTED;
    if (put_user(0UL, process) || put_user(0UL, thread)) return -EFAULT;
    image = (struct unicode_string){ list.first.size, list.first.size, 0, list.first.value };
    struct start *s = kzalloc(sizeof(*s));
    struct nt_process *n = kzalloc(sizeof(*n));
    long error = !s || !n ? -ENOMEM : 0;
    if (s) s->refs = 1;
    if (!error && IS_ERR(s->path = nt_path(image))) error = PTR_ERR(s->path), s->path = NULL;
    if (!error && IS_ERR(s->command = nt_string((const void *)((u64)parameters + COMMAND_LINE)))) error = PTR_ERR(s->command), s->command = NULL;
    if (!error) {
        split(s->command, s->argv);
        s->refs++;
        long pid = fork_into(become, s);
        if (pid < 0) error = pid, s->refs--;
        else if ((error = s->error)) sys_wait4(pid, NULL, 0, NULL);
        else n->pid = pid;
    }
    if (s) start_put(s);
    if (error) return kfree(n), error;
    int fd = fd_open(&process_ops, inode_anonymous(0600), n, O_CLOEXEC), second = fd < 0 ? fd : sys_fcntl(fd, 1030, 0);  /* F_DUPFD_CLOEXEC */
    if (second < 0) return sys_close(fd), second;       /* it runs, and nobody can wait for it */
    return put_user(handle_of(fd), process) || put_user(handle_of(second), thread) ? -EFAULT : 0;
}

/* ---- end ---- */

long NtTerminateProcess(u64 handle, u32 status) {
    struct file *file;
    if (handle == CURRENT_PROCESS || !handle) {
        current->process->nt_status = status;
        process_exit(MIN(status, 255U) << 8);
    }
    int error = process_get(handle, &file);
    if (error) return error == -ENOTDIR ? STATUS_OBJECT_TYPE_MISMATCH : error;
    struct process *p = look(file->data);
    if (p) process_kill(p);
    wait_event(&current->process->child_event, !look(file->data));
    ((struct nt_process *)file->data)->status = status;
    file_put(file);
    return p ? 0 : 0xc000010a;              /* STATUS_PROCESS_IS_TERMINATING */
}

/* A ktime; 0: never. */
static u64 deadline_of(s64 interval) {
    u64 now = ktime(), ns = interval < 0 ? -(u64)interval * 100 : MAX((interval - NT_EPOCH) * 100 - (s64)real_time(), 0L);
    return now + MAX(ns, 1UL);
}

long NtWaitForSingleObject(u64 handle, u8 alertable, const s64 *timeout) {
    struct file *file;
    s64 interval;
    if (alertable) return STATUS_NOT_SUPPORTED;
    if (timeout && get_user(interval, timeout)) return -EFAULT;
    int error = process_get(handle, &file);
    if (error) return error == -ENOTDIR ? STATUS_OBJECT_TYPE_MISMATCH : error;
    error = wait_event_until(&current->process->child_event, !look(file->data), timeout ? deadline_of(interval) : 0);
    file_put(file);
    return error;
}

long NtDelayExecution(u8 alertable, const s64 *interval) {
    struct task *t = current;
    struct wait_queue nobody = { 0 };
    s64 ticks;
    if (alertable) return STATUS_NOT_SUPPORTED;
    if (get_user(ticks, interval)) return -EFAULT;
    u64 deadline = t->sleep_until ? t->sleep_until : deadline_of(ticks);
    int error = wait_event_until(&nobody, false, deadline);
    t->sleep_until = error == -ETIMEDOUT ? 0 : deadline;
    return error == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
}

long NtYieldExecution(void) {
    schedule();
    return 0;
}

enum { ProcessBasicInformation };

long NtQueryInformationProcess(u64 handle, u32 class, void *to, u32 length, u32 *returned) {
    struct { u32 status, pad; u64 peb, affinity; s32 priority, pad2; u64 pid, parent; } basic = { STATUS_PENDING, 0, 0, 1, 8, 0, current->process->pid, 0 };
    struct process *p = current->process;
    struct file *file = NULL;
    if (class != ProcessBasicInformation) return STATUS_INVALID_INFO_CLASS;
    if (handle != CURRENT_PROCESS) {
        int error = process_get(handle, &file);
        if (error) return error == -ENOTDIR ? STATUS_OBJECT_TYPE_MISMATCH : error;
        p = look(file->data);
        struct nt_process *n = file->data;
        basic.pid = n->pid;
        if (!p) basic.status = n->status;
    }
    basic.parent = p && p->parent ? p->parent->pid : 0;
    if (file) file_put(file);
    return nt_return(to, &basic, sizeof(basic), length, returned);
}
