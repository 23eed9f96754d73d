/* ps: all processes, from /proc. */
#include "tool.h"
#include <ctype.h>
#include <dirent.h>

static void show(const char *pid) {
    char path[64], line[512] = "", command[256] = "", name[64] = "?", state = '?';
    int parent = 0, group = 0;
    unsigned long size = 0;
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return;                 /* it ended meanwhile */
    size_t n = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[n] = 0;
    char *close = strrchr(line, ')'), *open = strchr(line, '(');
    if (!open || !close) return;
    snprintf(name, sizeof(name), "%.*s", (int)(close - open - 1), open + 1);
    sscanf(close + 1, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*u %lu", &state, &parent, &group, &size);
    snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    f = fopen(path, "r");
    n = f ? fread(command, 1, sizeof(command) - 1, f) : 0;
    if (f) fclose(f);
    for (size_t i = 0; i + 1 < n; i++) if (!command[i]) command[i] = ' ';
    if (n) printf("%5s %5d %5d %c %6lu %s\n", pid, parent, group, state, size >> 10, command);
    else printf("%5s %5d %5d %c %6lu [%s]\n", pid, parent, group, state, size >> 10, name);
}

static int by_number(const struct dirent **a, const struct dirent **b) { return atoi((*a)->d_name) - atoi((*b)->d_name); }
static int is_pid(const struct dirent *entry) { return isdigit((unsigned char)entry->d_name[0]); }

int main(void) {
    struct dirent **entries;
    int n = scandir("/proc", &entries, is_pid, by_number);
    if (n < 0) return fail("ps", "/proc");
    puts("  PID  PPID  PGID S    KIB COMMAND");
    for (int i = 0; i < n; i++) show(entries[i]->d_name);
    return 0;
}
