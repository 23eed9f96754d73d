/* exec as Linux has it: what it refuses, what it hands over, and whose rights the program gets. */
#include "properties.h"
#include <elf.h>
#include <grp.h>
#include <limits.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static char self[PATH_MAX], *none[] = { NULL };
static char directory[64];

/* A directory of its own: on a tmpfs without MS_NOSUID. */
static void enter(void) {
    snprintf(directory, sizeof directory, "/tmp/exectests.%d", getpid());
    CHECK(!mkdir(directory, 0755) && !mount("none", directory, "tmpfs", 0, "mode=755") && !chdir(directory));
}
static void leave(void) { CHECK(!chdir("/") && !umount(directory) && !rmdir(directory)); }
static void make(const char *name, const char *text, size_t n, int mode) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    CHECK(fd >= 0 && write(fd, text, n) == (ssize_t)n && !close(fd) && !chmod(name, mode));
}
static void script(const char *name, const char *text) { make(name, text, strlen(text), 0755); }
static void copy_self(const char *name, int mode) {
    static char buffer[65536];
    int in = open(self, O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    ssize_t n;
    CHECK(in >= 0 && out >= 0);
    while ((n = read(in, buffer, sizeof buffer)) > 0) CHECK(write(out, buffer, n) == n);
    CHECK(!close(in) && !close(out) && !chmod(name, mode));
}
/* What this program says when it is run as `path` with these arguments: see report(). */
static char said[1 << 16];
static const char *run(const char *path, char **argv, char **envp) {
    int ends[2], n = 0, got;
    CHECK(!pipe(ends));
    int pid = fork();
    if (!pid) {
        dup2(ends[1], 1);
        close(ends[0]); close(ends[1]);
        execve(path, argv, envp);
        printf("errno %d", errno);
        fflush(stdout);
        _exit(127);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + n, sizeof said - 1 - n)) > 0) n += got;
    said[n] = 0;
    close(ends[0]);
    status_of(pid);
    return said;
}
#define SAYS(path, text, ...) do { const char *s_ = run(path, (char *[]){ __VA_ARGS__, NULL }, none); \
    if (strcmp(s_, text)) { printf("    line %d: %s says \"%s\", not \"%s\"\n", __LINE__, path, s_, text); fflush(stdout); _exit(1); } } while (0)

static int report(int argc, char **argv) {
    char what = argv[1][9];
    if (what == 'a') for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
    if (what == 'u') {
        uid_t a, b, c; gid_t d, e, f;
        getresuid(&a, &b, &c); getresgid(&d, &e, &f);
        printf("%d %d %d %d %d %d secure %ld", a, b, c, d, e, f, getauxval(AT_SECURE));
    }
    if (what == 'c') {
        char line[200]; FILE *status = fopen("/proc/self/status", "r");
        while (fgets(line, sizeof line, status)) if (!strncmp(line, "CapPrm", 6) || !strncmp(line, "CapEff", 6)) printf("%c", line[strlen(line) - 2] == '0' ? '0' : '1');
    }
    if (what == 'f') printf("%s", (char *)getauxval(AT_EXECFN));
    if (what == 'n') { char name[16]; prctl(PR_GET_NAME, name); printf("%s", name); }
    if (what == 'l') printf("%ld %ld", strlen(argv[2]), (long)argc);
    if (what == 's') { volatile char code[] = { 0xc3 }; ((void (*)(void))code)(); printf("ran"); }
    if (what == 'w') pause();
    return 0;
}

/* ---- arguments ---- */
static char *repeat(char c, size_t n) { char *s = malloc(n + 1); memset(s, c, n); s[n] = 0; return s; }
static void a_string_of_128_KiB_is_too_long(void) {
    char *fits = repeat('x', 131071), *not = repeat('x', 131072);
    SAYS(self, "131071 3", self, "--report-l", fits);
    FAILS(execve(self, (char *[]){ self, "--report-l", not, NULL }, none), E2BIG);
    FAILS(execve(self, (char *[]){ self, NULL }, (char *[]){ not, NULL }), E2BIG);
}
/* A quarter of the soft limit of the stack, though at least 128 KiB and at most 6 MiB, holds strings and pointers. */
static void bounds(rlim_t stack, int fits, int too_many) {
    static char *argv[4000];
    struct rlimit limit;
    CHECK(!getrlimit(RLIMIT_STACK, &limit));
    limit.rlim_cur = stack;
    CHECK(!setrlimit(RLIMIT_STACK, &limit));
    argv[0] = self; argv[1] = "--report-l";
    for (int i = 2; i < too_many; i++) argv[i] = repeat('y', 4095);
    FAILS(execve(self, argv, none), E2BIG);
    argv[fits] = NULL;
    CHECK(!strncmp(run(self, argv, none), "4095 ", 5));
}
static void the_limit_is_a_quarter_of_the_stack(void) { bounds(8 << 20, 508, 513); bounds(4 << 20, 252, 257); }
static void the_limit_has_bounds(void) { bounds(256 << 10, 28, 34); bounds(64 << 20, 1530, 1538); }
static void vectors_may_be_absent_but_not_elsewhere(void) {
    FAILS(execve(self, (char **)8, none), EFAULT);
    FAILS(execve(self, (char *[]){ self, (char *)8, NULL }, none), EFAULT);
    FAILS(execve(self, (char *[]){ self, NULL }, (char *[]){ (char *)8, NULL }), EFAULT);
    FAILS(execve((char *)8, none, none), EFAULT);
    FAILS(execve("/nowhere", (char **)8, none), ENOENT);
    FAILS(execve("/tmp", (char **)8, none), EACCES);
    FAILS(execve("", none, none), ENOENT);
}
static void the_path_and_the_name_are_handed_over(void) {
    enter();
    CHECK(!symlink(self, "a_rather_long_name_of_a_link"));
    SAYS("./a_rather_long_name_of_a_link", "./a_rather_long_name_of_a_link", "x", "--report-f");
    SAYS("./a_rather_long_name_of_a_link", "a_rather_long_n", "x", "--report-n");
    char text[PATH_MAX + 20];
    sprintf(text, "#!%s --report-f\n", self); script("script", text);
    SAYS("./script", "./script", "x");
    sprintf(text, "#!%s --report-n\n", self); script("script", text);
    SAYS("./script", "script", "x");
    leave();
}

/* ---- scripts ---- */
static void a_script_gives_its_interpreter_one_argument(void) {
    char text[PATH_MAX + 20], expected[PATH_MAX + 60];
    enter();
    sprintf(text, "#! \t%s  --report-a  two words \t\nrest\n", self); script("s", text);
    sprintf(expected, "[%s][--report-a  two words][./s][b][c]", self);
    SAYS("./s", expected, "a", "b", "c");
    sprintf(expected, "[%s][--report-a  two words][./s]", self);
    SAYS("./s", expected, NULL);
    sprintf(text, "#!%s\n", self); script("s", text);
    sprintf(expected, "[%s][./s][--report-a]", self);
    script("without_end", (sprintf(text, "#!%s --report-a", self), text));
    sprintf(expected, "[%s][--report-a][./without_end][b]", self);
    SAYS("./without_end", expected, "a", "b");
    leave();
}
static void a_long_first_line_is_cut(void) {
    char text[1000], expected[PATH_MAX + 1000];
    enter();
    int n = sprintf(text, "#!%s --report-a ", self), all = n + 300;
    memset(text + n, 'z', 300); text[all] = '\n'; text[all + 1] = 0;
    script("s", text);
    text[255] = 0;
    sprintf(expected, "[%s][%s][./s]", self, text + strlen(self) + 3);
    SAYS("./s", expected, "a");
    memset(text, '/', 600); memcpy(text, "#!", 2); strcpy(text + 600, "bin/true\n");
    script("s", text);
    FAILS(execve("./s", none, none), ENOEXEC);
    leave();
}
static void what_is_no_program_is_ENOEXEC(void) {
    enter();
    script("empty", ""); FAILS(execve("./empty", none, none), ENOEXEC);
    script("short", "#"); FAILS(execve("./short", none, none), ENOEXEC);
    script("text", "echo\n"); FAILS(execve("./text", none, none), ENOEXEC);
    script("nobody", "#!\n"); FAILS(execve("./nobody", none, none), ENOEXEC);
    script("blank", "#!  \t \n"); FAILS(execve("./blank", none, none), ENOEXEC);
    script("gone", "#!/nowhere\n"); FAILS(execve("./gone", none, none), ENOENT);
    script("folder", "#!/tmp\n"); FAILS(execve("./folder", none, none), EACCES);
    make("nox", "#!/bin/true\n", 12, 0644); FAILS(execve("./nox", none, none), EACCES);
    leave();
}
/* Five scripts may lead to one another. */
static void scripts_of_scripts_end_in_ELOOP(void) {
    char name[8], text[PATH_MAX + 20];
    enter();
    for (int i = 1; i < 8; i++) {
        if (i == 1) sprintf(text, "#!%s --report-n\n", self); else sprintf(text, "#!./s%d\n", i - 1);
        sprintf(name, "s%d", i); script(name, text);
    }
    SAYS("./s5", "s5", "x");
    FAILS(execve("./s6", none, none), ELOOP);
    script("me", "#!./me\n"); FAILS(execve("./me", none, none), ELOOP);
    leave();
}

/* ---- programs ---- */
struct program { Elf64_Ehdr header; Elf64_Phdr segment[3]; char interpreter[32]; };
static struct program program_of(const char *interpreter) {
    struct program p = { .header = { .e_ident = "\177ELF\2\1\1", .e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = 1,
        .e_phoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2 } };
    p.segment[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0, 0, sizeof p, sizeof p, 4096 };
    p.segment[1] = (Elf64_Phdr){ PT_INTERP, PF_R, offsetof(struct program, interpreter), 0, 0, strlen(interpreter) + 1, strlen(interpreter) + 1, 1 };
    strcpy(p.interpreter, interpreter);
    return p;
}
static void interpreters_have_errors_of_their_own(void) {
    enter();
    struct program p = program_of("./nowhere");
    make("p", (char *)&p, sizeof p, 0755); FAILS(execve("./p", none, none), ENOENT);
    p = program_of("./i");
    make("p", (char *)&p, sizeof p, 0755);
    make("i", "text", 4, 0644); FAILS(execve("./p", none, none), EACCES);
    chmod("i", 0755); FAILS(execve("./p", none, none), EIO);
    make("i", repeat('t', 100), 100, 0755); FAILS(execve("./p", none, none), ELIBBAD);
    p.header.e_machine = EM_386;
    make("p", (char *)&p, sizeof p, 0755); FAILS(execve("./p", none, none), ENOEXEC);
    leave();
}
static void an_executable_stack_is_asked_for(void) {
    Elf64_Ehdr header; Elf64_Phdr segment;
    enter();
    copy_self("p", 0755);
    int fd = open("p", O_RDWR), i;
    CHECK(pread(fd, &header, sizeof header, 0) == sizeof header);
    for (i = 0; i < header.e_phnum; i++) if (pread(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment) > 0 && segment.p_type == PT_GNU_STACK) break;
    CHECK(i < header.e_phnum);
    close(fd); SAYS("./p", "", "p", "--report-s");
    segment.p_flags |= PF_X;
    fd = open("p", O_RDWR); CHECK(pwrite(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment) > 0);
    close(fd); SAYS("./p", "ran", "p", "--report-s");
    leave();
}
static void what_is_written_does_not_run(void) {
    enter();
    copy_self("p", 0755);
    int fd = open("p", O_RDWR);
    FAILS(execve("./p", none, none), ETXTBSY);
    script("s", "#!./p --report-a\n");
    FAILS(execve("./s", none, none), ETXTBSY);
    close(fd);
    fd = open("s", O_RDWR); FAILS(execve("./s", none, none), ETXTBSY);
    close(fd);
    leave();
}
static void what_runs_is_not_written(void) {
    enter();
    copy_self("p", 0755);
    int pid = fork();
    if (!pid) { execl("./p", "p", "--report-w", NULL); _exit(1); }
    nap(60);
    FAILS(open("p", O_WRONLY), ETXTBSY);
    FAILS(open("p", O_RDONLY | O_TRUNC), ETXTBSY);
    FAILS(truncate("p", 0), ETXTBSY);
    FAILS(open("p", O_RDWR), ETXTBSY);
    int fd = open("p", O_RDONLY);
    CHECK(fd >= 0 && !close(fd) && !rename("p", "q"));
    FAILS(open("q", O_WRONLY), ETXTBSY);
    kill(pid, SIGKILL); status_of(pid);
    fd = open("q", O_WRONLY);
    CHECK(fd >= 0 && !close(fd));
    leave();
}
static void a_fork_keeps_it_from_being_written(void) {
    enter();
    copy_self("p", 0755);
    int pid = fork();
    if (!pid) { execl("./p", "p", "--fork", NULL); _exit(1); }
    CHECK(exit_of(pid) == 0);
    FAILS(open("p", O_WRONLY), ETXTBSY);
    nap(120);
    int fd = open("p", O_WRONLY);
    CHECK(fd >= 0 && !close(fd));
    leave();
}

/* ---- rights ---- */
static void a_users(const char *path, const char *what, const char *expected) {
    int pid = fork();
    if (!pid) {
        CHECK(!setgroups(0, NULL) && !setresgid(1000, 1000, 1000) && !setresuid(1000, 1000, 1000));
        SAYS(path, expected, "p", (char *)what);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}
static void set_id_bits_give_the_owners_rights(void) {
    enter();
    copy_self("p", 0755);
    a_users("./p", "--report-u", "1000 1000 1000 1000 1000 1000 secure 0");
    CHECK(!chmod("p", 04755));
    a_users("./p", "--report-u", "1000 0 0 1000 1000 1000 secure 1");
    CHECK(!chown("p", 7, 8) && !chmod("p", 06755));
    a_users("./p", "--report-u", "1000 7 7 1000 8 8 secure 1");
    SAYS("./p", "0 7 7 0 8 8 secure 1", "p", "--report-u");
    CHECK(!chmod("p", 02745));              /* without x for the group the bit means locking */
    a_users("./p", "--report-u", "1000 1000 1000 1000 1000 1000 secure 0");
    CHECK(!chown("p", 1000, 1000) && !chmod("p", 06755));
    a_users("./p", "--report-u", "1000 1000 1000 1000 1000 1000 secure 0");
    leave();
}
static void a_nosuid_mount_gives_none(void) {
    enter();
    copy_self("p", 06755);
    CHECK(!chown("p", 7, 8) && !chmod("p", 06755) && !mount(NULL, directory, NULL, MS_REMOUNT | MS_NOSUID, NULL));
    a_users("./p", "--report-u", "1000 1000 1000 1000 1000 1000 secure 0");
    leave();
}
static void no_new_privs_gives_none(void) {
    enter();
    copy_self("p", 06755);
    CHECK(!chown("p", 7, 8) && !chmod("p", 06755));
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    a_users("./p", "--report-u", "1000 1000 1000 1000 1000 1000 secure 0");
    leave();
}
static void a_script_has_its_users_rights(void) {
    char text[PATH_MAX + 20];
    enter();
    sprintf(text, "#!%s --report-u\n", self); script("s", text); CHECK(!chmod("s", 06755));
    a_users("./s", "x", "1000 1000 1000 1000 1000 1000 secure 0");
    leave();
}
static void saved_ids_are_the_effective_ones(void) {
    int pid = fork();
    if (!pid) {
        CHECK(!setresgid(5, 6, 7) && !setresuid(5, 6, 0));
        SAYS(self, "5 6 6 5 6 6 secure 1", self, "--report-u");
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}
static void capabilities_follow_the_user(void) {
    enter();
    copy_self("p", 0755);
    SAYS("./p", "11", "p", "--report-c");
    a_users("./p", "--report-c", "00");
    CHECK(!chmod("p", 04755));
    a_users("./p", "--report-c", "11");
    CHECK(!chown("p", 7, 8) && !chmod("p", 04755));
    a_users("./p", "--report-c", "00");
    SAYS("./p", "10", "p", "--report-c");
    leave();
}

static const struct property all[] = {
    T(a_string_of_128_KiB_is_too_long), T(the_limit_is_a_quarter_of_the_stack), T(the_limit_has_bounds),
    T(vectors_may_be_absent_but_not_elsewhere), T(the_path_and_the_name_are_handed_over),
    T(a_script_gives_its_interpreter_one_argument), T(a_long_first_line_is_cut), T(what_is_no_program_is_ENOEXEC),
    T(scripts_of_scripts_end_in_ELOOP), T(interpreters_have_errors_of_their_own), T(an_executable_stack_is_asked_for),
    T(what_is_written_does_not_run), T(what_runs_is_not_written), T(a_fork_keeps_it_from_being_written),
    T(set_id_bits_give_the_owners_rights), T(a_nosuid_mount_gives_none), T(no_new_privs_gives_none), T(a_script_has_its_users_rights),
    T(saved_ids_are_the_effective_ones),
    T(capabilities_follow_the_user), { 0 }
};
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--fork")) { if (!fork()) nap(100); return 0; }
    if (argc > 1 && !strncmp(argv[1], "--report", 8)) return report(argc, argv);
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    return run_properties(all, argc, argv);
}
