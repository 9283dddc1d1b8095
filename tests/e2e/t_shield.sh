#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Banners from the host's own address with no firewall rule: the host's TCP does not reset our connections, IPv4
# and IPv6, far services and those of the host itself; connections and services of the host on ports of our range,
# also new ones, never notice; an interface that comes up in mid-scan is shielded, too; killed with SIGKILL, a scan
# leaves nothing in the kernel.
# patient: yes
# limit_s: 180
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

NEAR4=198.51.100.1 FAR4=198.51.100.2 FAR6=2001:db8:ffff::2
ours=(--source-port 32768-49151) # so wide that no probe leaves from a port below that is in use, but for rare luck

start() { # NAMESPACE COMMAND…: in the background, taken down at the end; its id is in $pid
        local netns=$1
        shift
        ip netns exec "$netns" "$@" >/dev/null 2>&1 &
        pid=$!
        BACKGROUND+=("$pid")
}

listens() { # NAMESPACE PORT: waits until somebody does
        local i
        for ((i = 0; i < 250; i++)); do
                [ -z "$(ip netns exec "$1" ss -Hltn "sport = :$2")" ] || return 0
                sleep 0.02
        done
        fail lab "nobody listens on port $2"
}

# shellcheck disable=SC2016 # awk's dollar
resets() { # that the scanner's own kernel has sent so far
        in_scan awk '/^Tcp: [0-9]/ { print $15 }' /proc/net/snmp
}

grabbed() { # NAME BANNER: is it in the list of the last scan, which ended well?
        [ "$status" -eq 0 ] && grep -q "^banner tcp .*$2" list
        check "$1" $? "$(grep -h '^banner' list | head -n 3 | cut -c1-70 | paste -sd'|') $([ "$status" -eq 0 ] || tail -n 3 err)"
}

banners() { # ARGS…
        rm -f list
        scan --banners --wait 2 -oL list "$@"
}

lab_up --far none --no-tun
mkdir -p www && echo '<html><head><title>behind no wall</title></head></html>' >www/index.html
start "$NET" "$HERE/lab_talk.py" serve 22 2222
start "$NET" python3 -m http.server --bind :: --directory "$PWD/www" 80
start "$SCAN" "$HERE/lab_talk.py" serve 2222 40300
listens "$NET" 22 && listens "$NET" 80 && listens "$SCAN" 40300

# ---- with and without
before=$(resets)
banners "$FAR4" -p22,80 --no-shield
[ "$(($(resets) - before))" -ge 2 ]
check "--no-shield: the host resets our connections" $? "$(($(resets) - before)) RSTs"
! grep -q '^trawl: shield' err
check "--no-shield: nothing is said of one" $? "$(head -n 3 err | paste -sd'|')"
for far in "$FAR4" "$FAR6"; do
        before=$(resets)
        banners "$far" -p22,80
        same "$far: no RST of the host" 0 "$(($(resets) - before))"
        grabbed "$far: a service that speaks first" "SSH-2.0-lab_talk"
        grabbed "$far: one that is asked" "behind no wall"
done
same "it is told in one line" 1 "$(grep -c '^trawl: shield: ' err)"
same "no rule was made" "" "$(in_scan nft list ruleset 2>/dev/null)"
before=$(resets)
banners "$NEAR4" -p2222
same "the host itself: no RST" 0 "$(($(resets) - before))"
grabbed "the host itself: a banner of its service" "SSH-2.0-lab_talk"

# ---- the host's own connections, on ports of ours
beside() { # NAME FILE PID: a client's verdict
        wait "$3"
        check "$1" $? "$(cat "$2")"
}

seconds=6
ip netns exec "$SCAN" "$HERE/lab_talk.py" talk "$FAR4" 2222 $((seconds + 2)) 40400 >out.session &
session=$!
ip netns exec "$SCAN" "$HERE/lab_talk.py" dial "$FAR4" 2222 $((seconds + 2)) >out.dial &
dial=$!
ip netns exec "$NET" "$HERE/lab_talk.py" talk "$NEAR4" 40300 $((seconds + 2)) >out.served &
served=$!
BACKGROUND+=("$session" "$dial" "$served")
sleep 0.5
rm -f list
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint "$FAR4" 10.0.0.0/24 -p22,80 --banners "${ours[@]}" --rate 100 --wait 1 -oL list 2>err &
scanner=$!
BACKGROUND+=("$scanner")
sleep 1.5
before=$(resets)
start "$SCAN" "$HERE/lab_talk.py" serve 40500
listens "$SCAN" 40500
ip netns exec "$NET" "$HERE/lab_talk.py" dial "$NEAR4" 40500 2 >out.fresh &
beside "a service that was bound in mid-scan" out.fresh $!
kill -0 "$scanner" 2>/dev/null
check "the scan still ran then" $? ""
beside "a session from before, from a port of ours" out.session "$session"
beside "connections made all the time" out.dial "$dial"
beside "a session of a service on a port of ours" out.served "$served"
wait "$scanner"
status=$?
grabbed "the scan beside them" "SSH-2.0-lab_talk"
same "the host has reset nothing" 0 "$(($(resets) - before))"

# ---- an interface that comes up in mid-scan, and all answers come by it
# shellcheck disable=SC2046 # ports, apart
start "$NET" "$HERE/lab_talk.py" serve $(seq 6000 6119)
listens "$NET" 6119
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint "$FAR4" -p6000-6119 --banners --rate 20 --wait 1 --no-status -oL list 2>err &
scanner=$!
BACKGROUND+=("$scanner")
sleep 1.5
before=$(resets)
ip -n "$SCAN" link add name scan1 type veth peer name net1 netns "$NET"
in_scan sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/scan1/rp_filter'
ip -n "$SCAN" addr add 203.0.113.1/24 dev scan1 && ip -n "$SCAN" link set scan1 up
ip -n "$NET" addr add 203.0.113.2/24 dev net1 && ip -n "$NET" link set net1 up
sleep 1
ip -n "$NET" route add 198.51.100.1/32 via 203.0.113.1 dev net1
wait "$scanner"
came=$(ip -n "$SCAN" -s -j link show scan1 | jq '.[0].stats64.rx.packets')
[ "$came" -ge 30 ]
check "answers came by the new interface" $? "$came frames"
same "they drew no RST of the host" 0 "$(($(resets) - before))"
ip -n "$SCAN" link del scan1

# ---- SIGKILL
rules=$(in_scan nft list ruleset 2>/dev/null)
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint "$FAR4" 10.0.0.0/20 -p22,80 --banners --rate 1000 --no-status -oL list 2>err &
pid=$!
BACKGROUND+=("$pid")
for ((i = 0; i < 250; i++)); do
        grep -q '^trawl: shield' err && break
        sleep 0.02
done
"$HERE/bpf_ids.py" held "$pid" >held
kill -KILL "$pid"
wait "$pid" 2>/dev/null
if grep -q '^trawl: shield.* by a tc program' err; then
        grep -q '^prog [0-9]* shield' held && grep -q ^link held
        check "while it runs there are a program and links" $? "$(paste -sd, held)"
fi
same "killed: no program, map or link is left" "" "$("$HERE/bpf_ids.py" left held)"
same "killed: rules as before" "$rules" "$(in_scan nft list ruleset 2>/dev/null)"
before=$(resets)
banners "$FAR4" -p22 --no-shield
[ "$(($(resets) - before))" -ge 1 ]
check "killed: the host's TCP is as before" $? "$(($(resets) - before)) RSTs"
finish
