/* Tracing of tasks by other processes: ptrace(2). */
#pragma once
#include "signal.h"
#include "list.h"

struct mm;
struct task;
struct trapframe;
struct process;
struct file_ops;

/* Of a task that is traced; task->trace. Its tracer is a process here: any of its threads may command. */
struct trace {
    struct task *task;
    struct process *tracer;
    struct list link;                       /* tracer->traced */
    u32 options;                            /* PTRACE_O_ */
    enum { TRACE_RUN, TRACE_CALLS, TRACE_STEP } mode;   /* until the next stop */
    bool seized, interrupt;                 /* interrupt: to stop at once */
    bool untold;                            /* wait has not reported the stop yet */
    int code;                               /* it is stopped, for this: a signal, an event << 8; 0: it runs */
    struct siginfo *info;                   /* what GETSIGINFO says; NULL: a stop by job control */
    u64 message;                            /* of the event */
};

#define PTRACE_EVENT_FORK 1
#define PTRACE_EVENT_VFORK 2
#define PTRACE_EVENT_CLONE 3
#define PTRACE_EVENT_EXEC 4
#define PTRACE_EVENT_VFORK_DONE 5
#define PTRACE_EVENT_EXIT 6
#define PTRACE_EVENT_SECCOMP 7
#define PTRACE_EVENT_STOP 128

/* Whether current may look into and command the task: with its own ids (PTRACE_MODE_REAL), or with those that
 * files are opened with. */
#define PTRACE_MODE_FS 0
#define PTRACE_MODE_REAL 1
bool ptrace_may_access(const struct task *, int mode);
extern const struct file_ops proc_mem_files;    /* /proc/N/mem */
ssize_t mm_access(struct mm *, u64 address, void *buffer, size_t n, bool write);   /* as the program couldn't itself */

/* Called by current, and nothing if it isn't traced. They stop until the tracer lets it go on. */
int trace_signal(int signo, struct siginfo *);  /* about to be acted on; the signal to be acted on instead, 0: none */
void trace_job_stop(void);                      /* its process is stopped */
void trace_call(struct trapframe *, bool entry);
bool trace_event(int event, u64 message);       /* false: nobody asked for it */
void trace_exec(pid_t old_pid);
void trace_fork(struct task *child, int event); /* before it runs: traced too, if that was asked for */
bool trace_allows_privileges(void);             /* that a program would get by set-id bits */

void trace_drop(struct task *);                 /* traced no more; nothing if it wasn't */
void traces_end(struct process *tracer);
