/* type FILE...: what is in files. */
#include "ntdll.h"

int main(int argc, char **argv) {
    static char bytes[4096];
    int status = 0;
    for (int i = 1; i < argc; i++) {
        HANDLE file;
        IO_STATUS_BLOCK io, written;
        NTSTATUS error = open_file(&file, argv[i], GENERIC_READ, FILE_OPEN, 0);
        while (!error && !(error = NtReadFile(file, 0, NULL, NULL, &io, bytes, sizeof(bytes), NULL, NULL)))
            error = NtWriteFile(STANDARD_OUTPUT, 0, NULL, NULL, &written, bytes, io.Information, NULL, NULL);
        if (error != STATUS_END_OF_FILE) status = fail("type", argv[i], error);
        if (file) NtClose(file);
    }
    return status;
}
