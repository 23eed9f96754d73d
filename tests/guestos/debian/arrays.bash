#!/bin/bash
# bash's own: arrays, patterns, arithmetic, process substitution, coprocesses
declare -A ages=([ann]=31 [bob]=27 ["c d"]=5); declare -a list=(x{1..5}y {a..c})
for k in "${!ages[@]}"; do echo "$k=${ages[$k]}"; done | sort; echo "${#ages[@]} ${list[@]:2:3} ${list[-1]} ${list[@]/#x/<}"
list+=(new); unset 'list[0]'; echo "${!list[*]}"; mapfile -t words < <(printf '%s\n' b a c); printf '%q ' "${words[@]}" 'sp ace' $'tab\t'; echo
[[ "2024-05-06" =~ ^([0-9]{4})-([0-9]+) ]] && echo "${BASH_REMATCH[2]} of ${BASH_REMATCH[1]}"; s=HelloWorld; echo "${s,,} ${s^^} ${s:3:4} ${s//o/0} ${s/%d/D}"
shopt -s extglob nullglob
echo /bin/@(bash|sed) /none*; f=a.b.c; echo "${f%%.*(?)}"; echo $((2 ** 40 % 1000003)) $((0x1f | 8#17)) $(( (5 > 3) ? 1 : 0 ))
diff <(seq 1 5) <(seq 2 6); tr a-z A-Z <<< "here $((1 + 1))"; printf -v v '%03d-%s' 7 x; echo "$v"; printf '%(%Y-%m-%d)T\n' 86400
coproc CAT { while read -r l; do echo "<$l>"; done; }; echo ping >&"${CAT[1]}"; read -r reply <&"${CAT[0]}"; echo "$reply"; eval "exec ${CAT[1]}>&-"; wait "$CAT_PID"; echo "coproc $?"
fib() { local n=$1; if ((n < 2)); then echo "$n"; else echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); fi; }; fib 9
select x in one two; do echo "chose $x"; break; done <<< 2
set -o pipefail; false | true; echo "pipefail ${PIPESTATUS[*]} $?"; exec {fd}> /tmp/fd; echo "to it" >&$fd; exec {fd}>&-; cat /tmp/fd
trap 'echo "ERR line $LINENO"' ERR; false; trap - ERR; (exit 9); echo $?; declare -i n=5; n+=3; echo $n; declare -r ro=1; (ro=2) 2>&1; readarray -d , parts <<< "p,q,r"; echo "${#parts[@]}"
for ((i = 0; i < 3; i++)); do for j in a b; do [[ $j == b ]] && continue 2; echo "$i$j"; done; done; while read -r -n 1 c; do printf '%s.' "$c"; done <<< xyz; echo
type -t fib cd ls if; hash -r; command ls -d /bin/bash; let 'z = 3 * 4'; echo $z; echo "$BASH_VERSION" | grep -c '^[0-9]'; caller; echo "${BASH_SOURCE[0]} $LINENO"; sum=0; for ((i = 0; i < 5000; i++)); do ((sum += i)); done; echo $sum
