/* Records: rows of a key and a value, in memory, as a file of lines, as JSON, and as a table. */
#include "box.h"

void add(struct record *r, const char *key, const char *value) {
    if (!(r->count & 15) && !(r->rows = realloc(r->rows, (r->count + 16) * sizeof(*r->rows)))) die("no memory");
    r->rows[r->count++] = (struct row){ strdup(key), strdup(value) };
}

void put(struct record *r, const char *key, const char *value) {
    int kept = 0;
    for (int i = 0; i < r->count; i++) if (strcmp(r->rows[i].key, key)) r->rows[kept++] = r->rows[i];
    r->count = kept;                /* its room is a multiple of 16 above that: add() sees every boundary */
    if (value) add(r, key, value);
}

const char *get(const struct record *r, const char *key) {
    for (int i = 0; i < r->count; i++) if (!strcmp(r->rows[i].key, key)) return r->rows[i].value;
    return NULL;
}

bool is_set(const struct record *r, const char *key) { return get(r, key) != NULL; }

char **list(const struct record *r, const char *key) {
    char **all = reserve((r->count + 1) * sizeof(*all));
    int n = 0;
    for (int i = 0; i < r->count; i++) if (!strcmp(r->rows[i].key, key)) all[n++] = r->rows[i].value;
    return all;
}

void copy_rows(struct record *to, const struct record *from, const char *key) {
    for (int i = 0; i < from->count; i++) if (!strcmp(from->rows[i].key, key)) add(to, key, from->rows[i].value);
}

/* A line is KEY=VALUE, with \n for a line's end and \\ for a backslash. */
bool load(struct record *r, const char *path) {
    char *data = read_file(path, NULL);
    if (!data) return false;
    for (char *line = data, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        char *value = strchr(line, '='), *to = value;
        if (!value) continue;
        *value++ = 0;
        char *start = to = value;
        for (; *value; value++) *to++ = *value != '\\' ? *value : *++value == 'n' ? '\n' : *value;
        *to = 0;
        add(r, line, start);
    }
    free(data);
    return true;
}

void save(const struct record *r, const char *path) {
    char *data = NULL;
    size_t size;
    FILE *f = open_memstream(&data, &size);
    for (int i = 0; i < r->count; i++) {
        fprintf(f, "%s=", r->rows[i].key);
        for (const char *v = r->rows[i].value; *v; v++) *v == '\n' ? fputs("\\n", f) : *v == '\\' ? fputs("\\\\", f) : fputc(*v, f);
        fputc('\n', f);
    }
    if (fclose(f)) die("no memory");
    write_file(path, data, size);
    free(data);
}

void print_json_text(const char *s) {
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') printf("\\%c", *s);
        else if ((unsigned char)*s < ' ') printf("\\u%04x", *s);
        else putchar(*s);
    }
    putchar('"');
}

void print_json(const struct record *r, const char *const lists[]) {
    const char *comma = "{";
    for (int i = 0; i < r->count; i++) {
        const char *key = r->rows[i].key;
        bool many = false, seen = false;
        for (int j = 0; lists && lists[j]; j++) many |= !strcmp(lists[j], key);
        for (int j = 0; j < i; j++) seen |= !strcmp(r->rows[j].key, key);
        if (seen) continue;
        printf("%s", comma);
        comma = ", ";
        print_json_text(key);
        printf(many ? ": [" : ": ");
        const char *between = "";
        for (char **v = list(r, key); *v; v++) {
            if (!many && *between) break;
            printf("%s", between);
            print_json_text(*v);
            between = ", ";
        }
        if (many) putchar(']');
    }
    printf(r->count ? "}" : "{}");
}

void print_table(const struct record *rows, int count, const char *const columns[], bool json) {
    if (json) {
        printf("[");
        for (int i = 0; i < count; i++) {
            printf(i ? ",\n " : "");
            print_json(&rows[i], NULL);
        }
        puts("]");
        return;
    }
    int width[16];
    for (int c = 0; columns[c]; c++) {
        width[c] = strlen(columns[c]);
        for (int i = 0; i < count; i++) {
            int w = get(&rows[i], columns[c]) ? strlen(get(&rows[i], columns[c])) : 1;
            if (w > width[c]) width[c] = w;
        }
    }
    for (int i = -1; i < count; i++) {
        for (int c = 0; columns[c]; c++) {
            const char *value = i < 0 ? columns[c] : get(&rows[i], columns[c]) ? get(&rows[i], columns[c]) : "-";
            if (i < 0) {
                for (const char *p = value; *p; p++) putchar(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
                printf("%*s", columns[c + 1] ? width[c] - (int)strlen(value) + 2 : 0, "");
            } else printf("%-*s", columns[c + 1] ? width[c] + 2 : 0, value);
        }
        putchar('\n');
    }
}
