/* What the kernel's basic operations cost: the least of several tries, in time-stamp counts. On Ringzero
 * those are instructions (plus waiting, of which there is none here), so a run says the same each time. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t tsc(void) { uint32_t lo, hi; __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)); return (uint64_t)hi << 32 | lo; }

static int to[2], from[2];
static char *fresh;
static char self[] = "/bin/costs";

static void nothing(void) { }
static void null_call(void) {               /* the call itself, without libc's syscall(), which takes about 70 */
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
}
static void libc_call(void) { syscall(SYS_getppid); }
static void fault(void) { *fresh = 1; fresh += 4096; }
static void wait_for(pid_t pid) {
    int how;
    if (pid < 0 || waitpid(pid, &how, 0) != pid || how) exit(1);
}
static void fork_exit(void) {
    pid_t pid = fork();
    if (!pid) _exit(0);
    wait_for(pid);
}
static void fork_exec_exit(void) {
    pid_t pid = fork();
    if (!pid) { execl(self, self, "exit", (char *)0); _exit(1); }
    wait_for(pid);
}
static void there_and_back(void) {
    char c = 0;
    if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1) exit(1);
}

static char part[65536];
static void read_mebibyte(void) {
    int fd = open("/etc/mebibyte", O_RDONLY);
    for (int i = 0; i < 16; i++) if (read(fd, part, sizeof(part)) != sizeof(part)) exit(1);
    if (close(fd)) exit(1);
}

static void measure(const char *name, void (*operation)(void), int tries) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < tries; i++) {
        uint64_t begin = tsc();
        operation();
        uint64_t took = tsc() - begin;
        if (took < least) least = took;
    }
    printf("%s %lu\n", name, (unsigned long)least);
}

int main(int argc, char **argv) {
    if (argc > 1) _exit(0);
    fresh = mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED || pipe(to) || pipe(from)) return 1;
    measure("nothing", nothing, 20);
    measure("system-call", null_call, 50);
    measure("system-call-by-libc", libc_call, 50);
    measure("page-fault", fault, 50);
    memset(part, 1, sizeof(part));
    measure("read-mebibyte-of-disk", read_mebibyte, 1);
    measure("read-mebibyte", read_mebibyte, 3);
    measure("fork-exit", fork_exit, 20);
    measure("fork-exec-exit", fork_exec_exit, 20);
    pid_t echo = fork();
    if (!echo) {
        char c;
        close(to[1]);
        while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1) ;
        _exit(0);
    }
    measure("pipe-there-and-back", there_and_back, 50);
    close(to[1]);
    wait_for(echo);
    return 0;
}
