/* sleep SECONDS: fractions allowed. */
#include "tool.h"
#include <time.h>

int main(int argc, char **argv) {
    char *end;
    double seconds = argc == 2 ? strtod(argv[1], &end) : -1;
    if (seconds < 0 || *end) return usage("sleep SECONDS");
    struct timespec left = { seconds, (seconds - (long)seconds) * 1e9 };
    while (nanosleep(&left, &left) && errno == EINTR) ;
    return 0;
}
