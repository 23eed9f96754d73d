/* Written for the second. */
#include <stdio.h>
const char *greeting_for(const char *name);
int main(void) { return puts(greeting_for("ring zero")) < 0; }
