/* hello: greets, in NT's calls. */
#include "ntdll.h"

int main(int argc, char **argv) {
    text(STANDARD_OUTPUT, "hello from NT's system calls");
    for (int i = 1; i < argc; i++) text(STANDARD_OUTPUT, " "), text(STANDARD_OUTPUT, argv[i]);
    text(STANDARD_OUTPUT, "\n");
    return 0;
}
