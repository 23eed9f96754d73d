/* Capabilities (capabilities(7)): a thread's five sets, as it may change them itself. */
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "user.h"
#include "syscalls.h"

#define VERSION_3 0x20080522
#define CAP_LAST 40
#define CAP_ALL ((1UL << (CAP_LAST + 1)) - 1)

struct cap_header { u32 version; int pid; };
struct cap_data { u32 effective, permitted, inheritable; };

static long header(struct cap_header *user, struct cap_header *h) {
    if (get_user(*h, user)) return -EFAULT;
    if (h->version == VERSION_3) return h->pid < 0 ? -EINVAL : 0;
    h->version = VERSION_3;
    return put_user(*h, user) ? -EFAULT : -EINVAL;
}

long sys_capget(struct cap_header *user, struct cap_data *data) {
    struct cap_header h;
    long error = header(user, &h);
    if (error) return error == -EINVAL && !data && h.pid >= 0 ? 0 : error;
    struct task *t = h.pid ? task_find_here(h.pid) : current;
    if (!t) return -ESRCH;
    const struct cred *c = &t->cred;
    struct cap_data out[2];
    for (int i = 0; i < 2; i++)
        out[i] = (struct cap_data){ c->cap_effective >> 32 * i, c->cap_permitted >> 32 * i, c->cap_inheritable >> 32 * i };
    return copy_to_user(data, out, sizeof(out)) ? -EFAULT : 0;
}

long sys_capset(struct cap_header *user, const struct cap_data *data) {
    struct cap_header h;
    struct cap_data in[2];
    struct cred *c = &current->cred;
    long error = header(user, &h);
    if (error) return error;
    if (h.pid && h.pid != pid_to(current->pid)) return -EPERM;   /* check: accesstests */
    if (copy_from_user(in, data, sizeof(in))) return -EFAULT;
    u64 effective = (in[0].effective | (u64)in[1].effective << 32) & CAP_ALL, permitted = (in[0].permitted | (u64)in[1].permitted << 32) & CAP_ALL;
    u64 inheritable = (in[0].inheritable | (u64)in[1].inheritable << 32) & CAP_ALL;
    bool any = c->cap_effective >> CAP_SETPCAP & 1;
    if (!any && inheritable & ~(c->cap_inheritable | c->cap_permitted)) return -EPERM;   /* check: captests */
    if (inheritable & ~(c->cap_inheritable | c->cap_bounding)) return -EPERM;   /* check: captests */
    if (permitted & ~c->cap_permitted || effective & ~permitted) return -EPERM;   /* check: captests */
    c->cap_effective = effective;
    c->cap_permitted = permitted;
    c->cap_inheritable = inheritable;
    c->cap_ambient &= permitted & inheritable;   /* check: captests */
    return 0;
}

#define PR_GET_KEEPCAPS 7
#define PR_SET_KEEPCAPS 8
#define PR_CAPBSET_READ 23
#define PR_CAPBSET_DROP 24
#define PR_GET_SECUREBITS 27
#define PR_SET_SECUREBITS 28
#define PR_CAP_AMBIENT 47
enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

static long ambient(struct cred *c, u64 operation, u64 capability) {
    u64 bit = 1UL << capability;
    if (operation == AMBIENT_CLEAR_ALL) return capability ? -EINVAL : (c->cap_ambient = 0, 0);
    if (operation > AMBIENT_CLEAR_ALL || !operation || capability > CAP_LAST) return -EINVAL;
    if (operation == AMBIENT_IS_SET) return !!(c->cap_ambient & bit);
    if (operation == AMBIENT_LOWER) c->cap_ambient &= ~bit;
    else if (!(c->cap_permitted & c->cap_inheritable & bit) || c->securebits & SECBIT_NO_CAP_AMBIENT_RAISE) return -EPERM;   /* check: captests */
    else c->cap_ambient |= bit;
    return 0;
}

long capability_prctl(int option, u64 a, u64 b, u64 more) {
    struct cred *c = &current->cred;
    u32 locked = (c->securebits >> 1 & 0x55) * 3;   /* a set lock holds itself and its bit */
    switch (option) {
    case PR_CAPBSET_READ: return a > CAP_LAST ? -EINVAL : (long)(c->cap_bounding >> a & 1);
    case PR_CAPBSET_DROP:
        if (!ns_capable(c->user_ns, CAP_SETPCAP)) return -EPERM;   /* check: captests */
        if (a > CAP_LAST) return -EINVAL;
        c->cap_bounding &= ~(1UL << a);
        return 0;
    case PR_GET_KEEPCAPS: return !!(c->securebits & SECBIT_KEEP_CAPS);
    case PR_SET_KEEPCAPS:
        if (a > 1) return -EINVAL;
        if (locked & SECBIT_KEEP_CAPS) return -EPERM;   /* check: captests */
        c->securebits = (c->securebits & ~SECBIT_KEEP_CAPS) | (a ? SECBIT_KEEP_CAPS : 0);
        return 0;
    case PR_GET_SECUREBITS: return c->securebits;
    case PR_SET_SECUREBITS:
        if (a & ~0xffUL || (a ^ c->securebits) & locked || !ns_capable(c->user_ns, CAP_SETPCAP)) return -EPERM;   /* check: captests */
        c->securebits = a;
        return 0;
    case PR_CAP_AMBIENT: return more ? -EINVAL : ambient(c, a, b);
    }
    return -EINVAL;
}
