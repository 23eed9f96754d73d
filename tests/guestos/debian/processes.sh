#!/bin/sh
# what procps says of processes and memory, numbers aside
n() { sed -E 's/[0-9]+/N/g; s/ +/ /g'; }
sleep 50 & p=$!; ps -o pid=,ppid=,pgid=,sid=,stat=,comm=,args= -p $p | tr -d + | n; ps -o nlwp=,ni=,user=,group= -p $p | tr -s ' '
[ $(ps -o ppid= -p $p) = $$ ] && echo child; kill -STOP $p; sleep 0.02; ps -o stat= -p $p | tr -d +; kill -CONT $p; pgrep -x sleep | wc -l; pkill -x sleep; sleep 0.1; wait $p; echo "status $?"; ps -p $p > /dev/null; echo "ps $?"
ps -e -o comm= | grep -cx ps; ps -ef | head -n 1 | tr -s ' '; ps aux | head -n 1 | tr -s ' '; ps -o rss= -p $$ | awk '{ print ($1 > 100 && $1 < 100000) }'
free | head -n 1; free | awk '/^Mem/ { print ($2 > $3 && $2 >= $4 && $7 > 0) }'; uptime | n | sed 's/.*load/load/'; w -h | wc -l
cat /proc/$$/comm; tr '\0' ' ' < /proc/self/cmdline; echo; readlink /proc/self/exe /proc/$$/cwd /proc/self/fd/0; grep -cE '^[0-9a-f]+-[0-9a-f]+ r[-w][-x][ps] ' /proc/self/maps | awk '{ print ($1 > 5) }'
grep -E '^(Name|State|Threads|Uid|Tgid)' /proc/self/status | n; grep -c . /proc/meminfo | awk '{ print ($1 > 4) }'; /sbin/sysctl kernel.ostype kernel.hostname; top -b -n 1 | sed -n '/PID/{p;q}' | tr -s ' '; top -bn1 | head -n 1 | n | cut -c1-8
vmstat | tail -n 2 | n | sed 's/^ //'; nice -n 5 sh -c 'ps -o ni= -p $$; nice'
