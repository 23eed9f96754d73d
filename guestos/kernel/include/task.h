/* Tasks, each one flow of execution, and processes, what the tasks (threads) of one program share.
 *
 * Who may touch what: a task's own fields by itself; state, run-queue links and pending signals with
 * interrupts off; a process's by any task (the kernel is not preempted), and by interrupt handlers
 * only its signals and alarm.
 */
#pragma once
#include "types.h"
#include "list.h"
#include "sync.h"
#include "signal.h"
#include "time.h"

struct cgroup;
struct mm;
struct files;
struct fs_context;
struct net_namespace;
struct file;
struct filter;
struct trace;
struct tty;

#define KSTACK_SIZE (16UL << 10)

enum task_state {
    TASK_RUNNING,                           /* on the processor or in the run queue */
    TASK_SLEEPING,                          /* until woken; signals too */
    TASK_BLOCKED,                           /* until woken; not by signals (disk) */
    TASK_STOPPED,                           /* by job control, until SIGCONT or SIGKILL */
    TASK_TRACED,                            /* until its tracer says so, or SIGKILL */
    TASK_ZOMBIE,                            /* exited, not yet waited for */
    TASK_DEAD,
};

struct cred {
    uid_t uid, euid, suid, fsuid;
    gid_t gid, egid, sgid, fsgid;
    struct user_ns *user_ns;                /* that the capabilities are for; referenced by the task */
    u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    u32 securebits;
    u32 group_count;
    gid_t groups[32];
};

/* What a program's registers are when it is in the kernel; at the top of its kernel stack. In the
 * order entry.S pushes them. */
struct trapframe {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u64 vector;                             /* or the system call's number */
    u64 error;                              /* or FRAME_SYSCALL */
    u64 rip, cs, rflags, rsp, ss;
};

struct sighand {                            /* shared by CLONE_SIGHAND */
    s32 refs;
    struct sigaction action[SIGNALS];       /* of signal n at n - 1 */
};

struct times { u64 run, user, minor_faults, major_faults; }; /* ns on the processor; ns of them in user mode */

/* Lasts from its first thread's creation until the parent has waited for it. */
struct process {
    struct list link;                       /* all_processes, in order of pid */
    struct task *leader;                    /* the thread whose tid is pid; a zombie once it has ended */
    struct list threads;                    /* that can be sent signals: until they begin to exit */
    pid_t pid, pgid, sid;
    struct tty *tty;                        /* the session's controlling terminal, or NULL */
    pid_t hung_up_group;                    /* a leader's: the foreground of the terminal it had */
    struct process *parent;                 /* NULL for pid 1 and the kernel's own */
    struct list children, sibling;
    struct list traced;                     /* struct trace, of the tasks it traces */
    struct wait_queue child_event;          /* wait4 sleeps here, and exec until its threads are gone */
    int exit_signal;                        /* to the parent at the end; SIGCHLD, or 0 */
    int exit_status;                        /* as wait4 reports it */
    u32 nt_status;                          /* of a program of NT's: all 32 bits */
    int stop_status;                        /* unreported stop signal or 0xffff for continued; 0 none */
    bool ended;                             /* waits to be waited for */
    bool unwaited;                          /* and nobody will: NT's, whose handles are closed or who has lost its parent */
    bool did_exec;
    bool subreaper;                         /* takes over orphans among its descendants */
    bool exiting;                           /* all threads end, and exit_status is settled */
    u32 live;                               /* threads that still use this; the last one out ends the process */
    struct sighand *sighand;                /* NULL once ended */
    struct pending pending;                 /* for any of the threads */
    int stopping;                           /* by this signal all threads stop or have stopped; 0: none */
    struct timer alarm;
    u64 alarm_interval;                     /* ns; 0: once */
    struct times gone;                      /* threads that are no more */
    struct times waited;                    /* children waited for, and theirs */
    u64 rlimit[16][2];                      /* soft, hard; RLIM_INFINITY is ~0 */
    struct cgroup *cgroup;                  /* referenced */
    s16 oom_score_adj;                      /* -1000: never killed for memory, to 1000: the first */
};

struct task {
    u64 kernel_rsp;                         /* switch.S: saved stack pointer while not running */
    void *kstack;                           /* KSTACK_SIZE bytes; the trapframe ends it */
    u64 fs_base, gs_base;
    void *fpu;                              /* 512-byte FXSAVE image, aligned to 16 */

    enum task_state state;
    union {
        u32 work;                           /* not 0: user_return_work() before user mode */
        struct {
            bool resched;                   /* give the processor away */
            bool signalled;                 /* a signal, a stop or the end waits */
            bool restore_mask;              /* blocked becomes saved_mask, after a handler if there is one */
            bool frame_changed;             /* leave the system call by IRET, all registers from the frame */
        };
    };
    bool kernel_thread;
    bool killed;                            /* to end, with the process or because another thread does exec */
    bool frozen;                            /* with its control group, on the way to user mode */
    struct list run_link;
    struct cgroup *queued_in;               /* whose queue it waits for the processor in; or NULL */
    s8 nice;                                /* -20, the most, to 19 */
    u64 slice_end;                          /* ktime */
    struct timer sleep_timer;

    pid_t pid, tgid;                        /* this thread's, and its process's */
    struct process *process;
    struct list thread_link;                /* in process->threads */
    struct task *hash_next;
    struct task *vfork_parent;              /* sleeping until we exec or exit */
    bool vforking;                          /* that is, we sleep so */

    struct mm *mm;                          /* NULL for kernel threads and zombies */
    struct files *files;                    /* vfs.h */
    struct fs_context *fs;                  /* vfs.h: root, cwd, umask */
    struct net_namespace *net;              /* socket.h */
    struct nsproxy *nsproxy;                /* ns.h: its other namespaces, and */
    struct pid_ns *pid_ns;                  /* the one that its number is in: never another */
    struct cred cred;
    bool no_new_privs;                      /* exec never gives any; for good */
    struct trace *trace;                    /* trace.h; NULL: nobody traces it */
    int injected;                           /* signal that the tracer let it go on with */
    u8 seccomp;                             /* SECCOMP_; 0: none */
    struct filter *filter;                  /* seccomp.h; the newest, referenced */
    u64 call_limit;                         /* system calls below it are made at once; 0: seccomp is asked */
    char comm[16];
    int __user *clear_child_tid;
    void __user *robust_list;

    u64 blocked;                            /* masks: SIG_BIT(n) */
    u64 waited;                             /* those sigtimedwait waits for */
    u64 saved_mask;
    struct pending pending;                 /* for this thread alone */
    u64 forced;                             /* of them: faults of the program itself */
    u64 altstack_base, altstack_size;
    u32 altstack_flags;

    u64 run_time;                           /* ns on the processor */
    u64 switched_in;                        /* ktime */
    u64 user_cycles, user_since;            /* of the TSC, in user mode; when last entered */
    u64 charged_cycles;                     /* of user_cycles: what the control group knows */
    u64 start_time;                         /* ktime */
    u64 minor_faults, major_faults;
    int changing;                           /* changes of file systems it is in: write_back.c */
    u64 sleep_until;                        /* nanosleep's deadline across a restart */
};

/* Per processor, found through GS while in the kernel. Offsets are known to entry.S. */
struct cpu {
    struct cpu *self;
    struct task *running;
    u64 kernel_stack;                       /* top of current's */
    u64 user_rsp;                           /* scratch of the SYSCALL entry */
};
static inline struct task *current_task(void) {
    struct task *t;
    asm("movq %%gs:8, %0" : "=r"(t));       /* not volatile: constant within a task */
    return t;
}
#define current current_task()

static inline struct trapframe *task_frame(struct task *t) {
    return (struct trapframe *)((char *)t->kstack + KSTACK_SIZE) - 1;
}

extern struct list all_processes;           /* every one but idle, by pid */
#define for_each_process(p) list_for_each(p, &all_processes, link)
#define for_each_thread(t, p) list_for_each(t, &(p)->threads, thread_link)
struct task *task_find(pid_t pid);          /* a thread by its own number; NULL: none */
struct process *process_find(pid_t pid);    /* of a program; by any of its threads' numbers; NULL: none */

/* A kernel thread running fn(argument); it may call exec's kernel_exec to become a program. */
struct task *kthread_create(void (*fn)(void *), void *argument, const char *name);
noreturn void task_exit(int status);        /* of this thread; status as wait4 reports it */
noreturn void process_exit(int status);     /* of all of its process */
void wake_task(struct task *);
struct times task_times(const struct task *);
struct times process_times(const struct process *); /* of all its threads so far */
void times_add(struct times *sum, struct times more);

/* For procfs: copy from another task's memory (argv, environ). Bytes copied, short at a hole. */
ssize_t task_read_memory(struct task *, u64 address, void *to, size_t n);
struct mm_summary {
    u64 arg_start, arg_end, env_start, env_end, start_code, end_code, start_stack, brk_start, brk;
    u64 total_pages, resident_pages;
};
bool task_mm_summary(struct task *, struct mm_summary *);  /* false: no address space */
/* n-th mapping, for /proc/N/maps; file is NULL for anonymous memory. false past the last. */
struct mapping { u64 start, end, offset; int prot; bool shared; struct file *file; const char *name; };
struct file *task_program(struct task *);   /* referenced, NULL if none: /proc/N/exe */
bool task_mapping(struct task *, int n, struct mapping *);

struct utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };
#define RELEASE "6.1.0-ringzero"            /* the Linux whose ABI this is */

bool capable(int capability);               /* of current in the first user namespace: ns.h has others */
#define CAP_CHOWN 0
#define CAP_DAC_OVERRIDE 1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER 3
#define CAP_FSETID 4
#define CAP_KILL 5
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_LINUX_IMMUTABLE 9
#define CAP_NET_BIND_SERVICE 10
#define CAP_NET_ADMIN 12
#define CAP_SYS_CHROOT 18
#define CAP_SYS_PTRACE 19
#define CAP_SYS_ADMIN 21
#define CAP_SYS_BOOT 22
#define CAP_SYS_NICE 23
#define CAP_SYS_RESOURCE 24
#define CAP_SYS_TIME 25
#define CAP_SYS_TTY_CONFIG 26
#define CAP_MKNOD 27
