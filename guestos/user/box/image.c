/* Images: a file for each, with its layers and what its containers run. A layer goes when nothing has it any more. */
#include "box.h"
#include <dirent.h>

char *image_name(const char *name) {
    size_t length = strlen(name);
    if (!length || length > 200 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:") != length || strstr(name, "..") || strchr("./:-", name[0]))
        die("%s is no name for an image: expected NAME or NAME:TAG of letters, digits and . _ - /", name);
    const char *prefix = "docker.io/", *slash = strrchr(name, '/');
    if (!strncmp(name, prefix, strlen(prefix))) name += strlen(prefix);
    if (!strncmp(name, "library/", 8)) name += 8;
    return strchr(slash ? slash : name, ':') ? strdup(name) : text("%s:latest", name);
}

static char *image_file(const char *name) {
    char *file = image_name(name);
    for (char *p = file; *p; p++) if (*p == '/') *p = '+';      /* no name has that */
    return text("%s/images/%s", state_root(), file);
}

void image_load(struct record *image, const char *name) {
    if (!load(image, image_file(name))) die("there is no image %s: see `box images`", name);
}

void image_save(const struct record *image, const char *name) {
    make_directories(text("%s/images", state_root()));
    save(image, image_file(name));
    undo_nothing();
}

static int all_images(struct record *images, int room) {
    int count = 0;
    DIR *d = opendir(text("%s/images", state_root()));
    for (struct dirent *e; d && (e = readdir(d)) && count < room;)
        if (e->d_name[0] != '.') count += load(&images[count], text("%s/images/%s", state_root(), e->d_name));
    if (d) closedir(d);
    return count;
}

int command_images(char **argv) {
    struct record o = { 0 }, images[256] = { 0 }, rows[256] = { 0 };
    parse_options(&o, argv, (const struct option[]){ { "json", 'f' }, { 0 } });
    int count = all_images(images, 256);
    for (int i = 0; i < count; i++) {
        int layers = 0;
        char *command = text("%s", "");
        while (list(&images[i], "layer")[layers]) layers++;
        for (int k = 0; k < 2; k++)
            for (char **word = list(&images[i], k ? "cmd" : "entrypoint"); *word; word++) command = text("%s%s%s", command, *command ? " " : "", *word);
        add(&rows[i], "name", get(&images[i], "name"));
        add(&rows[i], "id", text("%.12s", get(&images[i], "id")));
        add(&rows[i], "layers", text("%d", layers));
        add(&rows[i], "command", command);
    }
    print_table(rows, count, (const char *const[]){ "name", "id", "layers", "command", NULL }, is_set(&o, "json"));
    return 0;
}

static bool has_layer(const struct record *r, const char *id) {
    for (char **layer = list(r, "layer"); *layer; layer++) if (!strcmp(*layer, id)) return true;
    return false;
}

static bool is_used(const char *id) {
    struct record images[256] = { 0 };
    bool used = false;
    for (int i = all_images(images, 256); i--;) used |= has_layer(&images[i], id);
    DIR *d = opendir(text("%s/containers", state_root()));
    for (struct dirent *e; d && (e = readdir(d));) {
        struct record c = { 0 };
        if (e->d_name[0] != '.' && load(&c, container_file(e->d_name, "config"))) used |= has_layer(&c, id);
    }
    if (d) closedir(d);
    return used;
}

int command_rmi(char **argv) {
    if (!*argv) die("name an image");
    for (; *argv; argv++) {
        struct record image = { 0 };
        image_load(&image, *argv);
        if (unlink(image_file(*argv))) die_errno("can't remove %s", *argv);
        for (char **layer = list(&image, "layer"); *layer; layer++)
            if (!is_used(*layer) && remove_tree(AT_FDCWD, layer_path(*layer))) die_errno("can't remove layer %s", *layer);
    }
    return 0;
}
