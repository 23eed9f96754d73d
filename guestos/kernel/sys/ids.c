/* System calls on identity: process, group and session numbers; user and group ids. */
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "vm.h"
#include "syscalls.h"

#define UNCHANGED ((u32)-1)

long sys_getpid(void) { return current->tgid; }
long sys_gettid(void) { return current->pid; }
long sys_getppid(void) { return current->process->parent ? current->process->parent->pid : 0; }
long sys_getuid(void) { return current->cred.uid; }
long sys_geteuid(void) { return current->cred.euid; }
long sys_getgid(void) { return current->cred.gid; }
long sys_getegid(void) { return current->cred.egid; }

/* ---- process groups and sessions ------------------------------------------------------------------ */

static struct process *find_or_self(pid_t pid) { return pid ? process_find(pid) : current->process; }

static bool group_in_session(pid_t pgid, pid_t sid) {
    struct process *p;
    for_each_process(p) if (p->pgid == pgid && p->sid == sid) return true;
    return false;
}

long sys_setpgid(pid_t pid, pid_t pgid) {
    struct process *self = current->process;
    if (pgid < 0 || (!pgid && pid < 0)) return -EINVAL;
    struct process *p = find_or_self(pid);
    if (!p) return -ESRCH;
    if (pid && p->pid != pid) return -EINVAL; /* a thread that doesn't lead */
    if (p != self && p->parent != self) return -ESRCH;
    if (!pgid) pgid = p->pid;
    if (p != self && p->sid != self->sid) return -EPERM;
    if (p != self && p->did_exec) return -EACCES;
    if (p->sid == p->pid) return -EPERM;
    if (pgid != p->pid && !group_in_session(pgid, self->sid)) return -EPERM;
    p->pgid = pgid;
    return 0;
}

long sys_getpgid(pid_t pid) {
    struct process *p = find_or_self(pid);
    return p ? p->pgid : -ESRCH;
}

long sys_getpgrp(void) { return current->process->pgid; }

long sys_getsid(pid_t pid) {
    struct process *p = find_or_self(pid);
    return p ? p->sid : -ESRCH;
}

long sys_setsid(void) {
    struct process *self = current->process, *p;
    for_each_process(p) if (p->pgid == self->pid) return -EPERM;
    self->pgid = self->sid = self->pid;
    self->tty = NULL;
    return self->pid;
}

/* ---- credentials ---------------------------------------------------------------------------------- */

/* Leaving uid 0 for good gives the capabilities up, as on Linux (capabilities(7)). */
static void user_ids_changed(struct cred *c, uid_t old_uid, uid_t old_euid, uid_t old_suid) {
    bool was_root = !old_uid || !old_euid || !old_suid, is_root = !c->uid || !c->euid || !c->suid;
    if (was_root && !is_root) c->cap_permitted = c->cap_effective = c->cap_ambient = 0;
    if (!old_euid && c->euid) c->cap_effective = 0;
    if (old_euid && !c->euid) c->cap_effective = c->cap_permitted;
    c->fsuid = c->euid;
    if (c->euid != old_euid) current->mm->dumpable = false;
}

long sys_setresuid(uid_t uid, uid_t euid, uid_t suid) {
    struct cred *c = &current->cred, old = *c;
    uid_t wanted[] = { uid, euid, suid };
    if (!capable(CAP_SETUID))
        for (int i = 0; i < 3; i++)
            if (wanted[i] != UNCHANGED && wanted[i] != c->uid && wanted[i] != c->euid && wanted[i] != c->suid) return -EPERM;
    if (uid != UNCHANGED) c->uid = uid;
    if (euid != UNCHANGED) c->euid = euid;
    if (suid != UNCHANGED) c->suid = suid;
    user_ids_changed(c, old.uid, old.euid, old.suid);
    return 0;
}

long sys_setresgid(gid_t gid, gid_t egid, gid_t sgid) {
    struct cred *c = &current->cred;
    gid_t wanted[] = { gid, egid, sgid };
    if (!capable(CAP_SETGID))
        for (int i = 0; i < 3; i++)
            if (wanted[i] != UNCHANGED && wanted[i] != c->gid && wanted[i] != c->egid && wanted[i] != c->sgid) return -EPERM;
    if (gid != UNCHANGED) c->gid = gid;
    if (egid != UNCHANGED && egid != c->egid) c->egid = egid, current->mm->dumpable = false;
    if (sgid != UNCHANGED) c->sgid = sgid;
    c->fsgid = c->egid;
    return 0;
}

long sys_setuid(uid_t uid) {
    if (uid == UNCHANGED) return -EINVAL;
    return capable(CAP_SETUID) ? sys_setresuid(uid, uid, uid) : sys_setresuid(UNCHANGED, uid, UNCHANGED);
}

long sys_setgid(gid_t gid) {
    if (gid == UNCHANGED) return -EINVAL;
    return capable(CAP_SETGID) ? sys_setresgid(gid, gid, gid) : sys_setresgid(UNCHANGED, gid, UNCHANGED);
}

long sys_setreuid(uid_t uid, uid_t euid) {
    struct cred *c = &current->cred;
    bool saves = uid != UNCHANGED || (euid != UNCHANGED && euid != c->uid);
    uid_t new_euid = euid != UNCHANGED ? euid : c->euid;
    return sys_setresuid(uid, euid, saves ? new_euid : UNCHANGED);
}

long sys_setregid(gid_t gid, gid_t egid) {
    struct cred *c = &current->cred;
    bool saves = gid != UNCHANGED || (egid != UNCHANGED && egid != c->gid);
    gid_t new_egid = egid != UNCHANGED ? egid : c->egid;
    return sys_setresgid(gid, egid, saves ? new_egid : UNCHANGED);
}

long sys_getresuid(uid_t *uid, uid_t *euid, uid_t *suid) {
    const struct cred *c = &current->cred;
    return put_user(c->uid, uid) || put_user(c->euid, euid) || put_user(c->suid, suid) ? -EFAULT : 0;
}

long sys_getresgid(gid_t *gid, gid_t *egid, gid_t *sgid) {
    const struct cred *c = &current->cred;
    return put_user(c->gid, gid) || put_user(c->egid, egid) || put_user(c->sgid, sgid) ? -EFAULT : 0;
}

long sys_getgroups(int size, gid_t *list) {
    const struct cred *c = &current->cred;
    if (size < 0) return -EINVAL;
    if (!size) return c->group_count;
    if ((u32)size < c->group_count) return -EINVAL;
    return copy_to_user(list, c->groups, c->group_count * sizeof(gid_t)) ? -EFAULT : (long)c->group_count;
}

long sys_setgroups(size_t size, const gid_t *list) {
    struct cred *c = &current->cred;
    gid_t groups[ARRAY_SIZE(c->groups)];
    if (!capable(CAP_SETGID)) return -EPERM;
    if (size > ARRAY_SIZE(groups)) return -EINVAL;
    if (copy_from_user(groups, list, size * sizeof(gid_t))) return -EFAULT;
    memcpy(c->groups, groups, sizeof(groups));
    c->group_count = size;
    return 0;
}
