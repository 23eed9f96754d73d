/* Process 1 of a machine whose power will be cut.
 *
 *   powercut run       carries out /script.0, /script.1 ..., each in a process of its own, and tells of each step that is done
 *   powercut check     tells what is in /w0, /w1 ...: path, kind, size or link's target, CRC-32 of the contents
 *
 * A script's lines are `operation arguments`; tests/guestos/powercut/workload.py writes them and knows what each does. Then
 * the machine is switched off. Whatever fails that shouldn't is told as "FAILED", and no more steps are done. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTENTS_MAX (1 << 20)

static uint8_t contents[CONTENTS_MAX];

/* One write, so that two processes' lines never mix. */
static void tell(const char *format, ...) {
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n < 0 || write(1, line, n) != n) _exit(3);
}

/* What a write with this tag puts at [offset, offset + length) of a file. */
static void pattern(uint32_t tag, uint32_t offset, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        uint32_t at = offset + i;
        contents[i] = (tag * 2654435761u + at / 4) >> at % 4 * 8;
    }
}

static int closed(int fd, int good) { return fd >= 0 && close(fd) == 0 && good; }

static int sync_it(const char *path, int (*how)(int)) {
    int fd = open(path, O_RDONLY);
    return closed(fd, fd >= 0 && how(fd) == 0);
}

static int write_it(const char *path, uint32_t offset, uint32_t length, uint32_t tag, int flags) {
    int fd = open(path, O_WRONLY | flags);
    pattern(tag, offset, length);
    return closed(fd, fd >= 0 && pwrite(fd, contents, length, offset) == (ssize_t)length);
}

/* Through a mapping; `synced`: and msync. */
static int map_it(const char *path, uint32_t offset, uint32_t length, uint32_t tag, int synced) {
    int fd = open(path, O_RDWR), good = 0;
    uint8_t *at = fd < 0 ? MAP_FAILED : mmap(NULL, offset + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pattern(tag, offset, length);
    if (at != MAP_FAILED) {
        memcpy(at + offset, contents, length);
        good = (!synced || msync(at, offset + length, MS_SYNC) == 0) && munmap(at, offset + length) == 0;
    }
    return closed(fd, good);
}

static int held = -1;                   /* keeps a file alive that has no name any more */

static int step(char *word[]) {
    uint32_t number[5] = { 0 };
    for (int i = 2; i < 5; i++) number[i] = strtoul(word[i], NULL, 10);
    switch (word[0][0]) {
    case 'c': { int fd = open(word[1], O_CREAT | O_EXCL | O_WRONLY, 0644); return closed(fd, 1); }
    case 'w': return write_it(word[1], number[2], number[3], number[4], 0);
    case 'W': return write_it(word[1], number[2], number[3], number[4], O_DSYNC);
    case 'p': return map_it(word[1], number[2], number[3], number[4], 0);
    case 'P': return map_it(word[1], number[2], number[3], number[4], 1);
    case 't': return truncate(word[1], number[2]) == 0;
    case 'u': return unlink(word[1]) == 0;
    case 'd': return mkdir(word[1], 0755) == 0;
    case 'r': return rmdir(word[1]) == 0;
    case 'm': return rename(word[1], word[2]) == 0;
    case 'l': return link(word[1], word[2]) == 0;
    case 's': return symlink(word[1], word[2]) == 0;
    case 'o': if (held >= 0) close(held); held = open(word[1], O_RDWR); return held >= 0;
    case 'h': pattern(number[2], 0, 5000); return held < 0 || pwrite(held, contents, 5000, 0) == 5000;
    case 'f': return sync_it(word[1], fsync);
    case 'F': return sync_it(word[1], fdatasync);
    case 'y': sync(); return 1;
    case 'z': return nanosleep(&(struct timespec){ 7, 0 }, NULL) == 0;      /* longer than changes wait to be written */
    default: errno = ENOSYS; return 0;
    }
}

static int run(int which) {
    char name[32], line[4096];
    snprintf(name, sizeof name, "/script.%d", which);
    FILE *script = fopen(name, "r");
    for (int done = 1; script && fgets(line, sizeof line, script); done++) {
        char *word[5], *save, *next = strtok_r(line, " \n", &save);
        for (int i = 0; i < 5; i++, next = next ? strtok_r(NULL, " \n", &save) : NULL) word[i] = next ? next : "";
        if (!step(word)) {
            tell("FAILED %d %d %s: %s\n", which, done, word[0], strerror(errno));
            return 1;
        }
        tell("%d %d\n", which, done);
    }
    return !script;
}

static uint32_t crc32(const uint8_t *at, size_t n) {
    static uint32_t table[256];
    for (uint32_t i = 1; !table[255] && i < 256; i++) {
        uint32_t x = i;
        for (int bit = 0; bit < 8; bit++) x = x >> 1 ^ (x & 1 ? 0xedb88320 : 0);
        table[i] = x;
    }
    uint32_t crc = ~0u;
    while (n--) crc = table[(crc ^ *at++) & 255] ^ crc >> 8;
    return ~crc;
}

static void look(const char *path) {
    struct stat st;
    char below[4096];
    if (lstat(path, &st)) return tell("FAILED lstat %s: %s\n", path, strerror(errno));
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(path, below, sizeof below - 1);
        tell("%s l %.*s\n", path, n < 0 ? 0 : (int)n, below);
    } else if (S_ISREG(st.st_mode)) {
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, contents, sizeof contents);
        if (n != st.st_size) return tell("FAILED read %s: %zd of %ld\n", path, n, (long)st.st_size);
        tell("%s f %zd %08x\n", path, n, crc32(contents, n));
        close(fd);
    } else {
        tell("%s d\n", path);
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir));) {
            if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
            snprintf(below, sizeof below, "%s/%s", path, e->d_name);
            look(below);
        }
        if (dir) closedir(dir);
    }
}

int main(int argc, char **argv) {
    char name[32];
    tell("begin\n");
    for (int i = 0; snprintf(name, sizeof name, "/script.%d", i), access(name, F_OK) == 0; i++) {
        snprintf(name, sizeof name, "/w%d", i);
        if (argc > 1 && !strcmp(argv[1], "check")) look(name);
        else if (fork() == 0) _exit(run(i));
    }
    while (wait(NULL) > 0) ;
    tell("end\n");
    reboot(RB_POWER_OFF);
    return 1;
}
