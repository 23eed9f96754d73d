"""Sessions at the console: each key shows, on the guest, the screen that the same program shows under Linux."""

from __future__ import annotations

import re

from tests.guestos.screens import DOWN, END, ENTER, ESCAPE, HOME, LEFT, RIGHT, TAB, UP, Session

BASH = "env PS1='\\w\\$ ' PATH=/bin HISTFILE=/root/history bash --norc --noprofile"


def control(letter: str) -> str:
    return chr(ord(letter) & 0x1F)


def test_bash_line_editing():
    with Session(BASH) as session:
        session.type("echo helo world", LEFT * 7, "l", HOME, RIGHT * 5, "'", END, "'", shows="echo 'hello world'")
        session.type(ENTER, shows="\nhello world\n")
        session.type("echo one two three", control("W"), "four", control("A"), "X", control("D"), control("H"), control("E"), control("U"))
        session.type(control("Y"), " ", ESCAPE, "b", ESCAPE, "u", control("K"), control("Y"), control("Y"), ENTER)
        session.type("x" * 100, LEFT * 50, "y" * 20, HOME, control("K"), "echo ", control("Y"), ENTER)       # over the end of a line
        session.type(control("L"), shows="/#")
        session.type("ec", TAB, " /etc/host", TAB, ENTER, shows="/etc/hostname\n")
        session.type("ls /usr/", TAB, TAB, shows="lib64")
        session.type(control("C"))
        session.type("echo a", control("V"), control("G"), "b \\", ENTER, "more", ENTER)
        session.type("for i in 1 2; do", ENTER, "echo $i", ENTER, "done", ENTER, shows="> echo $i\n> done\n1\n2\n")


def test_bash_history():
    with Session(BASH) as session:
        session.type("echo first", ENTER, "echo second", ENTER, "cd /tmp", ENTER, shows="/tmp#")
        session.type(UP, UP, " again", shows="echo second again")
        session.type(ENTER, UP * 4, DOWN, ENTER)
        session.type(control("R"), "fir", shows="(reverse-i-search)`fir': echo first")
        session.type(control("R"), ENTER, "!ec:0 !!:$", ENTER)
        session.type("^echo^printf %s^", ENTER, "fc -l", ENTER, "history 3", ENTER, "echo !$", ENTER)
        session.type(control("R"), "sec", control("G"), "exec " + BASH, ENTER, UP, UP, ENTER)


def without_pids(lines: list[str]) -> list[str]:
    return [re.sub(r"^(\[\d\]) \d+$", r"\1 N", line) for line in lines]


def test_bash_jobs():
    with Session(BASH, without_pids) as session:
        session.type("sleep 1000", ENTER)
        session.type(control("Z"), shows="Stopped")
        session.type("jobs; bg; jobs", ENTER, shows="Running")
        session.type("fg", ENTER)
        session.type(control("C"), "echo $?", ENTER, shows="130")
        session.type("cat", ENTER)
        session.type("line", ENTER, control("D"))
        session.type("cat | tac", ENTER)
        session.type("a", ENTER, "b", control("D"), control("D"))
        session.type("trap 'echo caught' INT; sleep 1000", ENTER)
        session.type(control("C"), shows="caught")
        session.type("sleep 1000 | cat &", ENTER, "kill -STOP %1; sleep 0.1; jobs", ENTER)
        session.type("read -s -p 'secret: ' x; stty -a | grep -c isig; echo $x", ENTER)
        session.type("word", ENTER, shows="\nword\n")
        session.type("exit", ENTER, shows="There are stopped jobs")


def test_vim():
    with Session("vim.tiny -u NONE /tmp/file") as session:
        session.type("iThe quick brown fox", ENTER, "jumps over", ENTER, "the lazy dog", ESCAPE, shows="lazy dog")
        session.type("ggwcwslow", ESCAPE, "jddp", "yyP", "$xxA!", ESCAPE)
        session.type(":%s/o/0/g", ENTER, "u", "G", ":set number", ENTER)
        session.type("ggO", "word " * 40, ESCAPE, shows="word word")
        session.type("yy200p", control("F"), control("F"), control("B"), control("D"), "zz")
        session.type("/lazy", ENTER, "n", "N", ":1,5d", ENTER, "2dd", ".", "u")
        session.type("100Gdgg", ":w", ENTER, shows="written")
        session.type(":!wc /tmp/file", ENTER)
        session.type(ENTER, ":r !echo from the shell", ENTER, "0", "i", UP, DOWN, LEFT, RIGHT, HOME, END, "end", ESCAPE)
        session.type(":q", ENTER, shows="E37")
        session.type(":wq", ENTER)


def test_busybox_vi():
    with Session("busybox vi /tmp/file") as session:
        session.type("ione two three", ENTER, "four", ESCAPE, "kwdw", "p", "u")
        session.type("yyPjcwlast", ESCAPE, "A end", ESCAPE, "0x", "~")
        session.type("yy50p", "G", control("B"), control("F"), "H", "J", "/four", ENTER)
        session.type(":%s/t/T/g", ENTER, ":w", ENTER)
        session.type(":3", ENTER, "dG", ":q", ENTER)
        session.type(":q!", ENTER)


def test_less():
    with Session("sh -c 'seq -f \"line %g of the text, which goes on and on until it is longer than the screen is wide, and is folded\" 500 | less'") as session:
        session.type(" ", shows="line 23 of")
        session.type("f", "j", "j", DOWN, "d", "b", UP, "k")
        session.type("/9[05] of", ENTER, shows="line 90 of")
        session.type("n", "n", "?4[12] ", ENTER, "N")
        session.type("-S", shows="Chop long lines")
        session.type(ENTER, RIGHT, LEFT, "-N", shows="line numbers")
        session.type(ENTER, "G", shows="500")
        session.type("&1[0-9]5 ", ENTER, "g", "50%", "=", ENTER)
        session.type("m", "a", "G", "'", "a", "!echo from the shell", ENTER)
        session.type(ENTER, "h", "q", "q")


def test_sqlite():
    with Session("sqlite3 -interactive /tmp/db") as session:
        session.type("create table t (n integer, name text);", ENTER, "insert into t values (1, 'one'), (2, 'two'),", ENTER, "(3, NULL);", ENTER, shows="...> ")
        session.type("select * from t;", ENTER, ".mode box", ENTER, UP, UP, ENTER, shows="│ 3 │")
        session.type("select nothing from t;", ENTER, shows="Parse error")
        session.type(".schema", ENTER, "select n,", ENTER, "  name fro", LEFT * 4, control("K"), " from t where n > 1", ENTER, ";", ENTER)
        session.type(control("R"), "nothing", HOME, control("K"), "explain query plan select * from t order by n;", ENTER, ".tables", ENTER, ".nonsense", ENTER)
        session.begin("with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c;", ENTER)
        session.type(control("C"), shows="interrupted")
        session.type(".quit", ENTER)


def masked_top(lines: list[str]) -> list[str]:
    """top's screen without numbers, and of the processes those that the session starts."""
    head = [re.sub(r"[\d.]+", "N", re.sub(r"^top.*", "top", line)).replace(" ", "") for line in lines[:7]]
    rows = [line.split() for line in lines[7:]]
    return head + sorted(" ".join([row[1], row[2], row[3], row[11]]) for row in rows if len(row) >= 12 and row[11] in ("sleep", "top"))


def test_top():
    with Session("sh -c 'sleep 1000 & exec top -d 100'", masked_top) as session:
        session.type("M", shows="sleep")
        session.type("c", shows="sleep 1000")
        session.type("u", shows="Which user")
        session.type("root", ENTER, shows="top -d 100")
        session.type("E", shows="GiB Mem")
        session.mask = None
        session.type("h", shows="Help for Interactive Commands")
        session.mask = masked_top
        session.type(" ", "t", "m")
        session.type("q")


def test_python():
    with Session("python3 -E") as session:
        session.type("x = [i * i for i in range(5)]", ENTER, "x", ENTER, shows="[0, 1, 4, 9, 16]")
        session.type("def f(n):", ENTER, "    return n + y", ENTER, ENTER, "f(1)", ENTER, shows="NameError")
        session.type(UP, HOME, "y = 2; ", ENTER, shows="\n3\n")
        session.begin("while True: pass", ENTER, ENTER)
        session.type(control("C"), shows="KeyboardInterrupt")
        session.type("import str", TAB, ENTER, "print('\\u20ac')", ENTER, control("D"))
