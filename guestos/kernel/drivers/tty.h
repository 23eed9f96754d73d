/* A terminal's state, shared by tty.c (programs' side) and line.c (the line discipline). */
#pragma once
#include "device.h"
#include "signal.h"
#include "sync.h"

#define INPUT_SIZE 4096u                /* characters; a power of two */
#define LINE_MAX 4095u                  /* characters of one line while it is edited */

/* Marks on characters in the input ring, beside the 8 bits of the character. */
#define LINE_END 0x100                  /* a canonical read stops after it */
#define END_OF_FILE 0x300               /* ends a line and is no character itself */

struct termios {                        /* the kernel's, as TCGETS gives it: 36 bytes */
    u32 iflag, oflag, cflag, lflag;
    u8 line, cc[19];
};
struct winsize { u16 rows, columns, xpixel, ypixel; };

enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 };

#define ISTRIP 0000040
#define INLCR 0000100
#define IGNCR 0000200
#define ICRNL 0000400
#define IXON 0002000
#define IXANY 0004000
#define OPOST 0000001
#define ONLCR 0000004
#define OCRNL 0000010
#define ISIG 0000001
#define ICANON 0000002
#define ECHO 0000010
#define ECHOE 0000020
#define ECHOK 0000040
#define ECHONL 0000100
#define NOFLSH 0000200
#define TOSTOP 0000400
#define ECHOCTL 0001000
#define ECHOKE 0004000
#define IEXTEN 0100000

struct tty {
    const struct tty_driver *driver;
    struct device device;
    struct termios termios;
    struct winsize size;
    pid_t session, foreground;          /* 0: none */
    bool stopped;                       /* by ^S */
    bool literal;                       /* ^V: the next character means itself */
    u32 column;                         /* of the cursor, for erasing tabs */
    u32 refs, opens;                    /* what keeps it; of that, files on it */
    bool was_opened, hung_up;
    /* Ring positions count up for ever: tail <= committed <= head. What lies between committed and
     * head is the line being edited. Changed in the interrupt: under `lock`. */
    u32 tail, committed, head;
    struct spinlock lock;
    /* The other: output may go on; and all that a pty's master waits for. */
    struct wait_queue readable, started;
    u16 input[INPUT_SIZE];
};

void tty_defaults(struct tty *);
void tty_output(struct tty *, const char *text, size_t n);  /* with output processing */
void tty_stop(struct tty *, bool stop);
void tty_flush(struct tty *, bool input, bool output);  /* with the lock */
bool tty_can_take(struct tty *);        /* one more character, be it to beep */
void tty_init(struct tty *, const char *name, u32 rdev, const struct tty_driver *);
void tty_put(struct tty *);             /* one reference fewer; kfree after the last */
/* Its other end is gone: the session's leader gets SIGHUP, and nothing works any more. */
void tty_hang_up(struct tty *);
long tty_ioctl(struct file *, unsigned command, unsigned long argument);

enum {
    TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCSBRK = 0x5409, TCXONC, TCFLSH, TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP,
    TIOCOUTQ, TIOCGWINSZ = 0x5413, TIOCSWINSZ, FIONREAD = 0x541b, TIOCNOTTY = 0x5422, TIOCGSID = 0x5429, TCSBRKP = 0x5425,
    TIOCGPTPEER = 0x5441, TIOCGPTN = (int)0x80045430, TIOCGPTLCK = (int)0x80045439, TIOCSPTLCK = 0x40045431, TIOCSIG = 0x40045436,
};
