/* `import`: images from archives: OCI image layouts, `docker save`, and root file systems. Names within an archive only find
 * its parts, which are read where they lie; each is checked against the digest by which another part names it. */
#include "box.h"

struct part { char *name; uint64_t offset, size; };
static struct part *parts;
static int part_count, archive;

static struct stream *open_part(const char *name) {
    for (int i = part_count; i--;)                      /* of two with one name, the later counts */
        if (!strcmp(parts[i].name, name)) return stream_open(archive, parts[i].offset, parts[i].size, name);
    return NULL;
}

/* The hexadecimal digits of "sha256:...". */
static const char *digits_of(const char *digest) {
    if (!digest || strncmp(digest, "sha256:", 7) || strlen(digest + 7) != 64 || strspn(digest + 7, "0123456789abcdef") != 64)
        die("%s is no digest: expected sha256: and 64 hexadecimal digits", digest ? digest : "(nothing)");
    return digest + 7;
}

static void check(const char *what, const char *wanted, const char *found) {
    if (strcmp(wanted, found)) die("%s is damaged: its digest is %s, not %s", what, found, wanted);
}

/* A part with JSON; with `digest` it must have that. */
static struct json *document(const char *name, const char *digest) {
    struct stream *s = open_part(name);
    char found[65];
    if (!s) die("the archive has no %s", name);
    if (s->left > 8 << 20) die("%s is too long", name);
    size_t size = s->left;
    char *data = reserve(size + 1);
    stream_exactly(s, data, size);
    stream_end(s, found);
    if (digest) check(name, digest, found);
    struct json *j = json_parse(data, size);
    if (!j) die("%s is no JSON", name);
    return j;
}

static void add_texts(struct record *image, const char *key, const struct json *texts) {
    for (const struct json *t = texts && texts->kind == J_LIST ? texts->first : NULL; t; t = t->next)
        if (json_text(t)) add(image, key, json_text(t));
}

static void configure(struct record *image, const struct json *config) {
    const struct json *run = json_at(config, "config");
    const char *machine = json_text(json_at(config, "architecture")), *system = json_text(json_at(config, "os"));
    if ((machine && strcmp(machine, "amd64")) || (system && strcmp(system, "linux")))
        die("the image is for %s on %s: expected linux on amd64", system ? system : "?", machine ? machine : "?");
    add_texts(image, "env", json_at(run, "Env"));
    add_texts(image, "entrypoint", json_at(run, "Entrypoint"));
    add_texts(image, "cmd", json_at(run, "Cmd"));
    const char *directory = json_text(json_at(run, "WorkingDir")), *user = json_text(json_at(run, "User"));
    if (directory && *directory) add(image, "workdir", directory);
    if (user && *user) add(image, "user", user);
}

/* gzip or not, as it begins. */
static struct stream *unpacked(struct stream *s) {
    uint8_t magic[2] = { 0 };
    return pread(s->fd, magic, 2, s->offset) == 2 && s->left > 18 && magic[0] == 0x1f && magic[1] == 0x8b ? gunzip(s) : s;
}

/* A layer of which the manifest names the blob's digest (or not) and the configuration that of its archive. */
static void add_layer(struct record *image, const char *name, const char *digest, const char *wanted) {
    struct stream *blob = open_part(name), *s;
    char found[65], *directory;
    if (!blob) die("the archive has no layer %s", name);
    s = unpacked(blob);
    char *id = layer_import(s, &directory);
    if (s != blob) {
        stream_end(blob, found);
        if (digest) check(name, digest, found);
    } else if (digest) check(name, digest, id);
    check(name, wanted, id);
    layer_commit(directory, id);
    add(image, "layer", id);
}

static char *blob(const char *digits) { return text("blobs/sha256/%s", digits); }

/* The layers of list `names`, each with its digest if `digests`, against the configuration's list of archives. */
static void add_layers(struct record *image, const struct json *names, const struct json *config, bool digests) {
    const struct json *archives = json_at(json_at(config, "rootfs"), "diff_ids"), *wanted = archives ? archives->first : NULL;
    for (const struct json *layer = names && names->kind == J_LIST ? names->first : NULL; layer; layer = layer->next) {
        const char *digits = digests ? digits_of(json_text(json_at(layer, "digest"))) : NULL, *name = digests ? blob(digits) : json_text(layer);
        if (!wanted || !name) die("the configuration and the manifest name different layers");
        if (!digits && !strncmp(name, "blobs/sha256/", 13)) digits = name + 13;
        add_layer(image, name, digits, digits_of(json_text(wanted)));
        wanted = wanted->next;
    }
    if (wanted) die("the configuration and the manifest name different layers");
}

/* docker save: [{"Config": NAME, "RepoTags": [...], "Layers": [NAME...]}] */
static const char *import_docker(struct record *image) {
    const struct json *all = document("manifest.json", NULL), *first = all->kind == J_LIST ? all->first : NULL;
    const char *name = json_text(json_at(first, "Config"));
    if (!name) die("manifest.json names no configuration");
    const char *digits = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    char *id = strndup(digits, strspn(digits, "0123456789abcdef"));
    const struct json *config = document(name, strlen(id) == 64 ? id : NULL), *tags = json_at(first, "RepoTags");
    add(image, "id", id);
    configure(image, config);
    add_layers(image, json_at(first, "Layers"), config, false);
    return tags && tags->kind == J_LIST && tags->first ? json_text(tags->first) : NULL;
}

/* OCI: index.json, through at most one more index, to the manifest for this machine. */
static const char *import_oci(struct record *image) {
    const struct json *index = document("index.json", NULL), *chosen = NULL;
    const char *name = NULL;
    for (int level = 0; level < 3; level++) {
        const struct json *all = json_at(index, "manifests");
        if (!all) break;
        chosen = NULL;
        for (const struct json *m = all->kind == J_LIST ? all->first : NULL; m && !chosen; m = m->next) {
            const char *machine = json_text(json_at(json_at(m, "platform"), "architecture"));
            if (!machine || !strcmp(machine, "amd64")) chosen = m;
        }
        if (!chosen) die("the image has no manifest for amd64");
        const struct json *notes = json_at(chosen, "annotations");
        const char *given = json_text(json_at(notes, "io.containerd.image.name"));
        if (!given) given = json_text(json_at(notes, "org.opencontainers.image.ref.name"));
        if (!name) name = given;
        const char *digits = digits_of(json_text(json_at(chosen, "digest")));
        index = document(blob(digits), digits);
    }
    if (!chosen || json_at(index, "manifests")) die("index.json leads to no manifest");
    const char *digits = digits_of(json_text(json_at(json_at(index, "config"), "digest")));
    const struct json *config = document(blob(digits), digits);
    add(image, "id", digits);
    configure(image, config);
    add_layers(image, json_at(index, "layers"), config, true);
    return name;
}

static const char *import_root(struct record *image, uint64_t size, const char *what) {
    char *directory, *id = layer_import(stream_open(archive, 0, size, what), &directory);
    layer_commit(directory, id);
    add(image, "id", id);
    add(image, "layer", id);
    add(image, "cmd", "/bin/sh");
    return NULL;
}

/* The archive as a file that is not packed: itself, or a nameless one. */
static uint64_t open_archive(const char *file) {
    struct stat st;
    if ((archive = open(file, O_RDONLY | O_CLOEXEC)) < 0 || fstat(archive, &st)) die_errno("can't read %s", file);
    if (!S_ISREG(st.st_mode)) die("%s is no file", file);
    struct stream *packed = stream_open(archive, 0, st.st_size, file), *s = unpacked(packed);
    if (s == packed) return st.st_size;
    char *at = text("%s/.unpacked.%d", state_root(), getpid());
    make_directories(state_root());
    int to = open(at, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0 || unlink(at)) die_errno("can't make %s", at);
    char piece[16384];
    uint64_t size = 0;
    for (ssize_t n; (n = stream_read(s, piece, sizeof(piece))) > 0; size += n) if (write_all(to, piece, n)) die_errno("can't unpack %s", file);
    close(archive);
    archive = to;
    return size;
}

int command_import(char **argv) {
    struct record image = { 0 };
    if (!argv[0] || (argv[1] && argv[2])) die("expected: box import FILE [NAME]");
    const char *found, *given = argv[1];
    uint64_t size = open_archive(argv[0]);
    struct stream *s = stream_open(archive, 0, size, argv[0]);
    bool oci = false, docker = false;
    if (given) image_name(given);
    if (size < 1024) die("%s is no tar archive: it has only %llu bytes", argv[0], (unsigned long long)size);
    for (struct entry e; tar_next(s, &e);) {
        if (!(part_count & 63) && !(parts = realloc(parts, (part_count + 64) * sizeof(*parts)))) die("no memory");
        parts[part_count++] = (struct part){ strncmp(e.name, "./", 2) ? e.name : e.name + 2, s->offset, e.size };
        uint64_t skip = (e.size + 511) / 512 * 512;
        if (skip > s->left) die("%s is truncated in %s", argv[0], e.name);
        s->offset += skip;
        s->left -= skip;
        docker |= !strcmp(parts[part_count - 1].name, "manifest.json");
        oci |= !strcmp(parts[part_count - 1].name, "oci-layout");
    }
    if (!oci && !docker && !given) die("%s holds no image: it has neither manifest.json nor oci-layout (a root file system needs a NAME)", argv[0]);
    found = oci ? import_oci(&image) : docker ? import_docker(&image) : import_root(&image, size, argv[0]);
    if (!given && !found) die("the archive doesn't say what the image is called: give a NAME");
    char *name = image_name(given ? given : found);
    put(&image, "name", name);
    image_save(&image, name);
    puts(name);
    return 0;
}
