/* A small shell. It has no syntax tree: a function of the grammar reads the text at `at` and, if its
 * `run` is true, acts at once; with run false it only finds the end. Loops go back to where they began.
 *
 *   list      and_or { (";" | "&" | newline) and_or }
 *   and_or    pipeline { ("&&" | "||") pipeline }
 *   pipeline  [ "!" ] command { "|" command }
 *   command   if, while, until, for, "{ list }", "( list )" with redirections behind them, or words,
 *             NAME=value and redirections
 *
 * Not here: functions, case, here-documents. All variables are exported.
 */
#pragma once
#define _GNU_SOURCE
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum { BAD = 1, UNFINISHED = 2 };           /* what longjmp to `wrong` says of the text */
#define JOBS 32
#define PIPELINE_MAX 32

extern const char *at;                      /* the text not read yet */
extern jmp_buf wrong;
extern int status;                          /* $? */
extern int breaking, continuing;            /* loops still to leave, to continue behind */
extern int interactive;                     /* job control is on */
extern char **positional;                   /* $0, $1, ... */
extern int positional_count;
extern pid_t last_background, shell_pid;

void complain(const char *what, const char *why);

/* text.c: reading. Those that find the text unfinished or wrong don't return. */
void blanks(void);                          /* past blanks and a comment */
void newlines(void);                        /* and past line ends and ";" */
int skip_word(void);                        /* false if there is none here */
void skip_dollar(void);
int peek(const char *word);                 /* is this word, unquoted, next? */
int accept(const char *word);
void expect(const char *word);
void unfinished(void);

/* expand.c */
typedef struct { char *text; size_t length, room; } buffer;
void add(buffer *, char);
void add_text(buffer *, const char *);
/* Words being made. A pattern character that was quoted has a backslash before it in `word`. */
typedef struct { buffer word; int started; char **list; int count; } words;
void expand(words *);                       /* reads the word at `at`; list ends with NULL */
char *expand_one(void);                     /* the same, joined by blanks; to be freed */
void words_free(words *);
long arithmetic(const char *);

/* jobs.c: redirections and processes. */
#define REDIRECTIONS 16
typedef struct { int fd[REDIRECTIONS], saved[REDIRECTIONS], count; } redirections;
int redirection_next(void);                 /* is "<", ">" or "N>" here? */
int redirect(redirections *, int run);      /* 0, or -1 after a message */
void redirections_undo(redirections *);
/* fork; with job control the child joins group *pgid (0: leads a new one). */
pid_t spawn(pid_t *pgid, int foreground);
/* Wait for a foreground job; `text` names it if it stops. */
void wait_job(pid_t pgid, const pid_t *pids, int count, const char *text, size_t length);
void background_job(pid_t pgid, const char *text, size_t length);
void reap_background(void);
void signals_for_shell(void);

/* builtins.c */
typedef int builtin(int argc, char **argv);
builtin *find_builtin(const char *name);
builtin builtin_fg, builtin_bg, builtin_jobs, builtin_wait;     /* in jobs.c */

/* grammar.c */
void run_text(const char *text);            /* all of it; at an error, a message and status 2 */
int run_is_complete(const char *text);      /* false: run_text would need more lines */
