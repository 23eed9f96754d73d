#!/bin/sh
# vim, less and busybox without a screen
cd /tmp; seq 1 200 > n
vim.tiny -u NONE -es -c '%s/^1\(.\)$/one-\1/' -c 'g/5$/d' -c '2,4m$' -c 'wq' n; echo "vim $?"; md5sum n; sed -n '8,12p;$p' n
printf 'iinserted\033:w new\n:q!\n' > keys; vim.tiny -u NONE -es -S /dev/null -c 'normal ihello' -c 'w! new' -c 'q!'; cat new
less n | head -n 2; LESSOPEN= less -F n nothing < /dev/null 2>&1 | tail -n 1; echo "$?"
busybox sh -c 'echo $((1+2)); for i in a b; do echo $i; done | busybox tac'; busybox awk 'BEGIN { print length("four") }'; busybox md5sum n; busybox wc n
busybox tar cf t.tar n new keys; busybox tar tf t.tar; mkdir x; busybox tar xf t.tar -C x; cmp n x/n && echo same; busybox gzip -c n > n.gz; busybox gunzip -c n.gz | cmp - n && echo same
busybox find x -type f | sort; busybox vi -c ':1d' -c ':wq' n < /dev/null > /dev/null 2>&1; busybox head -n 1 n; busybox expr 3 + 4; busybox printf '%d\n' 0x1F; busybox dc 2 3 + p; busybox nosuch; echo $?
