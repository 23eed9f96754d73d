/* wc [-lwc] [FILE...]: lines, words and bytes. */
#include "tool.h"
#include <ctype.h>

static int lines, words, bytes;

static int one(int fd, const char *name) {
    static char piece[16384];
    long counts[3] = { 0 };
    int in_word = 0;
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        counts[2] += n;
        for (ssize_t i = 0; i < n; i++) {
            counts[0] += piece[i] == '\n';
            if (isspace((unsigned char)piece[i])) in_word = 0;
            else if (!in_word) in_word = 1, counts[1]++;
        }
    }
    if (n < 0) return fail("wc", name);
    const int wanted[3] = { lines, words, bytes };
    const char *between = "";
    for (int i = 0; i < 3; i++)
        if (wanted[i]) printf("%s%ld", between, counts[i]), between = " ";
    printf("%s%s\n", fd ? " " : "", fd ? name : "");
    return 0;
}

int main(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "lwc")) > 0) {
        if (option == '?') return usage("wc [-lwc] [FILE...]");
        *(option == 'l' ? &lines : option == 'w' ? &words : &bytes) = 1;
    }
    if (!lines && !words && !bytes) lines = words = bytes = 1;
    return each_file("wc", argc - optind, argv + optind, one);
}
