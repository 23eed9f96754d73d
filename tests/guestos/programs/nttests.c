/* NT's calls, one property a function: structures, statuses, what is refused. */
#include "ntdll.h"

static int failures;
#define CHECK(condition) do { if (!(condition)) failures++, text(STANDARD_OUTPUT, "FAIL " #condition "\n"); } while (0)

static NTSTATUS open_native(HANDLE *handle, HANDLE root, const char *name, ULONG access, ULONG disposition, ULONG options, ULONG share) {
    WCHAR room[512];
    IO_STATUS_BLOCK io = { .Information = 77 };
    UNICODE_STRING string = unicode(room, name);
    OBJECT_ATTRIBUTES object = { sizeof(object), root, &string, 0x40, NULL, NULL };
    return NtCreateFile(handle, access, &object, &io, NULL, 0, share, disposition, options, NULL, 0);
}

static void files(void) {
    HANDLE file, other, directory;
    IO_STATUS_BLOCK io;
    char bytes[16] = { 0 };
    struct { uint64_t allocated, end; ULONG links; BOOLEAN deleted, directory; } standard;
    LARGE_INTEGER at = 2, end = -1, position;
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp\\f", GENERIC_READ | GENERIC_WRITE, FILE_CREATE, 0, 7) == 0 && file && file % 4 == 0);
    CHECK(open_native(&other, 0, "\\Device\\HarddiskVolume1\\tmp\\f", GENERIC_READ, FILE_CREATE, 0, 7) == 0xc0000035 && !other);   /* collision */
    CHECK(NtWriteFile(file, 0, NULL, NULL, &io, "abcdef", 6, NULL, NULL) == 0 && io.Information == 6 && io.Status == 0);
    CHECK(NtReadFile(file, 0, NULL, NULL, &io, bytes, 2, &at, NULL) == 0 && bytes[0] == 'c' && bytes[1] == 'd' && !bytes[2]);
    CHECK(NtQueryInformationFile(file, &io, &position, sizeof(position), 14) == 0 && position == 4);
    CHECK(NtWriteFile(file, 0, NULL, NULL, &io, "g", 1, &end, NULL) == 0);
    CHECK(NtQueryInformationFile(file, &io, &standard, sizeof(standard), FileStandardInformation) == 0 && standard.end == 7 && standard.links == 1 && !standard.directory);
    CHECK(NtQueryInformationFile(file, &io, &standard, 8, FileStandardInformation) == STATUS_INFO_LENGTH_MISMATCH);
    CHECK(NtQueryInformationFile(file, &io, &standard, sizeof(standard), 99) == 0xc0000003);
    CHECK(NtReadFile(file, 0, NULL, NULL, &io, bytes, 2, NULL, NULL) == STATUS_END_OF_FILE);
    CHECK(NtReadFile(file, 0, NULL, NULL, &io, (void *)8, 2, &at, NULL) == 0xc0000005);
    CHECK(NtClose(file) == 0 && NtClose(file) == 0xc0000008 && NtClose(file + 1) == 0xc0000008);
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp\\f", GENERIC_READ, FILE_OVERWRITE, 0, 7) == 0);
    CHECK(NtReadFile(file, 0, NULL, NULL, &io, bytes, 2, NULL, NULL) == STATUS_END_OF_FILE);
    CHECK(NtWriteFile(file, 0, NULL, NULL, &io, "x", 1, NULL, NULL) == 0xc0000022);     /* not opened for that */
    NtClose(file);
    CHECK(open_native(&directory, 0, "\\??\\C:\\tmp\\", GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE, 7) == 0);
    CHECK(open_native(&file, directory, "f", GENERIC_READ, FILE_OPEN, 0, 7) == 0 && NtClose(file) == 0);
    CHECK(open_native(&file, directory, "\\??\\C:\\tmp\\f", GENERIC_READ, FILE_OPEN, 0, 7) == STATUS_OBJECT_NAME_INVALID);
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp", GENERIC_READ, FILE_OPEN, 0x40, 7) == 0xc00000ba);   /* not a directory, please */
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp\\f", GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE, 7) == 0xc0000103);
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp\\d", GENERIC_READ, FILE_CREATE, FILE_DIRECTORY_FILE, 7) == 0 && NtClose(file) == 0);
    NtClose(directory);
}

static void names(void) {
    static const char *const invalid[] = { "\\??\\C:\\..\\etc", "\\??\\C:\\.\\etc", "\\??\\C:\\etc\\..", "\\??\\C:\\etc/passwd", "\\??\\C:\\a:b" };
    HANDLE file;
    for (int i = 0; i < 5; i++) CHECK(open_native(&file, 0, invalid[i], GENERIC_READ, FILE_OPEN, 0, 7) == STATUS_OBJECT_NAME_INVALID);
    CHECK(open_native(&file, 0, "\\??\\D:\\x", GENERIC_READ, FILE_OPEN, 0, 7) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(open_native(&file, 0, "etc", GENERIC_READ, FILE_OPEN, 0, 7) == STATUS_OBJECT_NAME_INVALID);
    CHECK(open_native(&file, 0, "\\Device\\Null", GENERIC_WRITE, FILE_OPEN, 0, 7) == 0 && NtClose(file) == 0);
    CHECK(open_native(&file, 0, "\\??\\C:\\etc\\passwd", GENERIC_READ, FILE_OPEN, 0, 1) == 0xc00000bb);     /* sharing can't be kept */
    CHECK(open_native(&file, 0, "\\??\\C:\\etc\\passwd", GENERIC_READ, FILE_OPEN, 0x1000, 7) == 0xc00000bb); /* nor deletion on close */
    CHECK(open_native(&file, 0, "\\??\\C:\\etc\\passwd", GENERIC_READ, 9, 0, 7) == 0xc000000d);
    /* e-acute, euro, a musical sign: one, two and four units of UTF-8 in a name, there and back */
    static const WCHAR strange[] = u"\\??\\C:\\tmp\\\u00e9\u20ac\U0001d11e";
    UNICODE_STRING string = { sizeof(strange) - 2, sizeof(strange), strange };
    OBJECT_ATTRIBUTES object = { sizeof(object), 0, &string, 0, NULL, NULL };
    IO_STATUS_BLOCK io;
    CHECK(NtCreateFile(&file, GENERIC_WRITE, &object, &io, NULL, 0, 7, FILE_CREATE, 0, NULL, 0) == 0 && io.Information == 2 && NtClose(file) == 0);
    CHECK(NtOpenFile(&file, GENERIC_READ, &object, &io, 7, 0) == 0 && io.Information == 1 && NtClose(file) == 0);
    FILE_DIRECTORY_INFORMATION entry;
    bool seen = false;
    CHECK(open_native(&file, 0, "\\??\\C:\\tmp", GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE, 7) == 0);
    CHECK(NtQueryDirectoryFile(file, 0, NULL, NULL, &io, &entry, 66, FileDirectoryInformation, true, NULL, true) == 0 && entry.FileNameLength == 2 && entry.FileName[0] == '.');
    CHECK(NtQueryDirectoryFile(file, 0, NULL, NULL, &io, &entry, 66, FileDirectoryInformation, true, NULL, false) == 0xc0000023);
    while (!NtQueryDirectoryFile(file, 0, NULL, NULL, &io, &entry, sizeof(entry), FileDirectoryInformation, true, NULL, false))
        seen |= entry.FileNameLength == 8 && entry.FileName[0] == 0xe9 && entry.FileName[1] == 0x20ac && entry.FileName[2] == 0xd834 && entry.FileName[3] == 0xdd1e;
    CHECK(seen);
    NtClose(file);
}

static void memory(void) {
    void *base = NULL, *middle;
    size_t size = 0x5001;
    ULONG old;
    CHECK(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE, PAGE_READWRITE) == 0 && size == 0x6000 && (uintptr_t)base % 0x10000 == 0);
    middle = (char *)base + 0x2000, size = 0x1000;
    CHECK(NtAllocateVirtualMemory(NtCurrentProcess(), &middle, 0, &size, MEM_COMMIT, PAGE_READWRITE) == 0);
    *(volatile char *)middle = 1;
    CHECK(NtProtectVirtualMemory(NtCurrentProcess(), &middle, &size, PAGE_READONLY, &old) == 0 && old == PAGE_READWRITE);
    CHECK(NtProtectVirtualMemory(NtCurrentProcess(), &middle, &size, 3, &old) == 0xc000000d);
    IO_STATUS_BLOCK io;
    HANDLE file;
    CHECK(open_native(&file, 0, "\\??\\C:\\etc\\motd", GENERIC_READ, FILE_OPEN, 0, 7) == 0);
    CHECK(NtReadFile(file, 0, NULL, NULL, &io, middle, 4, NULL, NULL) == 0xc0000005);       /* it is read-only */
    NtClose(file);
    size = 0;
    CHECK(NtFreeVirtualMemory(NtCurrentProcess(), &middle, &size, MEM_RELEASE) == 0xc000000d);     /* not where it begins */
    size = 0;
    CHECK(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE) == 0 && size == 0x6000);
    size = 0x1000;
    CHECK(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT, PAGE_READWRITE) == 0xc0000018);
    size = 0x10000;
    CHECK(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == 0);
    CHECK(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == 0xc0000018);
    CHECK(NtAllocateVirtualMemory(4, &base, 0, &size, MEM_RESERVE, PAGE_READWRITE) == 0xc0000022);
}

static void processes(const char *self) {
    char image[512];
    NTSTATUS status = 0;
    PROCESS_BASIC_INFORMATION own;
    ULONG size;
    dos_path(image, self);
    CHECK(run(image, "nttests exit", &status) == 0 && status == 0xc0001234);     /* all 32 bits */
    CHECK(run(image, "nttests \"a b\" \\\"c", &status) == 0 && status == 3);
    CHECK(run(image, "nttests crash", &status) == 0 && status == 0xc0000005);
    CHECK(run("\\??\\C:\\etc\\motd", "motd", &status) == 0xc0000022);           /* not executable */
    CHECK(run("\\??\\C:\\bin\\true", "true", &status) == 0 && status == STATUS_INVALID_SYSTEM_SERVICE);
    CHECK(NtQueryInformationProcess(NtCurrentProcess(), 0, &own, sizeof(own), &size) == 0 && size == 48 && own.ExitStatus == 0x103 && own.UniqueProcessId > 1);
    CHECK(NtWaitForSingleObject(STANDARD_OUTPUT, false, NULL) == 0xc0000024 && NtWaitForSingleObject(400, false, NULL) == 0xc0000008);
    CHECK(NtTerminateProcess(400, 0) == 0xc0000008);
    LARGE_INTEGER before, after, interval = -10000000, no_time = -1;     /* a second */
    NtQuerySystemTime(&before);
    CHECK(NtDelayExecution(false, &interval) == 0);
    NtQuerySystemTime(&after);
    CHECK(after - before >= 10000000 && after - before < 20000000 && before > 131000000000000000);
    static WCHAR name_room[512], line_room[64];
    HANDLE process, thread;
    UNICODE_STRING name = unicode(name_room, image);
    RTL_USER_PROCESS_PARAMETERS parameters = { .ImagePathName = name, .CommandLine = unicode(line_room, "nttests sleep") };
    PS_ATTRIBUTE_LIST attributes = { sizeof(attributes), { { PS_ATTRIBUTE_IMAGE_NAME, name.Length, name.Buffer, NULL } } };
    CHECK(NtCreateUserProcess(&process, &thread, 0, 0, NULL, NULL, 0, 1, &parameters, NULL, &attributes) == 0xc00000bb);    /* suspended */
    CHECK(NtCreateUserProcess(&process, &thread, 0, 0, NULL, NULL, 0, 0, &parameters, NULL, &attributes) == 0);
    CHECK(NtWaitForSingleObject(process, false, &no_time) == 0x102);
    CHECK(NtTerminateProcess(process, 0xdead) == 0 && NtWaitForSingleObject(process, false, NULL) == 0);
    CHECK(NtQueryInformationProcess(process, 0, &own, sizeof(own), NULL) == 0 && own.ExitStatus == 0xdead);
}

/* A call by its number, with the convention written out. */
static NTSTATUS raw(uint64_t number, uint64_t first) {
    register uint64_t r10 asm("r10") = first;
    uint64_t rax = number;
    asm volatile("syscall" : "+a"(rax) : "r"(r10) : "rcx", "r11", "memory");
    return rax;
}

static void convention(void) {
    CHECK(raw(15, 401) == 0xc0000008);                  /* NtClose */
    CHECK(raw(60, 0) == STATUS_INVALID_SYSTEM_SERVICE && raw(0xfff, 0) == STATUS_INVALID_SYSTEM_SERVICE && raw(~0U, 0) == STATUS_INVALID_SYSTEM_SERVICE);
}

typedef NTAPI NTSTATUS (*any_call)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* Whatever is asked with whatever arguments, the kernel answers and goes on. */
static void hostile(void) {
    static const any_call calls[] = {
        (any_call)NtWaitForSingleObject, (any_call)NtWriteFile, (any_call)NtQueryInformationFile, (any_call)NtAllocateVirtualMemory,
        (any_call)NtQueryInformationProcess, (any_call)NtFreeVirtualMemory, (any_call)NtOpenFile, (any_call)NtQueryDirectoryFile,
        (any_call)NtQuerySystemInformation, (any_call)NtProtectVirtualMemory, (any_call)NtCreateFile, (any_call)NtQuerySystemTime,
        (any_call)NtCreateUserProcess, (any_call)NtYieldExecution,
    };
    static uint64_t nested[64], seed = 88172645463325252;
    static WCHAR letters[64];
    UNICODE_STRING string = unicode(letters, "\\??\\C:\\tmp\\hostile");
    OBJECT_ATTRIBUTES object = { sizeof(object), 0, &string, 0, NULL, NULL };
    HANDLE null, directory, file;
    open_native(&null, 0, "\\Device\\Null", GENERIC_READ | GENERIC_WRITE, FILE_OPEN, 0, 7);
    open_native(&directory, 0, "\\??\\C:\\etc", GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE, 7);
    open_native(&file, 0, "\\??\\C:\\tmp\\hostile2", GENERIC_READ | GENERIC_WRITE, FILE_CREATE, 0, 7);
    const uint64_t values[] = {
        0, 1, 2, 3, 5, 7, 0x20, 0x40, 0x1000, 0x2000, 0x4000, 0x8000, 0xffff, 0x10001, ~0ull, ~0u, 1ull << 63, 0x7ffffffff000, 0x7fffffffefff,
        0xffff888000000000, 0xffffffff80200000, SHARED_DATA, GENERIC_READ, null, directory, file, (uintptr_t)nested, (uintptr_t)nested + 1,
        (uintptr_t)&object, (uintptr_t)&string, (uintptr_t)letters, 0x50000000, 0x60000000,
    };
    for (int n = 0; n < 20000; n++) {
        uint64_t a[12];
        for (int i = 0; i < 12; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            a[i] = values[seed % (sizeof(values) / 8)];
            nested[seed >> 32 & 63] = values[(seed >> 40) % (sizeof(values) / 8)];
        }
        calls[a[11] * 31 % 14 == 0 ? n % 14 : (n + a[11]) % 14](a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10]);
    }
}

/* More than the process table holds: what nobody can wait for any more leaves nothing. */
static void forgotten(const char *self) {
    static WCHAR name_room[512], line_room[64];
    char image[512];
    HANDLE process, thread;
    dos_path(image, self);
    UNICODE_STRING name = unicode(name_room, image);
    RTL_USER_PROCESS_PARAMETERS parameters = { .ImagePathName = name, .CommandLine = unicode(line_room, "nttests nap") };
    PS_ATTRIBUTE_LIST attributes = { sizeof(attributes), { { PS_ATTRIBUTE_IMAGE_NAME, name.Length, name.Buffer, NULL } } };
    for (int i = 0; i < 100; i++) {
        CHECK(NtCreateUserProcess(&process, &thread, 0, 0, NULL, NULL, 0, 0, &parameters, NULL, &attributes) == 0);
        if (i & 1) CHECK(NtWaitForSingleObject(process, false, NULL) == 0);
        CHECK(NtClose(process) == 0 && NtClose(thread) == 0);
    }
    LARGE_INTEGER moment = -1000000;
    static char list[65536];
    int count = 0;
    NtDelayExecution(false, &moment);
    CHECK(NtQuerySystemInformation(SystemProcessInformation, list, sizeof(list), NULL) == 0);
    for (char *at = list;; at += *(ULONG *)at) {
        count++;
        if (!*(ULONG *)at) break;
    }
    CHECK(count == 3);                                  /* smss, the kernel's writer, this one */
}

int main(int argc, char **argv) {
    LARGE_INTEGER hour = -36000000000, nap = -10000;
    if (argc > 1 && same(argv[1], "nap")) return NtDelayExecution(false, &nap);
    if (argc > 1 && same(argv[1], "exit")) return 0xc0001234;
    if (argc > 1 && same(argv[1], "crash")) *(volatile int *)8 = 1;
    if (argc > 1 && same(argv[1], "sleep")) return NtDelayExecution(false, &hour);
    if (argc > 1) return argc == 3 && same(argv[1], "a b") && same(argv[2], "\"c") ? 3 : 4;
    files();
    names();
    memory();
    convention();
    processes("C:\\bin\\nttests.exe");
    forgotten("C:\\bin\\nttests.exe");
    hostile();
    text(STANDARD_OUTPUT, failures ? "failed\n" : "all hold\n");
    return failures;
}
