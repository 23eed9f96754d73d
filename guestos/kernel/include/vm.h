/* Address spaces of programs: page tables and mappings. Inside of mm/ and proc/. */
#pragma once
#include "types.h"
#include "list.h"
#include "mm.h"
#include "arch.h"

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_GROWSDOWN 0x100

#define STACK_TOP 0x7ffffffff000UL
#define MMAP_TOP 0x7fffe0000000UL           /* mmap searches down from here; the stack may grow to it */
#define MMAP_MIN 0x10000UL

#define STACK_GUARD (256 * PAGE_SIZE)       /* kept free below what grows down */

/* One range of addresses with one protection and one source of pages. Page-aligned, never overlapping. */
struct vma {
    struct list link;                       /* in order of address */
    struct mm *mm;
    u64 start, end;
    int prot;
    bool grows_down, shared;
    struct file *file;                      /* NULL: anonymous; what is shared always has one */
    struct list sharing;                    /* among the mappings of the file's pages */
    u64 offset;                             /* bytes into the file at start */
    u64 file_end;                           /* first address not backed by the file: zero from there */
};

struct mm {
    s32 refs;
    u64 number;                             /* no other one ever has it */
    u64 changes;                            /* of pages that were there: what was made of its tables is out of date */
    u64 *pml4;
    struct list vmas;
    struct vma *recent;                     /* last one found */
    u64 brk_start, brk;
    u64 start_code, end_code, start_stack, arg_start, arg_end, env_start, env_end;
    struct file *program;                   /* what exec opened, or NULL */
    u64 resident;                           /* pages */
    u8 calls;                               /* CALLS_: whose system calls its program makes (dispatch.h) */
    bool dumpable;                          /* others of the same user may look into it */
};

struct mm *mm_new(void);                    /* empty; NULL: no memory */
struct mm *mm_copy(struct mm *);            /* fork: private pages copy-on-write; NULL: no memory */
struct mm *mm_get(struct mm *);
void mm_put(struct mm *);
void mm_activate(struct mm *);              /* load CR3; NULL: keep whatever is loaded */
void mm_deactivate(struct mm *);            /* it is going away: leave its tables */

struct vma *vma_find(struct mm *, u64 address);        /* that contains it; NULL */
struct vma *vma_find_after(struct mm *, u64 address);  /* first that ends after it; NULL */
/* Add a mapping; the range must be free and is merged with nothing. NULL: no memory. */
struct vma *vma_add(struct mm *, u64 start, u64 end, int prot);
int vma_unmap(struct mm *, u64 start, u64 end);        /* 0 or -ENOMEM */
void vma_set_file(struct vma *, struct file *, bool shared);    /* from now on its pages are the file's */
void vma_free(struct vma *);
int vma_split(struct vma *, u64 at);
u64 vma_gap(struct mm *, u64 length);                  /* free address, top down; 0: none */

/* Entry of a 4 KiB page. create: make missing tables; NULL if absent or without memory. */
u64 *pte_lookup(u64 *pml4, u64 va, bool create);
void pt_unmap(struct mm *, u64 start, u64 end);        /* drop pages, free emptied nothing */
void pt_flush(struct mm *, u64 va);                    /* its entry was changed */
void pt_protect(struct mm *, u64 start, u64 end, int prot);
int pt_move(struct mm *, u64 from, u64 to, u64 length);   /* 0 or -ENOMEM, with pages moved in part */
int pt_copy(struct mm *to, struct mm *from, const struct vma *);
void pt_free(u64 *pml4);                               /* all tables of the user half */
u64 *pt_new(void);
static inline u64 pte_flags(int prot) {
    return PTE_USER | (prot & PROT_EXEC ? 0 : PTE_NX) | (prot & PROT_WRITE ? PTE_WRITE : 0);
}

/* Make the page of `address` present for the access; 0 or as page_fault(). */
int fault_in(struct mm *, u64 address, bool write, bool fetch);

/* Write to another address space than the loaded one; 0 or -EFAULT. */
int mm_write(struct mm *, u64 address, const void *from, size_t n);

/* mappings.c: what the page cache does to all mappings of a file. */
void mapping_protect(struct page *);                   /* no more written to, nor PG_WRITABLE */
bool mapping_drop(struct page *);                      /* unmapped; false: it was used since the last try */
void mapping_cut(struct inode *, u64 first);           /* pages from there on unmapped, and copies of them */
