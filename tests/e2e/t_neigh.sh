#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Next hops that change while a scan runs: a gateway that gets another MAC and says so (gratuitous ARP, unsolicited
# neighbour advertisement), one that does not say so, one that answers no questions any more; what the kernel holds
# to be stale; and where frames go when the kernel only assumes a way: --router-ip over near and far targets, and
# the broadcast address of an own network.
# limit_s: 150
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

lab_up --far none
gateway_mac() {
        ip -n "$NET" link set net0 address "$1"
}

# changes NAME TARGETS COUNT SECONDS MOST_LOST ARGS…: 1.5 s into the scan the gateway's MAC changes. Every target
# answers "closed", so what is missing was sent to the old address.
changes() {
        local name=$1 targets=$2 count=$3 seconds=$4 most=$5 found pid
        shift 5
        gateway_mac 02:00:00:00:00:02
        sleep 0.2
        rm -f list
        scan "$targets" -p81 --rate $((count / seconds)) --wait 1 --show closed -oL list "$@" &
        pid=$!
        sleep 1.5
        gateway_mac 02:00:00:00:00:22
        wait $pid
        status=$?
        found=$(grep -c '^closed' list)
        [ $status -eq 0 ] && [ $((count - found)) -le "$most" ] &&
                grep -q 'the gateway .* on scan0 now has the MAC 02:00:00:00:00:22' err
        check "$name" $? "$((count - found)) of $count lost at $((count / seconds)) a second, exit status $status: $(tail -n 2 err | paste -sd' ')"
}

announce() { # 0 or 1: does the far end tell when its address changes?
        ip netns exec "$NET" sysctl -qw net.ipv4.conf.net0.arp_notify="$1" net.ipv6.conf.net0.ndisc_notify="$1"
}

# ---- a gateway fails over
announce 1
changes "a gateway that announces its new MAC, IPv4" 172.16.0.0/21 2048 4 150
changes "a gateway that announces its new MAC, IPv6" 2001:db8:2::/117 2048 4 150
changes "the same with 2 transmit and 2 receive threads" 172.16.0.0/21 2048 4 150 --tx-threads 2 --rx-threads 2
announce 0
changes "a gateway that changes its MAC silently, IPv4" 172.16.0.0/20 4096 10 2400
changes "a gateway that changes its MAC silently, IPv6" 2001:db8:2::/116 4096 10 2400

# ---- a gateway that answers ARP no longer is told, once
gateway_mac 02:00:00:00:00:02
scan 10.77.0.0/25 -p81 --rate 6 --wait 0 -oL list &
pid=$!
sleep 1
ip netns exec "$NET" sysctl -qw net.ipv4.conf.net0.arp_ignore=8
wait $pid
status=$?
same "a gateway that no longer answers is told once" "1 0" "$(grep -c 'no longer answers ARP' err) $status"
ip netns exec "$NET" sysctl -qw net.ipv4.conf.net0.arp_ignore=0

# ---- a gateway that is still there is asked alone, not the whole link (its answer then has no option with its MAC)
cat >sniff.py <<'END'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(int(sys.argv[1], 16)))
s.bind(("net0", 0))
want = bytes.fromhex(sys.argv[4])
open("listening", "w").close()
while True:
    f = s.recv(2048)
    if f[int(sys.argv[2])] == int(sys.argv[3]) and want in f[14:]:
        print(f[:6].hex(), flush=True)
END
sniff() { # ETHERTYPE OFFSET BYTE BYTES: destination MACs of frames that have that byte there and those bytes anywhere
        rm -f listening
        ip netns exec "$NET" timeout 60 python3 sniff.py "$@" >seen &
        BACKGROUND+=($!)
        for _ in $(seq 100); do [ -e listening ] || sleep 0.05; done
}
ip -n "$SCAN" neigh flush all
ip -n "$NET" -6 route add blackhole 2001:db8:77::/64
sniff 86dd 54 135 20010db8ffff00000000000000000002
scan 2001:db8:77::/121 -p81 --rate 10 --wait 0 -oL list
# the scanner's kernel may have had a question of its own
[ "$(grep -c '^3333ff' seen)" -le 2 ] && [ "$(grep -c '^020000000002' seen)" -ge 2 ]
check "a gateway that is there is asked alone" $? "requests to: $(sort seen | uniq -c | paste -sd, | tr -s ' ')"

# ---- what the kernel holds to be stale is not believed, what is written by hand is
ip -n "$SCAN" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:99 nud stale dev scan0
ip -n "$SCAN" neigh replace 198.51.100.10 lladdr 02:00:00:00:00:99 nud stale dev scan0
scan 172.16.5.5,198.51.100.10 -p81 --rate 100 --wait 1 --show closed -oL list
same "stale entries of the kernel's table" "198.51.100.10 172.16.5.5" "$(awk '/^closed/ { print $4 }' list | sort -r | paste -sd' ')"
ip -n "$SCAN" neigh replace 198.51.100.10 lladdr 02:00:00:00:00:99 nud permanent dev scan0
scan 198.51.100.10-198.51.100.11 -p81 --rate 100 --wait 1 --show closed -oL list
same "a permanent entry stands" 198.51.100.11 "$(awk '/^closed/ { print $4 }' list)"
ip -n "$SCAN" neigh flush all nud permanent
ip -n "$SCAN" neigh flush all

# ---- --router-ip where the kernel has no way of its own: near targets are neighbours, far ones go to the router
ip -n "$SCAN" route del default
ip -n "$NET" route add local 203.0.113.0/24 dev lo
ip netns exec "$NET" sysctl -qw net.ipv4.conf.net0.arp_ignore=1
ip -n "$SCAN" route add 192.0.2.128/25 dev scan0
ip -n "$NET" addr add 192.0.2.130/32 dev net0
far_and_near='172.16.5.5 192.0.2.130 198.51.100.10 203.0.113.5'
# shellcheck disable=SC2086
scan $far_and_near -p81 --rate 100 --wait 1 --show closed -oL list --adapter scan0 --router-ip 198.51.100.2
same "--router-ip, near and far targets in one scan" "$far_and_near" "$(awk '/^closed/ { print $4 }' list | sort | paste -sd' ')"
# shellcheck disable=SC2086
in_scan "$TRAWL" --debug if $far_and_near 198.51.100.0 --adapter scan0 --router-ip 198.51.100.2 >out 2>err
same "--router-ip: who is near, who is far" "far,near,near,near,far" \
        "$(sed -nE 's/.*: by a gateway 198.51.100.2,.*/far/p; s/.*: on the link,.*/near/p' out | paste -sd,)"
ip -n "$SCAN" route del 192.0.2.128/25 dev scan0
ip -n "$SCAN" route add default via 198.51.100.2

# ---- the broadcast address of an own network
sniff 0800 23 6 c63364ff
scan 198.51.100.255 -p81,82 --rate 100 --wait 0.5 -oL list
[ $status -eq 2 ] && [ ! -s seen ]
check "the broadcast address of an own network needs a word" $? "exit status $status: $(tail -n 1 err)"
scan 198.51.100.255 -p81,82 --rate 100 --wait 0.5 --allow-reserved -oL list
same "with it, probes go to everybody on the link" "0 ffffffffffff ffffffffffff" "$status $(paste -sd' ' seen)"
finish
