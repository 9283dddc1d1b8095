#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Targets of every kind of way out, each right without an option: loopback, an own address, an on-link neighbour
# (and one that is not there), a gateway's far side, a tun link; IPv4, IPv6, and all in one scan. Then by hand:
# --vlan against a far end that speaks 802.1Q itself, a --source-ip that the host does not own (ARP and NDP
# answered), MAC addresses given, several adapters; and what --iflist and --debug if say.
# patient: yes
# limit_s: 150
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

# finds NAME TARGETS EXPECTED ARGS…: EXPECTED is the sorted list of "STATE PORT ADDRESS", comma-separated
finds() {
        local name=$1 targets=$2 expected=$3 got
        shift 3
        rm -f list
        # shellcheck disable=SC2086
        scan $targets -p80,81 --rate 500 --wait 1 --show closed,filtered -oL list "$@"
        got=$(grep -v '^#' list 2>/dev/null | awk '{ print $1, $3, $4 }' | sort | paste -sd,)
        if [ $status -eq 0 ] && [ "$got" = "$expected" ]; then
                ok "$name"
        else
                fail "$name" "exit status $status, expected '$expected', got '$got': $(tail -n 2 err)"
        fi
}

# both ADDRESS: what a host with a server on port 80 and nothing on 81 gives
both() {
        echo "closed 81 $1,open 80 $1"
}

sort_list() {
        tr ',' '\n' <<<"$1" | sort | paste -sd,
}

if ! have_servers; then
        skip routes "no nginx: it is neither installed nor unpacked in $BUILD/root (lab/servers does that)"
        exit 0
fi
lab_up --far real --tun
# a listener of the scanner's own host, for loopback and own addresses
ip netns exec "$SCAN" python3 -c 'import socket
s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
open("listening", "w").close()
while True:
    s.accept()[0].close()' &
BACKGROUND+=($!)
for _ in $(seq 100); do [ -e listening ] || sleep 0.05; done

v4=(127.0.0.1 198.51.100.1 198.51.100.10 172.16.5.5 10.99.0.7)
v6=(::1 2001:db8:ffff::1 2001:db8:ffff::10 2001:db8:2::5 2001:db8:99::7)
what=(loopback "an own address" "an on-link neighbour" "a gateway's far side" "a tun link")
all=
for i in 0 1 2 3 4; do
        finds "${what[$i]}, IPv4" "${v4[$i]}" "$(both "${v4[$i]}")"
        finds "${what[$i]}, IPv6" "${v6[$i]}" "$(both "${v6[$i]}")"
        all=$all${all:+,}$(both "${v4[$i]}"),$(both "${v6[$i]}")
done
finds "all of them in one scan" "${v4[*]} ${v6[*]}" "$(sort_list "$all")"
finds "all of them, 2 transmit and 2 receive threads" "${v4[*]} ${v6[*]}" "$(sort_list "$all")" --tx-threads 2 --rx-threads 2
finds "a neighbour that is not there" 198.51.100.99 ""
grep -q 'nobody answered ARP' err
check "a neighbour that is not there is told" $? "$(tail -n 1 err)"
finds "IPv6 neighbour that is not there" 2001:db8:ffff::99 ""
hood=
for i in 10 11 12 13 14 15 16 17 18 19 20; do hood=$hood${hood:+,}$(both 198.51.100.$i); done
finds "a whole on-link network, mostly empty" 198.51.100.8-198.51.100.70 "$(sort_list "$hood")" --wait 4
ip -n "$SCAN" route del default
finds "no default route" 198.51.100.10 "$(both 198.51.100.10)"
rm -f list
scan 172.16.5.5 -p80 --rate 100 --wait 1 -oL list
[ $status -eq 2 ] && grep -q 'no route' err
check "no route at all is an error" $? "exit status $status: $(tail -n 1 err)"
finds "router and everything by hand" 172.16.5.5 "$(both 172.16.5.5)" --adapter scan0 --adapter-ip 198.51.100.1 \
        --adapter-mac 02:00:00:00:00:01 --router-mac 02:00:00:00:00:02
finds "--router-ip only" 172.16.5.5 "$(both 172.16.5.5)" --adapter scan0 --router-ip 198.51.100.2 --source-ip 198.51.100.1
ip -n "$SCAN" route add default via 198.51.100.2
finds "--router-mac only" 172.16.5.5 "$(both 172.16.5.5)" --router-mac 02-00-00-00-00-02
finds "IPv6, --router-mac-ipv6" 2001:db8:2::5 "$(both 2001:db8:2::5)" --router-mac-ipv6 02:00:00:00:00:02

# ---- source addresses
ip -n "$NET" neigh flush dev net0
finds "a source address that the host does not own" "172.16.5.5 198.51.100.10" \
        "$(sort_list "$(both 172.16.5.5),$(both 198.51.100.10)")" --source-ip 198.51.100.77
lladdr=$(ip -n "$NET" neigh show 198.51.100.77 | grep -o 'lladdr [0-9a-f:]*')
same "its ARP was answered with our MAC" "lladdr 02:00:00:00:00:01" "$lladdr"
finds "a range of source addresses" "172.16.5.0-172.16.5.31" \
        "$(sort_list "$(for i in $(seq 0 31); do both 172.16.5.$i; done | paste -sd,)")" --source-ip 198.51.100.80-198.51.100.95
used=$(ip -n "$NET" neigh show dev net0 | grep -cE '^198\.51\.100\.(8[0-9]|9[0-5]) ')
[ "$used" -ge 8 ]
check "all of the range is used" $? "$used of 16 addresses seen by the far end in 64 probes"
finds "IPv6 source that the host does not own" 2001:db8:2::5 "$(both 2001:db8:2::5)" --source-ip 2001:db8:ffff::77
finds "source ports given" 172.16.5.5 "$(both 172.16.5.5)" --source-port 20000-20063
scan 172.16.5.5 -p80 --source-ip 203.0.113.7 --rate 100 --wait 0 -oL list
[ $status -eq 2 ] && grep -q -- '--allow-foreign-source' err
check "a foreign source address needs a word" $? "exit status $status: $(tail -n 1 err)"

# ---- two adapters share a scan
ip -n "$SCAN" link add scan1 address 02:00:00:00:01:01 type veth peer name net1 address 02:00:00:00:01:02 netns "$NET"
ip -n "$SCAN" addr add 203.0.113.1/24 dev scan1
ip -n "$NET" addr add 203.0.113.2/24 dev net1
ip -n "$NET" link set net1 up
ip -n "$SCAN" link set scan1 up
tx_of() {
        ip -n "$SCAN" -s -j link show "$1" | jq '.[0].stats64.tx.packets'
}
before0=$(tx_of scan0) before1=$(tx_of scan1)
finds "two adapters" "172.16.5.0-172.16.5.31" "$(sort_list "$(for i in $(seq 0 31); do both 172.16.5.$i; done | paste -sd,)")" \
        --adapter[0] scan0 --adapter[1] scan1 --router-ip[0] 198.51.100.2 --router-ip[1] 203.0.113.2 \
        --adapter-ip[0] 198.51.100.1 --adapter-ip[1] 203.0.113.1
sent0=$(($(tx_of scan0) - before0)) sent1=$(($(tx_of scan1) - before1))
[ $sent0 -ge 20 ] && [ $sent1 -ge 20 ]
check "both adapters were used" $? "$sent0 and $sent1 frames left by them"

# ---- what it says about itself
in_scan "$TRAWL" --iflist >out 2>&1
missing=
for word in scan0 tun0 lo 198.51.100.1 2001:db8:ffff::1 198.51.100.2 02:00:00:00:00:01; do
        grep -qF "$word" out || missing="$missing $word"
done
[ -z "$missing" ]
check "--iflist shows interfaces, addresses, routes" $? "missing:${missing:- nothing}"
in_scan "$TRAWL" --debug if 198.51.100.10 172.16.5.5 10.99.0.7 127.0.0.1 2001:db8:2::5 >out 2>err
check "--debug if" $? "$(cat err)"
check_line() { # TARGET PATTERN
        grep -A2 -F "$1" out | tr '\n' ' ' | grep -qE "$2"
        check "--debug if $1" $? "$(grep -A2 -F "$1" out | tr '\n' ' ')"
}
check_line 198.51.100.10 'on the link.*scan0.*198.51.100.1'
check_line 172.16.5.5 'gateway 198.51.100.2.*scan0'
check_line 10.99.0.7 'tun0.*192.0.2.1'
check_line 127.0.0.1 'this host.*lo'
check_line 2001:db8:2::5 'gateway 2001:db8:ffff::2.*scan0'

# ---- 802.1Q: the far end speaks nothing else
lab_up --far none
for family in 4 6; do
        case $family in 4) prefix=10.0.0.0/22 router=198.51.100.2 ;; 6) prefix=2001:db8:1::/118 router=2001:db8:ffff::2 ;; esac
        internet up --prefix $prefix --vlan 42 --router $router --open 20 --closed 30 --unreach 5
        truth $prefix 80 >truth
        run_exact "--vlan 42, IPv$family" truth $prefix -p80 --rate 2000 --wait 1 --vlan 42 --adapter scan0
        same "--vlan 42, IPv$family: every probe arrived on the VLAN" 1024 "$(stat_of syn)"
done
finish
