/* $((...)): C's operators but assignment, on 64 bits. */
#include "sh.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *math;
static long binary(int least);
static long operand(void) {
    while (isspace((unsigned char)*math)) math++;
    if (*math == '(') {
        math++;
        long v = binary(0);
        while (isspace((unsigned char)*math)) math++;
        if (*math == ')') math++;
        return v;
    }
    if (*math == '-') return math++, -operand();
    if (*math == '!') return math++, !operand();
    if (isdigit((unsigned char)*math)) return strtol(math, (char **)&math, 0);
    char name[64];
    size_t n = 0;
    while ((isalnum((unsigned char)*math) || *math == '_') && n < sizeof(name) - 1) name[n++] = *math++;
    name[n] = 0;
    if (!n) {
        complain("arithmetic", "expected a number or a name");
        longjmp(wrong, BAD);
    }
    return getenv(name) ? strtol(getenv(name), NULL, 0) : 0;
}
static long binary(int least) {
    static const struct { const char *text; int level; } operators[] = {
        { "||", 1 }, { "&&", 2 }, { "==", 3 }, { "!=", 3 }, { "<=", 4 }, { ">=", 4 }, { "<", 4 }, { ">", 4 },
        { "+", 5 }, { "-", 5 }, { "*", 6 }, { "/", 6 }, { "%", 6 },
    };
    long a = operand();
    for (;;) {
        while (isspace((unsigned char)*math)) math++;
        size_t i = 0;
        while (i < 13 && strncmp(math, operators[i].text, strlen(operators[i].text))) i++;
        if (i == 13 || operators[i].level <= least) return a;
        math += strlen(operators[i].text);
        long b = binary(operators[i].level);
        if ((i == 11 || i == 12) && !b) {
            complain("arithmetic", "division by zero");
            longjmp(wrong, BAD);
        }
        switch (i) {
        case 0: a = a || b; break;
        case 1: a = a && b; break;
        case 2: a = a == b; break;
        case 3: a = a != b; break;
        case 4: a = a <= b; break;
        case 5: a = a >= b; break;
        case 6: a = a < b; break;
        case 7: a = a > b; break;
        case 8: a += b; break;
        case 9: a -= b; break;
        case 10: a *= b; break;
        case 11: a /= b; break;
        case 12: a %= b; break;
        }
    }
}

long arithmetic(const char *text) {
    math = text;
    long v = binary(0);
    while (isspace((unsigned char)*math)) math++;
    if (*math) {
        complain("arithmetic: unexpected", math);
        longjmp(wrong, BAD);
    }
    return v;
}
