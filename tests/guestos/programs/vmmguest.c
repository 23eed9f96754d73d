/* A kernel of its own for the tests of virtual machines: it drives the board's devices as no driver should, and says what came of
 * it. `mode=` on its command line says what to do. Runs on any microvm board: this computer's, QEMU's, vmm's. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

asm(".pushsection .note.pvh, \"a\", @note\n .balign 4\n .long 4, 4, 18\n .asciz \"Xen\"\n .long start\n .popsection\n"
    ".pushsection .text.start, \"ax\"\n .code32\n .globl start\n"
    "start: cli\n movl $tables + 0x1003, tables\n"                          /* 4 GiB mapped to itself in pages of 2 MiB */
    " movl $tables + 0x2003, tables + 0x1000\n movl $tables + 0x3003, tables + 0x1008\n"
    " movl $tables + 0x4003, tables + 0x1010\n movl $tables + 0x5003, tables + 0x1018\n"
    " movl $0x83, %eax\n movl $tables + 0x2000, %edi\n"
    "1: movl %eax, (%edi)\n addl $0x200000, %eax\n addl $8, %edi\n cmpl $tables + 0x6000, %edi\n jb 1b\n"
    " movl $0x20, %eax\n movl %eax, %cr4\n movl $tables, %eax\n movl %eax, %cr3\n"
    " movl $0xc0000080, %ecx\n movl $0x100, %eax\n xorl %edx, %edx\n wrmsr\n movl $0x80000011, %eax\n movl %eax, %cr0\n"
    " lgdtl gdt_pointer\n ljmpl $8, $long_mode\n .code64\n"
    "long_mode: movl $16, %eax\n movl %eax, %ds\n movl %eax, %es\n movl %eax, %ss\n"
    " movl $stack + 0x4000, %esp\n movl %ebx, %edi\n call entered\n"
    " .balign 8\n gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n gdt_pointer: .word 23\n .long gdt\n .popsection\n");
u8 tables[0x6000] __attribute__((aligned(4096))), stack[0x4000] __attribute__((aligned(16)));

static void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static u32 inw(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

#define WINDOWS 0xfeb00000ul
#define DISK (WINDOWS + 7 * 0x200)
static u32 get(u32 at) { u32 v; asm volatile("movl (%1), %0" : "=r"(v) : "r"(DISK + at) : "memory"); return v; }
static void set(u32 at, u32 v) { asm volatile("movl %0, (%1)" :: "r"(v), "r"(DISK + at) : "memory"); }

static void print(const char *text) {
    for (; *text; text++) outb(0x3f8, *text);
}

#define SIZE 16
#define NEXT 1
#define WRITES 2
#define INDIRECT 4
#define HIGH 0x7fffff000000ul
#define STATUS 0x70
#define NEEDS_RESET 64

static struct descriptor { u64 address; u32 length; u16 flags, next; } table[SIZE + 1] __attribute__((aligned(16))), inner[SIZE] __attribute__((aligned(16))), innermost[SIZE];
#define MOST 256                                /* the longest queue of the device */
static volatile struct { u16 flags, index, ring[2 * MOST]; } available;
static volatile struct { u16 flags, index; struct { u32 id, length; } ring[2 * MOST]; } used;
static struct { u32 type, reserved; u64 sector; } header;
static u8 data[4096], status;
static u64 features;

static void queue_at(u32 reg, u64 address) {
    set(reg, address);
    set(reg + 4, address >> 32);
}

/* A device fresh from reset, its queue at these places, and one chain made available: header, data to be read, status. */
static u32 size = SIZE, ready = 15;
static void good_chain(void) {
    table[0] = (struct descriptor){ (u64)&header, 16, NEXT, 1 };
    table[1] = (struct descriptor){ (u64)data, 512, NEXT | WRITES, 2 };
    table[2] = (struct descriptor){ (u64)&status, 1, WRITES, 0 };
}
static void fresh_at(u64 descriptors, u64 available_ring, u64 used_ring) {
    set(STATUS, 0);
    set(STATUS, 3);
    set(0x24, 0), set(0x20, features), set(0x24, 1), set(0x20, features >> 32);
    set(STATUS, 11);
    set(0x30, 0), set(0x38, size);
    queue_at(0x80, descriptors), queue_at(0x90, available_ring), queue_at(0xa0, used_ring);
    set(0x44, 1);
    set(STATUS, ready);
    available.flags = 0, available.index = 1, available.ring[0] = 0;
    used.index = 0, status = 0x5a;
    header.type = 0, header.sector = 0;
    good_chain();
}
static void fresh(void) { fresh_at((u64)table, (u64)&available, (u64)&used); }
static void go(void) { set(0x50, 0); }

static int request(u32 type, u64 sector, u32 bytes) {
    fresh();
    header.type = type, header.sector = sector;
    table[1].length = bytes;
    if (type == 1) table[1].flags = NEXT;
    go();
    return used.index == 1 && !(get(STATUS) & NEEDS_RESET) ? status : -1;
}

/* Properties: nonzero holds. */
static int refused(void) {
    go();
    int refused = get(STATUS) & NEEDS_RESET && get(0x60) & 2 && used.index == 0;
    used.index = 0;
    good_chain();
    available.index = 1, available.ring[0] = 0;
    go();                                   /* nothing more comes of it before a reset */
    return refused && used.index == 0 && request(0, 0, 512) == 0 && data[0] == 'r' && data[511] == 'z';
}
static int a_sector_is_read(void) { return request(0, 0, 512) == 0 && data[0] == 'r' && data[511] == 'z' && used.ring[0].length == 513; }
static int two_sectors_in_two_parts(void) {
    fresh();
    table[1].length = 100;
    table[1].next = 3;
    table[3] = (struct descriptor){ (u64)data + 100, 924, NEXT | WRITES, 2 };
    go();
    return status == 0 && data[0] == 'r' && data[511] == 'z' && used.ring[0].length == 1025;
}
static int what_is_written_is_read(void) {
    for (int i = 0; i < 512; i++) data[i] = i * 7;
    if (request(1, 3, 512)) return 0;
    for (int i = 0; i < 512; i++) data[i] = 0;
    if (request(0, 3, 512)) return 0;
    for (int i = 0; i < 512; i++)
        if (data[i] != (u8)(i * 7)) return 0;
    return 1;
}
static int past_the_end_is_an_error(void) {
    u64 sectors = get(0x100) | (u64)get(0x104) << 32;
    return request(0, sectors, 512) == 1 && request(1, sectors - 1, 1024) == 1 && request(0, ~0ul, 512) == 1 && request(0, 1ul << 55, 512) == 1 && request(0, sectors - 1, 512) == 0;
}
static int part_of_a_sector_is_an_error(void) { return request(0, 0, 100) == 1 && request(1, 0, 100) == 1; }
static int unknown_requests_are_unsupported(void) { return request(77, 0, 512) == 2 && request(4, 0, 512) == 0; }
static int it_says_who_it_is(void) { return request(8, 0, 20) == 0 && data[0] == 'r'; }
static int buffer_outside_memory(void) { fresh(); table[1].address = HIGH; return refused(); }
static int buffer_across_the_end_of_memory(void) { fresh(); table[1].address = 0xc0000000 - 4; return refused(); }
static int buffer_that_wraps(void) { fresh(); table[1].address = ~0ul - 99; return refused(); }
static int header_outside_memory(void) { fresh(); table[0].address = HIGH; return refused(); }
static int status_outside_memory(void) { fresh(); table[2].address = DISK; return refused(); }
static int next_outside_the_table(void) { fresh(); table[SIZE] = table[2], table[1].next = SIZE; return refused(); }
static int chain_that_is_its_own_next(void) { fresh(); table[0].next = 0; return refused(); }
static int chain_that_loops(void) { fresh(); table[2].flags |= NEXT, table[2].next = 1; return refused(); }
static int head_outside_the_table(void) { fresh(); available.ring[0] = 0xffff; return refused(); }
static int index_far_ahead(void) { fresh(); available.index = 0x8000; return refused(); }
static int overlong_buffers(void) {
    fresh();
    for (int i = 1; i < SIZE - 1; i++) table[i] = (struct descriptor){ 0x400000, 0x200000, NEXT, i + 1 };
    table[SIZE - 1] = table[2], table[SIZE - 1].address = (u64)&status, table[SIZE - 1].length = 1, table[SIZE - 1].flags = WRITES;
    header.type = 1;
    return refused();
}
static int readable_after_writable(void) { fresh(); table[0].next = 1, table[1].next = 0, table[0] = table[2], table[0].flags = WRITES | NEXT, table[0].next = 1, table[1].flags = 0; return refused(); }
static int no_status_byte(void) { fresh(); table[0].flags = 0; return refused(); }
static int status_of_no_bytes(void) { fresh(); table[1].length = table[2].length = 0; return refused(); }
static int short_header(void) { fresh(); table[0].length = 15; return refused(); }
static int table_outside_memory(void) { fresh_at(HIGH, (u64)&available, (u64)&used); return refused(); }
static int available_outside_memory(void) { fresh_at((u64)table, HIGH, (u64)&used); return refused(); }
static int used_outside_memory(void) { fresh_at((u64)table, (u64)&available, ~0ul - 8); return refused(); }
static int table_that_wraps(void) { fresh_at(~0ul - 7, (u64)&available, (u64)&used); return refused(); }
static void indirect(void) {
    features |= 1 << 28;
    fresh();
    for (int i = 0; i < 3; i++) inner[i] = table[i];
    table[0] = (struct descriptor){ (u64)inner, 48, INDIRECT, 0 };
}
static int indirect_chain(void) { indirect(); go(); return status == 0 && used.ring[0].length == 513; }
static int indirect_in_indirect(void) {
    indirect();
    inner[1] = (struct descriptor){ (u64)innermost, 32, INDIRECT, 0 };
    innermost[0] = (struct descriptor){ (u64)data, 512, NEXT | WRITES, 1 }, innermost[1] = (struct descriptor){ (u64)&status, 1, WRITES, 0 };
    return refused();
}
static int indirect_with_a_next(void) { indirect(); table[0].flags |= NEXT, table[0].next = 1; return refused(); }
static int indirect_of_half_a_descriptor(void) { indirect(); table[0].length = 56; return refused(); }
static int indirect_outside_memory(void) { indirect(); table[0].address = HIGH; return refused(); }
static int indirect_table_left(void) { indirect(); inner[1].next = 3; return refused(); }
static int indirect_that_loops(void) { indirect(); inner[1].next = 1; return refused(); }
static int indirect_not_agreed(void) { indirect(); features &= ~(1 << 28); fresh(); table[0] = (struct descriptor){ (u64)inner, 48, INDIRECT, 0 }; return refused(); }
static int nothing_before_the_driver_is_ready(void) {
    ready = 11;
    fresh();
    ready = 15;
    go();
    return used.index == 0 && get(STATUS) == 11 && get(0x60) == 0;
}
static int nothing_after_a_reset(void) {
    fresh();
    set(STATUS, 0);
    go();
    return used.index == 0 && get(STATUS) == 0 && get(0x60) == 0;
}
static int queue_longer_than_agreed(void) {
    size = 2 * MOST;
    fresh();
    size = SIZE;
    available.index = MOST + 1;
    return refused();
}
static int a_live_queue_stays_where_it_is(void) {
    fresh();
    queue_at(0x80, HIGH), queue_at(0x90, HIGH), queue_at(0xa0, HIGH), set(0x38, 1);
    go();
    return used.index == 1 && status == 0 && !(get(STATUS) & NEEDS_RESET);
}
static int nothing_past_the_configuration(void) {
    set(0x14, 0);
    u32 length = get(0x10) & 1 << 11 ? 36 : 24;     /* VIRTIO_BLK_F_CONFIG_WCE: as far as the byte `writeback` and its padding */
    for (u64 a = DISK + 0x100; a <= DISK + 0x1fc; a++) {
        u8 b; u16 w; u32 l;
        asm volatile("movb (%1), %0" : "=r"(b) : "r"(a) : "memory");
        asm volatile("movw (%1), %0" : "=r"(w) : "r"(a) : "memory");
        asm volatile("movl (%1), %0" : "=r"(l) : "r"(a) : "memory");
        u64 past = a - DISK - 0x100;
        if ((past + 4 > length && l) || (past + 2 > length && w) || (past + 1 > length && b)) return 0;
    }
    return 1;
}
static int old_drivers_are_refused(void) {
    features = 0;
    fresh();
    return !(get(STATUS) & 12);
}
static int features_not_offered_are_refused(void) {
    features |= 1ul << 40;
    fresh();
    int refused = !(get(STATUS) & 12);
    features = 1ul << 32;
    return refused;
}
/* V19: any width and offset, in the windows and beside them, and the ports of a PC. */
static int any_access(void) {
    u64 sum = 0;
    for (u64 a = WINDOWS - 8; a < WINDOWS + 0x1008; a += a >= DISK && a < DISK + 0x120 ? 1 : 13) {
        u8 b; u16 w; u32 l; u64 q;
        asm volatile("movb (%1), %0" : "=r"(b) : "r"(a) : "memory");
        asm volatile("movw (%1), %0" : "=r"(w) : "r"(a) : "memory");
        asm volatile("movl (%1), %0" : "=r"(l) : "r"(a) : "memory");
        asm volatile("movq (%1), %0" : "=r"(q) : "r"(a) : "memory");
        sum += b + w + l + q;
    }
    for (u32 p = 0; p < 0x800; p++) sum += p >> 3 == 0x7f ? 0 : inb(p) + inw(p) + inl(p);
    return sum != 0;
}
static int any_write(void) {
    u32 random = 12345;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        u64 a = DISK + (random >> 8) % 0x200, v = random * 0x9e3779b97f4a7c15;
        switch (random >> 5 & 7) {
        case 0: asm volatile("movb %0, (%1)" :: "r"((u8)v), "r"(a) : "memory"); break;
        case 1: asm volatile("movw %0, (%1)" :: "r"((u16)v), "r"(a) : "memory"); break;
        case 2: asm volatile("movq %0, (%1)" :: "r"(v), "r"(a) : "memory"); break;
        default: asm volatile("movl %0, (%1)" :: "r"((u32)(random & 64 ? v : v & 15)), "r"(a & ~3ul) : "memory");
        }
    }
    features = 1ul << 32;
    return a_sector_is_read();
}
static int a_queue_of_rubbish(void) {
    u32 random = 99;
    for (int round = 0; round < 100; round++) {
        fresh();
        for (int i = 0; i < SIZE; i++) {
            u64 v[2];
            for (int k = 0; k < 2; k++) random = random * 1664525 + 1013904223, v[k] = random | (u64)random << (random & 31);
            table[i] = (struct descriptor){ round & 1 ? (u64)data + (v[0] & 1023) : v[0] | 1ul << 40, v[1] >> 8 & (round & 2 ? 1023 : 0xffffffff), random >> 9 & 7, random >> 16 & 31 };
        }
        table[0].address = (u64)&header, table[0].length |= 16;
        header.type = random >> 7 & 15, header.sector = random >> 12 & 7;
        if (header.type == 1) header.type = 0;
        available.index = random & 31;
        go();
    }
    return a_sector_is_read();
}

#define T(name) { #name, name }
static const struct { const char *name; int (*holds)(void); } tests[] = {
    T(a_sector_is_read), T(two_sectors_in_two_parts), T(what_is_written_is_read), T(past_the_end_is_an_error), T(part_of_a_sector_is_an_error),
    T(unknown_requests_are_unsupported), T(it_says_who_it_is), T(buffer_outside_memory), T(buffer_across_the_end_of_memory), T(buffer_that_wraps),
    T(header_outside_memory), T(status_outside_memory), T(next_outside_the_table), T(chain_that_is_its_own_next), T(chain_that_loops),
    T(head_outside_the_table), T(index_far_ahead), T(overlong_buffers), T(readable_after_writable), T(no_status_byte), T(status_of_no_bytes),
    T(short_header), T(table_outside_memory), T(available_outside_memory), T(used_outside_memory), T(table_that_wraps), T(indirect_chain),
    T(indirect_in_indirect), T(indirect_of_half_a_descriptor), T(indirect_outside_memory), T(indirect_table_left), T(indirect_that_loops), T(indirect_with_a_next),
    T(indirect_not_agreed), T(nothing_before_the_driver_is_ready), T(nothing_after_a_reset),
    T(queue_longer_than_agreed), T(a_live_queue_stays_where_it_is), T(nothing_past_the_configuration), T(old_drivers_are_refused), T(features_not_offered_are_refused), T(any_access), T(any_write),
    T(a_queue_of_rubbish),
};

static int has(const char *line, const char *word) {
    for (; *line; line++) {
        int i = 0;
        while (word[i] && line[i] == word[i]) i++;
        if (!word[i]) return 1;
    }
    return 0;
}

__attribute__((used)) void entered(u64 start_info) {
    const char *line = (const char *)*(u64 *)(start_info + 24);
    static const struct { u16 limit; u64 base; } __attribute__((packed)) no_idt = { 0, 0 };
    int failed = 0;
    if (has(line, "mode=triple")) asm volatile("lidt %0; ud2" :: "m"(no_idt));
    if (has(line, "mode=fetch")) ((void (*)(void))WINDOWS)();
    if (has(line, "mode=spin")) for (;;) asm volatile("pause");
    if (has(line, "mode=halt")) asm volatile("cli; hlt");
    if (has(line, "mode=reset")) outb(0x64, 0xfe);
    if (has(line, "mode=off")) asm volatile("outw %0, %1" :: "a"((u16)0x2000), "Nd"((u16)0x604));
    if (has(line, "mode=exit")) outb(0xf4, 42);
    if (has(line, "mode=echo")) {
        print("ready\r\n");
        for (u8 c; (c = inb(0x3fd) & 1 ? inb(0x3f8) : 0) != 'q';)
            if (c) outb(0x3f8, c);
        outb(0xf4, 7);
    }
    features = 1ul << 32;
    if (has(line, "mode=write")) {
        for (int i = 0; i < 512; i++) data[i] = 'w';
        outb(0xf4, request(1, 1, 512) * 16 + request(4, 0, 512) + (get(0x10) >> 5 & 1) * 128);
    }
    for (unsigned i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        features = 1ul << 32;
        int holds = tests[i].holds();
        failed += !holds;
        print(tests[i].name), print(holds ? ": ok\r\n" : ": FAILED\r\n");
    }
    outb(0xf4, failed);
    for (;;) ;
}
