/* df: room on every mounted file system that has blocks. */
#include "tool.h"
#include <mntent.h>
#include <sys/statvfs.h>

int main(void) {
    FILE *f = setmntent("/proc/mounts", "r");
    if (!f) return fail("df", "/proc/mounts");
    printf("%-12s %10s %10s %10s %s\n", "SOURCE", "KIB", "USED", "FREE", "MOUNTED ON");
    for (struct mntent *m; (m = getmntent(f));) {
        struct statvfs st;
        if (statvfs(m->mnt_dir, &st)) fail("df", m->mnt_dir);
        else if (st.f_blocks) {
            unsigned long unit = st.f_frsize / 512;
            printf("%-12s %10lu %10lu %10lu %s\n", m->mnt_fsname, st.f_blocks * unit / 2, (st.f_blocks - st.f_bfree) * unit / 2,
                   st.f_bavail * unit / 2, m->mnt_dir);
        }
    }
    return 0;
}
