/* sync: everything written is on the disk when it ends. */
#include <unistd.h>
int main(void) {
    sync();
    return 0;
}
