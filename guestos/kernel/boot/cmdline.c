/* The kernel command line: words `name=value` or `name`; double quotes keep spaces, and within them a
 * backslash keeps a quote or a backslash; what follows `--` is for init. QEMU announces virtio devices by words it appends, so
 * those count anywhere. */
#include "boot.h"
#include "lib.h"

#define WORDS 48

static char text[2048];                     /* cut into words */
static char whole[2048];
static const char *words[WORDS];            /* each terminated, quotes removed */
static int count, init_from;

static bool announces_device(const char *word) { return !strncmp(word, "virtio_mmio.", 12); }

void cmdline_init(const char *from) {
    strlcpy(whole, from, sizeof(whole));
    if (strlcpy(text, from, sizeof(text)) >= sizeof(text)) kerror("command line cut at %lu bytes\n", sizeof(text));
    char *in = text, *out = text;
    init_from = 0;
    while (count < WORDS) {
        while (*in == ' ' || *in == '\t' || *in == '\n') in++;
        if (!*in) break;
        const char *word = out;
        bool quoted = false;
        for (; *in && (quoted || (*in != ' ' && *in != '\t' && *in != '\n')); in++)
            if (quoted && *in == '\\' && (in[1] == '"' || in[1] == '\\')) *out++ = *++in;
            else if (*in == '"') quoted = !quoted;
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
    for (int i = 0; i < count; i++) {
        if (init_from && i >= init_from - 1 && !announces_device(words[i])) continue;
        if (strncmp(words[i], name, length) || (words[i][length] && words[i][length] != '=')) continue;
        if (n-- == 0) return words[i][length] ? words[i] + length + 1 : "";
    }
    return NULL;
}

const char *cmdline_text(void) { return whole; }

const char *cmdline_get(const char *name) { return cmdline_each(name, 0); }

int cmdline_init_arguments(const char **to, int max) {
    int n = 0;
    for (int i = init_from; init_from && i < count && n < max; i++)
        if (!announces_device(words[i])) to[n++] = words[i];
    return n;
}
