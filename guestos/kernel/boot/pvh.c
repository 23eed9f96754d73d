/* Reads the loader's structures: Xen's hvm_start_info (xen/include/public/arch-x86/hvm/start_info.h). */
#include "boot.h"
#include "lib.h"
#include "mm.h"

#define START_MAGIC 0x336ec578
#define MEMORY_RAM 1

struct hvm_start_info {
    u32 magic, version, flags, module_count;
    u64 modules, command_line, rsdp, memory_map; /* memory_map onwards: version 1 */
    u32 memory_map_count, reserved;
};
struct hvm_module { u64 address, size, command_line, reserved; };
struct hvm_memory { u64 address, size; u32 type, reserved; };

struct boot_info boot_info;

static void add_ram(u64 start, u64 end) {
    extern const char image_end[];
    /* Below 1 MiB is firmware's; then come the image and, right above it, what the loader left there. */
    start = MAX(start, 0x100000UL);
    start = ALIGN_UP(start, PAGE_SIZE);
    end = ALIGN_DOWN(end, PAGE_SIZE);
    u64 image_from = 0x200000, image_to = virt_to_phys(image_end);
    if (start < image_to && end > image_from) {
        if (start < image_from) add_ram(start, image_from);
        start = image_to;
    }
    if (start >= end || boot_info.ram_count == MEMORY_REGIONS) return;
    boot_info.ram[boot_info.ram_count++] = (struct memory_region){ start, end };
}

/* Take [from, to) out of the region that holds it: pages the loader's data lie in. */
static void reserve(u64 from, u64 to) {
    from = ALIGN_DOWN(from, PAGE_SIZE);
    to = ALIGN_UP(to, PAGE_SIZE);
    for (int i = 0; i < boot_info.ram_count; i++) {
        struct memory_region *r = &boot_info.ram[i];
        if (to <= r->start || from >= r->end) continue;
        u64 end = r->end;
        r->end = MAX(r->start, from);
        if (to < end && boot_info.ram_count < MEMORY_REGIONS) {
            for (int j = boot_info.ram_count++; j > i + 1; j--) boot_info.ram[j] = boot_info.ram[j - 1];
            boot_info.ram[i + 1] = (struct memory_region){ to, end };
        }
    }
}

void boot_info_read(u64 start_info) {
    struct hvm_start_info *info = phys_to_virt(start_info);
    if (info->magic != START_MAGIC)
        panic("not started by a PVH loader: start info at %lx has magic %x, not %x", start_info, info->magic, START_MAGIC);
    boot_info.command_line = info->command_line ? phys_to_virt(info->command_line) : "";
    if (info->version < 1 || !info->memory_map_count) panic("the loader gave no memory map (PVH version %u)", info->version);
    struct hvm_memory *map = phys_to_virt(info->memory_map);
    for (u32 i = 0; i < info->memory_map_count; i++)
        if (map[i].type == MEMORY_RAM) add_ram(map[i].address, map[i].address + map[i].size);
    if (!boot_info.ram_count) panic("the memory map has no usable RAM above 1 MiB");
    if (info->module_count) {
        struct hvm_module *module = phys_to_virt(info->modules);
        boot_info.module = module->address;
        boot_info.module_size = module->size;
        reserve(module->address, module->address + module->size);
    }
}
