/* Expansion: variables, command substitution, arithmetic, splitting and file name patterns. */
#include "sh.h"
#include <ctype.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void add(buffer *b, char c) {
    if (b->length + 2 > b->room) b->text = realloc(b->text, b->room = b->room * 2 + 32);
    if (!b->text) _exit(12);
    b->text[b->length++] = c;
    b->text[b->length] = 0;
}
void add_text(buffer *b, const char *s) { while (*s) add(b, *s++); }

static void finish(words *w) {
    if (!w->started) return;
    glob_t found = { 0 };
    if (w->word.text && strpbrk(w->word.text, "*?[") && !glob(w->word.text, 0, NULL, &found) && found.gl_pathc) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            w->list = realloc(w->list, (w->count + 2) * sizeof(char *));
            w->list[w->count++] = strdup(found.gl_pathv[i]);
        }
    } else {
        char *plain = strdup(w->word.text ? w->word.text : ""), *to = plain;
        for (char *from = plain; *from; *to++ = *from++) if (*from == '\\' && from[1]) from++;
        *to = 0;
        w->list = realloc(w->list, (w->count + 2) * sizeof(char *));
        w->list[w->count++] = plain;
    }
    globfree(&found);
    free(w->word.text);
    w->word = (buffer){ 0 };
    w->started = 0;
}
static void literal(words *w, char c) {
    if (strchr("*?[]\\", c)) add(&w->word, '\\');
    add(&w->word, c);
    w->started = 1;
}
/* A value: inside quotes as it is, else split at blanks, with its pattern characters alive. */
void value(words *w, const char *s, int quoted) {
    for (; s && *s; s++) {
        if (quoted) literal(w, *s);
        else if (isspace((unsigned char)*s)) finish(w);
        else {
            if (*s == '\\') add(&w->word, '\\');
            add(&w->word, *s);
            w->started = 1;
        }
    }
}

static char *output_of(const char *text) {
    int ends[2];
    buffer b = { 0 };
    add(&b, 0);
    b.length = 0;
    if (pipe(ends)) return b.text;
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        interactive = 0;
        signals_for_shell();
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        run_text(text);
        fflush(NULL);
        _exit(status);
    }
    close(ends[1]);
    char piece[512];
    for (ssize_t n; (n = read(ends[0], piece, sizeof(piece))) > 0;)
        for (ssize_t i = 0; i < n; i++) add(&b, piece[i]);
    close(ends[0]);
    int how = 0;
    waitpid(child, &how, 0);
    status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    while (b.length && b.text[b.length - 1] == '\n') b.text[--b.length] = 0;
    return b.text;
}

static void parameter(words *w, const char *name, int quoted) {
    char number[24];
    if (!strcmp(name, "@") || !strcmp(name, "*")) {
        for (int i = 1; i <= positional_count; i++) {
            value(w, positional[i], quoted);
            if (i < positional_count && quoted && *name == '*') literal(w, ' ');
            else if (i < positional_count) w->started |= quoted, finish(w);
        }
        return;
    }
    const char *v = number;
    if (!strcmp(name, "?")) snprintf(number, sizeof(number), "%d", status);
    else if (!strcmp(name, "$")) snprintf(number, sizeof(number), "%d", shell_pid);
    else if (!strcmp(name, "!")) snprintf(number, sizeof(number), "%d", last_background);
    else if (!strcmp(name, "#")) snprintf(number, sizeof(number), "%d", positional_count);
    else if (isdigit((unsigned char)*name)) v = atoi(name) <= positional_count ? positional[atoi(name)] : NULL;
    else v = getenv(name);
    value(w, v, quoted);
}

/* At "$": one substitution. */
static void dollar(words *w, int quoted) {
    const char *start = at + 1;
    if (*start == '(') {
        skip_dollar();
        int is_math = start[1] == '(' && at[-2] == ')';
        char *inside = strndup(start + 1 + is_math, at - start - 2 - 2 * is_math);
        if (is_math) {
            char number[24];
            words expanded = { 0 };
            const char *after = at;
            for (at = inside; *at;) {
                if (*at == '$') dollar(&expanded, 1);
                else add(&expanded.word, *at++);
            }
            at = after;
            snprintf(number, sizeof(number), "%ld", arithmetic(expanded.word.text ? expanded.word.text : "0"));
            free(expanded.word.text);
            value(w, number, quoted);
        } else {
            char *out = output_of(inside);
            value(w, out, quoted);
            free(out);
        }
        free(inside);
    } else if (*start == '{') {
        skip_dollar();
        char *inside = strndup(start + 1, at - start - 2);
        size_t n = strcspn(inside, ":-=");
        char *other = inside[n] == ':' ? inside + n + 2 : inside[n] ? inside + n + 1 : NULL;   /* ${name:-other} */
        inside[n] = 0;
        if (other && (!getenv(inside) || !*getenv(inside))) value(w, other, quoted);
        else parameter(w, inside, quoted);
        free(inside);
    } else if (isalpha((unsigned char)*start) || *start == '_') {
        for (at = start; isalnum((unsigned char)*at) || *at == '_';) at++;
        char *name = strndup(start, at - start);
        parameter(w, name, quoted);
        free(name);
    } else if (*start && strchr("?$!#@*0123456789", *start)) {
        at = start + 1;
        parameter(w, (char[]){ *start, 0 }, quoted);
    } else {
        at++;
        literal(w, '$');
    }
}

/* Reads and expands the word at `at`. */
void expand(words *w) {
    if (*at == '~' && (!at[1] || strchr("/ \t\n;&|", at[1]))) at++, value(w, getenv("HOME"), 1);
    while (*at && !strchr(" \t\n;&|<>()", *at)) {
        if (*at == '\'') {
            w->started = 1;
            for (at++; *at && *at != '\''; at++) literal(w, *at);
            at += *at == '\'';
        } else if (*at == '"') {
            w->started = 1;
            for (at++; *at && *at != '"';) {
                if (*at == '$') dollar(w, 1);
                else if (*at == '\\' && at[1] && strchr("\"\\$`\n", at[1])) { if (at[1] != '\n') literal(w, at[1]); at += 2; }
                else literal(w, *at++);
            }
            at += *at == '"';
        } else if (*at == '$') dollar(w, 0);
        else if (*at == '\\') { if (at[1] && at[1] != '\n') literal(w, at[1]); at += at[1] ? 2 : 1; }
        else add(&w->word, *at++), w->started = 1;
    }
    finish(w);
    if (w->list) w->list[w->count] = NULL;
}
void words_free(words *w) {
    for (int i = 0; i < w->count; i++) free(w->list[i]);
    free(w->list);
}
char *expand_one(void) {
    words w = { 0 };
    buffer joined = { 0 };
    expand(&w);
    for (int i = 0; i < w.count; i++) {
        if (i) add(&joined, ' ');
        add_text(&joined, w.list[i]);
    }
    words_free(&w);
    return joined.text ? joined.text : strdup("");
}
