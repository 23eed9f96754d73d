/* Text made when it is read: what the files of procfs consist of. */
#include "text.h"
#include "lib.h"
#include "mm.h"

void text_add(struct text *t, const char *bytes, size_t n) {
    if (t->length + n > t->room) {
        size_t room = MAX(t->room * 2, MAX(t->length + n, 1024UL));
        char *larger = kmalloc(room);
        if (!larger) {
            t->error = -ENOMEM;
            return;
        }
        memcpy(larger, t->data, t->length);
        kfree(t->data);
        t->data = larger;
        t->room = room;
    }
    memcpy(t->data + t->length, bytes, n);
    t->length += n;
}

void text_print(struct text *t, const char *format, ...) {
    char line[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    text_add(t, line, MIN((size_t)n, sizeof(line) - 1));
}

/* Names in /proc/mounts and maps: spaces and backslashes as octal, so that fields stay fields. */
void text_escaped(struct text *t, const char *name) {
    for (; *name; name++) {
        if (*name == ' ' || *name == '\t' || *name == '\n' || *name == '\\') text_print(t, "\\%03o", (u8)*name);
        else text_add(t, name, 1);
    }
}

ssize_t text_read(struct file *f, struct io *io, u64 pos, int (*make)(struct file *, struct text *)) {
    struct text *t = f->data;
    if (!t && !(t = f->data = kzalloc(sizeof(*t)))) return -ENOMEM;
    if (pos == 0 || !t->data) {                 /* read from the start: made anew */
        t->length = 0;
        t->error = 0;
        int error = make(f, t);
        if (error || t->error) return error ? error : t->error;
    }
    if (pos >= t->length) return 0;
    size_t n = MIN(io->left, t->length - pos);
    int error = io_put(io, t->data + pos, n);
    return error ? error : (ssize_t)n;
}

void text_release(struct file *f) {
    struct text *t = f->data;
    if (t) kfree(t->data);
    kfree(t);
}
