/* Signals: Linux's numbers and structures, and how the kernel sends them. */
#pragma once
#include "types.h"

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGSTKFLT 16
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGURG 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGIO 29
#define SIGPWR 30
#define SIGSYS 31
#define SIGNALS 64

#define SIG_BIT(n) (1UL << ((n) - 1))

#define SIG_DFL ((void *)0)
#define SIG_IGN ((void *)1)
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

#define SA_NOCLDSTOP 1UL
#define SA_NOCLDWAIT 2UL
#define SA_SIGINFO 4UL
#define SA_RESTORER 0x04000000UL
#define SA_ONSTACK 0x08000000UL
#define SA_RESTART 0x10000000UL
#define SA_NODEFER 0x40000000UL
#define SA_RESETHAND 0x80000000UL

#define SI_USER 0
#define SI_KERNEL 128
#define SI_TKILL (-6)
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2

struct sigaction {              /* the kernel's, as rt_sigaction passes it */
    void *handler;
    u64 flags;
    void *restorer;
    u64 mask;
};

struct siginfo {                /* 128 bytes; the fields used, by kind */
    s32 si_signo, si_errno, si_code, pad;
    union {
        struct { s32 si_pid; u32 si_uid; s32 si_status; s32 pad2; s64 si_utime, si_stime; };
        u64 si_addr;
        u64 words[14];
    };
};

struct task;
struct process;

struct pending {                /* sent and not yet taken */
    u64 set;
    struct siginfo_entry *queue; /* what is known of them */
};

/* Send to one thread with SI_KERNEL. All work from interrupt handlers. */
void send_signal(struct task *, int signo);
/* To a process: any of its threads. */
void send_signal_process(struct process *, int signo);
/* To every process of a group; -ESRCH if it has none. */
int send_signal_group(pid_t pgid, int signo);
/* A fault of the current program: delivered even if blocked or ignored (then it kills). */
void force_signal(int signo, int code, u64 address);
void force_signal_info(const struct siginfo *);
/* Whether a thread is to end, or a signal that is its end waits for it. */
bool signal_ends(const struct task *);
/* Replace current's mask, but for SIGKILL and SIGSTOP. */
void signals_block(u64 mask);
/* Whether current blocks or ignores signo (terminals: SIGTTIN, SIGTTOU). */
bool signal_blocked_or_ignored(int signo);
/* Whether current's process group is orphaned (no member's parent is elsewhere in the session). */
bool process_group_orphaned(pid_t pgid);
