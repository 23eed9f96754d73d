#!/bin/sh
# sed, grep, sort and their like over real text, in pipelines
cd /tmp
seq 1 3000 | awk '{ printf "%d %s line %x\n", $1 * 7919 % 3001, ($1 % 3 ? "odd" : "third"), $1 * $1 }' > lines
wc lines; md5sum lines; sha256sum < lines
sort -n lines | head -n 3; sort -k2,2 -k1,1nr lines | sed -n '1p;1000p;$p'
grep -c third lines; grep -E '^1[0-9]{2} ' lines | tail -n 2; grep -vn odd lines | head -n 2; grep -o 'e [0-9a-f]*7$' lines | sort | uniq -c | sort -rn | head -n 2
grep -P '(?<=line )(\w)\1' lines | head -n 2
sed -E 's/([0-9]+) (\w+) line (\w+)/\3:\2:\1/; /third/!d; y/abc/ABC/' lines | cut -d: -f1,3 --output-delimiter=- | head -n 3
sed '/^5/,/^6/{s/line/LINE/;p};d' lines | head -n 2; sed -i.bak 's/odd/ODD/g' lines; cmp lines lines.bak | head -c 20; echo
tr 'a-z' 'A-Z' < lines | tr -s ' ' '\n' | sort | uniq | wc -l
paste -d, lines lines.bak | head -n 1; split -l 1000 lines part.; ls part.*; cat part.* | cmp - lines && echo same
sort lines > a; sort lines.bak > b; comm -12 a b | wc -l; join -j 1 a b | head -n 1; diff a b > d; echo "diff $?"; wc -l < d
od -An -tx1 -N16 lines; tac lines | nl | head -n 1; expand -t 4 lines | shuf --random-source=a -n 2
find / -xdev -name '*.so.6' -type f 2>&1 | sort; find . -name 'part.*' -size +1k -exec basename {} \; | sort | xargs -n 2 echo
yes | head -n 100000 | wc -c; printf '%s\n' one two three | tee copy | xargs -I{} echo '<{}>'; cat copy
awk 'BEGIN { for (i = 0; i < 5; i++) s = s sprintf("%.3f ", exp(i) / 7); print s; while (("echo sub" | getline x) > 0) print "got", x }'
(echo out; echo err >&2) 2>&1 >/dev/null | sed 's/^/piped: /'
base64 lines | tail -c 30; numfmt --to=iec 123456789; factor 600851475143; expr 17 '*' 3; printf '%05.1f|%-6s|%x\n' 3.14159 ab 255
