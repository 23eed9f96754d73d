/* NT's strings and names: UTF-16 from programs, and where in the VFS a name of the object manager's leads. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "nt.h"
#include "user.h"
#include "vfs.h"

/* Up to three bytes for a unit; a surrogate without its other half is what UTF-8 calls U+FFFD. */
static size_t narrow(const u16 *from, size_t units, char *to) {
    char *at = to;
    for (size_t i = 0; i < units; i++) {
        u32 c = from[i];
        bool pair = c >= 0xd800 && c < 0xdc00 && i + 1 < units && from[i + 1] >= 0xdc00 && from[i + 1] < 0xe000;
        if (pair) c = 0x10000 + ((c & 0x3ff) << 10) + (from[++i] & 0x3ff);
        else if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        *at++ = more ? (0xff00 >> (more + 1) & 0xff) | c >> 6 * more : c;
        while (more--) *at++ = 0x80 | (c >> 6 * more & 0x3f);
    }
    *at = 0;
    return at - to;
}

size_t nt_widen(const char *from, u16 *to, size_t room) {
    size_t n = 0;
    while (*from && n + 1 < room) {
        u32 c = (u8)*from++;
        int more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (more) c &= 0x3f >> more;
        for (; more && (*from & 0xc0) == 0x80; more--) c = c << 6 | (*from++ & 0x3f);
        if (c >= 0x10000) to[n++] = 0xd800 + ((c - 0x10000) >> 10), c = 0xdc00 + (c & 0x3ff);
        to[n++] = c;
    }
    return n;
}

char *nt_text(struct unicode_string s) {
    if (s.length & 1 || s.length > s.maximum) return ERR_PTR(-EINVAL);
    u16 *units = kmalloc(s.length + 2);
    char *text = kmalloc(s.length / 2 * 3 + 1);
    int error = !units || !text ? -ENOMEM : copy_from_user(units, (const void *)s.buffer, s.length);
    if (!error) narrow(units, s.length / 2, text);
    kfree(units);
    if (error) kfree(text);
    return error ? ERR_PTR(error) : text;
}

char *nt_string(const struct unicode_string *user) {
    struct unicode_string s;
    return get_user(s, user) ? ERR_PTR(-EFAULT) : nt_text(s);
}

static const struct { const char *name, *path; bool whole; } roots[] = {
    { "\\Device\\HarddiskVolume1\\", "/", false }, { "\\??\\C:\\", "/", false }, { "\\DosDevices\\C:\\", "/", false },
    { "\\Device\\Null", "/dev/null", true }, { "\\??\\NUL", "/dev/null", true }, { "\\Device\\ConDrv\\Console", "/dev/tty", true },
};

char *nt_path(struct unicode_string s) {
    char *name = nt_text(s), *path = NULL, *rest = name;
    if (IS_ERR(name)) return name;
    const char *root = *name == '\\' ? NULL : "";
    for (size_t i = 0; i < sizeof(roots) / sizeof(*roots) && !root; i++) {
        size_t n = strlen(roots[i].name);
        if (strncmp(name, roots[i].name, n) || (roots[i].whole && name[n])) continue;
        root = roots[i].path;
        rest = name + n;
    }
    int error = root ? 0 : -ENOENT;
    /* "." and ".." mean nothing to NT, nor does a slash: what a name leads to stands in it. */
    for (char *c = rest; *c && !error; c++)
        if (strchr("/:*?\"<>|", *c) || (*c == '.' && (c == rest || c[-1] == '/') && (!c[1] || c[1] == '\\' || (c[1] == '.' && (!c[2] || c[2] == '\\')))))
            error = -ENAMEINVALID;
        else if (*c == '\\') *c = '/';
    size_t size = strlen(rest) + 16;
    if (!error && size > PATH_MAX) error = -ENAMETOOLONG;
    if (!error && !(path = kmalloc(size))) error = -ENOMEM;
    if (!error) snprintf(path, size, "%s%s", root, *root || *rest ? rest : ".");
    kfree(name);
    return error ? ERR_PTR(error) : path;
}

long nt_finish(struct io_status *to, long result, u64 information) {
    struct io_status io = { nt_status(result), information };
    return copy_to_user(to, &io, sizeof(io)) ? -EFAULT : result;
}

long nt_return(void *to, const void *from, u32 size, u32 room, u32 *returned) {
    if (returned && put_user(size, returned)) return -EFAULT;
    return room < size ? STATUS_INFO_LENGTH_MISMATCH : copy_to_user(to, from, size);
}

s64 nt_time(struct timespec t) { return t.tv_sec * 10000000 + t.tv_nsec / 100 + NT_EPOCH; }
