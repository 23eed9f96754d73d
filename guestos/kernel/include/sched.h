/* Inside of the process part: what task.h doesn't offer to the rest of the kernel. */
#pragma once
#include "task.h"
#include "arch.h"

#define PID_MAX 32768
#define SLICE_NS 10000000UL                 /* a turn on the processor when others wait, of whoever isn't nice */
#define RLIM_INFINITY (~0UL)
#define RLIMIT_DATA 2
#define RLIMIT_STACK 3
#define RLIMIT_NPROC 6
#define RLIMIT_NOFILE 7
#define RLIMIT_NICE 13
#define RLIMIT_RTPRIO 14

void sched_init(void);                      /* makes the caller the idle task */
void tasks_free_dead(void);                 /* those whose stacks nobody is on any more */
noreturn void idle_loop(void);
void task_started(struct trapframe *);      /* entry.S: a new task's first C code */
u64 turn_length(const struct task *);       /* ns */
void timer_turn_ends(u64 deadline);         /* interrupt then, to look again who may run */
u64 sched_tick(u64 now);                    /* timer interrupt: ends the turn if due; ktime of the next end, 0 none */

struct task *task_create(const char *name); /* zeroed, with kernel stack and FPU image; no pid yet */
struct process *process_create(struct task *leader); /* likewise, or NULL */
void task_free(struct task *);              /* and its process, if it leads one */
bool pid_in_use(pid_t);                     /* as that of a task, a group or a session */
pid_t pid_allocate(void);                   /* -EAGAIN: none left */
void task_publish(struct task *);           /* into the tables; then wake_task starts it */
void task_unpublish(struct task *);
void task_take_over(struct task *);         /* become the leader, with its number; the old one is freed */
void task_prepare_start(struct task *, void (*entry)(void), u64 rbx, u64 r12);
void fork_start(void);
void kthread_start(void);

/* Replace current's program. Kernel strings; argv and envp end with NULL. 0 or -errno. */
int kernel_exec(const char *path, const char *const *argv, const char *const *envp);
/* A child that runs fn(argument) in the kernel, which calls kernel_exec; returns its pid when it has become a program or ended. */
long fork_into(void (*fn)(void *), void *argument);
void vfork_done(struct task *);
void reap_ended_children(struct process *);

struct rusage;
void process_usage(const struct process *, struct rusage *); /* of itself and the children it waited for */

u64 clock_cycles_ns(u64 tsc_cycles);
void child_ended(struct process *);         /* its parent may now hear of it */
void notify_parent_stopped(struct process *, int status);

struct sighand *sighand_new(void);
struct sighand *sighand_copy(const struct sighand *);
void sighand_put(struct sighand *);
void sighand_reset(struct sighand *, bool ignored_too); /* caught signals go back to default */
void signals_drop(struct pending *, u64 set);
void signals_discard(struct process *, u64 set); /* its own, and its threads' */
int signals_take(u64 wanted, struct siginfo *); /* the next one pending for current; 0: none */
void signals_offer(struct process *);       /* let its threads look again at what is pending */
void send_signal_info(struct process *, struct task *thread, const struct siginfo *); /* thread NULL: any one */
bool process_stopped(const struct process *); /* all of its threads are */
void threads_kill(struct process *, struct task *but);
void process_kill(struct process *);        /* SIGKILL, that not even a namespace's init ignores */
void signal_deliver(struct trapframe *);    /* run or act on what is pending, before user mode */
bool signal_frame_push(struct trapframe *, int signo, const struct sigaction *, const struct siginfo *, u64 mask);

void fpu_reset(void);                       /* the processor's, to a new program's state */
void fpu_check(u8 image[512]);              /* make a program's image safe to load */
void futex_exit(struct task *);             /* locks it holds, and clear_child_tid */
bool may_signal(const struct process *target, int signo);
