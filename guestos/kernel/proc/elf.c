/* Loads ELF programs: maps their segments; nothing is read before it is touched. */
#include "dispatch.h"
#include "elf.h"
#include "errno.h"
#include "lib.h"
#include "vfs.h"
#include "vm.h"

#define DYN_BASE 0x555555554000UL           /* where Linux puts a position-independent program */
#define INTERPRETER_BASE 0x7fffd0000000UL
#define SEGMENTS_MAX 64

static bool valid(const struct elf_header *h) {
    return !memcmp(h->ident, "\177ELF\2", 5) && (h->type == ET_EXEC || h->type == ET_DYN) && h->machine == EM_X86_64 &&
           h->phentsize == sizeof(struct elf_segment) && h->phnum && h->phnum <= SEGMENTS_MAX;
}

/* Page sizes of file and memory agree: an offset and an address are equal modulo 4096, or it is no
 * program. */
static int map_segment(struct mm *mm, struct file *file, const struct elf_segment *s, u64 base) {
    u64 start = base + s->vaddr, end = start + s->memsz;
    if (!s->memsz) return 0;
    if (end < start || end > MMAP_TOP || s->filesz > s->memsz || (s->vaddr ^ s->offset) & ~PAGE_MASK || start < MMAP_MIN)
        return -ENOEXEC;
    u64 first = start & PAGE_MASK, last = ALIGN_UP(end, PAGE_SIZE);
    int prot = (s->flags & PF_R ? PROT_READ : 0) | (s->flags & PF_W ? PROT_WRITE : 0) | (s->flags & PF_X ? PROT_EXEC : 0);
    if (vma_unmap(mm, first, last)) return -ENOMEM;
    struct vma *vma = vma_add(mm, first, last, prot);
    if (!vma) return -ENOMEM;
    if (s->filesz) {
        vma_set_file(vma, file, false);
        vma->offset = s->offset & PAGE_MASK;
        vma->file_end = s->filesz == s->memsz ? last : start + s->filesz;
    }
    if (prot & PROT_EXEC && !mm->start_code) {
        mm->start_code = start;
        mm->end_code = start + s->filesz;
    }
    return 0;
}

/* An address for what can be anywhere, with the alignment its segments ask for. */
static u64 aligned_base(const struct elf_segment *s, int n, u64 base) {
    for (; n--; s++)
        if (s->type == PT_LOAD && s->align && !(s->align & (s->align - 1))) base = ALIGN_UP(base, s->align);
    return base;
}

static int load_interpreter(struct mm *, struct file *, const struct elf_segment *, struct loaded *);

static int load_segments(struct mm *mm, struct file *file, const struct elf_header *h, const struct elf_segment *s, u64 base, struct loaded *out) {
    const struct elf_segment *interpreter = NULL;
    bool is_program = base == DYN_BASE;
    base = h->type == ET_EXEC ? 0 : aligned_base(s, h->phnum, base);
    for (int i = h->phnum; i--; s++) {
        if (s->type == PT_INTERP && !interpreter) interpreter = s;
        if (s->type == PT_GNU_STACK) out->stack_prot = s->flags & PF_X ? PROT_EXEC : 0;
        if (s->type != PT_LOAD) continue;
        int error = map_segment(mm, file, s, base);
        if (error) return error;
        out->end = MAX(out->end, base + s->vaddr + s->memsz);
        if (h->phoff >= s->offset && h->phoff < s->offset + s->filesz) out->phdr = base + s->vaddr + h->phoff - s->offset;
    }
    if (!out->end) return -ENOEXEC;
    out->entry = base + h->entry;
    out->base = base;
    out->phnum = h->phnum;
    return interpreter && is_program ? load_interpreter(mm, file, interpreter, out) : 0;
}

static int load_at(struct mm *mm, struct file *file, const struct elf_header *h, u64 base, struct loaded *out) {
    ssize_t size = h->phnum * sizeof(struct elf_segment);
    struct elf_segment *segments = kmalloc(size);
    if (!segments) return -ENOMEM;
    ssize_t got = vfs_read_at(file, h->phoff, segments, size);
    int error = got != size ? got < 0 ? got : -ENOEXEC : load_segments(mm, file, h, segments, base, out);
    kfree(segments);
    return error;
}

static int load_interpreter(struct mm *mm, struct file *program, const struct elf_segment *s, struct loaded *out) {
    char path[256];
    struct elf_header header;
    struct loaded interpreter = { 0 };
    if (s->filesz < 2 || s->filesz > sizeof(path)) return -ENOEXEC;
    if (vfs_read_at(program, s->offset, path, s->filesz) != (ssize_t)s->filesz || path[s->filesz - 1]) return -ENOEXEC;
    struct file *file = vfs_open_exec(AT_FDCWD, path, 0);
    if (IS_ERR(file)) return PTR_ERR(file);
    ssize_t got = vfs_read_at(file, 0, &header, sizeof(header));
    int error = got != sizeof(header) ? -EIO : valid(&header) ? load_at(mm, file, &header, INTERPRETER_BASE, &interpreter) : -ELIBBAD;
    file_inode(file)->writers -= file->writer;       /* unlike a program's, what is mapped of it may be written */
    file->writer = 0;
    file_put(file);
    out->interpreter_base = interpreter.base;
    out->entry = interpreter.entry;
    return error;
}

int elf_load(struct mm *mm, struct file *file, const struct elf_header *h, struct loaded *out) {
    if (!valid(h)) return -ENOEXEC;
    int error = program_calls(mm, file, h);
    if (!error) error = load_at(mm, file, h, DYN_BASE, out);
    out->program_entry = out->base + h->entry;
    mm->brk_start = mm->brk = ALIGN_UP(out->end, PAGE_SIZE);
    return error;
}
