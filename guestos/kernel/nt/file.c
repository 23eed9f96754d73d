/* NT's files: handles on the files of the VFS. All input and output is synchronous, and says so in its status. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ntcalls.h"
#include "task.h"
#include "user.h"
#include "vfs.h"
#include "syscalls.h"

#define FILE_READ_DATA 1
#define FILE_WRITE_DATA 2
#define FILE_APPEND_DATA 4
#define GENERIC_READ 0x80000000
#define GENERIC_WRITE 0x40000000
#define GENERIC_ALL 0x10000000
#define FILE_SHARE_ALL 7

enum { FILE_SUPERSEDE, FILE_OPEN, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE, FILE_OVERWRITE_IF };
#define FILE_DIRECTORY_FILE 1
#define FILE_WRITE_THROUGH 2
#define FILE_SEQUENTIAL_ONLY 4
#define FILE_SYNCHRONOUS_IO_ALERT 0x10
#define FILE_SYNCHRONOUS_IO_NONALERT 0x20
#define FILE_NON_DIRECTORY_FILE 0x40
#define OPTIONS (FILE_DIRECTORY_FILE | FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE)

static u32 flags_of(u32 access, u32 options) {
    bool read = access & (FILE_READ_DATA | GENERIC_READ | GENERIC_ALL), write = access & (FILE_WRITE_DATA | FILE_APPEND_DATA | GENERIC_WRITE | GENERIC_ALL);
    u32 flags = read && write ? O_RDWR : write ? O_WRONLY : O_RDONLY;
    if ((access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == FILE_APPEND_DATA) flags |= O_APPEND;
    if (options & FILE_DIRECTORY_FILE) flags |= O_DIRECTORY;
    return options & FILE_WRITE_THROUGH ? flags | O_SYNC : flags;
}

/* The file, and in *done what NT says was done with it: superseded, opened, created, overwritten. */
static struct file *create(int dirfd, const char *path, u32 flags, u32 disposition, u32 options, u64 *done) {
    static const u32 creates = 1 << FILE_SUPERSEDE | 1 << FILE_CREATE | 1 << FILE_OPEN_IF | 1 << FILE_OVERWRITE_IF;
    static const u32 truncates = 1 << FILE_SUPERSEDE | 1 << FILE_OVERWRITE | 1 << FILE_OVERWRITE_IF;
    bool may_create = creates >> disposition & 1, may_truncate = truncates >> disposition & 1;
    struct file *file = ERR_PTR(-EEXIST);
    *done = 2;                              /* FILE_CREATED */
    if (may_create && options & FILE_DIRECTORY_FILE) {
        if (may_truncate || dirfd != AT_FDCWD) return ERR_PTR(-EINVAL);
        int error = vfs_create(path, S_IFDIR | 0777);
        if (!error) return vfs_open(dirfd, path, flags, 0);
        file = ERR_PTR(error);
    } else if (may_create) file = vfs_open(dirfd, path, flags | O_CREAT | O_EXCL, 0666);
    if (file != ERR_PTR(-EEXIST) || disposition == FILE_CREATE) return file;
    *done = !may_truncate ? 1 : disposition == FILE_SUPERSEDE ? 0 : 3;
    file = vfs_open(dirfd, path, may_truncate ? flags | O_TRUNC : flags, 0);
    if (!IS_ERR(file) && options & FILE_NON_DIRECTORY_FILE && S_ISDIR(file->inode->mode)) file_put(file), file = ERR_PTR(-EISDIR);
    return file;
}

long NtCreateFile(u64 *handle, u32 access, const struct object_attributes *object, struct io_status *io, const s64 *allocation, u32 attributes, u32 share,
                  u32 disposition, u32 options, void *ea, u32 ea_length) {
    struct object_attributes o;
    struct unicode_string name;
    u64 done;
    if (get_user(o, object) || get_user(name, (const struct unicode_string *)o.name)) return -EFAULT;
    if (o.length != sizeof(o) || disposition > FILE_OVERWRITE_IF || (options & FILE_DIRECTORY_FILE && options & FILE_NON_DIRECTORY_FILE)) return -EINVAL;
    /* Nobody can be kept away from an open file here, names have their case, and there are no further attributes. */
    if (options & ~OPTIONS || share != FILE_SHARE_ALL || o.attributes & ~(OBJ_INHERIT | OBJ_CASE_INSENSITIVE) || o.security || ea || ea_length) return STATUS_NOT_SUPPORTED;
    if (o.root && fd_of(o.root) < 0) return STATUS_INVALID_HANDLE;
    if (put_user(0UL, handle)) return -EFAULT;
    char *path = nt_path(name);
    if (IS_ERR(path)) return PTR_ERR(path);
    struct file *file = (*path != '/') != (o.root != 0) ? ERR_PTR(-ENAMEINVALID) :
        create(o.root ? fd_of(o.root) : AT_FDCWD, path, flags_of(access, options), disposition, options, &done);
    kfree(path);
    int fd = fd_take(file, !(o.attributes & OBJ_INHERIT));
    if (fd < 0) return fd;
    if (!put_user(handle_of(fd), handle)) return nt_finish(io, STATUS_SUCCESS, done);
    sys_close(fd);
    return -EFAULT;
}

long NtOpenFile(u64 *handle, u32 access, const struct object_attributes *object, struct io_status *io, u32 share, u32 options) {
    return NtCreateFile(handle, access, object, io, NULL, 0, share, FILE_OPEN, options, NULL, 0);
}

#define TO_END -1L                          /* FILE_WRITE_TO_END_OF_FILE, as its high half says */
#define FROM_POSITION -2L

static long move(u64 handle, u64 event, u64 apc, struct io_status *io, void *buffer, u32 length, const s64 *offset, bool write) {
    int fd = fd_of(handle);
    s64 at = FROM_POSITION;
    if (event || apc) return STATUS_NOT_SUPPORTED;
    if (offset && get_user(at, offset)) return -EFAULT;
    if ((at >> 32) == -1 && at != FROM_POSITION) at = (u32)at == 0xffffffff ? TO_END : (u32)at == 0xfffffffe ? FROM_POSITION : at;
    long result = at == FROM_POSITION ? 0 : at == TO_END ? write ? sys_lseek(fd, 0, 2) : -EINVAL : sys_lseek(fd, at, 0);
    if (result == -ESPIPE) result = 0;      /* NT's devices without a position take any */
    if (result >= 0) result = write ? sys_write(fd, buffer, length) : sys_read(fd, buffer, length);
    if (result < 0) return result == -EBADF && fd >= 0 && sys_fcntl(fd, 1, 0) >= 0 ? -EACCES : result;
    return nt_finish(io, !write && !result && length ? STATUS_END_OF_FILE : STATUS_SUCCESS, result);
}

long NtReadFile(u64 handle, u64 event, u64 apc, u64 context, struct io_status *io, void *buffer, u32 length, const s64 *offset, const u32 *key) {
    return move(handle, event, apc, io, buffer, length, offset, false);
}

long NtWriteFile(u64 handle, u64 event, u64 apc, u64 context, struct io_status *io, const void *buffer, u32 length, const s64 *offset, const u32 *key) {
    return move(handle, event, apc, io, (void *)buffer, length, offset, true);
}

long NtClose(u64 handle) { return sys_close(fd_of(handle)); }

u32 nt_attributes(const struct inode *inode) {
    return S_ISDIR(inode->mode) ? 0x10 : S_ISREG(inode->mode) ? inode->mode & 0222 ? 0x80 : 1 : 0x40;  /* directory; normal or read-only; device */
}

enum { FileBasicInformation = 4, FileStandardInformation, FileInternalInformation, FilePositionInformation = 14 };

long NtQueryInformationFile(u64 handle, struct io_status *io, void *to, u32 length, u32 class) {
    struct file *f = fd_get(fd_of(handle));
    if (!f) return STATUS_INVALID_HANDLE;
    const struct inode *i = file_inode(f);
    struct { s64 created, accessed, written, changed; u32 attributes, pad; } basic = {
        nt_time(i->ctime), nt_time(i->atime), nt_time(i->mtime), nt_time(i->ctime), nt_attributes(i), 0 };
    struct { u64 allocated, end; u32 links; u8 deleted, directory, pad[2]; } standard = { i->blocks * 512, i->size, i->nlink, !i->nlink, S_ISDIR(i->mode), { 0 } };
    u64 number = class == FileInternalInformation ? i->ino : f->pos;
    const void *from = class == FileBasicInformation ? (void *)&basic : class == FileStandardInformation ? (void *)&standard :
                       class == FileInternalInformation || class == FilePositionInformation ? &number : NULL;
    u32 size = from == &basic ? sizeof(basic) : from == &standard ? sizeof(standard) : sizeof(number);
    long result = !from ? STATUS_INVALID_INFO_CLASS : nt_return(to, from, size, length, NULL);
    file_put(f);
    return result ? result : nt_finish(io, STATUS_SUCCESS, size);
}

/* On the console, whatever the program's own output is. */
long NtDisplayString(const struct unicode_string *string) {
    char *text = nt_string(string);
    if (IS_ERR(text)) return PTR_ERR(text);
    struct file *console = vfs_open(AT_FDCWD, "/dev/console", O_WRONLY | O_NOCTTY, 0);
    long n = IS_ERR(console) ? PTR_ERR(console) : vfs_write_at(console, 0, text, strlen(text));
    if (!IS_ERR(console)) file_put(console);
    kfree(text);
    return n < 0 ? n : STATUS_SUCCESS;
}
