/* NT's system calls: from the SYSCALL entry to the function and back, with a status instead of an error number. */
#include "arch.h"
#include "dispatch.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "ntcalls.h"
#include "sched.h"
#include "user.h"
#include "vm.h"

bool syscall_dispatch(struct trapframe *);
bool nt_dispatch(struct trapframe *);

#define IN_REGISTERS 4
#define STACK_ARGUMENTS 0x28                /* above the return address and the four registers' shadow space */

long nt_status(long result) {
    static const struct { int error; u32 status; } map[] = {
        { EPERM, STATUS_ACCESS_DENIED }, { EACCES, STATUS_ACCESS_DENIED }, { EROFS, 0xc00000a2 }, { ENOENT, STATUS_OBJECT_NAME_NOT_FOUND },
        { EBADF, STATUS_INVALID_HANDLE }, { EFAULT, STATUS_ACCESS_VIOLATION }, { EINVAL, STATUS_INVALID_PARAMETER }, { ENOMEM, STATUS_NO_MEMORY },
        { EEXIST, 0xc0000035 }, { ENOTDIR, 0xc0000103 }, { EISDIR, 0xc00000ba }, { ENOTEMPTY, 0xc0000101 }, { ENOSPC, 0xc000007f },
        { EMFILE, 0xc000011f }, { ENAMETOOLONG, 0xc0000106 }, { ETXTBSY, 0xc0000043 }, { EPIPE, 0xc000014b }, { ENOEXEC, STATUS_INVALID_IMAGE_FORMAT },
        { EAGAIN, 0xc000009a }, { EIO, 0xc0000185 }, { ENXIO, 0xc00000c0 }, { ELOOP, 0xc0000280 }, { ETIMEDOUT, STATUS_TIMEOUT },
        { ENAMEINVALID, STATUS_OBJECT_NAME_INVALID },
    };
    if (result >= 0) return result;
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) if (map[i].error == -result) return map[i].status;
    return 0xc0000001;                      /* STATUS_UNSUCCESSFUL */
}

static long call(struct trapframe *f) {
    u32 number = f->vector;
    u64 a[11] = { f->r10, f->rdx, f->r8, f->r9 };
    const struct nt_call *c = number < nt_count ? &nt_table[number] : NULL;
    if (!c || !c->function) return STATUS_INVALID_SYSTEM_SERVICE;
    if (c->arguments > IN_REGISTERS && copy_from_user(a + IN_REGISTERS, (const void *)(f->rsp + STACK_ARGUMENTS), (c->arguments - IN_REGISTERS) * 8))
        return STATUS_ACCESS_VIOLATION;
    return c->function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10]);
}

bool nt_dispatch(struct trapframe *f) {
    struct task *t = current;
    if (t->mm->calls == CALLS_LINUX) return syscall_dispatch(f);
    t->user_cycles += rdtsc() - t->user_since;
    if (t->mm->calls == CALLS_UNKNOWN) {
        kerror("%s: system call %lu is not of this kernel's table (abi=nt): a Linux program needs a Linux kernel; "
               "`box run --wsl` starts one in a small VM\n", t->comm, f->vector);
        NtTerminateProcess(CURRENT_PROCESS, STATUS_INVALID_SYSTEM_SERVICE);
    }
    long result = call(f);
    bool again = result == -ERESTARTSYS || result == -ERESTARTNOHAND;
    f->rax = again ? result : nt_status(result);
    asm volatile("cli" ::: "memory");
    bool slow = t->work || again;
    if (slow) user_return_work(f);
    t->user_since = rdtsc();
    return slow;
}
