/* tty: the name of the terminal on standard input. Status 1: it is none. */
#include "tool.h"

int main(void) {
    char *name = ttyname(0);
    puts(name ? name : "not a tty");
    return !name;
}
