#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Probes made and answers checked in the kernel, flat out: the list is exact (IPv4, IPv6, mixed plans, several next
# hops, tagged frames, forgeries, loss), every probe arrives once and right (also on a link that refuses frames, and
# with other programs of the same kind at work), it steps down with a word where it must, is resumed without a gap,
# and leaves nothing in the kernel when it is killed.
# limit_s: 240
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

xdp=(--io-tx xdp --io-rx xdp --max-rate-per-host 0)
fast=(--rate 50M "${xdp[@]}")
key=$PWD/key
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >key
chmod 600 key

if ! unshare -n "$TRAWL" 10.0.0.1 -p80 --io-tx xdp --offline --echo >/dev/null 2>&1 ||
        unshare -n "$TRAWL" 10.0.0.1 -p80 --adapter lo --io-tx xdp --no-checkpoint 2>&1 | grep -q 'not compiled in'; then
        skip xdp "the program has no libbpf"
        exit 0
fi

truth_of() { # PREFIX PORTS, several pairs
        while [ $# -gt 0 ]; do
                truth "$1" "$2"
                shift 2
        done >truth
}

# Answers that the simulated Internet sent and that did not arrive at the scanner's end, since answers_before.
answers_before() {
        arrived=$(ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.rx.packets')
}

answers_lost() {
        local now sent
        sent=$(internet stats | jq '.answered + (.sent_late // 0) + ([.forged // {} | .[]] | add // 0)')
        now=$(ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.rx.packets')
        echo $((sent > now - arrived ? sent - (now - arrived) : 0))
}

# exact NAME ARGS…: one scan whose list must equal the truth. When the lab's link itself lost answers, on a machine
# that is busy elsewhere, it is repeated, twice at most; never for anything else.
exact() {
        local name=$1 try out rc lost
        shift
        for try in 1 2 3; do
                internet reset
                answers_before
                rm -f list
                scan --show open,closed,filtered -oL list -v "$@"
                [ $status -eq 0 ] || {
                        fail "$name" "exit status $status: $(tail -n 3 err)"
                        return 1
                }
                out=$("$HERE/compare.py" truth list 2>&1)
                rc=$?
                lost=$(answers_lost)
                [ $rc -ne 0 ] && [ "$lost" -gt 0 ] || break
                echo "$name, try $try: $out; the lab's link lost $lost answers: once more"
        done
        check "$name" $rc "$out; $(rate_seen)"
        same "$name: frames that we sent are well formed" "0 0 0 0 0" "$(stats bad_ip_sum bad_syn_sum bad_tcp_sum malformed other_tcp)"
}

rate_seen() { # of the last scan: stalls are told by -v
        sed -n 's/^trawl: done: \([0-9]* probes sent\).*; \([0-9.]* s\)$/\1, \2/p' err
}

stats() { # KEY…: several counters
        local key out=()
        internet stats >stats.json
        for key; do
                out+=("$(jq -c ".$key" stats.json)")
        done
        echo "${out[*]}"
}

by() { # NAME TEXT: what it chose, as it says itself
        local said
        said=$(sed -n 's/^trawl: \(sending on .*\)/\1/p' err | paste -sd'|')
        # shellcheck disable=SC2053
        [[ $said == $2 ]]
        check "$1" $? "$said"
}

# ---- the list is the truth
lab_up --far none --queues 1
v4=$(sized 10.0.0.0/12 10.0.0.0/8 10.0.0.0/16)
v6=$(sized 2001:db8:1::/109 2001:db8:1::/106 2001:db8:1::/112)
internet up --hush --open 5 --closed 10 --no-arrivals
truth_of "$v4" 80
exact "IPv4" "$v4" -p80 "${fast[@]}" --wait 0.5
by "IPv4: it was by xdp" "sending on scan0 by xdp; receiving by xdp"
same "IPv4: a RST for each open port" "$(grep -c ^open truth)" "$(stat_of rst)"
truth_of "$v6" 80
exact "IPv6" "$v6" -p80 "${fast[@]}" --wait 0.5
same "IPv6: a RST for each open port" "$(grep -c ^open truth)" "$(stat_of rst)"
truth_of 10.128.0.0/14 80,443 2001:db8:1:7::/112 80,443
exact "IPv4 and IPv6, two ports" 10.128.0.0/14 2001:db8:1:7::/112 -p80,443 "${fast[@]}" --wait 0.5
scan 10.0.0.0/16 -p80 --rate 250k --max-rate-per-host 0 --wait 0 -oL list
by "a high rate takes it by itself" "sending on scan0 by xdp; receiving by xdp"
scan 10.0.0.0/16 -p80 --rate 200k --max-rate-per-host 0 --wait 0 -oL list
by "a lower one does not" "sending on scan0 by afpacket*; receiving by afpacket*"

internet up --hush --open 20 --closed 30 --unreach 5 --hostile 10 --no-arrivals
for prefix in 10.20.0.0/16 2001:db8:1:1::/112; do
        truth_of $prefix 80
        exact "among forgeries, $prefix" $prefix -p80 --rate 300k "${xdp[@]}" --wait 1
        same "duplicates are counted, $prefix" "$(stat_of forged.dup)" "$(sed -n 's/.* filtered, \([0-9]*\) duplicates.*/\1/p' err)"
done
internet up --hush --open 20 --closed 30 --delay 0-500 --no-arrivals
truth_of 10.20.0.0/16 80
exact "answers out of turn, by the kernel's usual way" 10.20.0.0/16 -p80 --rate 300k "${xdp[@]}" --wait 2

lossy=$(sized 10.0.0.0/14 10.0.0.0/12 10.0.0.0/18)
internet up --hush --open 20 --closed 30 --loss-in 5 --loss-out 5 --track "$lossy" 80 --no-arrivals
truth_of "$lossy" 80
rm -f list
scan "$lossy" -p80 --rate 5M "${xdp[@]}" --retries 2 --wait 2 --show open,closed,filtered -oL list
compare "5 % lost each way, two retries" truth list --at-least 99.8
same "no target has more than three probes" '["1","2","3"]' "$(internet stats | jq -c '.times_probed | keys')"

# ---- several next hops, each with a MAC address of its own; the receive side tells by whom it was answered
# each interface answers ARP for its own addresses only
ip netns exec "$NET" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'
ip -n "$NET" link add link net0 name gw1 address 02:00:00:00:00:99 type macvlan mode bridge
ip -n "$NET" addr add 198.51.100.30/24 dev gw1 && ip -n "$NET" link set gw1 up
ip -n "$SCAN" route add 10.64.0.0/10 via 198.51.100.30
ip -n "$SCAN" route add 10.3.128.0/17 via 198.51.100.30
internet up --hush --open 20 --closed 30 --no-arrivals
truth_of 10.0.0.0/14 80 10.64.0.0/16 80 2001:db8:1:2::/112 80
exact "two gateways" 10.0.0.0/14 10.64.0.0/16 2001:db8:1:2::/112 -p80 "${fast[@]}" --wait 0.5
rm -f hops.pcap
scan 10.3.96.0/19 10.3.128.0/19 10.64.0.0/19 -p80 --rate 1M --io-tx xdp --max-rate-per-host 0 --wait 1 --pcap hops.pcap -oL list
by "with --pcap it receives otherwise" "sending on scan0 by xdp; receiving by afpacket (xdp: --pcap wants frames)"
python3 - hops.pcap <<'END' >out
import collections, struct, sys
data = open(sys.argv[1], "rb").read()
order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
at, seen = 24, collections.Counter()
while at + 16 <= len(data):
    length = struct.unpack_from(order + "I", data, at + 8)[0]
    frame = data[at + 16:at + 16 + length]
    at += 16 + length
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        continue
    source = struct.unpack(">I", frame[26:30])[0]
    seen["%s by %s" % ("10.%d.%d/19" % (source >> 16 & 255, source >> 8 & 0xe0), frame[6:12].hex())] += 1
for what, n in sorted(seen.items()):
    print(what, "some" if n > 1000 else n)
END
same "each target was asked by way of its own gateway" \
        "10.3.128/19 by 020000000099 some|10.3.96/19 by 020000000002 some|10.64.0/19 by 020000000099 some" "$(paste -sd'|' out)"
ip -n "$NET" link del gw1
ip -n "$SCAN" route del 10.64.0.0/10 && ip -n "$SCAN" route del 10.3.128.0/17

# ---- tagged frames
internet up --hush --open 20 --closed 30 --vlan 42 --no-arrivals
truth_of 10.20.0.0/15 80
exact "--vlan" 10.20.0.0/15 -p80 --rate 1M --io-tx xdp --max-rate-per-host 0 --vlan 42 --wait 1
by "--vlan: sending by xdp, receiving otherwise" "sending on scan0 by xdp; receiving by afpacket (xdp: tagged frames are beyond it)"
scan 10.20.0.0/24 -p80 --rate 1M --vlan 42 --io-rx xdp --wait 0 -oL list
same "--vlan with --io-rx xdp is refused" "2 1" "$status $(grep -c 'tagged frames are beyond it' err)"

# ---- every probe arrives, once and right
# arrives NAME PREFIX SIM-OPTIONS -- ARGS
arrives() {
        local name=$1 prefix=$2 sim=() n refused
        shift 2
        while [ "$1" != -- ]; do
                sim+=("$1")
                shift
        done
        shift
        internet up --mode check --plan "$prefix" 80,443 --cookie-key "$key" --no-arrivals "${sim[@]}"
        refused=$(refusals)
        scan "$prefix" -p80,443 "${fast[@]}" --cookie-key "$key" --wait 0.2 -oL list -v "$@"
        refused=$(($(refusals) - refused))
        for _ in $(seq 200); do # a slow far end still has some
                read -r n missing <<<"$(stats targets missing)"
                [ "$missing" != 0 ] || break
                sleep 0.02
        done
        check "$name" "$status" "$refused refused and sent again; $(rate_seen)"
        same "$name: all arrived, none twice" "0 0 0 $n" "$(stats missing duplicates outside syn)"
        same "$name: sums and sequence numbers" "0 0 0 0" "$(stats bad_ip_sum bad_syn_sum malformed bad_cookie)"
}

refusals() { # frames that the link refused so far
        ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.tx.dropped'
}

refused_some() { # NAME: of the last `arrives`
        local n
        n=$(sed -n 's/.*(\([0-9]*\) refused and sent again.*/\1/p' <<<"$1")
        [ "${n:-0}" -gt 1000 ]
        check "$2" $? "${n:-no} frames were refused"
}

overload() { # NAME PREFIX ARGS…
        local name=$1 prefix=$2 said
        shift 2
        arrives "$name" "$prefix" --slow-ns 3000 -- "$@" >said
        said=$(cat said)
        echo "$said"
        FAILURES=$((FAILURES + $(grep -c '^FAIL' said)))
        refused_some "$said" "$name: it was one"
}

plan4=$(sized 10.0.0.0/12 10.0.0.0/9 10.0.0.0/17) plan6=$(sized 2001:db8:1::/110 2001:db8:1::/107 2001:db8:1::/113)
small4=$(sized 10.0.0.0/16 10.0.0.0/13 10.0.0.0/18)
arrives "one thread, IPv4" "$plan4" --
arrives "one thread, IPv6" "$plan6" --
arrives "two threads that take turns at one queue" "$plan4" -- --tx-threads 2
overload "overload, two threads, one queue" "$small4" --tx-threads 2
"$TRAWL_ROOT/lab/down"
lab_up --far none --queues 2
arrives "two threads, IPv4" "$plan4" -- --tx-threads 2
arrives "two threads, IPv6" "$plan6" -- --tx-threads 2
overload "overload, one thread" "$small4"
overload "overload, two threads" "$small4" --tx-threads 2 --rx-threads 2

# Others send in the same way, from a namespace of their own, where the interface has the same index.
LAB=${LAB}b lab_up --far none --queues 1
LAB=${LAB}b internet up --mode drop --no-arrivals
ip netns exec "${LAB}b-scan" "$TRAWL" --no-checkpoint 10.0.0.0/8 -p80 --rate 300k --max-rate-per-host 0 --io-tx xdp \
        --max-runtime 60 --wait 0 --no-status -oL other 2>/dev/null &
other=$!
BACKGROUND+=($other)
overload "overload, among other programs" "$small4"
kill $other && wait $other 2>/dev/null
LAB=${LAB}b "$TRAWL_ROOT/lab/down"

internet up --hush --open 20 --closed 30 --no-arrivals
truth_of 10.0.0.0/14 80 2001:db8:1::/114 80
exact "two threads each way" 10.0.0.0/14 2001:db8:1::/114 -p80 "${fast[@]}" --tx-threads 2 --rx-threads 2 --wait 1

# ---- stepping down
internet up --hush --open 20 --closed 30 --pass --no-arrivals
truth_of 10.20.0.0/16 80
before=$(ip -n "$SCAN" -d link show scan0 | grep -o 'prog/xdp id [0-9]*')
exact "an interface that has a program" 10.20.0.0/16 -p80 --rate 500k --max-rate-per-host 0 --wait 1
by "it receives otherwise, with a word" 'sending on scan0 by xdp; receiving by afpacket (*"scan0" already has an XDP program, which is left alone)'
same "that program is still there" "$before" "$(ip -n "$SCAN" -d link show scan0 | grep -o 'prog/xdp id [0-9]*')"
scan 10.20.0.0/24 -p80 --rate 1M --io-rx xdp --wait 0 -oL list
same "given by name it does not step down" "2 1" "$status $(grep -c 'already has an XDP program' err)"
internet up --hush --open 20 --closed 30 --no-arrivals
truth_of 10.20.0.0/20 80
exact "--packet-trace" 10.20.0.0/20 -p80 --rate 300k --max-rate-per-host 0 --packet-trace --wait 1 >trace
grep -v '^SENT\|^RCVD\|^Discovered' trace
FAILURES=$((FAILURES + $(grep -c '^FAIL' trace)))
same "--packet-trace: each probe was shown" 4096 "$(grep -c '^SENT .* SYN *$' trace)"
by "--packet-trace: with a word" "sending on scan0 by afpacket (xdp*: --packet-trace wants to see frames); receiving by afpacket (xdp: --packet-trace wants to see frames)"

"$TRAWL_ROOT/lab/down"
if have_servers; then
        lab_up --far real --offloads off --queues 1 --no-tun
        for i in $(seq 0 255); do
                echo "open tcp 80 172.16.7.$i"
                echo "closed tcp 81 172.16.7.$i"
        done >truth
        rm -f list
        scan 172.16.7.0/24 -p80,81 "${xdp[@]}" --rate 5k --wait 1 --show open,closed,filtered -oL list
        same "a far end that takes none: it is told" 1 "$(grep -c 'scan0 takes no frames by xdp (.*): sending by afpacket from here on' err)"
        compare "a far end that takes none: list" truth list
        "$TRAWL_ROOT/lab/down"
else
        skip "a far end that takes none" "no nginx: it is neither installed nor unpacked in $BUILD/root"
fi

# ---- going on after Ctrl-C, and after kill -9
lab_up --far none --queues 2
# resumed NAME SIGNAL ARGS…
resumed() {
        local name=$1 signal=$2 pid i
        shift 2
        internet up --open 5 --closed 10 --hush --track "$whole" 80 --no-arrivals
        rm -f list state*
        env --default-signal=INT ip netns exec "$SCAN" "$TRAWL" "$whole" -p80 --rate "$whole_rate" "${xdp[@]}" --wait 1 \
                --show open,closed,filtered --answer-horizon 0.5 -oL list --checkpoint state --no-status "$@" 2>err &
        pid=$!
        BACKGROUND+=($pid)
        for ((i = 0; i < 200; i++)); do # a checkpoint is there, and it is in full swing
                [ ! -s state ] || break
                sleep 0.02
        done
        sleep 0.7
        kill "-$signal" $pid
        wait $pid 2>/dev/null
        check "$name: it was running" "$([ -s state ] && echo 0 || echo 1)" "$(stat_of syn) probes so far"
        ip netns exec "$SCAN" "$TRAWL" --resume state --rate 50M 2>err
        check "$name: resumed" $? "$(tail -n 1 err)"
        compare "$name: the list of both" truth list
        same "$name: every target had its probe" "$(stat_of targets)" "$(stat_of probed)"
}
whole=$(sized 10.0.0.0/12 10.0.0.0/9 10.0.0.0/16) whole_rate=$(sized 400k 2M 20k)
internet up --open 5 --closed 10
truth_of "$whole" 80
resumed Ctrl-C INT
# the block of positions that a thread was in the middle of is begun anew
again=$(internet stats | jq '[.times_probed | to_entries[] | (.key | tonumber - 1) * .value] | add')
[ "$again" -le 8192 ]
check "Ctrl-C: hardly a target had two" $? "$again of them, at most 8192"
resumed "kill -9" KILL --tx-threads 2

# ---- what kill -9 leaves
settings() {
        ip -n "$SCAN" -d -j link show scan0 | jq -c '.[0] | del(.stats, .stats64)'
        ip -n "$SCAN" addr show dev scan0
        ip -n "$SCAN" route
        # shellcheck disable=SC2016
        in_scan sh -c 'cd /sys/class/net/scan0 && grep -r . --include=* flags mtu threaded gro_flush_timeout napi_defer_hard_irqs queues 2>/dev/null
                cd /proc/sys/net && grep -r . ipv4/conf/scan0 ipv6/conf/scan0 core 2>/dev/null'
        ip netns list
        find /sys/fs/bpf
        lsns -t net -no NS | sort
}
internet up --mode drop --no-arrivals
settings >settings.before
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint 10.0.0.0/8 -p1-20 "${fast[@]}" --tx-threads 2 --rx-threads 2 --wait 0 --no-status \
        -oL list 2>err &
pid=$!
BACKGROUND+=($pid)
sleep 1
"$HERE/bpf_ids.py" held $pid >held
settings >settings.during
kill -KILL $pid
wait $pid 2>/dev/null
settings >settings.after
same "while it runs there are programs, maps and links" "on_bulk_tx on_redirect_err on_xmit send_probe take_answer" \
        "$(awk '$1 == "prog" { print $3 }' held | sort -u | paste -sd' ')"
[ "$(grep -c ^link held)" -ge 6 ] && [ "$(grep -c ^map held)" -ge 8 ]
check "they are seen" $? "$(cut -d' ' -f1 held | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd, )"
grep -q 'take_answer\|prog' settings.during
check "so is the one on the interface" $? "$(grep -o '"xdp":[^}]*}' settings.during | head -n 1)"
[ "$(stat_of frames)" -gt 100000 ]
check "it was at full speed" $? "$(stat_of frames) frames"
same "killed: no program, map or link is left" "" "$("$HERE/bpf_ids.py" left held)"
diff settings.before settings.after >out
check "killed: interface, namespaces, settings, /sys/fs/bpf as before" $? "$(wc -l <settings.before) lines compared; $(head -n 3 out | paste -sd' ')"
finish
