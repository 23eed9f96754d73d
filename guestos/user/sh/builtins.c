/* Commands the shell runs itself, because they change it or are too small for a process. */
#include "sh.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what) {
    complain(what, strerror(errno));
    return 1;
}

static int do_cd(int argc, char **argv) {
    const char *to = argc > 1 ? argv[1] : getenv("HOME");
    char where[PATH_MAX];
    if (argc > 1 && !strcmp(to, "-")) to = getenv("OLDPWD");
    if (!to || chdir(to)) return fail(to ? to : "cd");
    if (getenv("PWD")) setenv("OLDPWD", getenv("PWD"), 1);
    if (getcwd(where, sizeof(where))) setenv("PWD", where, 1);
    return 0;
}

static int do_exit(int argc, char **argv) {
    fflush(NULL);
    _exit(argc > 1 ? atoi(argv[1]) : status);
}

static int do_export(int argc, char **argv) {
    for (int i = 1; i < argc; i++) if (strchr(argv[i], '=')) putenv(strdup(argv[i]));
    for (char **e = environ; argc == 1 && *e; e++) puts(*e);
    return 0;
}

static int do_unset(int argc, char **argv) {
    for (int i = 1; i < argc; i++) unsetenv(argv[i]);
    return 0;
}

static int do_echo(int argc, char **argv) {
    int first = 1, newline = 1;
    if (argc > 1 && !strcmp(argv[1], "-n")) first++, newline = 0;
    for (int i = first; i < argc; i++) printf("%s%s", i > first ? " " : "", argv[i]);
    if (newline) putchar('\n');
    return fflush(stdout) ? fail("echo") : 0;
}

static int do_true(int argc, char **argv) { return 0; }
static int do_false(int argc, char **argv) { return 1; }

static int do_exec(int argc, char **argv) {
    if (argc < 2) return 0;
    fflush(NULL);
    execvp(argv[1], argv + 1);
    fail(argv[1]);
    _exit(errno == ENOENT ? 127 : 126);
}

static int do_break(int argc, char **argv) {
    *(*argv[0] == 'b' ? &breaking : &continuing) = argc > 1 ? atoi(argv[1]) : 1;
    return 0;
}

static int do_shift(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 1;
    if (n < 0 || n > positional_count) return 1;
    positional += n;
    positional_count -= n;
    return 0;
}

static int do_umask(int argc, char **argv) {
    if (argc > 1) umask(strtol(argv[1], NULL, 8));
    else {
        mode_t now = umask(0);
        umask(now);
        printf("%04o\n", now);
    }
    return 0;
}

/* One line into variables; the last takes the rest. Byte by byte: what follows is another's. */
static int do_read(int argc, char **argv) {
    buffer line = { 0 };
    char c;
    ssize_t n;
    add(&line, 0);
    line.length = 0;
    while ((n = read(0, &c, 1)) == 1 && c != '\n') add(&line, c);
    char *p = line.text;
    for (int i = 1; i < argc; i++) {
        p += strspn(p, " \t");
        size_t length = i + 1 < argc ? strcspn(p, " \t") : strlen(p);
        char *value = strndup(p, length);
        setenv(argv[i], value, 1);
        free(value);
        p += length;
    }
    free(line.text);
    return n == 1 ? 0 : 1;
}

static int do_source(int argc, char **argv) {
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!f) return fail(argc > 1 ? argv[1] : "source");
    buffer text = { 0 };
    add(&text, '\n');
    for (int c; (c = getc(f)) != EOF;) add(&text, c);
    fclose(f);
    run_text(text.text);
    free(text.text);
    return status;
}

static int test_file(char kind, const char *name) {
    struct stat st;
    if (kind == 'h' || kind == 'L') return !lstat(name, &st) && S_ISLNK(st.st_mode);
    if (kind == 'r' || kind == 'w' || kind == 'x') return !access(name, kind == 'r' ? R_OK : kind == 'w' ? W_OK : X_OK);
    if (stat(name, &st)) return 0;
    switch (kind) {
    case 'e': return 1;
    case 'f': return S_ISREG(st.st_mode);
    case 'd': return S_ISDIR(st.st_mode);
    case 'c': return S_ISCHR(st.st_mode);
    case 'b': return S_ISBLK(st.st_mode);
    case 'p': return S_ISFIFO(st.st_mode);
    case 's': return st.st_size > 0;
    default: return -1;
    }
}

static int do_test(int argc, char **argv) {
    if (!strcmp(argv[0], "[")) {
        if (strcmp(argv[argc - 1], "]")) return complain("[", "expected \"]\" at the end"), 2;
        argc--;
    }
    int invert = argc > 1 && !strcmp(argv[1], "!"), result = -1;
    argv += invert;
    argc -= invert;
    if (argc == 1) result = 0;
    else if (argc == 2) result = *argv[1] != 0;
    else if (argc == 3 && argv[1][0] == '-' && argv[1][1] && !argv[1][2]) {
        char kind = argv[1][1];
        result = kind == 'n' ? *argv[2] != 0 : kind == 'z' ? !*argv[2] : kind == 't' ? isatty(atoi(argv[2])) : test_file(kind, argv[2]);
    } else if (argc == 4) {
        const char *op = argv[2];
        long a = atol(argv[1]), b = atol(argv[3]);
        if (!strcmp(op, "=") || !strcmp(op, "==")) result = !strcmp(argv[1], argv[3]);
        else if (!strcmp(op, "!=")) result = strcmp(argv[1], argv[3]) != 0;
        else if (!strcmp(op, "-eq")) result = a == b;
        else if (!strcmp(op, "-ne")) result = a != b;
        else if (!strcmp(op, "-lt")) result = a < b;
        else if (!strcmp(op, "-le")) result = a <= b;
        else if (!strcmp(op, "-gt")) result = a > b;
        else if (!strcmp(op, "-ge")) result = a >= b;
    }
    if (result < 0) return complain("test", "this expression isn't understood"), 2;
    return result == invert;
}

builtin *find_builtin(const char *name) {
    static const struct { const char *name; builtin *run; } table[] = {
        { "cd", do_cd }, { "exit", do_exit }, { "export", do_export }, { "unset", do_unset }, { "echo", do_echo },
        { ":", do_true }, { "true", do_true }, { "false", do_false }, { "exec", do_exec }, { "break", do_break },
        { "continue", do_break }, { "shift", do_shift }, { "umask", do_umask }, { "read", do_read }, { ".", do_source },
        { "source", do_source }, { "test", do_test }, { "[", do_test }, { "fg", builtin_fg }, { "bg", builtin_bg },
        { "jobs", builtin_jobs }, { "wait", builtin_wait },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (!strcmp(table[i].name, name)) return table[i].run;
    return NULL;
}
