/* Boot, from the first C function to the first program: the kernel's table of contents. */
#include "arch.h"
#include "boot.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "net.h"
#include "ns.h"
#include "vfs.h"

#define INIT_WORDS 16

/* Pid 1 begins as a kernel thread, because mounting the root reads the disk and so sleeps. */
static void start_init(void *unused) {
    crash_as_asked();
    const char *root = cmdline_get("root");
    vfs_init(root ? root : "/dev/vda");
    struct task *t = current;
    init_pid_ns.init = t->process;
    t->files = files_new();
    t->fs = fs_new();
    t->net = net_namespace_new(&init_user_ns);
    if (t->net) t->net->ns.ino = 4026531833;    /* as Linux numbers the first */
    if (!t->files || !t->fs || !t->net) panic("no memory for init's files");
    netdev_set_up(net_loopback(t->net), true);
    struct file *console = vfs_open(AT_FDCWD, "/dev/console", O_RDWR, 0);
    if (IS_ERR(console)) panic("/dev/console can't be opened (error %ld)", -PTR_ERR(console));
    for (int fd = 0; fd < 3; fd++) fd_install(file_get(console), fd, false);
    file_put(console);

    const char *init = cmdline_get("init");
    const char *argv[INIT_WORDS + 2] = { init ? init : "/init" };
    static const char *const envp[] = { "HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    cmdline_init_arguments(argv + 1, INIT_WORDS);
    kprintf("init: %s\n", argv[0]);
    int error = kernel_exec(argv[0], argv, envp);
    if (error) panic("init %s can't be run (error %d); give init=PATH on the command line", argv[0], -error);
}

noreturn void kernel_main(u64 start_info) {
    descriptors_init();                     /* from here on a fault is a readable panic */
    boot_info_read(start_info);
    cmdline_init(boot_info.command_line);
    personality_init();                     /* while the table of system calls can still be written */
    kernelmap_init();                       /* loader's memory below 1 MiB stays in the direct map */
    frames_init();
    sched_init();                           /* this flow becomes the idle task */
    apic_init();
    clock_init();
    struct memory_stats m;
    memory_stats(&m);
    kprintf("memory: %lu MiB; command line: %s\n", m.total_pages >> 8, boot_info.command_line);
    wake_task(kthread_create(start_init, NULL, "init"));
    idle_loop();
}
