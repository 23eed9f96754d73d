/* User and group ids (credentials(7)), and what a change of them does to capabilities. */
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "user.h"
#include "vm.h"
#include "syscalls.h"

#define UNCHANGED ((u32)-1)

long sys_getuid(void) { return uid_to(current->cred.uid); }
long sys_geteuid(void) { return uid_to(current->cred.euid); }
long sys_getgid(void) { return gid_to(current->cred.gid); }
long sys_getegid(void) { return gid_to(current->cred.egid); }

/* Leaving uid 0 for good gives the capabilities up, as on Linux (capabilities(7)). */
static void user_ids_changed(struct cred *c, uid_t old_uid, uid_t old_euid, uid_t old_suid) {
    u32 root = id_down(&c->user_ns->uids, 0);
    bool was_root = old_uid == root || old_euid == root || old_suid == root;
    c->fsuid = c->euid;
    if (c->euid != old_euid) current->mm->dumpable = false;
    if (c->securebits & SECBIT_NO_SETUID_FIXUP) return;
    if (was_root && c->uid != root && c->euid != root && c->suid != root) {
        if (!(c->securebits & SECBIT_KEEP_CAPS)) c->cap_permitted = c->cap_effective = 0;   /* check: captests */
        c->cap_ambient = 0;
    }
    if (old_euid == root && c->euid != root) c->cap_effective = 0;
    if (old_euid != root && c->euid == root) c->cap_effective = c->cap_permitted;
}

long sys_setresuid(uid_t uid, uid_t euid, uid_t suid) {
    struct cred *c = &current->cred, old = *c;
    uid_t wanted[] = { uid, euid, suid };
    for (int i = 0; i < 3; i++)
        if (wanted[i] != UNCHANGED && (wanted[i] = uid_from(wanted[i])) == ID_NONE) return -EINVAL;
    uid = wanted[0], euid = wanted[1], suid = wanted[2];
    if (!ns_capable(c->user_ns, CAP_SETUID))
        for (int i = 0; i < 3; i++)
            if (wanted[i] != UNCHANGED && wanted[i] != c->uid && wanted[i] != c->euid && wanted[i] != c->suid) return -EPERM;   /* check: captests */
    if (uid != UNCHANGED) c->uid = uid;
    if (euid != UNCHANGED) c->euid = euid;
    if (suid != UNCHANGED) c->suid = suid;
    user_ids_changed(c, old.uid, old.euid, old.suid);
    return 0;
}

long sys_setresgid(gid_t gid, gid_t egid, gid_t sgid) {
    struct cred *c = &current->cred;
    gid_t wanted[] = { gid, egid, sgid };
    for (int i = 0; i < 3; i++)
        if (wanted[i] != UNCHANGED && (wanted[i] = gid_from(wanted[i])) == ID_NONE) return -EINVAL;
    gid = wanted[0], egid = wanted[1], sgid = wanted[2];
    if (!ns_capable(c->user_ns, CAP_SETGID))
        for (int i = 0; i < 3; i++)
            if (wanted[i] != UNCHANGED && wanted[i] != c->gid && wanted[i] != c->egid && wanted[i] != c->sgid) return -EPERM;   /* check: captests */
    if (gid != UNCHANGED) c->gid = gid;
    if (egid != UNCHANGED && egid != c->egid) c->egid = egid, current->mm->dumpable = false;
    if (sgid != UNCHANGED) c->sgid = sgid;
    c->fsgid = c->egid;
    return 0;
}

long sys_setuid(uid_t uid) {
    if (uid == UNCHANGED) return -EINVAL;
    return ns_capable(current->cred.user_ns, CAP_SETUID) ? sys_setresuid(uid, uid, uid) : sys_setresuid(UNCHANGED, uid, UNCHANGED);   /* check: accesstests */
}

long sys_setgid(gid_t gid) {
    if (gid == UNCHANGED) return -EINVAL;
    return ns_capable(current->cred.user_ns, CAP_SETGID) ? sys_setresgid(gid, gid, gid) : sys_setresgid(UNCHANGED, gid, UNCHANGED);   /* check: accesstests */
}

long sys_setreuid(uid_t uid, uid_t euid) {
    struct cred *c = &current->cred;
    bool saves = uid != UNCHANGED || (euid != UNCHANGED && euid != uid_to(c->uid));
    uid_t new_euid = euid != UNCHANGED ? euid : uid_to(c->euid);
    return sys_setresuid(uid, euid, saves ? new_euid : UNCHANGED);
}

long sys_setregid(gid_t gid, gid_t egid) {
    struct cred *c = &current->cred;
    bool saves = gid != UNCHANGED || (egid != UNCHANGED && egid != gid_to(c->gid));
    gid_t new_egid = egid != UNCHANGED ? egid : gid_to(c->egid);
    return sys_setresgid(gid, egid, saves ? new_egid : UNCHANGED);
}

long sys_getresuid(uid_t *uid, uid_t *euid, uid_t *suid) {
    const struct cred *c = &current->cred;
    return put_user(uid_to(c->uid), uid) || put_user(uid_to(c->euid), euid) || put_user(uid_to(c->suid), suid) ? -EFAULT : 0;
}

long sys_getresgid(gid_t *gid, gid_t *egid, gid_t *sgid) {
    const struct cred *c = &current->cred;
    return put_user(gid_to(c->gid), gid) || put_user(gid_to(c->egid), egid) || put_user(gid_to(c->sgid), sgid) ? -EFAULT : 0;
}

long sys_getgroups(int size, gid_t *list) {
    const struct cred *c = &current->cred;
    if (size < 0) return -EINVAL;
    if (!size) return c->group_count;
    if ((u32)size < c->group_count) return -EINVAL;
    for (u32 i = 0; i < c->group_count; i++)
        if (put_user(gid_to(c->groups[i]), &list[i])) return -EFAULT;
    return c->group_count;
}

long sys_setgroups(size_t size, const gid_t *list) {
    struct cred *c = &current->cred;
    gid_t groups[ARRAY_SIZE(c->groups)];
    const struct user_ns *ns = c->user_ns;
    if (!ns_capable(c->user_ns, CAP_SETGID) || ns->setgroups_denied || !ns->gids.count) return -EPERM;   /* check: C16 */
    if (size > ARRAY_SIZE(groups)) return -EINVAL;
    if (copy_from_user(groups, list, size * sizeof(gid_t))) return -EFAULT;
    for (size_t i = 0; i < size; i++)
        if ((groups[i] = gid_from(groups[i])) == ID_NONE) return -EINVAL;
    memcpy(c->groups, groups, sizeof(groups));
    c->group_count = size;
    return 0;
}
