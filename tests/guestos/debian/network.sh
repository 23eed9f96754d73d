#!/bin/sh
# ip(8), and busybox' ip, ifconfig and brctl, in a network namespace of their own; hardware addresses are random.
[ "$1" ] || exec busybox unshare -n "$0" inside
[ -d /sys/class ] || busybox mount -t sysfs sysfs /sys     # brctl goes there first
plain() { sed -E 's/([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}/MAC/g; s/valid_lft.*/lft/'; }
show() { echo "+ $*"; "$@" 2>&1 | plain; }
try() { echo "+ $*"; "$@" > /dev/null 2>&1; echo "status $?"; }
settle() { sleep 1.2; }                 # what follows from other devices takes Linux a while

show ip -4 addr
show ip link set lo up
show ip -4 addr
try ip link add veth0 type veth peer name eth0
try ip link add veth0 type veth peer name eth1
try ip link add br0 type bridge
try ip link add d0 type nonsense
show ip link
try ip addr add 10.0.0.1/24 dev veth0
try ip addr add 10.0.0.1/24 dev veth0
try ip addr add 10.0.0.7/24 dev veth0
show ip -4 addr show dev veth0
show ip route
try ip link set veth0 up
settle
show ip link
show ip route
try ip link set eth0 master br0
try ip link set eth0 up
try ip link set br0 up
try ip addr add 10.1.0.1/16 brd + dev br0
settle
show ip link
show ip -4 addr
try ip route add default via 10.0.0.9
try ip route add default via 10.0.0.9
try ip route add 192.168.0.0/16 via 10.9.0.9
try ip route add 192.168.0.0/16 via 10.1.0.9 metric 5
try ip route add 192.168.0.0/16 via 10.1.0.8 metric 3
try ip route add 192.168.7.0/24 dev br0
try ip route add 192.168.8.1/24 dev br0
try ip route add 192.168.8.0/24 dev nope
show ip route
show busybox ip route
try ip route replace default via 10.0.0.10
try ip route del 192.168.0.0/16 via 10.1.0.8
try ip route del 192.168.0.0/16 via 10.1.0.8
show ip route
show cat /proc/net/route
try ip addr del 10.0.0.1/24 dev veth0
show ip -4 addr show dev veth0
show ip route
try ip addr add 10.0.0.2/24 dev veth0
try ip link set veth0 down
settle
show ip route
show ip link
try ip link set veth0 name lan0 mtu 1400 address 02:00:00:00:00:07
show ip -o link
show ip link show master br0
show ip link show type veth
try ip link del br0
show ip link

busybox unshare -n sh -c 'busybox sleep 9' & inside=$!
settle
ip link add v1 type veth peer name eth0 netns $inside; echo "status $?"
ip link add v2 type veth peer name e2; ip link set e2 netns $inside; echo "status $?"
show ip link
kill $inside
wait $inside 2> /dev/null
settle
show ip link
try ip link del lan0
try ip link del lo
try ip link del nope
try ip link set nope up

show ip netns add blue
ip link add v3 type veth peer name eth0 netns blue
show ip -n blue link
show ip netns exec blue ip link set lo up
show ip netns exec blue ip -4 addr
try ip netns exec green ip addr
try ip link add v4 type veth peer name eth4 netns green
show ip link
ip netns del blue
settle
show ip link

try busybox brctl addbr br9
try busybox brctl addbr br9
try busybox ip link add x0 type veth
try busybox brctl addif br9 veth0
try busybox brctl addif br9 veth0
try busybox brctl addif br9 lo
show ip link show master br9
try busybox ifconfig br9 172.16.5.1 netmask 255.255.255.0 up
show ip -4 addr show dev br9
try busybox brctl delbr br9
show busybox ifconfig br9
try busybox ifconfig br9 0.0.0.0 down
try busybox brctl delbr br9
show ip -o -4 addr
show ip link

# Two namespaces on one bridge, and this one.
ready='until ip link set eth0 up 2> /dev/null; do sleep 0.1; done; ip link set lo up'
box() { busybox unshare -n sh -c "$ready; $1" & }
plug() { ip link add "$1" type veth peer name eth0 netns "$2"; ip link set "$1" master br0 up; }
ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up; ip link set lo up
mkdir /tmp/w; echo page > /tmp/w/index.html
box 'ip addr add 10.0.0.2/24 dev eth0; exec busybox httpd -f -h /tmp/w'; server=$!
box 'ip addr add 10.0.0.3/24 dev eth0; sleep 2; busybox wget -q -O - http://10.0.0.2/; busybox nc 10.0.0.1 99; busybox nc 10.9.0.1 99; ip route'; client=$!
settle
plug va $server; plug vb $client
wait $client
busybox wget -q -O - http://10.0.0.2/
ip link set br0 down; busybox nc 10.0.0.2 80
kill $server; wait $server 2> /dev/null
echo "server ended"
