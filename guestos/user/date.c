/* date: the time, in UTC. */
#include "tool.h"
#include <time.h>

int main(void) {
    char text[64];
    time_t now = time(NULL);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
    puts(text);
    return 0;
}
