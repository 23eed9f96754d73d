/* Every way a program can fault, and what it is then told: a line each, to be equal on Linux and in the guest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static char *none, *read_only, *not_code, *past_end, *data;
static const char *name;

static const char *place(unsigned long address, unsigned long ip) {
    static char text[32];
    if (address == ip) return "ip";
    if (address >= (unsigned long)none && address < (unsigned long)none + 4096) return "none";
    if (address >= (unsigned long)read_only && address < (unsigned long)read_only + 4096) return "read_only";
    if (address >= (unsigned long)not_code && address < (unsigned long)not_code + 4096) return "not_code";
    if (address >= (unsigned long)past_end && address < (unsigned long)past_end + 4096) return "past_end";
    snprintf(text, sizeof text, "%lx", address);
    return text;
}
static void told(int signo, siginfo_t *info, void *context) {
    __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" ::: "memory", "cc"); /* Linux leaves AC to us */
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    printf("%s: signal %d code %d address %s", name, signo, info->si_code, place((unsigned long)info->si_addr, r[REG_RIP]));
    printf(" trap %lld error %llx%s%s\n", r[REG_TRAPNO], r[REG_ERR], r[REG_TRAPNO] == 14 ? " cr2 " : "",
           r[REG_TRAPNO] == 14 ? place(r[REG_CR2], r[REG_RIP]) : "");
    fflush(stdout);
    __asm__ volatile("fninit");
    siglongjmp(back, 1);
}
/* `text` does it with RBX = value. */
#define TRY(what, value, text) do { name = what; \
    if (!sigsetjmp(back, 1)) { __asm__ volatile(text :: "b"(value) : "rax", "rcx", "rdx", "rdi", "rsi", "memory", "cc"); printf("%s: nothing\n", what); fflush(stdout); } } while (0)
#define KERNEL 0xffffffff80200000UL
#define HOLE 0x8000000000000000UL
#define SSE(mask, a, b, op) "movl $" #mask ", -8(%%rsp); ldmxcsr -8(%%rsp); movl $" #a ", %%eax; movd %%eax, %%xmm0; movl $" #b ", %%eax; movd %%eax, %%xmm1; " op " %%xmm1, %%xmm0"
#define X87(control, body) "fninit; movw $" #control ", -8(%%rsp); fldcw -8(%%rsp); " body "; fwait"

int main(void) {
    static char stack[65536];
    stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction a = { .sa_sigaction = told, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    char file[] = "/tmp/faults.XXXXXX";
    int fd = mkstemp(file);
    write(fd, "x", 1);
    unlink(file);
    none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    not_code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    data = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    past_end = data + 4096;
    memset(not_code, 0xc3, 4096);
    sigaltstack(&alternative, NULL);
    for (int i = 1; i < 32; i++) if (i != SIGKILL && i != SIGSTOP) sigaction(i, &a, NULL);

    TRY("read of nothing", 16L, "movb (%%rbx), %%al");
    TRY("write to nothing", 24L, "movb %%al, (%%rbx)");
    TRY("jump to nothing", 32L, "jmp *%%rbx");
    TRY("read of PROT_NONE", none + 5, "movb (%%rbx), %%al");
    TRY("write to PROT_NONE", none + 6, "movb %%al, (%%rbx)");
    TRY("write to read-only, untouched", read_only + 7, "movb %%al, (%%rbx)");
    TRY("read of read-only", read_only + 7, "movb (%%rbx), %%al");
    TRY("write to read-only, touched", read_only + 7, "movb %%al, (%%rbx)");
    TRY("add to read-only", read_only + 7, "addb $1, (%%rbx)");
    TRY("execution of data", not_code, "jmp *%%rbx");
    TRY("read past a file", past_end + 1, "movb (%%rbx), %%al");
    TRY("write past a file", past_end + 2, "movb %%al, (%%rbx)");
    TRY("access across two pages", none - 4, "movq %%rax, (%%rbx)");
    TRY("read of the kernel", KERNEL, "movb (%%rbx), %%al");
    TRY("write to the kernel", KERNEL + 1, "movb %%al, (%%rbx)");
    TRY("jump to the kernel", KERNEL + 2, "jmp *%%rbx");
    TRY("read in the hole", HOLE, "movb (%%rbx), %%al");
    TRY("jump into the hole", HOLE, "jmp *%%rbx");
    TRY("stack read in the hole", HOLE, "movq %%rbp, %%rsi; movq %%rbx, %%rbp; movb (%%rbp), %%al; movq %%rsi, %%rbp");
    TRY("push in the hole", HOLE, "movq %%rsp, %%rsi; movq %%rbx, %%rsp; pushq %%rax; movq %%rsi, %%rsp");
    TRY("push on nothing", 4096L, "movq %%rsp, %%rsi; movq %%rbx, %%rsp; pushq %%rax; movq %%rsi, %%rsp");

    TRY("division by zero", 0L, "xor %%edx, %%edx; movl $1, %%eax; divl %%ebx");
    TRY("division that overflows", -1L, "movl $0x80000000, %%eax; cltd; idivl %%ebx");
    TRY("ud2", 0L, "ud2");
    TRY("invalid in 64 bits", 0L, ".byte 0x06");
    TRY("a bad LOCK", 0L, ".byte 0xf0, 0x90");
    TRY("an instruction of 16 bytes", 0L, ".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x90");
    TRY("int3", 0L, "int3");
    TRY("icebp", 0L, ".byte 0xf1");
    TRY("int 3", 0L, ".byte 0xcd, 3");
    TRY("int 4", 0L, "int $4");
    TRY("int 13", 0L, "int $13");
    TRY("int 14", 0L, "int $14");
    TRY("int 32", 0L, "int $32");
    TRY("hlt", 0L, "hlt");
    TRY("cli", 0L, "cli");
    TRY("in", 0L, "inb $0x60, %%al");
    TRY("out", 0L, "outb %%al, $0x80");
    TRY("read of CR0", 0L, "movq %%cr0, %%rax");
    TRY("write to CR3", 0L, "movq %%rax, %%cr3");
    TRY("read of DR7", 0L, "movq %%db7, %%rax");
    TRY("rdmsr", 0L, "rdmsr");
    TRY("lgdt", not_code, "lgdt (%%rbx)");
    TRY("invlpg", not_code, "invlpg (%%rbx)");
    TRY("swapgs", 0L, "swapgs");
    TRY("sysret", 0L, "sysretq");
    TRY("a selector beyond the table", 0x1230L, "movl %%ebx, %%ds");
    TRY("a selector of no table", 0x14L, "movl %%ebx, %%es");
    TRY("the kernel's code selector", 0x10L, "pushq %%rbx; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:");
    TRY("a null stack selector", 0L, "movl %%ebx, %%ss");
    TRY("a single step", 0L, "pushfq; orq $0x100, (%%rsp); popfq; nop; nop");
    TRY("a misaligned SSE access", not_code + 4, "movaps (%%rbx), %%xmm0");
    TRY("an alignment check", not_code + 1, "pushfq; orq $0x40000, (%%rsp); popfq; movl (%%rbx), %%eax; pushfq; andq $~0x40000, (%%rsp); popfq");

    TRY("x87 division by zero", 0L, X87(0x37b, "fld1; fldz; fdivrp"));
    TRY("x87 invalid operation", 0L, X87(0x37e, "fldz; fldz; fdivrp"));
    TRY("x87 stack underflow", 0L, X87(0x37e, "fstp %%st(0)"));
    TRY("x87 precision", 0L, X87(0x35f, "fld1; fldpi; fdivrp"));
    TRY("x87 overflow", 0L, X87(0x377, "movl $0x7fffffff, -16(%%rsp); fildl -16(%%rsp); fld1; fscale; fildl -16(%%rsp); fxch; fscale"));
    TRY("x87 masked", 0L, X87(0x37f, "fld1; fldz; fdivrp"));
    TRY("SSE division by zero", 0L, SSE(0x1d80, 0x3f800000, 0, "divss"));
    TRY("SSE invalid operation", 0L, SSE(0x1f00, 0, 0, "divss"));
    TRY("SSE overflow", 0L, SSE(0x1b80, 0x7f000000, 0x7f000000, "mulss"));
    TRY("SSE underflow", 0L, SSE(0x1780, 0x00800000, 0x00800000, "mulss"));
    TRY("SSE precision", 0L, SSE(0xf80, 0x3f800000, 0x40400000, "divss"));
    TRY("SSE denormal", 0L, SSE(0x1e80, 0x3f800000, 1, "mulss"));
    TRY("SSE masked", 0L, SSE(0x1f80, 0x3f800000, 0, "divss"));
    TRY("a bad MXCSR", 0L, "movl $0x10000, -8(%%rsp); ldmxcsr -8(%%rsp)");
    return 0;
}
