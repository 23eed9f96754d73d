/* Reading the text: where words and constructs end. */
#include "sh.h"
#include <string.h>

void blanks(void) {
    for (;;) {
        if (*at == ' ' || *at == '\t') at++;
        else if (at[0] == '\\' && at[1] == '\n') at += 2;
        else break;
    }
    if (*at == '#') while (*at && *at != '\n') at++;
}
void newlines(void) {
    for (blanks(); *at == '\n' || *at == ';'; blanks()) at++;
}

void unfinished(void) { longjmp(wrong, UNFINISHED); }

static void skip_quoted(char quote);
void skip_dollar(void) {             /* at "$": past ${...}, $(...) or $((...)) */
    char close = at[1] == '{' ? '}' : at[1] == '(' ? ')' : 0;
    at++;
    if (!close) return;
    char open = *at;
    int depth = 0;
    do {
        if (!*at) unfinished();
        if (*at == '\\' && at[1]) at++;
        else if (*at == '\'' || *at == '"') { skip_quoted(*at); continue; }
        else if (*at == open) depth++;
        else if (*at == close) depth--;
        at++;
    } while (depth);
}
static void skip_quoted(char quote) {
    for (at++; *at != quote;) {
        if (!*at) unfinished();
        if (quote == '"' && *at == '$') skip_dollar();
        else at += *at == '\\' && quote == '"' && at[1] ? 2 : 1;
    }
    at++;
}
/* Past one word; false if there is none here. */
int skip_word(void) {
    const char *start = at;
    while (*at && !strchr(" \t\n;&|<>()", *at)) {
        if (*at == '\'' || *at == '"') skip_quoted(*at);
        else if (*at == '$') skip_dollar();
        else if (*at == '\\' && !at[1]) unfinished();
        else at += *at == '\\' ? 2 : 1;
    }
    return at != start;
}
int peek(const char *word) {         /* is this word, unquoted, next? */
    blanks();
    size_t n = strlen(word);
    return !strncmp(at, word, n) && (!at[n] || strchr(" \t\n;&|<>()", at[n]));
}
int accept(const char *word) {
    if (!peek(word)) return 0;
    at += strlen(word);
    return 1;
}
void expect(const char *word) {
    newlines();
    if (accept(word)) return;
    if (!*at) unfinished();
    fprintf(stderr, "sh: expected \"%s\", found \"%.*s\"\n", word, (int)strcspn(at, "\n"), at);
    longjmp(wrong, BAD);
}

