#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --io auto tells in one line what it chose and why not the better one, steps down when that does not open, and
# proves that frames leave: with a far end that is gone, and on a link whose frames go elsewhere although it has a
# carrier, a scan warns and counts. A back-end given by name that does not open ends the scan.
# patient: yes
# limit_s: 100
. "$(dirname "$0")/scan.sh"

if unshare -n "$TRAWL" 10.0.0.1 -p80 --io pcap --echo 2>&1 | grep -q 'not compiled in'; then
        skip auto "the program has no libpcap"
        exit 0
fi
prefix=10.0.0.0/23
lab_up -- --prefix $prefix --open 20 --closed 30 --unreach 5
truth $prefix 80 >truth

# the lines about the choice, without their first word
chosen() {
        sed -n 's/^trawl: \(sending on .*\)/\1/p' err | paste -sd'|'
}

run_exact "a scan as it comes" truth $prefix -p80 --rate 2000 --wait 1
same "says what it chose" "sending on scan0 by afpacket; receiving by afpacket" "$(chosen)"
grep -q 'did not move\|not count' err
[ $? -eq 1 ]
check "warns of nothing" $? "$(tail -n 1 err)"
scan $prefix -p80 --rate 2000 --wait 1 --status-json -oL list
same "not_left in the status" 0 "$(jq -s 'map(select(.drops)) | .[-1].drops.not_left' <err)"
scan $prefix -p80 --rate 10000 --wait 0 --io-tx pcap -oL list
same "a back-end given by name" "sending on scan0 by pcap; receiving by afpacket" "$(chosen)"
scan 127.0.0.1 198.51.100.1 -p80 --rate 100 --wait 0 -oL list
[[ $(chosen) =~ ^"sending on lo by rawip (afpacket: "[^\;]*"); receiving by afpacket"$ ]]
check "own addresses, and why not the faster one" $? "$(chosen)"
scan 198.51.100.1 -p80 --rate 100 --wait 1 --io-tx afpacket --show closed -oL list
same "own addresses are reached whatever was named" "0 1" "$status $(grep -c ^closed list)"
for nothing in --offline "--io null" "--io-tx file:x.pcap"; do
        # shellcheck disable=SC2086
        scan $prefix -p80 --rate 100000 --wait 0 $nothing -oL list
        same "$nothing: no choice, no line" "0 " "$status $(chosen)"
done

# ---- a back-end that does not open: the kernel, as far as this program goes, has no such sockets
if [ -n "$SANITIZER" ]; then
        skip "stepping down" "a sanitizer wants to be the first library"
else
        # libpcap's sockets have no SOCK_CLOEXEC: they go on working
        cat >shim.c <<'END'
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int socket(int domain, int type, int protocol)
{
        if (domain != AF_PACKET || !(type & SOCK_CLOEXEC))
                return (int)syscall(SYS_socket, domain, type, protocol);
        errno = atoi(getenv("SHIM_ERRNO"));
        return -1;
}
END
        ${CC:-cc} -shared -fPIC -O1 -o shim.so shim.c || fail shim "it does not compile"
        shimmed() { # ERRNO ARGS…
                local code=$1
                shift
                LD_PRELOAD=$PWD/shim.so SHIM_ERRNO=$code scan "$@"
        }
        rm -f list
        shimmed 94 $prefix -p80 --rate 2000 --wait 1 --show open,closed,filtered -oL list
        compare "steps down: list" truth list
        [[ $(chosen) == "sending on scan0 by pcap ("*afpacket*"Socket type not supported; rawip: "*"); receiving by pcap ("*afpacket*"Socket type not supported)" ]]
        check "steps down with a word" $? "exit status $status: $(chosen)"
        shimmed 94 $prefix -p80 --rate 2000 --wait 0 --io-tx afpacket --io-rx pcap -oL list
        same "a back-end given by name does not step down" "2 1 1" \
                "$status $(wc -l <err) $(grep -c 'error: packet back-end afpacket: .*not supported' err)"
        shimmed 1 $prefix -p80 --rate 2000 --wait 0 -oL list
        same "no right: one message, no step down" "2 1 1" \
                "$status $(wc -l <err) $(grep -c 'error: packet back-end afpacket: .*not permitted: run as root' err)"
fi

# ---- frames that do not leave: what takes the queueing discipline's way is led to another interface
ip -n "$SCAN" link add aside type veth peer name nowhere && ip -n "$SCAN" link set aside up &&
        ip -n "$SCAN" link set nowhere up
if ! in_scan tc qdisc add dev scan0 clsact 2>out || ! in_scan tc filter add dev scan0 egress u32 match u32 0 0 \
        action mirred egress redirect dev aside 2>>out; then
        skip "frames that do not leave" "tc: $(tail -n 1 out)"
        finish
fi
lost=(10.1.0.0-10.1.0.199 -p80 --rate 1000 --router-mac 02:00:00:00:00:02 --io-tx pcap)
scan "${lost[@]}" --wait 2 -oL list
same "led astray: one warning" "0 1" "$status $(grep -c 'warning: [0-9]* frames were handed to scan0 but its counter of sent frames did not move: they may not leave; "--io-tx afpacket"' err)"
same "led astray: in the summary" 1 "$(grep -cE 'warning: (19[0-9]|200) frames were handed to an interface that did not count them' err)"
scan "${lost[@]}" --wait 2 --status-json -oL list
jq -es 'map(select(.drops)) | .[-1].drops.not_left | . >= 190 and . <= 200' <err >out 2>&1
check "led astray: in the status" $? "$(jq -sc 'map(select(.drops)) | .[-1].drops' <err 2>&1)"
internet reset
scan $prefix -p80 --rate 2000 --wait 1 -oL list
same "afpacket goes past the queueing discipline" 512 "$(stat_of syn)"

# the way is free again in mid-scan
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint "${lost[@]}" --rate 40 --no-status -oL list 2>err &
pid=$!
BACKGROUND+=($pid)
for _ in $(seq 100); do
        grep -q 'handed to scan0' err && break
        sleep 0.05
done
in_scan tc qdisc del dev scan0 clsact
for _ in $(seq 100); do
        grep -q 'counts sent frames now' err && break
        sleep 0.05
done
kill -INT $pid
ended $pid 20
missed=$(sed -n 's/.*warning: \([0-9]*\) frames were handed to an interface.*/\1/p' err)
grep -q 'scan0 counts sent frames now' err && [ "${missed:-0}" -ge 16 ] && [ "${missed:-0}" -lt 190 ]
check "it counts again, and what had not left stays counted" $? "$missed frames; $(tail -n 2 err | head -n 1)"
finish
