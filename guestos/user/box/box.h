/* box: images and containers, over Linux's namespaces, overlay mounts, control groups, capabilities and seccomp.
 *
 * Every command is a process of its own, so a mistake ends it: die() takes back what undo_later() names. State is files:
 *   $BOX_ROOT (/var/lib/box)  layers/ID/fs, images/NAME, containers/ID/{config,upper,work,log,status}
 *   $BOX_RUN (/run/box)       ID/control: the socket of a container's monitor, there while its first process lives
 */
#pragma once
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"       /* in CMSG_NXTHDR */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- util.c: errors, memory, files ---- */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));      /* "box: ..."; status 125 */
#define die_errno(format, ...) die(format ": %s", __VA_ARGS__, strerror(errno))
extern int error_fd;                                    /* where die() writes: 2, or a channel to who waits for it */
extern const char *error_where;                         /* the line of a Boxfile that it is about, or NULL */
void undo_later(const char *tree);                      /* die() removes this tree */
extern void (*on_death)(void);                          /* and does this before */
void undo_nothing(void);                                /* what was made is kept */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));      /* a new string, "" never NULL */
void *reserve(size_t size);                             /* zeroed memory, or death */
char *read_file(const char *path, size_t *size);        /* all of it and a NUL, or NULL with errno */
void write_file(const char *path, const void *data, size_t size);       /* as a whole or not at all, or death */
int write_at(const char *directory, const char *name, const char *value);       /* into a file that is there; -1 with errno */
void make_directories(const char *path);                /* all of its parents, too, or death */
int remove_tree(int at, const char *name);              /* never through a symbolic link; -1 with errno */
int write_all(int fd, const void *data, size_t size);
bool name_is_sane(const char *name);                    /* letters, digits and . _ -; not first a sign */
const char *state_root(void);
const char *state_run(void);
struct sockaddr;
int at_socket(const char *directory, const char *name, int (*how)(int, const struct sockaddr *, unsigned));     /* bind or connect; -1 with errno */
int send_fds(int socket, const void *data, size_t size, const int *fds, int count);
void close_from(int first);                          /* all descriptors from this one on */
ssize_t receive_fds(int socket, void *data, size_t size, int *fds, int *count);     /* *count: room, then how many came */

/* ---- record.c: what is known of an image or a container: rows of a key and a value, keys may repeat ---- */
struct record { struct row { char *key, *value; } *rows; int count; };
void add(struct record *r, const char *key, const char *value);
void put(struct record *r, const char *key, const char *value);         /* in place of all rows with this key */
const char *get(const struct record *r, const char *key);               /* the first, or NULL */
bool is_set(const struct record *r, const char *key);
char **list(const struct record *r, const char *key);                   /* all, ended by NULL */
void copy_rows(struct record *to, const struct record *from, const char *key);
bool load(struct record *r, const char *path);                          /* false: there is no such file */
void save(const struct record *r, const char *path);
void print_json_text(const char *s);
void print_json(const struct record *r, const char *const lists[]);     /* keys in `lists` are arrays */
void print_table(const struct record *rows, int count, const char *const columns[], bool json);

/* ---- json.c ---- */
struct json { enum { J_NULL, J_TRUE, J_FALSE, J_NUMBER, J_TEXT, J_LIST, J_MAP } kind; char *key, *text; struct json *first, *next; };
struct json *json_parse(const char *from, size_t size);                 /* NULL: it is none */
const struct json *json_at(const struct json *j, const char *key);      /* a map's value, or NULL (of NULL, too) */
const char *json_text(const struct json *j);                            /* or NULL */

/* ---- sha256.c, inflate.c, tar.c, layer.c ---- */
struct sha256 { uint32_t h[8]; uint64_t length; uint8_t block[64]; };
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t size);
void sha256_end(struct sha256 *s, char hex[65]);
struct stream {
    ssize_t (*read)(struct stream *s, void *to, size_t size);
    const char *what;                                   /* its name in messages */
    int fd;
    uint64_t offset, left;
    struct sha256 hash;                                 /* of all that was read */
    void *state;
    struct stream *below;
};
struct stream *stream_open(int fd, uint64_t offset, uint64_t size, const char *what);   /* hashes what it reads */
struct stream *gunzip(struct stream *below);                            /* of what it gives out */
ssize_t stream_read(struct stream *s, void *to, size_t size);           /* 0 at the end */
void stream_exactly(struct stream *s, void *to, size_t size);           /* or death */
void stream_end(struct stream *s, char hex[65]);                        /* reads what is left; the hash of all */
struct entry { char *name, *link, type; unsigned mode, uid, gid; uint64_t size; int64_t mtime; };
bool tar_next(struct stream *s, struct entry *e);                       /* false: the archive's end. The contents follow. */
void tar_pad(struct stream *s, uint64_t size);                          /* what follows contents of that size */
char *layer_begin(void);                                                /* a directory with a new layer's fs, which is empty */
char *layer_import(struct stream *s, char **directory);                 /* such a directory with an archive's contents; returns the id */
void layer_commit(const char *directory, const char *id);
bool layer_exists(const char *id);
char *layer_path(const char *id);

/* ---- image.c ---- */
void image_load(struct record *image, const char *name);                /* or death */
char *image_name(const char *name);                                     /* with ":latest" unless it has a tag */
void image_save(const struct record *image, const char *name);

int copy_layer(const struct record *image, int context, char **words, int count, const char *directory);    /* copy.c: 0, or it said why not */
void copy_digest(int context, const char *source, struct sha256 *hash);

/* ---- the set-up of a container's processes, in its first process or one that joins ---- */
void rootfs_enter(const struct record *c, const char *directory);       /* rootfs.c: mounts, pivot_root */
void mount_layers(const struct record *c, const char *root, const char *upper, const char *work);
int console_open(int channel);                                          /* sends the master through `channel`; the slave is 0, 1, 2 */
void process_restrict(const struct record *c);                          /* process.c: descriptors, ids, capabilities, seccomp */
_Noreturn void process_exec(const struct record *c, char **argv);
void seccomp_install(uint64_t capabilities);                                            /* seccomp.c */
uint64_t capabilities_of(const struct record *c);

/* ---- cgroup.c, net.c ---- */
void cgroup_make(const struct record *c);
void cgroup_join(const char *id, pid_t pid);
void cgroup_remove(const char *id);
void cgroup_signal(const char *id);                                     /* SIGKILL to all in it */
char *cgroup_value(const char *id, const char *file, const char *key);  /* a whole file, or a key's number; NULL */
void net_make(const struct record *c, pid_t pid);
void net_inside(const struct record *c);

/* ---- monitor.c: who waits for a container's first process; and the requests to it ---- */
enum request { START = 'S', KILL = 'K', WAIT = 'W', QUERY = 'Q' };
struct message { char request; uint8_t signal, interactive; };
struct answer { int32_t status; char text[300]; };                      /* of a request: 0, or an error's text; at the end: the exit status */
void monitor_begin(const struct record *c);                             /* `create`: returns when all is ready, or dies */
int monitor_ask(const char *id, struct message m, const int *fds, int count);   /* the connection; -1: it has ended */
bool monitor_answer(int connection, struct answer *a);
void terminal_copy(int from, int to, int master);                       /* until the master's end */

/* ---- the commands ---- */
struct option { const char *name; char kind; };                         /* kind: f a flag, s a value, m values */
char **parse_options(struct record *r, char **argv, const struct option *options);      /* returns the rest */
char *container_find(const char *name);                                 /* the id, by a name or an id's beginning; or death */
char *container_file(const char *id, const char *file);
void container_load(struct record *c, const char *id);
const char *container_state(const char *id, struct record *c);          /* "created", "running", "stopped" */
void container_delete(const char *id);
void containers_recover(void);
int container_step(struct record *c);                                   /* runs a step of a build; its id stays in *c */
int end_of(int connection);                                             /* waits; a container's exit status */
int daemon_main(int argc, char **argv);
bool daemon_ask(int argc, char **argv, int *status);                    /* false: no daemon listens */
int command_run(char **argv), command_create(char **argv), command_start(char **argv), command_exec(char **argv), command_kill(char **argv);
int command_stop(char **argv), command_rm(char **argv), command_ps(char **argv), command_logs(char **argv), command_stats(char **argv);
int command_inspect(char **argv), command_images(char **argv), command_rmi(char **argv), command_import(char **argv), command_build(char **argv);
int run_command(int argc, char **argv);                                 /* main.c: one command line, in this process */
