/* `build`: an image of a Boxfile, a layer for each COPY and RUN. A layer's name is a digest of all that it comes from: the layers
 * below, the instruction, and for COPY the files; so what was built once is there already. */
#include "box.h"
#include <ctype.h>

struct step { int line; char *what, *rest; };
struct build { struct record image; const char *file, *tag; int context; struct step *steps; int count; };

static char *skip_space(char *p) {
    while (isspace((unsigned char)*p)) p++;
    return p;
}

/* Words of a line, where quotes keep spaces; their number, or -1: a quote is open. */
static int split(const char *line, char **words, int room) {
    int count = 0;
    for (const char *p = skip_space((char *)line); *p && count < room; p = skip_space((char *)p)) {
        char *to = words[count++] = reserve(strlen(p) + 1), quote = 0;
        for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
            if (*p == quote) quote = 0;
            else if (!quote && (*p == '"' || *p == '\'')) quote = *p;
            else if (*p == '\\' && p[1] && quote != '\'') *to++ = *++p;
            else *to++ = *p;
        }
        if (quote) return -1;
    }
    return count;
}

/* ["a", "b"], or a command for the shell. False: it begins like a list and is none. */
static bool set_command(struct record *image, const char *rest) {
    put(image, "cmd", NULL);
    if (rest[0] != '[') {
        add(image, "cmd", "/bin/sh");
        add(image, "cmd", "-c");
        add(image, "cmd", rest);
        return true;
    }
    struct json *j = json_parse(rest, strlen(rest));
    if (!j || j->kind != J_LIST || !j->first) return false;
    for (j = j->first; j; j = j->next) {
        if (j->kind != J_TEXT) return false;
        add(image, "cmd", j->text);
    }
    return true;
}

/* NAME=VALUE..., or NAME VALUE. */
static bool set_environment(struct record *image, const char *rest) {
    char *words[64];
    int count = split(rest, words, 64);
    if (count < 1) return false;
    if (!strchr(words[0], '=')) {
        if (count < 2) return false;
        words[0] = text("%s=%s", words[0], skip_space((char *)rest + strcspn(rest, " \t")));
        count = 1;
    }
    for (int i = 0; i < count; i++) {
        if (!strchr(words[i], '=') || words[i][0] == '=') return false;
        struct record others = { 0 };
        size_t name = strcspn(words[i], "=") + 1;
        for (char **e = list(image, "env"); *e; e++) if (strncmp(*e, words[i], name)) add(&others, "env", *e);
        put(image, "env", NULL);
        copy_rows(image, &others, "env");
        add(image, "env", words[i]);
    }
    return true;
}

static char *absolute(const struct record *image, const char *path) {
    return path[0] == '/' ? strdup(path) : text("%s/%s", is_set(image, "workdir") && strcmp(get(image, "workdir"), "/") ? get(image, "workdir") : "", path);
}

/* What a step does to the image's configuration; why it can't, or NULL. */
static const char *apply(struct build *b, const struct step *s) {
    char *words[64];
    int count = split(s->rest, words, 64);
    if (count < 0) return "a quotation mark is open";
    if (!count) return "the instruction needs an argument";
    if (!strcmp(s->what, "FROM")) {
        if (count != 1) return "expected: FROM IMAGE, or FROM scratch";
        if (s != b->steps) return "FROM comes first, and once";
        if (strcmp(words[0], "scratch")) image_load(&b->image, words[0]);
        return NULL;
    }
    if (s == b->steps) return "the first instruction is FROM";
    if (!strcmp(s->what, "ENV")) return set_environment(&b->image, s->rest) ? NULL : "expected: ENV NAME=VALUE";
    if (!strcmp(s->what, "CMD")) return set_command(&b->image, s->rest) ? NULL : "expected: CMD [\"PROGRAM\", \"ARGUMENT\"] or CMD COMMAND";
    if (!strcmp(s->what, "WORKDIR")) return put(&b->image, "workdir", absolute(&b->image, words[0])), count == 1 ? NULL : "expected: WORKDIR DIRECTORY";
    if (!strcmp(s->what, "USER")) return put(&b->image, "user", words[0]), count == 1 ? NULL : "expected: USER NAME";
    if (!strcmp(s->what, "RUN")) return NULL;
    if (strcmp(s->what, "COPY")) return "unknown instruction: expected FROM, COPY, RUN, ENV, WORKDIR, USER or CMD";
    if (count < 2) return "expected: COPY SOURCE... DESTINATION";
    for (int i = 0; i < count - 1; i++) {
        struct sha256 h;
        sha256_begin(&h);
        copy_digest(b->context, words[i], &h);          /* dies with the reason if it can't be read */
    }
    return NULL;
}

/* The Boxfile's instructions. A backslash at a line's end continues it; # begins a comment line. */
static void read_steps(struct build *b) {
    char *all = read_file(b->file, NULL), *line;
    if (!all) die_errno("can't read %s", b->file);
    for (int number = 1; (line = strsep(&all, "\n")); number++) {
        int first = number;
        char *p = text("%s", skip_space(line));
        if (!*p || *p == '#') continue;
        for (size_t n; (n = strlen(p)) && p[n - 1] == '\\' && (line = strsep(&all, "\n")); number++) p = text("%.*s%s", (int)n - 1, p, line);
        char *rest = p + strcspn(p, " \t"), *end = p + strlen(p);
        while (end > p && isspace((unsigned char)end[-1])) *--end = 0;
        for (char *c = p; c < rest; c++) *c = toupper((unsigned char)*c);
        if (!(b->count & 15) && !(b->steps = realloc(b->steps, (b->count + 16) * sizeof(*b->steps)))) die("no memory");
        b->steps[b->count++] = (struct step){ first, strndup(p, rest - p), *rest ? skip_space(rest) : "" };
    }
    if (!b->count) die("%s:1: there is no instruction: the first is FROM", b->file);
}

/* The name of a step's layer. */
static char *key_of(struct build *b, const struct step *s, char **words, int count) {
    struct sha256 h;
    char *hex = reserve(65), **layers = list(&b->image, "layer"), *below = "scratch";
    for (; *layers; layers++) below = *layers;
    sha256_begin(&h);
    char *all = text("%s\n%s\n%s\n%s\n%s\n", below, s->what, s->rest, get(&b->image, "workdir") ? get(&b->image, "workdir") : "/", get(&b->image, "user") ? get(&b->image, "user") : "");
    sha256_add(&h, all, strlen(all));
    for (char **e = list(&b->image, "env"); *e && !strcmp(s->what, "RUN"); e++) sha256_add(&h, *e, strlen(*e) + 1);
    for (int i = 0; i < count - 1 && !strcmp(s->what, "COPY"); i++) copy_digest(b->context, words[i], &h);
    sha256_end(&h, hex);
    return hex;
}

static void build_layer(struct build *b, const struct step *s) {
    char *words[64], *directory;
    int count = split(s->rest, words, 64);
    char *key = key_of(b, s, words, count);
    bool cached = layer_exists(key);
    printf("%s:%d: %s %s%s\n", b->file, s->line, s->what, s->rest, cached ? " (cached)" : "");
    fflush(stdout);
    if (!cached && !strcmp(s->what, "COPY")) {
        directory = layer_begin();
        words[count - 1] = text("%s", absolute(&b->image, words[count - 1]));
        if (copy_layer(&b->image, b->context, words, count, directory)) die("COPY failed");
        layer_commit(directory, key);
    } else if (!cached) {
        struct record c = { 0 };
        for (const char *const *k = (const char *const[]){ "layer", "env", "workdir", "user", NULL }; *k; k++) copy_rows(&c, &b->image, *k);
        add(&c, "command", "/bin/sh");
        add(&c, "command", "-c");
        add(&c, "command", s->rest);
        int status = container_step(&c);
        const char *id = get(&c, "id");
        directory = layer_begin();
        if (!status && (rmdir(text("%s/fs", directory)) || rename(container_file(id, "upper"), text("%s/fs", directory)))) die_errno("%s", "can't keep the layer");
        container_delete(id);
        if (status) die("RUN ended with status %d", status);
        layer_commit(directory, key);
    }
    undo_nothing();
    add(&b->image, "layer", key);
}

int command_build(char **argv) {
    struct record o = { 0 };
    struct build b = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "t", 's' }, { "f", 's' }, { 0 } });
    if (!*rest || rest[1] || !is_set(&o, "t")) die("expected: box build -t NAME [-f BOXFILE] DIRECTORY");
    b.tag = image_name(get(&o, "t"));
    b.file = is_set(&o, "f") ? get(&o, "f") : text("%s/Boxfile", rest[0]);
    if ((b.context = open(rest[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) die_errno("%s", rest[0]);
    read_steps(&b);
    for (int pass = 0; pass < 2; pass++) {              /* all mistakes that can be known are, before anything is done */
        b.image = (struct record){ 0 };
        for (struct step *s = b.steps; s < b.steps + b.count; s++) {
            error_where = text("%s:%d", b.file, s->line);
            const char *why = apply(&b, s);
            if (why) die("%s: %s", s->what, why);
            if (pass && (!strcmp(s->what, "COPY") || !strcmp(s->what, "RUN"))) build_layer(&b, s);
        }
    }
    struct sha256 h;
    char id[65];
    error_where = NULL;
    sha256_begin(&h);
    put(&b.image, "id", NULL);
    put(&b.image, "name", b.tag);
    for (int i = 0; i < b.image.count; i++) {
        sha256_add(&h, b.image.rows[i].key, strlen(b.image.rows[i].key) + 1);
        sha256_add(&h, b.image.rows[i].value, strlen(b.image.rows[i].value) + 1);
    }
    sha256_end(&h, id);
    add(&b.image, "id", id);
    image_save(&b.image, b.tag);
    printf("%s\n", b.tag);
    return 0;
}
