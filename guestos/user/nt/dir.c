/* dir [DIRECTORY]: names, sizes, and what is a directory. */
#include "ntdll.h"

int main(int argc, char **argv) {
    HANDLE directory;
    IO_STATUS_BLOCK io;
    FILE_DIRECTORY_INFORMATION entry;
    const char *name = argc > 1 ? argv[1] : "C:\\";
    NTSTATUS error = open_file(&directory, name, GENERIC_READ, FILE_OPEN, FILE_DIRECTORY_FILE);
    if (error) return fail("dir", name, error);
    while (!(error = NtQueryDirectoryFile(directory, 0, NULL, NULL, &io, &entry, sizeof(entry), FileDirectoryInformation, true, NULL, false))) {
        if (entry.FileAttributes & 0x10) text(STANDARD_OUTPUT, "     <DIR>");
        else number(STANDARD_OUTPUT, entry.EndOfFile, 10, 10);
        text(STANDARD_OUTPUT, "  ");
        wide(STANDARD_OUTPUT, entry.FileName, entry.FileNameLength / 2);
        text(STANDARD_OUTPUT, "\n");
    }
    NtClose(directory);
    return error == STATUS_NO_MORE_FILES ? 0 : fail("dir", name, error);
}
