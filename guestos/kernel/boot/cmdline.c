/* The kernel command line: words `name=value` or `name`, double quotes keep spaces; what follows
 * `--` is for init. */
#include "boot.h"
#include "lib.h"

#define WORDS 48

static char text[2048];
static const char *words[WORDS];            /* each terminated, quotes removed */
static int count, init_from;

void cmdline_init(const char *from) {
    if (strlcpy(text, from, sizeof(text)) >= sizeof(text)) kerror("command line cut at %lu bytes\n", sizeof(text));
    char *in = text, *out = text;
    init_from = 0;
    while (count < WORDS) {
        while (*in == ' ' || *in == '\t' || *in == '\n') in++;
        if (!*in) break;
        const char *word = out;
        bool quoted = false;
        for (; *in && (quoted || (*in != ' ' && *in != '\t' && *in != '\n')); in++)
            if (*in == '"') quoted = !quoted;
            else *out++ = *in;
        bool last = !*in;
        *out++ = 0;
        if (!init_from && !strcmp(word, "--")) init_from = count + 1;
        words[count++] = word;
        if (last) break;
        in++;
    }
}

const char *cmdline_each(const char *name, int n) {
    size_t length = strlen(name);
    int end = init_from ? init_from - 1 : count;
    for (int i = 0; i < end; i++) {
        if (strncmp(words[i], name, length) || (words[i][length] && words[i][length] != '=')) continue;
        if (n-- == 0) return words[i][length] ? words[i] + length + 1 : "";
    }
    return NULL;
}

const char *cmdline_get(const char *name) { return cmdline_each(name, 0); }

int cmdline_init_arguments(const char **to, int max) {
    int n = 0;
    for (int i = init_from; init_from && i < count && n < max; i++) to[n++] = words[i];
    return n;
}
