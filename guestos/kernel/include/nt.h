/* NT's side of the kernel: structures of its calls as x64 lays them out, and its status values. */
#pragma once
#include "time.h"
#include "types.h"

typedef long (*nt_function)(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64);
struct nt_call { nt_function function; u64 arguments; };
extern const struct nt_call nt_table[];
extern const u64 nt_count;

struct unicode_string { u16 length, maximum; u32 pad; u64 buffer; };    /* bytes of UTF-16 */
struct object_attributes { u32 length, pad; u64 root, name; u32 attributes, pad2; u64 security, quality; };
struct io_status { u64 status, information; };
#define OBJ_INHERIT 2
#define OBJ_CASE_INSENSITIVE 0x40

/* long, so that a choice between one and -errno keeps its sign */
#define STATUS_SUCCESS 0L
#define STATUS_TIMEOUT 0x102L
#define STATUS_PENDING 0x103L
#define STATUS_NO_MORE_FILES 0x80000006L
#define STATUS_NOT_IMPLEMENTED 0xc0000002L
#define STATUS_INVALID_INFO_CLASS 0xc0000003L
#define STATUS_INFO_LENGTH_MISMATCH 0xc0000004L
#define STATUS_ACCESS_VIOLATION 0xc0000005L
#define STATUS_INVALID_HANDLE 0xc0000008L
#define STATUS_INVALID_PARAMETER 0xc000000dL
#define STATUS_END_OF_FILE 0xc0000011L
#define STATUS_NO_MEMORY 0xc0000017L
#define STATUS_CONFLICTING_ADDRESSES 0xc0000018L
#define STATUS_INVALID_SYSTEM_SERVICE 0xc000001cL
#define STATUS_ACCESS_DENIED 0xc0000022L
#define STATUS_BUFFER_TOO_SMALL 0xc0000023L
#define STATUS_OBJECT_TYPE_MISMATCH 0xc0000024L
#define STATUS_OBJECT_NAME_INVALID 0xc0000033L
#define STATUS_OBJECT_NAME_NOT_FOUND 0xc0000034L
#define STATUS_INVALID_IMAGE_FORMAT 0xc000007bL
#define STATUS_NOT_SUPPORTED 0xc00000bbL

#define ENAMEINVALID 600                    /* beside errno.h's, for STATUS_OBJECT_NAME_INVALID */
/* As -errno, which a call may as well return: nt_dispatch() turns it into a status. */
long nt_status(long result);

/* A handle is a multiple of four; behind each is a descriptor. */
static inline u64 handle_of(int fd) { return ((u64)fd + 1) * 4; }
static inline int fd_of(u64 handle) { return handle & 3 || !handle || handle > 0x100000 ? -1 : (int)(handle / 4) - 1; }
#define CURRENT_PROCESS (~0UL)

char *nt_string(const struct unicode_string *);             /* copied in, UTF-8; kfree; ERR_PTR */
char *nt_text(struct unicode_string);                       /* the same, of one whose structure is here */
char *nt_path(struct unicode_string);                       /* the same of a name of the VFS: \??\C:\dir is /dir */
size_t nt_widen(const char *utf8, u16 *to, size_t room);    /* UTF-16: how many units, without terminator */
long nt_finish(struct io_status *to, long result, u64 information);   /* *to, and `result` again; or -EFAULT */
long nt_return(void *to, const void *from, u32 size, u32 room, u32 *returned);  /* an information class's structure */
s64 nt_time(struct timespec);                               /* in 100 ns since 1601 */
#define NT_EPOCH 116444736000000000L                        /* 1970 */
