/* What the two files of sysfuzz share: the table of calls, made from guestos/kernel/syscalls.tbl, and their arguments. */
#pragma once
#include <stdbool.h>

struct call {
    int number;
    const char *name, *type[6];     /* a word each of what the arguments are; NULL past the last */
};
extern const struct call calls[];   /* ends with a NULL name */

unsigned long draw(void);           /* the next random number */
void draw_from(unsigned long seed);
static inline bool chance(int percent) { return draw() % 100 < (unsigned)percent; }

void values_prepare(void);          /* memory that pointers lead to */
long value_of(const char *type);    /* an argument: often plausible, sometimes hostile */
void values_learn(int call, long result);   /* descriptors and processes that came of it are used later */
extern const char *const names[];   /* of files that paths are made of; ends with NULL */
