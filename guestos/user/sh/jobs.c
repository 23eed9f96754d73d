/* Redirections, processes and job control. */
#include "sh.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct job { pid_t pgid; int stopped; char text[64]; } jobs[JOBS];

int redirection_next(void) {
    const char *p = at;
    while (isdigit((unsigned char)*p)) p++;
    return *p == '<' || *p == '>';
}

int redirect(redirections *r, int run) {
    int fd = -1, source;
    if (isdigit((unsigned char)*at)) fd = strtol(at, (char **)&at, 10);
    char kind = *at++;
    int append = kind == '>' && *at == '>', copy = 0;
    if (append) at++;
    else if (*at == '&') copy = 1, at++;
    if (fd < 0) fd = kind == '>';
    blanks();
    if (!run) {
        if (!skip_word()) *at ? longjmp(wrong, BAD) : unfinished();
        return 0;
    }
    char *name = expand_one();
    int flags = kind == '<' ? O_RDONLY : O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    source = copy ? fcntl(atoi(name), F_DUPFD_CLOEXEC, 10) : open(name, flags | O_CLOEXEC, 0666);
    if (source < 0 || r->count == REDIRECTIONS) {
        complain(name, strerror(errno));
        free(name);
        return -1;
    }
    free(name);
    r->fd[r->count] = fd;
    r->saved[r->count++] = saved;
    if (source == fd) fcntl(fd, F_SETFD, 0);    /* it was free, and open took it */
    else dup2(source, fd), close(source);
    return 0;
}
void redirections_undo(redirections *r) {
    fflush(NULL);
    while (r->count--) {
        if (r->saved[r->count] < 0) close(r->fd[r->count]);
        else dup2(r->saved[r->count], r->fd[r->count]), close(r->saved[r->count]);
    }
}


void signals_for_shell(void) {
    static const int all[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU };
    for (int i = 0; i < 5; i++) signal(all[i], interactive ? SIG_IGN : SIG_DFL);
}

pid_t spawn(pid_t *pgid, int foreground) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        complain("fork", strerror(errno));
        longjmp(wrong, BAD);
    }
    pid_t me = child ? child : getpid();
    if (!*pgid) *pgid = me;
    if (interactive) {                      /* both do it: whoever comes first */
        setpgid(me, *pgid);
        if (foreground && !child) tcsetpgrp(0, *pgid);
    }
    if (!child) {
        interactive = 0;
        signals_for_shell();
    }
    return child;
}

static int of_wait(int how) {
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + (WIFSTOPPED(how) ? WSTOPSIG(how) : WTERMSIG(how));
}

static void remember(pid_t pgid, int stopped, const char *text, size_t length) {
    int i = 0;
    while (i < JOBS && jobs[i].pgid && jobs[i].pgid != pgid) i++;
    if (i == JOBS) return complain("jobs", "too many");
    jobs[i].pgid = pgid;
    jobs[i].stopped = stopped;
    if (text) snprintf(jobs[i].text, sizeof(jobs[i].text), "%.*s", (int)length, text);
    if (interactive) fprintf(stderr, "[%d]%s %s\n", i + 1, stopped ? " stopped" : "", jobs[i].text);
}

/* The terminal shows "^C" and no line end. */
static void say_signal(int how) {
    if (WIFSIGNALED(how)) fprintf(stderr, "%s\n", WTERMSIG(how) == SIGINT ? "" : strsignal(WTERMSIG(how)));
}

void wait_job(pid_t pgid, const pid_t *pids, int count, const char *text, size_t length) {
    int how = 0;
    if (interactive) tcsetpgrp(0, pgid);
    for (int i = 0; i < count; i++) {
        pid_t pid;
        while ((pid = waitpid(pids[i], &how, interactive ? WUNTRACED : 0)) < 0 && errno == EINTR) ;
        if (pid < 0) continue;
        status = of_wait(how);
        if (!WIFSTOPPED(how)) continue;
        remember(pgid, 1, text, length);
        break;
    }
    if (!interactive) return;
    tcsetpgrp(0, getpgrp());
    say_signal(how);
}

void background_job(pid_t pgid, const char *text, size_t length) {
    last_background = pgid;
    remember(pgid, 0, text, length);
}

/* Jobs that ended since the last prompt. */
void reap_background(void) {
    for (int i = 0; i < JOBS; i++) {
        if (!jobs[i].pgid) continue;
        int how;
        pid_t pid = waitpid(interactive ? -jobs[i].pgid : jobs[i].pgid, &how, WNOHANG);
        if (pid == 0) continue;
        if (interactive) fprintf(stderr, "[%d] done %s\n", i + 1, jobs[i].text);
        jobs[i].pgid = 0;
    }
}

/* "%2", "2" or nothing: the last one. */
static struct job *find_job(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1] + (*argv[1] == '%')) : 0;
    if (n > 0 && n <= JOBS && jobs[n - 1].pgid) return &jobs[n - 1];
    for (int i = JOBS - 1; i >= 0 && argc < 2; i--) if (jobs[i].pgid) return &jobs[i];
    complain(argv[0], "no such job");
    return NULL;
}

int builtin_fg(int argc, char **argv) {
    struct job *job = find_job(argc, argv);
    if (!job) return 1;
    pid_t pgid = job->pgid;
    int how = 0;
    tcsetpgrp(0, pgid);
    fprintf(stderr, "%s\n", job->text);
    kill(-pgid, SIGCONT);
    job->pgid = 0;
    for (;;) {
        pid_t pid = waitpid(-pgid, &how, WUNTRACED);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) break;
        status = of_wait(how);
        if (!WIFSTOPPED(how)) continue;
        job->pgid = pgid;
        remember(pgid, 1, NULL, 0);
        break;
    }
    tcsetpgrp(0, getpgrp());
    say_signal(how);
    return status;
}

int builtin_bg(int argc, char **argv) {
    struct job *job = find_job(argc, argv);
    if (!job) return 1;
    job->stopped = 0;
    return kill(-job->pgid, SIGCONT) ? 1 : 0;
}

int builtin_jobs(int argc, char **argv) {
    reap_background();
    for (int i = 0; i < JOBS; i++)
        if (jobs[i].pgid) printf("[%d] %s %s\n", i + 1, jobs[i].stopped ? "stopped" : "running", jobs[i].text);
    return 0;
}

int builtin_wait(int argc, char **argv) {
    int how, result = 0;
    if (argc > 1) {
        if (waitpid(atoi(argv[1]), &how, 0) < 0) return 127;
        return of_wait(how);
    }
    while (waitpid(-1, &how, 0) > 0 || errno == EINTR) ;
    memset(jobs, 0, sizeof(jobs));
    return result;
}
