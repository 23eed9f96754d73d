/* Write-back: when changes go to the disk, and that none goes there by half.
 *
 * A commit closes a gate: changes under way come to their end, new ones wait. So it finds every file
 * system consistent. It happens 5 seconds after the first change, when too much waits to be written, and
 * when a program asks for it.
 */
#include "block.h"
#include "fs.h"
#include "lib.h"
#include "mm.h"
#include "task.h"
#include "syscalls.h"

#define WRITE_BACK_AFTER (5 * NSEC_PER_SEC)

static struct list committed = LIST_INIT(committed);    /* superblocks */
static int changes;                     /* under way */
static struct task *committer;          /* who has closed the gate */
static bool pending, urgent;
static struct wait_queue gate, dirtied;

/* The committer is let through: an inode whose last user it was is freed at once. */
void change_begin(struct superblock *sb) {
    if (!sb->commit || current->changing++) return;
    if (urgent && committer != current) {
        current->changing = 0;
        vfs_commit(NULL, false);
        current->changing = 1;
    }
    wait_event(&gate, !committer || committer == current);
    changes++;
}

void change_end(struct superblock *sb) {
    if (!sb->commit || --current->changing) return;
    if (--changes == 0 && committer) wake_up(&gate);
}

int vfs_commit(struct superblock *only, bool clean) {
    struct superblock *sb;
    struct block_device *d;
    int result = 0, error;
    ASSERT(!current->changing);
    wait_event(&gate, !committer);
    committer = current;
    urgent = false;
    wait_event(&gate, !changes);
    list_for_each(sb, &committed, link)
        if ((!only || sb == only) && (error = sb->commit(sb, clean))) result = error;
    for (d = only ? NULL : block_devices; d; d = d->next)
        if (!d->mounted && (error = block_write_back(d))) result = error;
    committer = NULL;
    wake_up(&gate);
    return result;
}

void vfs_sync(void) { vfs_commit(NULL, true); }

void commits_add(struct superblock *sb) {
    list_init(&sb->dirty);
    list_add_tail(&committed, &sb->link);
}

void commits_remove(struct superblock *sb) {
    change_begin(sb);                         /* no commit is looking at it */
    list_del(&sb->link);
    change_end(sb);
}

bool write_back_for_memory(void) {
    u64 dirty;
    cache_pages(&dirty);
    return dirty && !current->changing && committer != current && !vfs_commit(NULL, false);
}

void write_back_later(void) {
    if (pending) return;
    pending = true;
    wake_up(&dirtied);
}

void write_back_soon(void) { urgent = true; }

static void write_back(void *unused) {
    for (;;) {
        wait_event(&dirtied, pending);
        u64 until = ktime() + WRITE_BACK_AFTER;
        while (ktime() < until) {
            set_sleeping(false);
            schedule_until(until);
        }
        pending = false;
        vfs_commit(NULL, false);
    }
}

void write_back_start(void) {
    struct task *t = kthread_create(write_back, NULL, "writeback");
    if (t) wake_task(t);
}

static long sync_fd(int fd, bool whole) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    int error = -EINVAL;
    if (f->flags & O_PATH) error = -EBADF;
    else if (whole) error = vfs_commit(f->inode->sb, true);
    else if (f->ops->sync) error = f->ops->sync(f);
    file_put(f);
    return error;
}

int commit_file(struct file *f) { return vfs_commit(f->inode->sb, false); }

long sys_fsync(int fd) { return sync_fd(fd, false); }
long sys_fdatasync(int fd) { return sync_fd(fd, false); }
long sys_syncfs(int fd) { return sync_fd(fd, true); }

long sys_sync(void) {
    vfs_sync();
    return 0;
}
