/* cat [FILE...]: files, one after the other. */
#include "tool.h"

static int one(int fd, const char *name) { return copy_all(fd, 1) ? fail("cat", name) : 0; }

int main(int argc, char **argv) { return each_file("cat", argc - 1, argv + 1, one); }
