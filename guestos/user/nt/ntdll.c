/* The start of each native program, and helpers on NT's calls. */
#include "ntdll.h"

/* The kernel's loader leaves argc and argv on the stack, as ELF's ABI has it: the image is ELF, the calls are NT's. */
asm(".globl _start\n_start: xorl %ebp, %ebp\n movl (%rsp), %edi\n leaq 8(%rsp), %rsi\n andq $-16, %rsp\n call start\n");

int main(int argc, char **argv);             /* its value is the exit status */
void start(int argc, char **argv) { NtTerminateProcess(NtCurrentProcess(), main(argc, argv)); }

void *memset(void *to, int byte, size_t n) {
    for (char *at = to; n--;) *at++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t n) {
    for (char *at = to; n--;) *at++ = *(const char *)from, from = (const char *)from + 1;
    return to;
}

size_t length(const char *s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

bool same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static void put(HANDLE to, const char *s, size_t n) {
    IO_STATUS_BLOCK io;
    for (; n && !NtWriteFile(to, 0, NULL, NULL, &io, s, n, NULL, NULL); n -= io.Information) s += io.Information;
}

void text(HANDLE to, const char *s) { put(to, s, length(s)); }

void wide(HANDLE to, const WCHAR *s, size_t units) {
    char room[256];
    size_t n = 0;
    for (; n < units && n < sizeof(room); n++) room[n] = s[n] < 128 ? s[n] : '?';
    put(to, room, n);
}

void number(HANDLE to, uint64_t value, unsigned base, int width) {
    char room[32], *at = room + sizeof(room);
    do *--at = "0123456789abcdef"[value % base]; while (value /= base);
    while (room + sizeof(room) - at < width) *--at = base == 16 ? '0' : ' ';
    put(to, at, room + sizeof(room) - at);
}

UNICODE_STRING unicode(WCHAR *room, const char *s) {
    size_t n = 0;
    for (; s[n]; n++) room[n] = (unsigned char)s[n];
    return (UNICODE_STRING){ n * 2, n * 2, room };
}

void dos_path(char room[512], const char *name) {
    const char *prefix = *name == '\\' ? "" : *name && name[1] == ':' ? "\\??\\" : "\\??\\C:\\";
    size_t n = 0;
    for (; *prefix && n < 511; n++) room[n] = *prefix++;
    for (; *name && n < 511; n++) room[n] = *name++;
    room[n] = 0;
}

NTSTATUS open_file(HANDLE *handle, const char *name, ULONG access, ULONG disposition, ULONG options) {
    char path[512];
    WCHAR room[512];
    IO_STATUS_BLOCK io;
    dos_path(path, name);
    UNICODE_STRING string = unicode(room, path);
    OBJECT_ATTRIBUTES object = { sizeof(object), 0, &string, 0, NULL, NULL };
    return NtCreateFile(handle, access | SYNCHRONIZE, &object, &io, NULL, 0, FILE_SHARE_ALL, disposition, options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
}

NTSTATUS run(const char *image, const char *command_line, NTSTATUS *status) {
    static WCHAR image_room[512], command_room[2048];
    HANDLE process, thread;
    UNICODE_STRING name = unicode(image_room, image);
    RTL_USER_PROCESS_PARAMETERS parameters = { .ImagePathName = name, .CommandLine = unicode(command_room, command_line) };
    PS_ATTRIBUTE_LIST attributes = { sizeof(attributes), { { PS_ATTRIBUTE_IMAGE_NAME, name.Length, name.Buffer, NULL } } };
    PROCESS_BASIC_INFORMATION ended;
    NTSTATUS error = NtCreateUserProcess(&process, &thread, SYNCHRONIZE, SYNCHRONIZE, NULL, NULL, 0, 0, &parameters, NULL, &attributes);
    if (error) return error;
    if (!(error = NtWaitForSingleObject(process, false, NULL))) error = NtQueryInformationProcess(process, 0, &ended, sizeof(ended), NULL);
    *status = ended.ExitStatus;
    NtClose(process);
    NtClose(thread);
    return error;
}

int fail(const char *program, const char *what, NTSTATUS status) {
    text(STANDARD_ERROR, program);
    text(STANDARD_ERROR, ": ");
    text(STANDARD_ERROR, what);
    text(STANDARD_ERROR, status == STATUS_OBJECT_NAME_NOT_FOUND ? ": it does not exist (status 0x" : ": it failed (status 0x");
    number(STANDARD_ERROR, status, 16, 8);
    text(STANDARD_ERROR, ")\n");
    return 1;
}
