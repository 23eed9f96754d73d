#!/bin/sh
# strace: system calls, signals, children, attaching, and calls made to fail
t() { strace -o /tmp/o "$@"; echo "status $?"; sed -E 's/^[0-9]+ +//; s/si_pid=[0-9]+/si_pid=P/; s/\(([0-9]+, )?SIG/(P, SIG/; s/[0-9]+(, SIG)/P\1/; s/ +=/ =/' /tmp/o; }
t -e trace=write,exit_group sh -c 'echo hello; exit 3'
t -e trace=none sh -c 'kill -USR1 $$'
t -e trace=openat -e signal=none -P /nowhere cat /nowhere
t -f -e trace=write,exit_group -e signal=none sh -c 'echo a | cat; /bin/echo b > /dev/null' | sort
t -e trace=write -e inject=write:error=ENOSPC:when=1 /bin/echo x
t -e trace=write -e inject=write:retval=100 /bin/echo x
t -e trace=getcwd -e inject=getcwd:signal=TERM /bin/pwd
sleep 0.4 & strace -qq -e trace=exit_group -o /tmp/o -p $!; wait $!; echo "slept $?"; cat /tmp/o
strace -c -o /tmp/o true; tail -n 1 /tmp/o | sed 's/.* //'
