/* What the native programs share: NT's calls and their structures as Windows declares them, and a few helpers on top (ntdll.c).
 * The stubs of the calls are made from kernel/ntcalls.tbl; main gets the words of the command line. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTAPI __attribute__((ms_abi))
typedef uint32_t NTSTATUS, ULONG;
typedef uint64_t HANDLE, ULONG_PTR;
typedef int64_t LARGE_INTEGER;
typedef uint16_t WCHAR;
typedef uint8_t BOOLEAN;

typedef struct { uint16_t Length, MaximumLength; const WCHAR *Buffer; } UNICODE_STRING;
typedef struct { ULONG Length; HANDLE RootDirectory; UNICODE_STRING *ObjectName; ULONG Attributes; void *SecurityDescriptor, *SecurityQualityOfService; } OBJECT_ATTRIBUTES;
typedef struct { union { NTSTATUS Status; void *Pointer; }; ULONG_PTR Information; } IO_STATUS_BLOCK;
typedef struct { ULONG NextEntryOffset, FileIndex; LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
                 ULONG FileAttributes, FileNameLength; WCHAR FileName[256]; } FILE_DIRECTORY_INFORMATION;
typedef struct { NTSTATUS ExitStatus; void *PebBaseAddress; ULONG_PTR AffinityMask; int32_t BasePriority; ULONG_PTR UniqueProcessId, InheritedFromUniqueProcessId; } PROCESS_BASIC_INFORMATION;
typedef struct { ULONG NextEntryOffset, NumberOfThreads; LARGE_INTEGER WorkingSetPrivateSize; ULONG HardFaultCount, NumberOfThreadsHighWatermark; uint64_t CycleTime;
                 LARGE_INTEGER CreateTime, UserTime, KernelTime; UNICODE_STRING ImageName; int32_t BasePriority; HANDLE UniqueProcessId, InheritedFromUniqueProcessId;
                 ULONG HandleCount, SessionId; ULONG_PTR UniqueProcessKey, PeakVirtualSize, VirtualSize; ULONG PageFaultCount;
                 ULONG_PTR PeakWorkingSetSize, WorkingSetSize; } SYSTEM_PROCESS_INFORMATION;
typedef struct { uint8_t Reserved[0x60]; UNICODE_STRING ImagePathName, CommandLine; } RTL_USER_PROCESS_PARAMETERS;
typedef struct { size_t TotalLength; struct { ULONG_PTR Attribute; size_t Size; const void *Value; size_t *ReturnLength; } Attributes[1]; } PS_ATTRIBUTE_LIST;
#define PS_ATTRIBUTE_IMAGE_NAME 0x20005

#define NtCurrentProcess() (~(HANDLE)0)
#define STANDARD_INPUT 4                    /* handles that every process begins with */
#define STANDARD_OUTPUT 8
#define STANDARD_ERROR 12
#define GENERIC_READ 0x80000000
#define GENERIC_WRITE 0x40000000
#define SYNCHRONIZE 0x100000
#define FILE_SHARE_ALL 7
#define FILE_DIRECTORY_FILE 1
#define FILE_SYNCHRONOUS_IO_NONALERT 0x20
enum { FILE_SUPERSEDE, FILE_OPEN, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE, FILE_OVERWRITE_IF };
enum { FileDirectoryInformation = 1, FileStandardInformation = 5, SystemBasicInformation = 0, SystemProcessInformation = 5 };
#define STATUS_NO_MORE_FILES 0x80000006
#define STATUS_END_OF_FILE 0xc0000011
#define STATUS_OBJECT_NAME_NOT_FOUND 0xc0000034
#define STATUS_OBJECT_NAME_INVALID 0xc0000033
#define STATUS_INFO_LENGTH_MISMATCH 0xc0000004
#define STATUS_INVALID_SYSTEM_SERVICE 0xc000001c
#define NT_ERROR(status) ((status) >> 31)
#define MEM_COMMIT 0x1000
#define MEM_RESERVE 0x2000
#define MEM_RELEASE 0x8000
#define PAGE_READONLY 2
#define PAGE_READWRITE 4
#define SHARED_DATA 0x7ffe0000UL            /* KUSER_SHARED_DATA */

NTAPI NTSTATUS NtWaitForSingleObject(HANDLE, BOOLEAN, const LARGE_INTEGER *);
NTAPI NTSTATUS NtReadFile(HANDLE, HANDLE, void *, void *, IO_STATUS_BLOCK *, void *, ULONG, const LARGE_INTEGER *, const ULONG *);
NTAPI NTSTATUS NtWriteFile(HANDLE, HANDLE, void *, void *, IO_STATUS_BLOCK *, const void *, ULONG, const LARGE_INTEGER *, const ULONG *);
NTAPI NTSTATUS NtClose(HANDLE);
NTAPI NTSTATUS NtQueryInformationFile(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, ULONG);
NTAPI NTSTATUS NtAllocateVirtualMemory(HANDLE, void **, ULONG_PTR, size_t *, ULONG, ULONG);
NTAPI NTSTATUS NtQueryInformationProcess(HANDLE, ULONG, void *, ULONG, ULONG *);
NTAPI NTSTATUS NtFreeVirtualMemory(HANDLE, void **, size_t *, ULONG);
NTAPI NTSTATUS NtTerminateProcess(HANDLE, NTSTATUS);
NTAPI NTSTATUS NtOpenFile(HANDLE *, ULONG, const OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, ULONG, ULONG);
NTAPI NTSTATUS NtDelayExecution(BOOLEAN, const LARGE_INTEGER *);
NTAPI NTSTATUS NtQueryDirectoryFile(HANDLE, HANDLE, void *, void *, IO_STATUS_BLOCK *, void *, ULONG, ULONG, BOOLEAN, const UNICODE_STRING *, BOOLEAN);
NTAPI NTSTATUS NtQuerySystemInformation(ULONG, void *, ULONG, ULONG *);
NTAPI NTSTATUS NtYieldExecution(void);
NTAPI NTSTATUS NtProtectVirtualMemory(HANDLE, void **, size_t *, ULONG, ULONG *);
NTAPI NTSTATUS NtCreateFile(HANDLE *, ULONG, const OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, const LARGE_INTEGER *, ULONG, ULONG, ULONG, ULONG, void *, ULONG);
NTAPI NTSTATUS NtQuerySystemTime(LARGE_INTEGER *);
NTAPI NTSTATUS NtCreateUserProcess(HANDLE *, HANDLE *, ULONG, ULONG, const void *, const void *, ULONG, ULONG, const RTL_USER_PROCESS_PARAMETERS *, void *, const PS_ATTRIBUTE_LIST *);
NTAPI NTSTATUS NtDisplayString(const UNICODE_STRING *);

/* ---- ntdll.c ---- */

size_t length(const char *);
bool same(const char *, const char *);
void text(HANDLE to, const char *);
void wide(HANDLE to, const WCHAR *, size_t units);
void number(HANDLE to, uint64_t, unsigned base, int width);
UNICODE_STRING unicode(WCHAR *room, const char *);                  /* room for as many units, of ASCII */
void dos_path(char room[512], const char *name);                    /* file.txt: \??\C:\file.txt; a name that begins with \ stays */
NTSTATUS open_file(HANDLE *, const char *name, ULONG access, ULONG disposition, ULONG options);
NTSTATUS run(const char *image, const char *command_line, NTSTATUS *status);    /* to its end */
int fail(const char *program, const char *what, NTSTATUS);          /* one line; 1 */
