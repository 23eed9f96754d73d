/* poweroff: write everything and switch the machine off. */
#include "tool.h"
#include <sys/reboot.h>

int main(void) {
    sync();
    return reboot(RB_POWER_OFF) ? fail("poweroff", "reboot") : 0;
}
