/* box run [--wsl] IMAGE COMMAND...: a container's program. NT's kernel can't run it, and says so; with --wsl the container runs in a
 * small virtual machine with a Linux kernel, which is started once and serves all. The monitor of that machine, vmm, is the one
 * Linux program that this kernel serves (kernel/nt/program.c). */
#include "ntdll.h"

#define BOX "C:\\var\\lib\\box\\"

static char line[2048];
static size_t used;

static void put(const char *s) { while (*s && used < sizeof(line) - 1) line[used++] = *s++; }

/* For the shell in the machine, in single quotes; and all of that is one word of vmm's command line, in double ones. */
static void put_word(const char *word) {
    put(" '");
    for (char c[2] = ""; (c[0] = *word); word++) put(*word == '\'' ? "'\\''" : *word == '"' ? "\\\"" : c);
    put("'");
}

static bool is_image(const WCHAR *name, size_t units, const char *wanted) {
    size_t n = length(wanted);
    bool tagged = false;
    if (units < n) return false;
    for (size_t i = 0; i < n; i++) if (name[i] != (WCHAR)wanted[i]) return false; else tagged |= wanted[i] == ':';
    return tagged ? units == n : name[n] == ':' && units == n + 7;      /* :latest */
}

/* In the directory, the first entry that `match` takes; its name in `found`. */
static bool search(const char *directory, bool (*match)(const FILE_DIRECTORY_INFORMATION *, const char *), const char *wanted, char *found) {
    HANDLE handle;
    IO_STATUS_BLOCK io;
    FILE_DIRECTORY_INFORMATION entry;
    bool seen = false;
    if (open_file(&handle, directory, GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE)) return false;
    while (!seen && !NtQueryDirectoryFile(handle, 0, NULL, NULL, &io, &entry, sizeof(entry), FileDirectoryInformation, true, NULL, false)) {
        size_t n = entry.FileNameLength / 2;
        for (size_t i = 0; i <= n; i++) found[i] = i < n ? entry.FileName[i] : 0;
        seen = entry.FileName[0] != '.' && match(&entry, wanted);
    }
    NtClose(handle);
    return seen;
}

static bool names_image(const FILE_DIRECTORY_INFORMATION *e, const char *wanted) { return is_image(e->FileName, e->FileNameLength / 2, wanted); }

static char program[512];

/* The layer has the program; its path is left in `program`. */
static bool has_program(const FILE_DIRECTORY_INFORMATION *e, const char *wanted) {
    HANDLE file;
    bool path = *wanted == '/';
    used = 0;
    put("\\??\\" BOX "layers\\");
    for (ULONG i = 0; i < e->FileNameLength / 2; i++) put((char[2]){ e->FileName[i] });
    put(path ? "\\fs" : "\\fs\\bin\\");
    for (; *wanted; wanted++) put((char[2]){ *wanted == '/' ? '\\' : *wanted });
    for (size_t i = 0; i <= used && i < sizeof(program); i++) program[i] = i < used ? line[i] : 0;
    used = 0;
    if (open_file(&file, program, GENERIC_READ, FILE_OPEN, 0)) return false;
    NtClose(file);
    return true;
}

static int run_here(const char *image, char **words, int count) {
    char found[512];
    NTSTATUS status = 0;
    if (!search(BOX "images", names_image, image, found)) return fail("box", image, STATUS_OBJECT_NAME_NOT_FOUND), 125;
    if (!search(BOX "layers", has_program, words[0], found)) return fail("box", words[0], STATUS_OBJECT_NAME_NOT_FOUND), 127;
    put(words[0]);
    for (int i = 1; i < count; i++) put(" "), put(words[i]);
    NTSTATUS error = run(program, line, &status);
    if (error) return fail("box", words[0], error), 126;
    return status == STATUS_INVALID_SYSTEM_SERVICE ? 126 : status > 255 ? 255 : status;
}

static int run_in_machine(const char *image, char **words, int count) {
    NTSTATUS status = 0;
    put("vmm exec --start wsl \"box run --rm");
    put_word(image);
    for (int i = 0; i < count; i++) put_word(words[i]);
    put("\"");
    if (used == sizeof(line) - 1) return text(STANDARD_ERROR, "box: the command line is too long\n"), 125;
    NTSTATUS error = run("\\??\\C:\\bin\\vmm", line, &status);
    if (error) return fail("box", "C:\\bin\\vmm", error), 125;
    return status > 255 ? 125 : status;
}

int main(int argc, char **argv) {
    bool wsl = argc > 2 && same(argv[2], "--wsl");
    if (argc < 4 + wsl || !same(argv[1], "run")) {
        text(STANDARD_ERROR, "usage: box run [--wsl] IMAGE COMMAND...\n");
        return 125;
    }
    return (wsl ? run_in_machine : run_here)(argv[2 + wsl], argv + 3 + wsl, argc - 3 - wsl);
}
