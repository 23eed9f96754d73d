/* The PVH boot protocol (Xen's docs/misc/pvh.pandoc): an ELF kernel with a 32-bit entry point named by a note. */
#include "vmm.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE_ENTRY 18                       /* XEN_ELFNOTE_PHYS32_ENTRY */
#define START_MAGIC 0x336ec578
#define START_INFO 0x6000
#define MEMORY_MAP 0x6100
#define COMMAND_LINE 0x7000
#define COMMAND_LINE_MAX 4096

struct start_info { uint32_t magic, version, flags, modules; uint64_t module_list, command_line, rsdp, memory_map; uint32_t map_entries, reserved; };
struct map_entry { uint64_t address, size; uint32_t type, reserved; };

static uint32_t find_entry(const uint8_t *image, size_t size, const Elf64_Phdr *p) {
    if (p->p_offset > size || p->p_filesz > size - p->p_offset) return 0;
    const uint8_t *note = image + p->p_offset, *end = note + p->p_filesz;
    while ((size_t)(end - note) >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr h;
        memcpy(&h, note, sizeof(h));
        uint64_t name = (h.n_namesz + 3UL) & ~3UL, contents = (h.n_descsz + 3UL) & ~3UL;
        if (name + contents > (size_t)(end - note) - sizeof(h)) return 0;
        if (h.n_type == NOTE_ENTRY && h.n_namesz == 4 && !memcmp(note + sizeof(h), "Xen", 4) && h.n_descsz >= 4) {
            uint32_t entry;
            memcpy(&entry, note + sizeof(h) + name, 4);
            return entry;
        }
        note += sizeof(h) + name + contents;
    }
    return 0;
}

struct entry boot_load(const char *path, const char *command_line) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) fail("can't open the kernel %s: %s; give another one with --kernel", path, strerror(errno));
    size_t size = st.st_size;
    const uint8_t *image = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (!S_ISREG(st.st_mode) || image == MAP_FAILED) fail("%s is no kernel: it can't be read as a file", path);
    close(fd);
    const Elf64_Ehdr *h = (const void *)image;
    if (size < sizeof(*h) || memcmp(h->e_ident, ELFMAG "\2\1", 6) || h->e_machine != EM_X86_64 || h->e_phentsize != sizeof(Elf64_Phdr) ||
        h->e_phoff > size || h->e_phnum > (size - h->e_phoff) / sizeof(Elf64_Phdr))
        fail("%s is no x86-64 ELF kernel", path);
    struct entry e = { 0, START_INFO };
    for (int i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, image + h->e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type == PT_NOTE && !e.rip) e.rip = find_entry(image, size, &p);
        if (p.p_type != PT_LOAD || !p.p_memsz) continue;
        if (p.p_offset > size || p.p_filesz > size - p.p_offset || p.p_filesz > p.p_memsz) fail("%s is cut off: a segment lies outside of the file", path);
        uint8_t *to = at(p.p_paddr, p.p_memsz);
        if (!to) fail("%s needs memory up to %#llx; give more with --memory", path, (unsigned long long)(p.p_paddr + p.p_memsz));
        memcpy(to, image + p.p_offset, p.p_filesz);
    }
    munmap((void *)image, size);
    if (!e.rip || !at(e.rip, 1)) fail("%s has no PVH entry (ELF note 18 of Xen): it can't be booted without firmware", path);
    if (strlen(command_line) >= COMMAND_LINE_MAX) fail("the kernel's command line is longer than %d bytes; put the command into a file", COMMAND_LINE_MAX);
    struct map_entry map[] = { { 0, 0xa0000, 1, 0 }, { 0x100000, ram_size - 0x100000, 1, 0 } };
    struct start_info info = { START_MAGIC, 1, 0, 0, 0, COMMAND_LINE, 0, MEMORY_MAP, 2, 0 };
    memcpy(at(MEMORY_MAP, sizeof(map)), map, sizeof(map));
    memcpy(at(START_INFO, sizeof(info)), &info, sizeof(info));
    strcpy(at(COMMAND_LINE, COMMAND_LINE_MAX), command_line);
    return e;
}
