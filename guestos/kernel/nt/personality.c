/* What this kernel is to its programs: boot options release=, an older Linux, and abi=nt, no Linux at all. */
#include "arch.h"
#include "boot.h"
#include "dispatch.h"
#include "io.h"
#include "lib.h"
#include "ns.h"

static const char *number(const char *at, unsigned *to) {
    for (*to = 0; *at >= '0' && *at <= '9' && *to < 1000; at++) *to = *to * 10 + *at - '0';
    return at;
}

/* Calls that came later are as absent as any other; uname says which release it is. */
static void be_release(const char *release, const char *own) {
    unsigned major, minor, own_major, own_minor;
    number(number(own, &own_major) + 1, &own_minor);
    const char *dot = number(release, &major), *end = *dot == '.' ? number(dot + 1, &minor) : dot;
    if (end <= dot + 1 || (*end && *end != '.' && *end != '-') || major > 255 || minor > 255 || !major)
        panic("release=%s: expected a Linux release, as 5.4", release);
    u32 wanted = major << 8 | minor;
    if (wanted > (own_major << 8 | own_minor)) panic("release=%s: this kernel has what Linux %u.%u has, and nothing newer", release, own_major, own_minor);
    for (u64 n = 0; n < syscall_count; n++)
        if (syscall_since[n] > wanted) syscall_table[n] = NULL;
    char *name = init_nsproxy.uts->name.release;
    snprintf(name, sizeof(init_nsproxy.uts->name.release), "%s%s-ringzero", release, *end ? "" : ".0");
}

bool abi_is_nt;
extern const char nt_syscall_entry[];

void personality_init(void) {
    const char *release = cmdline_get("release"), *abi = cmdline_get("abi");
    if (release) be_release(release, RELEASE);
    if (!abi || !strcmp(abi, "linux")) return;
    if (strcmp(abi, "nt")) panic("abi=%s: expected linux or nt", abi);
    abi_is_nt = true;
    wrmsr(MSR_LSTAR, (u64)nt_syscall_entry);
}
