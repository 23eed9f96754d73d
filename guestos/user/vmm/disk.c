/* The disk's contents: an image file, and what the guest wrote if the file isn't to be touched. */
#include "vmm.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>

#define BLOCK 4096ul

static int file = -1;
static u64 size;
static enum disk_mode mode;
static u8 **copies;                         /* blocks that have been written, in DISK_COPY; made when first needed */

void disk_open(const char *path, enum disk_mode how) {
    struct stat st;
    mode = how;
    file = open(path, (mode == DISK_WRITABLE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &st)) die("disk '%s' can't be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) die("disk '%s' is no file", path);
    size = st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(file, BLKGETSIZE64, &size)) die("disk '%s': its size can't be found out: %s", path, strerror(errno));
    if (!size || size % 512) die("disk '%s' has %lu bytes, which is no whole number of sectors of 512", path, size);
    /* Who writes it has it alone. */
    if (flock(file, (mode == DISK_WRITABLE ? LOCK_EX : LOCK_SH) | LOCK_NB) && errno == EWOULDBLOCK) die("disk '%s' is in use by another machine", path);
    if (mode == DISK_COPY && !(copies = calloc((size + BLOCK - 1) / BLOCK, sizeof(*copies)))) die("disk '%s' is too large to keep changes of in memory", path);
}

bool disk_present(void) { return file >= 0; }
bool disk_read_only(void) { return mode == DISK_READ_ONLY; }
u64 disk_sectors(void) { return size / 512; }
bool disk_flush(void) { return mode != DISK_WRITABLE || !fdatasync(file); }

static bool file_move(u64 at, u8 *bytes, size_t n, bool write) {
    while (n) {
        ssize_t some = write ? pwrite(file, bytes, n, at) : pread(file, bytes, n, at);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return false;
        at += some, bytes += some, n -= some;
    }
    return true;
}

/* The copy of a block, with the file's contents up to now; NULL if there's no memory for it or the file can't be read. */
static u8 *copy_of(u64 block) {
    if (copies[block]) return copies[block];
    u8 *copy = malloc(BLOCK);
    if (copy && !file_move(block * BLOCK, copy, MIN(BLOCK, size - block * BLOCK), false)) free(copy), copy = NULL;
    return copies[block] = copy;
}

bool disk_move(u64 at, u8 *bytes, size_t n, bool write) {
    if (n > size - at) return false;   /* check: V20 */
    if (mode != DISK_COPY) return file_move(at, bytes, n, write);
    while (n) {
        size_t offset = at % BLOCK, some = MIN(n, BLOCK - offset);
        if (!write && !copies[at / BLOCK]) {
            while (some < n && !copies[(at + some) / BLOCK]) some = MIN(n, some + BLOCK);
            if (!file_move(at, bytes, some, false)) return false;
        } else {
            u8 *copy = copy_of(at / BLOCK);
            if (!copy) return false;
            memcpy(write ? copy + offset : bytes, write ? bytes : copy + offset, some);
        }
        at += some, bytes += some, n -= some;
    }
    return true;
}
