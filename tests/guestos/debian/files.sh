#!/bin/sh
# coreutils on files: copies, links, modes, times, pipes with names
cd /root; mkdir -p work/deep/er; cd work; umask 022
echo text > file; cp file copy; ln file hard; ln -s file soft; ln -s nowhere dangling; mkfifo fifo
chmod 4751 copy; touch -d '2020-02-02 02:02:02 UTC' file; touch -h -d @1000000000 soft; truncate -s 1M sparse
stat -c '%n %F %a %h' *; stat -c %s file sparse soft; stat -c '%Y' file; stat -Lc '%F' soft; readlink -f soft; readlink dangling; realpath deep/../file
cp -a . ../second; cd ..; diff -r work second 2>/dev/null; stat -c '%n %a %h' second/*; stat -c %Y second/file second/hard second/soft
mv second/deep third; ls third; rmdir third/er third; rm -r second; ls; test -e second || echo gone
cd work; cat fifo & echo through > fifo; wait
cat file nothing; ls nothing; rmdir deep; cp deep other; mv file deep; ls -R deep; ln -s loop loop; cat loop; cd dangling
dd if=/dev/zero of=zeros bs=1000 count=3 conv=notrunc 2>/dev/null; dd if=zeros bs=100 skip=29 2>/dev/null | wc -c; head -c 5000 /dev/zero >> zeros; stat -c %s zeros
install -m 640 -D zeros new/place/zeros; stat -c %a new/place/zeros new/place; d=$(mktemp -d); stat -c %a "$d"; rmdir "$d"
date -u -d '2024-02-29 12:00 + 1 year' '+%F %T %j %a'; basename /a/b.c .c; dirname /a/b.c; id -u; whoami; uname -n; pwd; nproc > /dev/null && echo nproc
: > "$(printf 'odd \n name')"; ls -b | head -n 30; rm -f odd*; du -ab new | grep zeros
cd /root; chmod 0 work/hard; cat work/hard; rm -rf work; ls -A
