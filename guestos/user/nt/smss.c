/* smss: the first process, and a shell: `smss -c "COMMAND"` or commands from the console. Its own commands are ver, echo with
 * `> FILE`, and exit; others are programs, found in C:\Windows\System32 unless their name has a backslash. */
#include "ntdll.h"

static int ver(void) {
    text(STANDARD_OUTPUT, "Ringzero, NT calls of version ");
    number(STANDARD_OUTPUT, *(volatile ULONG *)(SHARED_DATA + 0x26c), 10, 0);
    text(STANDARD_OUTPUT, ".");
    number(STANDARD_OUTPUT, *(volatile ULONG *)(SHARED_DATA + 0x270), 10, 0);
    text(STANDARD_OUTPUT, ".");
    number(STANDARD_OUTPUT, *(volatile ULONG *)(SHARED_DATA + 0x260), 10, 0);
    text(STANDARD_OUTPUT, "\n");
    return 0;
}

static int echo(char *words) {
    char *to = words;
    HANDLE file = STANDARD_OUTPUT;
    while (*to && *to != '>') to++;
    if (*to) {
        char *end = to;
        while (end > words && end[-1] == ' ') end--;
        for (to++; *to == ' '; to++) ;
        for (size_t n = length(to); n && to[n - 1] == ' ';) to[--n] = 0;
        NTSTATUS error = open_file(&file, to, GENERIC_WRITE, FILE_OVERWRITE_IF, 0);
        if (error) return fail("echo", to, error);
        *end = 0;
    }
    text(file, words);
    text(file, "\n");
    if (file != STANDARD_OUTPUT) NtClose(file);
    return 0;
}

/* The image that a command's first word names. */
static void image_of(char room[512], const char *command) {
    static char name[400];
    const char *prefix = "C:\\Windows\\System32\\", *suffix = ".exe", *blank = command;
    size_t n = 0, word = 0;
    bool path = false;
    for (; *blank && *blank != ' '; blank++) path |= *blank == '\\';
    if (path) prefix = suffix = "";
    while (*prefix) name[n++] = *prefix++;
    while (command + word < blank && n < 390) name[n++] = command[word++];
    while (*suffix) name[n++] = *suffix++;
    name[n] = 0;
    dos_path(room, name);
}

static bool begins(const char *line, const char *word) {
    while (*word && *line == *word) line++, word++;
    return !*word && (!*line || *line == ' ');
}

static int execute(char *line) {
    char image[512];
    NTSTATUS status = 0;
    while (*line == ' ') line++;
    if (!*line) return 0;
    if (begins(line, "ver")) return ver();
    if (begins(line, "echo")) return echo(line[4] ? line + 5 : line + 4);
    image_of(image, line);
    NTSTATUS error = run(image, line, &status);
    if (error) return fail("smss", image, error), 127;
    return status > 255 ? 255 : status;
}

/* Commands part at `&`; in quotes it is kept. */
static int script(char *line) {
    int status = 0;
    while (line) {
        char *end = line;
        for (bool quoted = false; *end && (quoted || *end != '&'); end++) if (*end == '"') quoted = !quoted;
        char *next = *end ? end + 1 : NULL;
        *end = 0;
        status = execute(line);
        line = next;
    }
    return status;
}

int main(int argc, char **argv) {
    static char line[1024];
    int status = 0;
    if (argc > 2 && same(argv[1], "-c")) return script(argv[2]);
    for (;;) {
        IO_STATUS_BLOCK io;
        text(STANDARD_OUTPUT, "C:\\> ");
        if (NtReadFile(STANDARD_INPUT, 0, NULL, NULL, &io, line, sizeof(line) - 1, NULL, NULL)) return status;
        line[io.Information && line[io.Information - 1] == '\n' ? io.Information - 1 : io.Information] = 0;
        if (begins(line, "exit")) return status;
        status = script(line);
    }
}
