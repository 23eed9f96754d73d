/* Address spaces: mappings, protection, the break, the stack, sharing. */
#include "tests.h"

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static volatile char *touched;
static void read_it(void) { (void)*touched; }
static void write_it(void) { *touched = 1; }
/* The signal that an access to `at` brings, or 0. */
static int brings(void (*access)(void), void *at) {
    touched = at;
    CHILD(pid, access());
    int how = status_of(pid);
    return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}
static bool readable(void *at) { return !brings(read_it, at); }
static bool writable(void *at) { return !brings(write_it, at); }

/* ---- mmap ---- */

TEST(fresh_memory_is_zero) {
    char *p = pages(16, RW);
    for (int i = 0; i < 16 * PAGE; i++) CHECK(!p[i]);
    memset(p, 1, 16 * PAGE);
    WORKS(munmap(p, 16 * PAGE));
    p = pages(16, RW);
    for (int i = 0; i < 16 * PAGE; i++) CHECK(!p[i]);
}
TEST(mmap_errors) {
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    FAILS(syscall(SYS_mmap, NULL, 0, PROT_READ, ANONYMOUS, -1, 0), EINVAL);
    FAILS(syscall(SYS_mmap, NULL, PAGE, PROT_READ, ANONYMOUS, -1, 1), EINVAL);
    FAILS(syscall(SYS_mmap, NULL, 1UL << 48, PROT_READ, ANONYMOUS, -1, 0), ENOMEM);
    FAILS(syscall(SYS_mmap, NULL, -1UL, PROT_READ, ANONYMOUS, -1, 0), ENOMEM);
    FAILS(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
    FAILS(syscall(SYS_mmap, 1, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
    FAILS(syscall(SYS_mmap, KERNEL, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
    int ends[2];
    WORKS(pipe(ends));
    FAILS(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
    FAILS(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0), ENODEV);
}
TEST(mmap_wants_the_right_access_mode) {
    make("f", "x");
    int reading = open("f", O_RDONLY), writing = open("f", O_WRONLY);
    FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, reading, 0), EACCES);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, writing, 0), EACCES);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, writing, 0), EACCES);
    CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE, reading, 0) != MAP_FAILED);
}
TEST(MAP_FIXED_replaces_what_is_there) {
    char *p = pages(3, RW);
    memset(p, 'x', 3 * PAGE);
    GIVES(mmap(p + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), p + PAGE);
    CHECK(p[PAGE - 1] == 'x' && !p[PAGE] && p[2 * PAGE] == 'x');
    CHECK(!writable(p + PAGE) && writable(p + 2 * PAGE));
}
TEST(MAP_FIXED_NOREPLACE_leaves_what_is_there) {
    char *p = pages(3, RW);
    FAILS(mmap(p + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    WORKS(munmap(p + PAGE, PAGE));
    GIVES(mmap(p + PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), p + PAGE);
}
TEST(a_wished_address_is_taken_when_free) {
    char *p = pages(3, RW);
    WORKS(munmap(p + PAGE, PAGE));
    GIVES(mmap(p + PAGE + 1, PAGE, RW, ANONYMOUS, -1, 0), p + PAGE);
    CHECK(mmap(p + PAGE, PAGE, RW, ANONYMOUS, -1, 0) != p + PAGE);
}
TEST(munmap_leaves_the_rest) {
    char *p = pages(5, RW);
    memset(p, 'x', 5 * PAGE);
    WORKS(munmap(p + PAGE, PAGE));
    WORKS(munmap(p + 3 * PAGE, PAGE + 1));
    CHECK(readable(p) && !readable(p + PAGE) && readable(p + 2 * PAGE) && !readable(p + 3 * PAGE) && !readable(p + 4 * PAGE));
    WORKS(munmap(p, 5 * PAGE));
    CHECK(!readable(p));
}
TEST(munmap_errors) {
    char *p = pages(1, RW);
    FAILS(syscall(SYS_munmap, p + 1, PAGE), EINVAL);
    FAILS(syscall(SYS_munmap, p, 0), EINVAL);
    FAILS(syscall(SYS_munmap, p, -1UL), EINVAL);
    FAILS(syscall(SYS_munmap, KERNEL, PAGE), EINVAL);
    WORKS(munmap(p, PAGE));
    WORKS(munmap(p, PAGE));
}
TEST(PROT_NONE_is_no_access) {
    char *p = pages(1, PROT_NONE);
    GIVES(brings(read_it, p), SIGSEGV);
    GIVES(brings(write_it, p), SIGSEGV);
    FAILS(write(1, p, 1), EFAULT);
}
TEST(a_write_only_mapping_is_readable_too) { CHECK(readable(pages(1, PROT_WRITE))); }
TEST(sparse_mappings_cost_nothing) {
    char *p = mmap(NULL, 1L << 36, RW, ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    p[1L << 35] = 1;
    p[(1L << 36) - 1] = 2;
    CHECK(p[1L << 35] == 1 && !p[1L << 34]);
    WORKS(munmap(p, 1L << 36));
}

/* ---- protection ---- */

TEST(mprotect_splits_a_mapping) {
    char *p = pages(3, RW);
    p[PAGE] = 'x';
    WORKS(mprotect(p + PAGE, PAGE, PROT_READ));
    CHECK(writable(p) && readable(p + PAGE) && !writable(p + PAGE) && writable(p + 2 * PAGE));
    GIVES(p[PAGE], 'x');
    WORKS(mprotect(p + PAGE, PAGE, PROT_NONE));
    CHECK(!readable(p + PAGE));
    WORKS(mprotect(p, 3 * PAGE, RW));
    p[PAGE] = 'y';
    GIVES(p[PAGE], 'y');
}
TEST(mprotect_holds_for_the_kernel_too) {
    char *p = pages(1, RW);
    p[0] = 'x';
    WORKS(mprotect(p, PAGE, PROT_READ));
    FAILS(read(open("/dev/zero", O_RDONLY), p, 1), EFAULT);
    GIVES(p[0], 'x');
    WORKS(mprotect(p, PAGE, PROT_NONE));
    FAILS(write(open("f", O_CREAT | O_WRONLY, 0644), p, 1), EFAULT);
}
TEST(mprotect_errors) {
    char *p = pages(3, RW);
    FAILS(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
    FAILS(mprotect(p, PAGE, 0x100), EINVAL);
    WORKS(mprotect(p, 0, PROT_READ));
    WORKS(munmap(p + PAGE, PAGE));
    FAILS(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
    FAILS(mprotect(p + PAGE, PAGE, PROT_READ), ENOMEM);
    CHECK(writable(p + 2 * PAGE));
}
TEST(a_read_only_shared_file_never_gets_writable) {
    make("f", "x");
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("f", O_RDONLY), 0);
    CHECK(p != MAP_FAILED);
    FAILS(mprotect(p, PAGE, RW), EACCES);
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("f", O_RDWR), 0);
    WORKS(mprotect(p, PAGE, RW));
}
TEST(data_does_not_run_unless_PROT_EXEC) {
    char *p = pages(1, RW);
    *p = '\xc3';
    CHILD(pid, ((void (*)(void))p)());
    DIES(pid, SIGSEGV);
    WORKS(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    ((void (*)(void))p)();
}
TEST(splitting_and_joining_leaves_one_mapping) {
    char *p = pages(64, RW), line[200];
    WORKS(munmap(p, PAGE));             /* so that nothing adjoins it */
    WORKS(munmap(p + 63 * PAGE, PAGE));
    for (int i = 1; i < 63; i += 2) WORKS(mprotect(p + i * PAGE, PAGE, PROT_READ));
    WORKS(mprotect(p + PAGE, 62 * PAGE, RW));
    FILE *maps = fopen("/proc/self/maps", "r");
    int parts = 0;
    while (fgets(line, sizeof line, maps)) {
        char *from = (char *)strtoul(line, NULL, 16);
        parts += from >= p && from < p + 64 * PAGE;
    }
    GIVES(parts, 1);
}
TEST(neighbours_of_one_kind_become_one) {
    char *p = pages(64, PROT_NONE), line[200];
    for (int i = 1; i < 63; i++) GIVES(mmap(p + i * PAGE, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0), p + i * PAGE);
    FILE *maps = fopen("/proc/self/maps", "r");
    int parts = 0;
    while (fgets(line, sizeof line, maps)) {
        char *from = (char *)strtoul(line, NULL, 16);
        parts += from > p && from < p + 63 * PAGE;
    }
    GIVES(parts, 1);
}

/* ---- faults ---- */

static void touch_null(void) { *(volatile char *)0 = 1; }
static void touch_kernel(void) { *(volatile char *)KERNEL; }
static void touch_direct_map(void) { *(volatile char *)0xffff888000100000; }
static void touch_noncanonical(void) { *(volatile char *)0x8000000000000000; }
static void write_text(void) { *(volatile char *)write_text = 1; }
static void halt(void) { __asm__ volatile("hlt"); }
static void port(void) { __asm__ volatile("outb %al, $0xf4"); }
static void breakpoint(void) { __asm__ volatile("int3"); }
static void jump_nowhere(void) { ((void (*)(void))NOWHERE)(); }
TEST(forbidden_accesses_are_SIGSEGV) {
    void (*accesses[])(void) = { touch_null, touch_kernel, touch_direct_map, touch_noncanonical, write_text, halt, port, jump_nowhere };
    for (unsigned i = 0; i < sizeof accesses / sizeof *accesses; i++) GIVES(brings(accesses[i], NULL), SIGSEGV);
}
TEST(a_breakpoint_is_SIGTRAP) { GIVES(brings(breakpoint, NULL), SIGTRAP); }
TEST(odd_flags_do_not_reach_the_kernel) {
    long r;
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" ::: "memory");          /* AC */
    FAILS(syscall(SYS_write, 1, KERNEL, 1), EFAULT);
    __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq; std" ::: "memory");   /* DF */
    __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_getpid) : "rcx", "r11", "memory");
    __asm__ volatile("cld");
    GIVES(r, getpid());
}

/* ---- fork and sharing ---- */

TEST(fork_copies_memory) {
    int *p = (int *)pages(4, RW), ends[2];
    char c;
    p[0] = 1;
    WORKS(pipe(ends));
    CHILD(pid, read(ends[0], &c, 1); CHECK(p[0] == 1 && p[1024] == 0); p[0] = 9);
    p[0] = 2;
    p[1024] = 3;
    GIVES(write(ends[1], "x", 1), 1);
    EXITS(pid, 0);
    GIVES(p[0], 2);
}
TEST(copies_go_through_generations) {
    volatile int *p = (int *)pages(1, RW);
    *p = 1;
    CHILD(pid, CHILD(inner, CHECK(*p == 1); *p = 3; CHILD(last, CHECK(*p == 3)); EXITS(last, 0)); *p = 2; EXITS(inner, 0); CHECK(*p == 2));
    EXITS(pid, 0);
    GIVES(*p, 1);
}
TEST(the_kernel_writes_to_a_copy) {
    int *p = (int *)pages(1, RW), ends[2];
    WORKS(pipe(ends));
    *p = 5;
    CHILD(pid, GIVES(read(ends[0], p, 4), 4));
    int seven = 7;
    GIVES(write(ends[1], &seven, 4), 4);
    EXITS(pid, 0);
    GIVES(*p, 5);
}
TEST(shared_memory_is_shared) {
    volatile int *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, p[0] = 5; p[1024] = 6);
    EXITS(pid, 0);
    CHECK(p[0] == 5 && p[1024] == 6);
}
TEST(shared_memory_outlives_its_first_owner) {
    volatile int *p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, pass(20000000); CHECK(p[0] == 8));
    p[0] = 8;
    WORKS(munmap((void *)p, PAGE));
    EXITS(pid, 0);
}

/* ---- files ---- */

TEST(a_private_mapping_keeps_its_changes) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && !memcmp(p, "abc", 4));
    p[0] = 'X';
    CHECK(!strcmp(content("f"), "abc"));
    CHILD(pid, CHECK(p[0] == 'X'); p[1] = 'Y');
    EXITS(pid, 0);
    CHECK(!memcmp(p, "Xbc", 3));
}
TEST(a_shared_mapping_changes_the_file) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    p[1] = 's';
    WORKS(msync(p, PAGE, MS_SYNC));
    CHECK(!strcmp(content("f"), "asc"));
    p[2] = 't';
    WORKS(munmap(p, PAGE));
    CHECK(!strcmp(content("f"), "ast") && status("f").st_size == 3);
}
TEST(a_shared_mapping_and_write_see_each_other) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), c;
    CHECK(p[0] == 'a');
    GIVES(pwrite(fd, "X", 1, 0), 1);
    GIVES(p[0], 'X');
    p[1] = 'Y';
    CHECK(pread(fd, &c, 1, 1) == 1 && c == 'Y');
}
TEST(two_mappings_of_a_file_are_one) {
    make("f", "abc");
    char *a = mmap(NULL, PAGE, RW, MAP_SHARED, open("f", O_RDWR), 0), *b = mmap(NULL, PAGE, RW, MAP_SHARED, open("f", O_RDWR), 0);
    a[0] = 'X';
    CHECK(a != b && b[0] == 'X');
    char *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("f", O_RDWR), 0);
    GIVES(private[0], 'X');
}
TEST(the_last_page_is_zero_past_the_end) {
    make("f", "abc");
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("f", O_RDONLY), 0);
    for (int i = 3; i < PAGE; i++) CHECK(!p[i]);
}
TEST(access_past_the_end_of_a_file_is_SIGBUS) {
    make("f", "abc");
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, open("f", O_RDWR), 0);
    CHECK(readable(p));
    GIVES(brings(read_it, p + PAGE), SIGBUS);
    p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, open("f", O_RDWR), 0);
    GIVES(brings(write_it, p + PAGE), SIGBUS);
}
TEST(a_mapping_follows_a_growing_file) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    GIVES(brings(read_it, p + PAGE), SIGBUS);
    WORKS(ftruncate(fd, 2 * PAGE));
    CHECK(readable(p + PAGE));
    p[PAGE] = 'x';
    char c;
    CHECK(pread(fd, &c, 1, PAGE) == 1 && c == 'x');
}
TEST(truncation_takes_pages_from_mappings) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    WORKS(ftruncate(fd, 2 * PAGE));
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    p[PAGE] = 'x';
    WORKS(ftruncate(fd, PAGE));
    GIVES(brings(read_it, p + PAGE), SIGBUS);
    WORKS(ftruncate(fd, 2 * PAGE));
    GIVES(p[PAGE], 0);
}
TEST(mappings_start_at_an_offset) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(pwrite(fd, "second", 6, PAGE), 6);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    CHECK(!memcmp(p, "second", 7));
}
TEST(a_mapping_outlives_its_descriptor_and_name) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    WORKS(close(fd));
    WORKS(unlink("f"));
    CHECK(!memcmp(p, "abc", 3));
    p[0] = 'x';
}
TEST(dev_zero_maps_as_anonymous_memory) {
    int fd = open("/dev/zero", O_RDWR);
    volatile char *private = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), *shared = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    CHECK(private != MAP_FAILED && shared != MAP_FAILED && !private[0]);
    CHILD(pid, private[0] = 1; shared[0] = 2);
    EXITS(pid, 0);
    CHECK(!private[0] && shared[0] == 2);
}
TEST(msync_errors) {
    char *p = pages(2, RW);
    FAILS(msync(p + 1, PAGE, MS_SYNC), EINVAL);
    FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    FAILS(msync(p, PAGE, 0x100), EINVAL);
    WORKS(munmap(p + PAGE, PAGE));
    FAILS(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
    WORKS(msync(p, PAGE, MS_ASYNC));
}

/* ---- the break ---- */

TEST(the_break_grows_and_shrinks) {
    char *start = sbrk(0);
    GIVES(syscall(SYS_brk, start + 20000), start + 20000);
    for (int i = 0; i < 20000; i++) CHECK(!start[i]);
    memset(start, 1, 20000);
    GIVES(syscall(SYS_brk, start + 1), start + 1);
    CHECK(!readable(start + 2 * PAGE));
    GIVES(syscall(SYS_brk, start + 20000), start + 20000);
    GIVES(start[2 * PAGE], 0);
}
TEST(an_impossible_break_changes_nothing) {
    char *now = (char *)syscall(SYS_brk, 0);
    GIVES(syscall(SYS_brk, 1), now);
    GIVES(syscall(SYS_brk, -1L), now);
    GIVES(syscall(SYS_brk, KERNEL), now);
}
TEST(the_break_stops_at_a_mapping) {
    char *now = (char *)((syscall(SYS_brk, 0) + PAGE - 1) & -PAGE);
    GIVES(mmap(now + 4 * PAGE, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0), now + 4 * PAGE);
    CHECK(syscall(SYS_brk, now + 8 * PAGE) < (long)(now + 5 * PAGE));
    GIVES(syscall(SYS_brk, now + PAGE), now + PAGE);
    now[0] = 1;
}

/* ---- the stack ---- */

static int deep(int n) {
    volatile char frame[PAGE];
    frame[n] = 1;
    return n ? deep(n - 1) + frame[n] : 0;
}
TEST(the_stack_grows_down) { GIVES(deep(1000), 1000); }
TEST(the_stack_grows_for_the_kernel_too) {
    char *here = __builtin_frame_address(0);
    int fd = open("/dev/zero", O_RDONLY);
    GIVES(read(fd, here - 1000000, 100), 100);
}
TEST(a_mapping_may_grow_down) {
    char *area = pages(400, PROT_NONE);
    WORKS(munmap(area, 400 * PAGE));
    char *p = mmap(area + 380 * PAGE, 2 * PAGE, RW, ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    GIVES(p, area + 380 * PAGE);
    p[-1] = 1;
    p[-PAGE - 1] = 2;
    CHECK(p[-1] == 1 && p[-PAGE] == 0);
}
TEST(a_gap_stays_below_what_grows) {
    char *area = pages(400, PROT_NONE);
    WORKS(munmap(area + PAGE, 399 * PAGE));
    GIVES(mmap(area, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0), area);
    char *p = mmap(area + 260 * PAGE, PAGE, RW, ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    GIVES(p, area + 260 * PAGE);
    CHECK(writable(p - PAGE));
    for (int i = 1; i < 4; i++) p[-i * PAGE] = 1;
    GIVES(brings(write_it, area + 255 * PAGE), SIGSEGV);
}

/* ---- mremap ---- */

TEST(mremap_grows_in_place_where_there_is_room) {
    char *p = pages(8, RW);
    p[0] = 'm';
    WORKS(munmap(p + 2 * PAGE, 6 * PAGE));
    GIVES(mremap(p, 2 * PAGE, 8 * PAGE, 0), p);
    CHECK(p[0] == 'm' && !p[7 * PAGE]);
}
TEST(mremap_moves_where_there_is_none) {
    char *p = pages(3, RW);
    p[0] = 'm';
    p[PAGE] = 'n';
    FAILS(mremap(p, 2 * PAGE, 8 * PAGE, 0), ENOMEM);
    char *q = mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p && q[0] == 'm' && q[PAGE] == 'n' && !q[8 * PAGE - 1]);
    CHECK(!readable(p) && readable(p + 2 * PAGE));
}
TEST(mremap_shrinks) {
    char *p = pages(8, RW);
    GIVES(mremap(p, 8 * PAGE, PAGE, 0), p);
    CHECK(readable(p) && !readable(p + PAGE));
}
TEST(mremap_moves_to_a_fixed_place) {
    char *p = pages(2, RW), *q = pages(4, RW), *r = pages(4, PROT_NONE);   /* all now: a later one may lie where p was */
    p[PAGE] = 'm';
    q[PAGE] = 'q';
    q[2 * PAGE] = 'r';
    GIVES(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
    CHECK(q[PAGE] == 'm' && q[2 * PAGE] == 'r' && !readable(p));
    GIVES(mremap(q, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r), r);
    CHECK(r[PAGE] == 'm' && !r[3 * PAGE]);
    GIVES(mremap(r, 4 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), p);
    CHECK(writable(p) && !readable(p + PAGE) && !readable(r));
}
TEST(mremap_errors) {
    char *p = pages(4, RW);
    FAILS(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
    FAILS(mremap(p, PAGE, 0, 0), EINVAL);
    FAILS(mremap(p, PAGE, PAGE, 8), EINVAL);
    FAILS(mremap(p, PAGE, PAGE, MREMAP_FIXED, p + 2 * PAGE), EINVAL);
    FAILS(mremap(p, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), EINVAL);
    FAILS(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE + 1), EINVAL);
    FAILS(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
    WORKS(munmap(p + PAGE, PAGE));
    FAILS(mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    FAILS(mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE), EFAULT);
}
TEST(mremap_takes_the_middle_of_a_mapping) {
    char *p = pages(3, RW);
    memset(p, 'x', 3 * PAGE);
    char *q = mremap(p + PAGE, PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[0] == 'x' && !q[PAGE] && readable(p) && !readable(p + PAGE) && readable(p + 2 * PAGE));
}
TEST(mremap_of_shared_memory_stays_shared) {
    volatile char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, char *q = mremap((void *)p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages(2, RW)); q[PAGE] = 'x');
    EXITS(pid, 0);
    GIVES(p[PAGE], 'x');
}

/* ---- advice ---- */

TEST(MADV_DONTNEED_empties_private_memory) {
    char *p = pages(3, RW);
    memset(p, 'x', 3 * PAGE);
    WORKS(madvise(p + PAGE, PAGE, MADV_DONTNEED));
    CHECK(p[0] == 'x' && !p[PAGE] && p[2 * PAGE] == 'x');
}
TEST(MADV_DONTNEED_reads_a_file_again) {
    make("f", "abc");
    char *p = mmap(NULL, PAGE, RW, MAP_PRIVATE, open("f", O_RDWR), 0);
    p[0] = 'X';
    WORKS(madvise(p, PAGE, MADV_DONTNEED));
    GIVES(p[0], 'a');
}
TEST(MADV_DONTNEED_keeps_shared_contents) {
    char *p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p[0] = 'x';
    WORKS(madvise(p, PAGE, MADV_DONTNEED));
    GIVES(p[0], 'x');
}
TEST(advice_that_may_be_ignored_is_taken) {
    char *p = pages(1, RW);
    static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_FREE };
    for (unsigned i = 0; i < sizeof advice / sizeof *advice; i++) WORKS(madvise(p, PAGE, advice[i]));
}
TEST(madvise_errors) {
    char *p = pages(3, RW);
    FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    FAILS(madvise(p, PAGE, 999), EINVAL);
    FAILS(madvise(p, -1UL, MADV_DONTNEED), EINVAL);
    WORKS(madvise(p, 0, MADV_DONTNEED));
    p[2 * PAGE] = 'x';
    WORKS(munmap(p + PAGE, PAGE));
    FAILS(madvise(p, 3 * PAGE, MADV_DONTNEED), ENOMEM);
    GIVES(p[2 * PAGE], 0);
    FAILS(madvise(p + PAGE, PAGE, MADV_DONTNEED), ENOMEM);
}
TEST(mincore_tells_what_is_there) {
    char *p = pages(3, RW);
    unsigned char there[3] = { 0 };
    p[PAGE] = 1;
    WORKS(mincore(p, 3 * PAGE, there));
    CHECK(!(there[0] & 1) && there[1] & 1 && !(there[2] & 1));
    FAILS(mincore(p + 1, PAGE, there), EINVAL);
    FAILS(mincore(p, PAGE, NOWHERE), EFAULT);
    WORKS(munmap(p + PAGE, PAGE));
    FAILS(mincore(p, 3 * PAGE, there), ENOMEM);
}
