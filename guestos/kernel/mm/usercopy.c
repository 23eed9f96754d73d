/* Checked access to a program's memory (user.h). */
#include "arch.h"
#include "errno.h"
#include "user.h"

int user_copy(void *to, const void *from, size_t n);
int user_clear(void *to, size_t n);
ssize_t user_string(char *to, const char *from, size_t n);

int copy_from_user(void *to, const void __user *from, size_t n) {
    if (!user_range_ok(from, n)) return -EFAULT;   /* check: accesstests */
    smap_open();
    int result = user_copy(to, from, n);
    smap_close();
    return result;
}

int copy_to_user(void __user *to, const void *from, size_t n) {
    if (!user_range_ok(to, n)) return -EFAULT;   /* check: accesstests */
    smap_open();
    int result = user_copy(to, from, n);
    smap_close();
    return result;
}

int clear_user(void __user *to, size_t n) {
    if (!user_range_ok(to, n)) return -EFAULT;
    smap_open();
    int result = user_clear(to, n);
    smap_close();
    return result;
}

ssize_t strncpy_from_user(char *to, const char __user *from, size_t size) {
    if ((u64)from >= USER_TOP) return -EFAULT;   /* check: accesstests */
    size_t n = MIN(size, USER_TOP - (u64)from);
    smap_open();
    ssize_t length = user_string(to, from, n);
    smap_close();
    if (length == (ssize_t)n) return n == size ? -ENAMETOOLONG : -EFAULT;
    return length;
}
