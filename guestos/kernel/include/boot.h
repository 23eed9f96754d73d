/* What the loader handed over. */
#pragma once
#include "types.h"

struct memory_region { u64 start, end; };   /* physical bytes */
#define MEMORY_REGIONS 8

struct boot_info {
    struct memory_region ram[MEMORY_REGIONS]; /* usable, ascending, page-aligned */
    int ram_count;
    u64 module, module_size;                /* first module (initial program), 0 if none */
    const char *command_line;               /* physical memory of the loader: copied by cmdline_init */
};
extern struct boot_info boot_info;

void boot_info_read(u64 start_info);        /* physical address of hvm_start_info */
void cmdline_init(const char *text);
/* Words after "--", for init's argv; count returned. */
int cmdline_init_arguments(const char **words, int max);

void crash_as_asked(void);                  /* debug/panic.c: boot option crash= */
void personality_init(void);                /* nt: boot options release= and abi= */
void kernelmap_init(void);                  /* mm: final kernel tables; before frames_init */
void kernelmap_cover(u64 end);              /* direct map up to physical end; after frames_init */
void frames_init(void);
