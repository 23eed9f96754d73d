/* pwd: the working directory. */
#include "tool.h"
#include <limits.h>

int main(void) {
    char where[PATH_MAX];
    if (!getcwd(where, sizeof(where))) return fail("pwd", "getcwd");
    puts(where);
    return 0;
}
