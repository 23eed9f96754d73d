/* The guest's RAM: one mapping, from guest-physical address 0 on. */
#include "vmm.h"
#include <sys/mman.h>

u64 ram_size;
static u8 *ram;

void memory_new(u64 size) {
    ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED) die("no memory for a guest of %lu MiB: %s", size >> 20, strerror(errno));
    ram_size = size;
}

void *ram_at(u64 address, u64 size) { return address <= ram_size && size <= ram_size - address ? ram + address : NULL; }

u64 memory_parse(const char *text) {
    char *end;
    errno = 0;
    u64 number = strtoull(text, &end, 10);
    int shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
    if (shift) end++;
    if (*end || *text < '0' || *text > '9' || errno) die("memory size '%s' is no number of bytes; for example 32M", text);
    if (number > MEMORY_MOST >> shift || number << shift < MEMORY_LEAST || number << shift & 4095)
        die("memory size '%s': a guest has %lu MiB to %lu MiB, in whole pages of 4096 bytes", text, MEMORY_LEAST >> 20, MEMORY_MOST >> 20);
    return number << shift;
}
