/* tasklist: the processes. */
#include "ntdll.h"

int main(void) {
    ULONG size = 0;
    size_t room = 1 << 16;
    void *memory = NULL;
    NTSTATUS error = NtAllocateVirtualMemory(NtCurrentProcess(), &memory, 0, &room, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!error) error = NtQuerySystemInformation(SystemProcessInformation, memory, room, &size);
    if (error) return fail("tasklist", "the list of processes", error);
    text(STANDARD_OUTPUT, "   PID  PARENT  MEMORY  NAME\n");
    for (SYSTEM_PROCESS_INFORMATION *p = memory;; p = (void *)((char *)p + p->NextEntryOffset)) {
        number(STANDARD_OUTPUT, p->UniqueProcessId, 10, 6);
        number(STANDARD_OUTPUT, p->InheritedFromUniqueProcessId, 10, 8);
        number(STANDARD_OUTPUT, p->WorkingSetSize >> 10, 10, 7);
        text(STANDARD_OUTPUT, "K  ");
        wide(STANDARD_OUTPUT, p->ImageName.Buffer, p->ImageName.Length / 2);
        text(STANDARD_OUTPUT, "\n");
        if (!p->NextEntryOffset) return 0;
    }
}
