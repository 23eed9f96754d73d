/* Puts a kernel into RAM as the PVH protocol says: an ELF file whose note names a 32-bit entry, and hvm_start_info
 * (Xen: docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h). */
#include "vmm.h"
#include <elf.h>
#include <sys/stat.h>

#define PHYS32_ENTRY 18
#define START_MAGIC 0x336ec578
#define LOW 0x1000ul                /* what the loader leaves lies here, or else above the kernel */
#define LOW_END 0x9fc00ul
#define HIGH 0x100000ul
#define HEADERS_MOST 64
#define NOTES_MOST 65536
#define COMMAND_LINE 2048           /* the kernel keeps so many bytes, the end included */

enum { RAM = 1, RESERVED = 2 };
struct left {
    struct { u32 magic, version, flags, modules; u64 module_list, command_line, rsdp, map; u32 map_entries, reserved; } info;
    struct { u64 address, size; u32 type, reserved; } map[3];
    char command_line[COMMAND_LINE];
};

static const char *path;
static int file;

static void take(void *to, size_t n, u64 at, const char *what) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(file, (u8 *)to + done, n - done, at + done);
        if (got < 0) die("kernel '%s' can't be read: %s", path, strerror(errno));
        if (!got) die("kernel '%s' is cut short: its %s ends at byte %lu, the file at %lu", path, what, at + n, at + done);
        done += got;
    }
}

/* The entry that a segment of notes names, or 0. Name and contents of each are padded to 4 bytes. */
static u64 entry_in(const u8 *notes, u64 size) {
    Elf64_Nhdr n;
    for (u64 at = 0; at + sizeof(n) <= size;) {
        memcpy(&n, notes + at, sizeof(n));
        u64 contents = at + sizeof(n) + ((n.n_namesz + 3ul) & ~3ul), value = 0;
        if (contents + n.n_descsz > size) return 0;
        if (n.n_type == PHYS32_ENTRY && n.n_namesz == 4 && !memcmp(notes + at + sizeof(n), "Xen", 4) && (n.n_descsz == 4 || n.n_descsz == 8)) {
            memcpy(&value, notes + contents, n.n_descsz);
            return value;
        }
        at = contents + ((n.n_descsz + 3ul) & ~3ul);
    }
    return 0;
}

struct entry boot_load(const char *name, const char *command_line) {
    Elf64_Ehdr e;
    Elf64_Phdr p[HEADERS_MOST];
    struct stat st;
    path = name;
    file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &st)) die("kernel '%s' can't be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) die("kernel '%s' is no file", path);
    if (st.st_size < (off_t)sizeof(e)) die("kernel '%s' is no ELF file: it has %ld bytes", path, (long)st.st_size);
    take(&e, sizeof(e), 0, "header");
    if (memcmp(e.e_ident, ELFMAG, SELFMAG)) die("kernel '%s' is no ELF file", path);
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != EM_X86_64 || (e.e_type != ET_EXEC && e.e_type != ET_DYN))
        die("kernel '%s' is no executable for x86-64", path);
    if (!e.e_phnum || e.e_phnum > HEADERS_MOST || e.e_phentsize != sizeof(*p)) die("kernel '%s' is damaged: %u program headers of %u bytes", path, e.e_phnum, e.e_phentsize);
    if (e.e_phoff > (u64)st.st_size) die("kernel '%s' is cut short: program headers at byte %lu", path, e.e_phoff);
    take(p, e.e_phnum * sizeof(*p), e.e_phoff, "program headers");

    u64 entry = 0, top = 0, low = LOW_END;
    bool inside = false;
    for (Elf64_Phdr *h = p; h < p + e.e_phnum; h++) {
        if (h->p_type != PT_LOAD && h->p_type != PT_NOTE) continue;
        if (h->p_filesz > (u64)st.st_size || h->p_offset > st.st_size - h->p_filesz) die("kernel '%s' is cut short: a segment ends after the file", path);
        if (h->p_type == PT_NOTE && !entry) {
            static u8 notes[NOTES_MOST];
            u64 size = MIN(h->p_filesz, NOTES_MOST);
            take(notes, size, h->p_offset, "notes");
            entry = entry_in(notes, size);
        }
        if (h->p_type != PT_LOAD || !h->p_memsz) continue;
        if (h->p_filesz > h->p_memsz) die("kernel '%s' is damaged: a segment of %lu bytes has room for %lu", path, h->p_filesz, h->p_memsz);
        u8 *to = ram_at(h->p_paddr, h->p_memsz);
        if (!to) die("kernel '%s' needs memory at %#lx, and the guest has %lu MiB", path, h->p_paddr + h->p_memsz, ram_size >> 20);
        take(to, h->p_filesz, h->p_offset, "segment");
        memset(to + h->p_filesz, 0, h->p_memsz - h->p_filesz);
        if (h->p_paddr + h->p_memsz > top) top = h->p_paddr + h->p_memsz;
        if (h->p_paddr < low) low = h->p_paddr;
    }
    close(file);
    if (!entry) die("kernel '%s' has no PVH entry (ELF note 18 of Xen)", path);
    for (Elf64_Phdr *h = p; h < p + e.e_phnum; h++) inside |= h->p_type == PT_LOAD && entry - h->p_paddr < h->p_memsz;
    if (!inside) die("kernel '%s' has its PVH entry %#lx outside its segments", path, entry);

    u64 at = low >= LOW + sizeof(struct left) ? LOW : (top + 4095) & ~4095ul;
    struct left *left = ram_at(at, sizeof(*left));
    if (!left) die("kernel '%s' leaves no room in %lu MiB of memory", path, ram_size >> 20);
    if (strlen(command_line) >= COMMAND_LINE) die("the kernel's command line would have %lu bytes, more than %d", strlen(command_line), COMMAND_LINE - 1);
    memset(left, 0, sizeof(*left));
    strcpy(left->command_line, command_line);
    left->info.magic = START_MAGIC, left->info.version = 1;
    left->info.command_line = at + offsetof(struct left, command_line);
    left->info.map = at + offsetof(struct left, map), left->info.map_entries = 3;
    u64 edges[] = { 0, LOW_END, HIGH, ram_size };
    for (int i = 0; i < 3; i++) left->map[i].address = edges[i], left->map[i].size = edges[i + 1] - edges[i], left->map[i].type = i == 1 ? RESERVED : RAM;
    return (struct entry){ entry, at };
}
