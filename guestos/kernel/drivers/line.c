/* The line discipline: characters into lines, with editing, echo and signals (termios(3)). */
#include "tty.h"
#include "lib.h"

#define DELETE 0x7f
#define CONTROL(c) ((c) & 0x1f)

void tty_defaults(struct tty *tty) {
    static const u8 characters[19] = {
        [VINTR] = CONTROL('C'), [VQUIT] = CONTROL('\\'), [VERASE] = DELETE, [VKILL] = CONTROL('U'), [VEOF] = CONTROL('D'),
        [VTIME] = 0, [VMIN] = 1, [VSTART] = CONTROL('Q'), [VSTOP] = CONTROL('S'), [VSUSP] = CONTROL('Z'),
        [VREPRINT] = CONTROL('R'), [VDISCARD] = CONTROL('O'), [VWERASE] = CONTROL('W'), [VLNEXT] = CONTROL('V'),
    };
    tty->termios = (struct termios){
        .iflag = ICRNL | IXON, .oflag = OPOST | ONLCR, .cflag = 0002 | 0060 | 0200 | 0010000,   /* 115200, CS8, CREAD */
        .lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    };
    memcpy(tty->termios.cc, characters, sizeof(characters));
}

void tty_output(struct tty *tty, const char *text, size_t n) {
    u32 oflag = tty->termios.oflag;
    char out[64];
    size_t used = 0;
    for (; n; n--, text++) {
        char c = *text;
        if (used + 2 > sizeof(out)) {
            tty->driver->write(tty, out, used);
            used = 0;
        }
        if (oflag & OPOST && c == '\r' && oflag & OCRNL) c = '\n';
        if (oflag & OPOST && c == '\n' && oflag & ONLCR) out[used++] = '\r';
        out[used++] = c;
        if (c == '\n' || c == '\r') tty->column = 0;
        else if (c == '\t') tty->column = (tty->column | 7) + 1;
        else if (c == '\b') tty->column -= tty->column > 0;
        else if ((u8)c >= ' ' && ((u8)c & 0xc0) != 0x80) tty->column++;     /* UTF-8: count first bytes */
    }
    if (used) tty->driver->write(tty, out, used);
}

void tty_flush(struct tty *tty, bool input, bool output) {
    if (input) tty->tail = tty->committed = tty->head;
    if (output && tty->driver->flush) tty->driver->flush(tty);
}

void tty_stop(struct tty *tty, bool stop) {
    tty->stopped = stop;
    if (!stop) wake_up(&tty->started);
}

/* ---- echo ---- */

static void echo(struct tty *tty, u8 c) {
    if (!(tty->termios.lflag & ECHO) && !(c == '\n' && tty->termios.lflag & ECHONL)) return;
    bool caret = tty->termios.lflag & ECHOCTL && (c < ' ' || c == DELETE) && c != '\n' && c != '\t';
    if (caret) tty_output(tty, (char[]){ '^', c ^ 0x40 }, 2);
    else tty_output(tty, (char *)&c, 1);
}

/* Columns of an echoed character; 0 for the continuation bytes of UTF-8. */
static int width(struct tty *tty, u8 c) {
    if ((c & 0xc0) == 0x80) return 0;
    if (c < ' ' || c == DELETE) return tty->termios.lflag & ECHOCTL ? 2 : 0;
    return 1;
}

/* Takes the last character of the edited line away; false at its beginning. */
static bool erase_one(struct tty *tty) {
    if (tty->head == tty->committed) return false;
    u8 c;
    do c = tty->input[--tty->head % INPUT_SIZE];
    while ((c & 0xc0) == 0x80 && tty->head != tty->committed);
    if (!(tty->termios.lflag & ECHO)) return true;
    if (!(tty->termios.lflag & ECHOE)) echo(tty, tty->termios.cc[VERASE]);
    else if (c == '\t') {
        /* How wide it was depends on what is before it: measure the line as echoed up to here. */
        u32 columns = 0;
        for (u32 i = tty->committed; i != tty->head; i++) {
            u8 before = tty->input[i % INPUT_SIZE];
            columns = before == '\t' ? (columns | 7) + 1 : columns + width(tty, before);
        }
        for (u32 n = 8 - columns % 8; n && tty->column; n--) tty_output(tty, "\b", 1);
    } else
        for (int n = width(tty, c); n > 0; n--) tty_output(tty, "\b \b", 3);
    return true;
}

static bool is_blank(struct tty *tty) {
    u16 c = tty->input[(tty->head - 1) % INPUT_SIZE];
    return c == ' ' || c == '\t';
}

static void erase_word(struct tty *tty) {
    while (tty->head != tty->committed && is_blank(tty)) erase_one(tty);
    while (tty->head != tty->committed && !is_blank(tty)) erase_one(tty);
}

static void erase_line(struct tty *tty) {
    if (tty->termios.lflag & ECHOKE && tty->termios.lflag & ECHOE) {
        while (erase_one(tty)) ;
        return;
    }
    tty->head = tty->committed;
    echo(tty, tty->termios.cc[VKILL]);
    if (tty->termios.lflag & ECHOK) echo(tty, '\n');
}

static void reprint(struct tty *tty) {
    echo(tty, tty->termios.cc[VREPRINT]);
    echo(tty, '\n');
    for (u32 i = tty->committed; i != tty->head; i++) echo(tty, tty->input[i % INPUT_SIZE]);
}

/* ---- input ---- */

static bool put(struct tty *tty, u16 c, u32 room) {
    if (tty->head - tty->tail >= room) {
        tty->driver->write(tty, "\a", 1);        /* full: the typist hears it */
        return false;
    }
    tty->input[tty->head++ % INPUT_SIZE] = c;
    return true;
}

bool tty_can_take(struct tty *tty) {
    return tty->head - tty->tail < LINE_MAX || (tty->termios.lflag & ICANON && tty->committed == tty->tail);
}

/* Whether a special character is c; 0 switches one off. */
static bool is(struct tty *tty, int which, u8 c) { return c && tty->termios.cc[which] == c; }

static int signal_of(struct tty *tty, u8 c) {
    if (is(tty, VINTR, c)) return SIGINT;
    if (is(tty, VQUIT, c)) return SIGQUIT;
    return is(tty, VSUSP, c) ? SIGTSTP : 0;
}

/* True if c edited the line or ended it, and is done with. */
static bool canonical(struct tty *tty, u8 c) {
    bool extended = tty->termios.lflag & IEXTEN;
    if (is(tty, VERASE, c) || (c == '\b' && tty->termios.cc[VERASE] == DELETE)) erase_one(tty);
    else if (is(tty, VKILL, c)) erase_line(tty);
    else if (extended && is(tty, VWERASE, c)) erase_word(tty);
    else if (extended && is(tty, VREPRINT, c)) reprint(tty);
    else if (c == '\n' || is(tty, VEOF, c) || is(tty, VEOL, c) || (extended && is(tty, VEOL2, c))) {
        bool eof = is(tty, VEOF, c);
        if (!eof) echo(tty, c);
        if (put(tty, eof ? END_OF_FILE : c | LINE_END, INPUT_SIZE)) tty->committed = tty->head;
    } else return false;
    return true;
}

static void receive(struct tty *tty, u8 c) {
    u32 iflag = tty->termios.iflag, lflag = tty->termios.lflag;
    if (iflag & ISTRIP) c &= 0x7f;
    if (!tty->literal) {
        int signo = lflag & ISIG ? signal_of(tty, c) : 0;
        if (iflag & IXON && (is(tty, VSTOP, c) || is(tty, VSTART, c))) return tty_stop(tty, is(tty, VSTOP, c));
        if (tty->stopped && iflag & IXANY) tty_stop(tty, false);
        if (signo) {
            if (!(lflag & NOFLSH)) tty_flush(tty, true, true);
            tty_stop(tty, false);
            echo(tty, c);
            if (tty->foreground) send_signal_group(tty->foreground, signo);
            return;
        }
        if (c == '\r') {
            if (iflag & IGNCR) return;
            if (iflag & ICRNL) c = '\n';
        } else if (c == '\n' && iflag & INLCR) c = '\r';
        if (lflag & ICANON && lflag & IEXTEN && is(tty, VLNEXT, c)) {
            tty->literal = true;
            if (lflag & ECHO) tty_output(tty, "^\b", 2);
            return;
        }
        if (lflag & ICANON && canonical(tty, c)) return;
    }
    tty->literal = false;
    if (!put(tty, c, lflag & ICANON ? LINE_MAX : INPUT_SIZE)) return;
    echo(tty, c);
    if (!(lflag & ICANON)) tty->committed = tty->head;
}

void tty_input(struct tty *tty, u8 byte) {
    u64 flags = spin_lock(&tty->lock);
    receive(tty, byte);
    spin_unlock(&tty->lock, flags);
    wake_up(&tty->readable);
}
