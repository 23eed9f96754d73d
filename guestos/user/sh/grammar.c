/* The grammar: what is read is run. */
#include "sh.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In a child made for one command: exec in place of another fork. */
static int replace;

static void list(int run);

static int is_assignment(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_') return 0;
    while (isalnum((unsigned char)*s) || *s == '_') s++;
    return *s == '=';
}

static void simple(int run) {
    const char *start = at;
    words w = { 0 };
    redirections r = { .count = 0 };
    int failed = 0, any = 0;
    char *assigned[32];
    int assignments = 0;
    for (;;) {
        blanks();
        if (redirection_next()) {
            any = 1;
            failed |= redirect(&r, run && !failed);
        } else if (!*at || strchr("\n;&|()<>", *at)) break;
        else if (!run) any |= skip_word();
        else if (!w.count && is_assignment(at) && assignments < 32) {
            char *eq = strchr(at, '=');
            buffer b = { 0 };
            while (at <= eq) add(&b, *at++);
            char *v = expand_one();
            add_text(&b, v);
            free(v);
            assigned[assignments++] = b.text;
        } else expand(&w);
    }
    if (!run) {
        if (any) return;
        if (!*at) unfinished();
        fprintf(stderr, "sh: unexpected \"%.*s\"\n", (int)strcspn(at, "\n"), at);
        longjmp(wrong, BAD);
    }
    if (failed) status = 1;
    else if (!w.count) {                    /* variables of the shell; all are exported */
        for (int i = 0; i < assignments; i++) putenv(strdup(assigned[i]));
        if (!w.list) status = 0;
    } else {
        builtin *b = find_builtin(w.list[0]);
        if (b) {
            for (int i = 0; i < assignments; i++) putenv(strdup(assigned[i]));
            status = b(w.count, w.list);
        } else {
            pid_t pgid = 0, child = replace ? 0 : spawn(&pgid, 1);
            if (!child) {
                for (int i = 0; i < assignments; i++) putenv(assigned[i]);
                execvp(w.list[0], w.list);
                int error = errno;
                complain(w.list[0], error == ENOENT ? "not found" : strerror(error));
                _exit(error == ENOENT ? 127 : 126);
            }
            wait_job(pgid, &child, 1, start, at - start);
        }
    }
    if (r.count && !(w.count && !strcmp(w.list[0], "exec"))) redirections_undo(&r);
    for (int i = 0; i < assignments; i++) free(assigned[i]);
    words_free(&w);
}

static void if_clause(int run) {
    list(run);
    expect("then");
    int yes = run && !status, done = yes;
    list(yes);
    for (;;) {
        newlines();
        if (accept("elif")) {
            list(run && !done);
            expect("then");
            yes = run && !done && !status;
            done |= yes;
            list(yes);
        } else if (accept("else")) {
            list(run && !done);
            done = 1;
        } else break;
    }
    if (run && !done) status = 0;
    expect("fi");
}

/* After each round: is the loop over? */
static int leaves(void) {
    if (breaking) return breaking--, 1;
    if (continuing) return --continuing > 0;
    return 0;
}

static void while_clause(int run, int until) {
    const char *start = at;
    int result = 0;
    for (;;) {
        at = start;
        list(run);
        int go = run && !breaking && (status == 0) != until;
        expect("do");
        list(go);
        if (go) result = status;
        expect("done");
        if (!go || leaves()) break;
    }
    if (run) status = result;
}

static void for_clause(int run) {
    blanks();
    const char *name_start = at;
    skip_word();
    char *name = strndup(name_start, at - name_start);
    words w = { 0 };
    newlines();
    if (accept("in")) {
        for (blanks(); *at && !strchr("\n;", *at); blanks()) {
            if (run) expand(&w);
            else if (!skip_word()) longjmp(wrong, BAD);
        }
    } else if (run) {
        const char *body = at;
        at = "\"$@\"";
        expand(&w);
        at = body;
    }
    expect("do");
    const char *body = at;
    int i = 0;
    do {
        at = body;
        int go = run && i < w.count;
        if (go) setenv(name, w.list[i], 1);
        else if (run) status = 0;
        list(go);
        expect("done");
        if (go && leaves()) break;
    } while (run && ++i < w.count);
    words_free(&w);
    free(name);
}


static int compound_next(void) {
    static const char *const words[] = { "if", "while", "until", "for", "{" };
    for (int i = 0; i < 5; i++) if (peek(words[i])) return 1;
    return *at == '(';
}

static void compound(int run) {
    const char *start = at;
    if (accept("if")) if_clause(run);
    else if (accept("while")) while_clause(run, 0);
    else if (accept("until")) while_clause(run, 1);
    else if (accept("for")) for_clause(run);
    else if (accept("{")) list(run), expect("}");
    else {
        const char *body = ++at;
        list(0);
        newlines();
        if (*at != ')') *at ? longjmp(wrong, BAD) : unfinished();
        const char *end = ++at;
        if (!run) return;
        pid_t pgid = 0, child = spawn(&pgid, 1);
        if (!child) {
            at = body;
            list(1);
            fflush(NULL);
            _exit(status);
        }
        wait_job(pgid, &child, 1, start, end - start);
    }
}

static void command(int run) {
    blanks();
    if (!compound_next()) return simple(run);
    /* Redirections stand behind: find the end first. */
    const char *start = at;
    redirections r = { .count = 0 };
    int failed = 0, only = replace;
    compound(0);
    for (blanks(); redirection_next(); blanks()) failed |= redirect(&r, run && !failed);
    const char *end = at;
    if (!run) return;
    replace = 0;                            /* a list inside may have more than one command */
    if (failed) status = 1;
    else at = start, compound(1);
    replace = only;
    at = end;
    redirections_undo(&r);
}

static void pipeline(int run) {
    int invert = accept("!");
    const char *starts[PIPELINE_MAX];
    int count = 0;
    blanks();
    const char *whole = at;
    for (;;) {
        if (count == PIPELINE_MAX) complain("pipeline", "too long"), longjmp(wrong, BAD);
        starts[count++] = at;
        command(0);
        blanks();
        if (*at != '|' || at[1] == '|') break;
        at++;
        newlines();
    }
    const char *end = at;
    if (!run) return;
    if (count == 1) at = starts[0], command(1);
    else {
        pid_t pgid = 0, pids[PIPELINE_MAX];
        int input = -1, ends[2] = { -1, -1 };
        for (int i = 0; i < count; i++) {
            if (i + 1 < count && pipe(ends)) complain("pipe", strerror(errno)), longjmp(wrong, BAD);
            if (!(pids[i] = spawn(&pgid, 1))) {
                if (i) dup2(input, 0), close(input);
                if (i + 1 < count) dup2(ends[1], 1), close(ends[0]), close(ends[1]);
                at = starts[i];
                replace = 1;
                command(1);
                fflush(NULL);
                _exit(status);
            }
            if (i) close(input);
            if (i + 1 < count) close(ends[1]);
            input = ends[0];
        }
        wait_job(pgid, pids, count, whole, end - whole);
    }
    at = end;
    if (invert) status = !status;
}

static void and_or(int run) {
    pipeline(run);
    for (;;) {
        blanks();
        int both = at[0] == '&' && at[1] == '&', either = at[0] == '|' && at[1] == '|';
        if (!both && !either) return;
        at += 2;
        newlines();
        pipeline(run && !breaking && !continuing && (status == 0) == both);
    }
}

static int list_ends(void) {
    static const char *const words[] = { "then", "elif", "else", "fi", "do", "done", "}" };
    for (int i = 0; i < 7; i++) if (peek(words[i])) return 1;
    return !*at || *at == ')';
}

static void list(int run) {
    for (newlines(); !list_ends(); newlines()) {
        const char *start = at;
        and_or(0);
        const char *end = at;
        blanks();
        int background = *at == '&';
        if (!background && *at && !strchr("\n;)", *at)) {
            fprintf(stderr, "sh: unexpected \"%.*s\"\n", (int)strcspn(at, "\n"), at);
            longjmp(wrong, BAD);
        }
        at += background;
        const char *after = at;
        if (!run || breaking || continuing) continue;
        at = start;
        if (!background) and_or(1);
        else {
            pid_t pgid = 0, child = spawn(&pgid, 0);
            if (!child) {
                and_or(1);
                fflush(NULL);
                _exit(status);
            }
            background_job(pgid, start, end - start);
            status = 0;
        }
        at = after;
    }
}

int run_is_complete(const char *text) {
    jmp_buf saved;
    const char *before = at;
    memcpy(saved, wrong, sizeof(saved));
    int result = setjmp(wrong);
    if (!result) {
        at = text;
        list(0);
    }
    memcpy(wrong, saved, sizeof(saved));
    at = before;
    return result != UNFINISHED;
}

void run_text(const char *text) {
    jmp_buf saved;
    const char *before = at;
    memcpy(saved, wrong, sizeof(saved));
    int result = setjmp(wrong);
    if (!result) {
        at = text;
        list(1);
        if (*at) complain("unexpected", at), status = 2;
    } else {
        if (result == UNFINISHED) complain("syntax", "the text ends inside of a construct or a quote");
        status = 2;
    }
    memcpy(wrong, saved, sizeof(saved));
    at = before;
}
