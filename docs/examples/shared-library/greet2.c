/* libgreet, second version: greeting() is gone, and greeting_for() is not in the first. */
#include <stdio.h>
const char *greeting_for(const char *name) {
    static char text[80];
    snprintf(text, sizeof(text), "good day, %s", name);
    return text;
}
