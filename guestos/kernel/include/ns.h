/* Namespaces (namespaces(7)): names, numbers and users as some processes see them and others don't.
 *
 * Inside the kernel pids, uids and gids are those of the first namespaces, everywhere; they are translated where a
 * program is told one or names one. A namespace lives while a process is in it, a namespace is below or owned by it,
 * or a file of /proc/N/ns is open. Counts change without sleeping; more processors would need them atomic. */
#pragma once
#include "task.h"

struct text;
struct path;
struct file;
struct inode;

enum ns_kind { NS_MNT, NS_UTS, NS_IPC, NS_NET, NS_PID, NS_USER, NS_CGROUP, NS_KINDS };
#define CLONE_NEWNS 0x20000UL
#define CLONE_NEWCGROUP 0x2000000UL
#define CLONE_NEWUTS 0x4000000UL
#define CLONE_NEWIPC 0x8000000UL
#define CLONE_NEWUSER 0x10000000UL
#define CLONE_NEWPID 0x20000000UL
#define CLONE_NEWNET 0x40000000UL
#define CLONE_NEW_ALL (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NS_DEPTH 32                         /* pid and user namespaces below the first */

/* The head of every namespace. */
struct ns {
    s32 refs;
    u32 ino;                                /* of /proc/N/ns/KIND */
    enum ns_kind kind;
    struct user_ns *owner;                  /* whose CAP_SYS_ADMIN rules it; NULL: the first user namespace's own */
};
#define NS_FOREVER (1 << 30)
#define NS_FIRST(kind_, number) { .refs = NS_FOREVER, .ino = number, .kind = kind_, .owner = kind_ == NS_USER ? NULL : &init_user_ns }
void ns_init(struct ns *, enum ns_kind, struct user_ns *owner);     /* refs 1 */
struct ns *ns_get(struct ns *);
void ns_put(struct ns *);                   /* NULL is fine */

/* prctl's PR_SET_SECUREBITS; each has a lock one bit above it */
enum { SECBIT_NOROOT = 1, SECBIT_NO_SETUID_FIXUP = 4, SECBIT_KEEP_CAPS = 16, SECBIT_NO_CAP_AMBIENT_RAISE = 64 };

struct uts_ns { struct ns ns; struct utsname name; };
struct ipc_ns { struct ns ns; };
struct cgroup_ns { struct ns ns; struct cgroup *root; };      /* what it shows as / */

/* Numbers of a range of ids: `count` from `first` on inside are those from `lower` on in the first namespace. */
#define ID_EXTENTS 16
struct id_map { u32 count; struct id_extent { u32 first, lower, count; } extent[ID_EXTENTS]; };
struct user_ns {
    struct ns ns;
    struct user_ns *parent;
    unsigned level;
    u32 uid, gid;                           /* of who made it */
    struct id_map uids, gids;
    bool setgroups_denied;
};
extern struct user_ns init_user_ns;
#define ID_NONE ~0U
#define ID_OVERFLOW 65534U
u32 id_down(const struct id_map *, u32 id);         /* to the first namespace's; ID_NONE: not mapped */
u32 id_up(const struct id_map *, u32 id);           /* from it; ID_NONE: not mapped */
static inline u32 uid_from(u32 uid) { return id_down(&current->cred.user_ns->uids, uid); }
static inline u32 gid_from(u32 gid) { return id_down(&current->cred.user_ns->gids, gid); }
u32 uid_in(const struct user_ns *, u32 uid);        /* as a process there sees it: ID_OVERFLOW if not mapped */
u32 gid_in(const struct user_ns *, u32 gid);
static inline u32 uid_to(u32 uid) { return uid_in(current->cred.user_ns, uid); }
static inline u32 gid_to(u32 gid) { return gid_in(current->cred.user_ns, gid); }
long capability_prctl(int option, u64 a, u64 b, u64 more);     /* capability.c: those options of prctl */
bool ns_capable(struct user_ns *, int capability);  /* current in that namespace */
bool cred_capable(const struct cred *, const struct user_ns *, int capability);
bool user_ns_is_below(const struct user_ns *, const struct user_ns *above);     /* or the same */
bool capable_over(const struct inode *, int capability);    /* an inode whose owners are mapped in current's */
int user_ns_new(struct cred *);             /* it enters a new one below its own; an errno */
void user_ns_enter(struct cred *, struct user_ns *); /* all capabilities there; the old one's reference is dropped */
int id_map_write(struct task *, char *text, bool gids);
int id_map_print(struct task *, struct text *, bool gids);
int setgroups_write(struct task *, char *text);

/* Of a process there are numbers in its own pid namespace and in each above. */
struct pid_ns {
    struct ns ns;
    struct pid_ns *parent;
    unsigned level;
    struct list all;
    struct process *init;                   /* number 1; NULL before and after */
    bool dead;                              /* init is gone: nobody can be born */
    pid_t last;
    struct list pairs;                      /* not the first namespace's, whose numbers are the kernel's */
    struct superblock *proc;                /* of /proc with these numbers; NULL: never mounted */
};
extern struct pid_ns init_pid_ns;
pid_t pid_in(const struct pid_ns *, pid_t);         /* as a process there sees it; 0: it doesn't */
pid_t pid_from(const struct pid_ns *, pid_t);       /* back; 0: there is none */
static inline pid_t pid_to(pid_t pid) { return pid_in(current->pid_ns, pid); }
struct task *task_find_here(pid_t);                 /* task_find, process_find by current's numbers */
struct process *process_find_here(pid_t);
int pid_ns_join(struct task *, struct pid_ns *);    /* numbers for a task with its own; -ENOMEM: no memory, or nobody may */
bool pid_ns_is_below(const struct pid_ns *, const struct pid_ns *above);    /* or the same */
struct pid_ns *pid_ns_new(struct pid_ns *parent, struct user_ns *owner);    /* ERR_PTR */
void pid_ns_free(struct pid_ns *);
void pid_ns_forget(pid_t);                          /* the number is about to be another's */
void pid_ns_member_ended(const struct process *);   /* to an init that waits for it */
void pid_ns_end(struct process *init);              /* kill all others in it; sleeps until they have ended */
static inline bool is_ns_init(const struct process *p) { return p->leader->pid_ns->init == p; }

/* What a task has beside mounts, users and network. `pid` is its children's. */
struct nsproxy { s32 refs; struct uts_ns *uts; struct ipc_ns *ipc; struct pid_ns *pid; struct cgroup_ns *cgroup; };
extern struct nsproxy init_nsproxy;
void nsproxy_put(struct nsproxy *);
/* For clone and unshare: those of `flags` new, owned by `owner`. ERR_PTR. */
struct nsproxy *nsproxy_copy(struct nsproxy *, u64 flags, struct user_ns *owner);
struct ns *task_ns(struct task *, enum ns_kind);    /* NULL: it has ended */

/* nsfs.c: /proc/N/ns/KIND, or "pid_for_children" with kind NS_KINDS. */
extern const char *const ns_names[NS_KINDS];
int ns_path(struct ns *, struct path *);
bool path_is_ns(const struct path *);
struct ns *ns_of_file(const struct file *);         /* NULL: it is something else */
