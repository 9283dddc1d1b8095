#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The lab does what it says, shown without trawl: a prober of its own checks every field of every answer against
# the truth; loss, delay, forgeries and the counters are what was asked for; a VLAN is spoken and nothing else;
# real servers answer; nothing is left behind by kill -9 nor by lab/down.
# limit_s: 100
# sanitizers: none
. "$(dirname "$0")/scan.sh"

# probe PREFIX WAIT_S [option…]: the answers go to the file got, the counts to the file counts.
probe() {
        local prefix=$1 wait_s=$2
        shift 2
        in_scan "$HERE/lab_probe.py" scan0 "$prefix" 80 "$wait_s" "$@" >out 2>err || {
                fail "prober on $prefix" "$(tail -n 1 err)"
                return 1
        }
        sed '$d' out | sort >got
        tail -n 1 out >counts
}

count() {
        jq -r ".$1" counts
}

# agrees NAME PREFIX: what the prober believed is the truth, line by line.
agrees() {
        truth "$2" 80 | sort >want
        if cmp -s want got; then
                ok "$1" "$(wc -l <want) answers right in every field"
        else
                fail "$1" "truth and answers differ: $(diff want got | grep -c '^<') missing, $(diff want got | grep -c '^>') too many"
        fi
}

# within NAME VALUE LOW HIGH
within() {
        if jq -en "$2 >= $3 and $2 <= $4" >/dev/null; then
                ok "$1" "$2"
        else
                fail "$1" "$2 is not within $3 and $4"
        fi
}

v4=10.20.0.0/20 v6=2001:db8:1::5:0/116 n=4096

# ---- the plain truth
lab_up -- --open 30 --closed 30 --unreach 30 --track $v4 80
probe $v4 0.5 && agrees "IPv4 answers" $v4
same "nothing but right answers" 0 "$(count refused)"
same "each probe counted once" "$n $n" "$(stat_of probed) $(stat_of probed_once)"
probe $v6 0.5 && agrees "IPv6 answers" $v6
same "nothing but right answers, IPv6" 0 "$(count refused)"
same "the link lost none of them" 0 "$(stat_of link_drops)"
same "the checksums of the probes were right" "0 0" "$(stat_of bad_syn_sum) $(stat_of bad_ip_sum)"
within "shares of 30 %" "$(truth $v4 80 | grep -c '^open')" $((n * 27 / 100)) $((n * 33 / 100))
internet reset
probe $v4 0.2 --bad-sum
same "a probe with a wrong checksum is counted and not answered" "$n 0" "$(stat_of bad_syn_sum) $(wc -l <got)"

# ---- loss is drawn per packet: the same targets, another draw
internet up --open 100 --closed 0 --loss-in 10 --loss-out 10
probe $v4 0.5 && cp got first
within "10 % lost each way" "$(wc -l <got)" $((n * 78 / 100)) $((n * 84 / 100))
probe $v4 0.5
within "a second probe has its own chance" "$(sort -u first got | wc -l)" $((n * 945 / 1000)) $((n * 98 / 100))

# ---- late answers
internet up --unreach 20 --delay 100-300
probe $v4 1 && agrees "late answers" $v4
within "none before its time, ms" "$(count delay_min_ms)" 100 130
within "spread over the time given, median ms" "$(count delay_median_ms)" 170 260
within "none after it, ms" "$(count delay_max_ms)" 250 600

# ---- forgeries: in addition, as many as asked for, and all of them wrong
internet up --unreach 20 --hostile 10
probe $v4 0.5 && agrees "the truth among forgeries" $v4
for kind in cookie foreign short corrupt icmp; do
        within "forged, $kind" "$(stat_of forged.$kind)" $((n * 8 / 100)) $((n * 12 / 100))
done
same "duplicates are true ones" "$(count doubles)" "$(stat_of forged.dup)"
# five kinds of 10 % each; four standard deviations above their sum is 55 %
within "refused forgeries" "$(count refused)" $((n * 35 / 100)) $((n * 55 / 100))
internet up --answers-per-target 4
probe $v4 0.5
same "four answers each" $((3 * $(wc -l <got))) "$(count doubles)"

# ---- a trunk with one VLAN
internet up --unreach 20 --vlan 42
probe $v4 0.5 --vlan 42 && agrees "answers on VLAN 42" $v4
probe $v6 0.5 --vlan 42 && agrees "answers on VLAN 42, IPv6" $v6
probe 10.20.0.0/24 0.2 --vlan 43
same "no answer on VLAN 43" 0 "$(wc -l <got)"
probe 10.20.0.0/24 0.2
same "no answer without a tag" 0 "$(wc -l <got)"

# ---- nothing is left
kill -9 "$(cat "$BUILD/lab/$LAB/sim.pid")"
for ((i = 0; i < 50; i++)); do
        ip -n "$NET" link show net0 | grep -q prog/xdp || break
        sleep 0.1
done
same "kill -9 leaves no program on the link" 0 "$(ip -n "$NET" link show net0 | grep -c prog/xdp)"

# ---- without offloads the scanner's end has no NAPI of its own; real servers; the tun link
if have_servers; then
        lab_up --far both --offloads off -- --unreach 20
        probe $v4 0.5 && agrees "IPv4 answers without offloads" $v4
        for url in 172.16.77.1 172.16.200.9:8080 '[2001:db8:2::77]' 198.51.100.15 10.99.0.5 '[2001:db8:99::5]'; do
                got=$(in_scan python3 -c 'import sys, urllib.request
print(urllib.request.urlopen("http://" + sys.argv[1] + "/", timeout=5).read().decode().strip())' "$url" 2>&1 | tail -n 1)
                host=${url#\[} && host=${host%%\]*} && host=${host%:8080}
                same "a real server at $url" "<html><head><title>a real server</title></head><body>$host</body></html>" "$got"
        done
else
        skip nginx "no nginx: it is neither installed nor unpacked in $BUILD/root (lab/servers fetch does that)"
fi
"$TRAWL_ROOT/lab/down"
same "lab/down leaves no namespace" "" "$(ip netns list | grep "^$LAB-")"
"$TRAWL_ROOT/lab/down" && ok "lab/down where nothing is"
finish
