#!/bin/bash
# job control: stopped, continued and ended jobs, and who is told
set -m
sleep 100 & sleep 101 & jobs; kill -STOP %1; sleep 0.05; jobs -s | cut -c1-20; bg %1 > /dev/null; sleep 0.05; jobs -r | wc -l
kill %1; wait %1; echo "status $?"; kill -9 %2; wait %2; echo "status $?"; jobs | wc -l
(sleep 0.4; exit 7) & (sleep 0.05; exit 6) & wait -n; echo "first $?"; wait -n; echo "second $?"
sh -c 'kill -TSTP $$; echo resumed' > /tmp/resumed & sleep 0.1; jobs | cut -c1-18; fg %% > /dev/null; cat /tmp/resumed
{ sleep 0.05; echo late; } | cat & wait; disown -a; trap 'echo child ended' CHLD; /bin/true; trap - CHLD
set +m; (trap '' INT; kill -INT $BASHPID; echo survived); (kill -INT $BASHPID; echo not); echo "status $?"
timeout 0.1 sleep 5; echo "timeout $?"; timeout -s KILL 0.1 sleep 5; echo "timeout $?"; nohup echo up 2> /dev/null; time -p true 2>&1; busybox setsid sh -c 'ps -o sid= -p $$ | tr -d " " | grep -cx $$'
