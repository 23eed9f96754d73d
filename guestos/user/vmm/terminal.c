/* Standard input as a terminal that passes every key on, and back again. */
#include "vmm.h"
#include <termios.h>

static struct termios before;
static bool changed;

bool terminal_raw(void) {
    struct termios raw;
    if (tcgetattr(0, &before)) return false;
    raw = before;
    cfmakeraw(&raw);
    changed = !tcsetattr(0, TCSADRAIN, &raw);
    return true;
}

void terminal_restore(void) {
    if (changed) tcsetattr(0, TCSADRAIN, &before);
    changed = false;
}
