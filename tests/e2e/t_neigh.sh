#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Neighbours whose link goes down while they are asked for: nobody is given up for it, the questions that piled up do
# not leave in one burst, addresses that the kernel takes away with the link are answered for. A neighbour that comes
# up later is found by the next round of --infinite; one that is not there counts once. And frames that do not leave
# while others do.
# patient: yes
# limit_s: 120
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

lab_up --far none
# a /17 of neighbours, and an IPv6 network behind the router: the kernel of the far end answers for them
neighbours=10.9.1.0-10.9.2.255
n_neighbours=512
ip -n "$SCAN" addr add 10.9.128.1/16 dev scan0
ip -n "$NET" addr add 10.9.255.1/16 dev net0
here() { ip -n "$NET" route "$1" local 10.9.0.0/17 dev lo; }
here add
ip -n "$NET" -6 route add local 2001:db8:a::/112 dev lo
ip netns exec "$NET" sysctl -qw net.ipv6.icmp.ratelimit=0

link() { # NAMESPACE DEVICE up|down
        ip -n "$1" link set "$2" "$3"
}

lift_off() { # ARGS…: a scan in the background
        rm -f list
        ip netns exec "$SCAN" "$TRAWL" -p80 --show closed --no-checkpoint -oL list "$@" 2>err &
        pid=$!
        BACKGROUND+=($pid)
}

touch_down() { # SECONDS: waits for its end, exit status in $status
        ended $pid "$1" || kill -9 $pid
        wait $pid
        status=$?
}

found() {
        grep -c '^closed' list
}

last_words() {
        tail -n 3 err | paste -sd'|'
}

# ---- an outage longer than all tries
outage() { # NAME NAMESPACE DEVICE
        lift_off $neighbours --rate "$(pps 500)" --wait 1
        sleep 0.5
        link "$2" "$3" down
        sleep 3.6
        link "$2" "$3" up
        touch_down 40
        [ "$status" = 0 ] && [ "$(found)" = $n_neighbours ] && ! grep -q 'nobody answered' err
        check "neighbours, $1: nobody is given up" $? "$(found) of $n_neighbours: $(last_words)"
}
outage "switched off" "$SCAN" scan0
outage "no carrier" "$NET" net0

# ---- the rate holds when the link is back
received() {
        ip -n "$NET" -s -j link show net0 | jq '.[0].stats64.rx.packets'
}
lift_off $neighbours --rate 100 --wait 1
sleep 1
link "$SCAN" scan0 down
sleep 3
before=$(received)
began=$(now_ms)
link "$SCAN" scan0 up
sleep 0.3
arrived=$(($(received) - before))
most=$((($(now_ms) - began) / 8 + 15)) # a quarter more than the rate, and what the kernel says itself
kill -INT $pid
touch_down 20
[ $arrived -le $most ]
check "the rate holds when the link is back" $? "$arrived frames at once, at most $most"

# ---- IPv6: the kernel takes the address away with the link
ip -n "$SCAN" -6 addr replace 2001:db8:ffff::1/64 dev scan0 nodad
ip -n "$NET" -6 addr replace 2001:db8:ffff::2/64 dev net0 nodad
ip -n "$SCAN" -6 route replace default via 2001:db8:ffff::2
lift_off 2001:db8:a::/119 --rate "$(pps 300)" --wait 3
sleep 0.7
link "$SCAN" scan0 down
sleep 0.7
link "$SCAN" scan0 up
touch_down 40
if grep -q 'inet6 2001' <(ip -n "$SCAN" addr show dev scan0); then
        skip "IPv6 after an outage" "this kernel keeps addresses"
else
        [ "$status" = 0 ] && [ "$(found)" = 512 ] && [ "$(grep -c 'warning: scan0 lost its address 2001:db8:ffff::1' err)" = 1 ]
        check "IPv6 after an outage: the address is answered for, and it is told" $? "$(found) of 512: $(last_words)"
fi

# ---- no carrier from the start
ip -n "$SCAN" route replace default via 198.51.100.2
link "$NET" net0 down
lift_off 10.1.0.0/24 --rate 100
touch_down 15
link "$NET" net0 up
[ "$status" = 1 ] && grep -qE 'error: (no answer from the gateway|the gateway) 198.51.100.2' err
check "no carrier from the start is an error" $? "$status: $(last_words)"

# ---- counted once, however often it is tried
scan 10.9.200.1-10.9.200.20 -p80 --rate 100 --retries 2 --retry-delay 1 --wait 1 -oL list
same "who is not there counts once" "0 1" "$status $(grep -c ' 20 probes not sent: nobody answered' err)"

# ---- a neighbour that comes up later
here del
lift_off 10.9.1.1-10.9.1.20 --rate 200 --infinite --wait 1 --max-runtime 11
sleep 4.5
unsent=$(sed 's/\r/\n/g' err | grep -c .)
here add
touch_down 30
[ "$(found)" -ge 1 ]
check "--infinite finds who comes up later" $? "$(found) of 20 found: $(last_words)"
rounds=$(sed -n 's/.* \([0-9]*\) probes not sent: nobody.*/\1/p' err)
[ "${rounds:-0}" -le 2000 ]
check "--infinite: a round in which nothing can be sent takes its time" $? "${rounds:-0} targets not sent, $unsent lines"

# ---- probes are led astray, what asks for neighbours is not
ip -n "$SCAN" link add aside type veth peer name nowhere && link "$SCAN" aside up && link "$SCAN" nowhere up
if in_scan tc qdisc add dev scan0 clsact 2>out && in_scan tc filter add dev scan0 egress protocol ip u32 \
        match u32 0 0 action mirred egress redirect dev aside 2>>out; then
        in_scan python3 -c 'import socket, time
for i in range(10): # the kernel asks for neighbours that are not there
    time.sleep(0.2)
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("198.51.100.%d" % (50 + i), 9))' &
        BACKGROUND+=($!)
        scan 10.1.0.0/22 -p80 --rate 500 --wait 1 --io-tx pcap -oL list
        if grep -q 'not compiled in\|no such transmit' err; then
                skip "led astray beside frames that leave" "$(last_words)"
        else
                grep -q 'warning: [0-9]* frames were handed to scan0 but' err
                check "led astray beside frames that leave" $? "$status: $(last_words)"
        fi
else
        skip "led astray beside frames that leave" "tc: $(tail -n 1 out)"
fi
finish
