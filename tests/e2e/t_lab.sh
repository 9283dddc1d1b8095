#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The lab does what it says, shown without trawl: a prober of its own checks every field of every answer against
# the truth; loss, delay, tarpits, forgeries and the counters are what was asked for; a VLAN is spoken and nothing
# else; the checks of the far end find what is wrong, in single frames and in bulk; real servers answer; nothing is
# left behind by kill -9 nor by lab/down.
# limit_s: 150
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

stats() { # KEY…: several counters
        local key out=()
        internet stats >stats.json
        for key; do
                out+=("$(jq -c ".$key" stats.json)")
        done
        echo "${out[*]}"
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

# ---- tarpits: no window, and they say it again
for prefix in $v4 $v6; do
        internet up --hush --open 20 --tarpit 20 --tarpit-repeats 2
        probe "$prefix" 1 && agrees "tarpits, $prefix" "$prefix"
        tarpits=$(truth "$prefix" 80 | grep -c tarpit)
        within "20 % of them" "$tarpits" $((n * 18 / 100)) $((n * 22 / 100))
        same "each repeated itself twice" "$((2 * tarpits)) $((2 * tarpits))" "$(stats repeated) $(count doubles)"
done

# ---- the checks of the far end, frame by frame. $1: a plan of n targets; 256 of them; 256 that are not in it
single_frames() {
        internet up --mode check --plan "$1" 80
        probe "$2" 0.1
        same "what had no probe is missing, $1" "256 $((n - 256)) 5" "$(stats arrived missing 'missing_first|length')"
        probe "$1" 0.1
        same "a second probe is a duplicate, $1" "$n 0 256 0" "$(stats arrived missing duplicates outside)"
        probe "$2" 0.1 --times 3
        same "three more are three duplicates, $1" "$n 0 1024 0" "$(stats arrived missing duplicates outside)"
        probe "$3" 0.1
        same "what is not in the plan is outside, $1" "$n 1024 256" "$(stats arrived duplicates outside)"
        same "the checker keeps silent, $1" 0 "$(wc -l <got)"
        internet reset
        probe "$2" 0.1 --bad-sum
        same "a wrong TCP sum is counted and is no arrival, $1" "256 0 0" "$(stats bad_syn_sum bad_ip_sum arrived)"
}
single_frames $v4 10.20.0.0/24 10.21.0.0/24
probe 10.20.1.0/24 0.1 --bad-ip-sum
same "so is a wrong IPv4 sum" "256 256 0" "$(stats bad_syn_sum bad_ip_sum arrived)"
single_frames $v6 2001:db8:1::5:0/120 2001:db8:1::6:0/120

# ---- in bulk: the lab's fast sender, two threads, 16 ports
blast() { # PREFIX PORTS [option…]: its report goes to the file blasted
        in_scan "$BUILD/lab/blast" scan0 "$@" >blasted || fail "blast $*" "exit status $?"
}

key=00112233445566778899aabbccddeeff
echo $key >key
bulk() { # PREFIX of 65536 addresses
        local all=1048576
        internet up --mode check --plan "$1" 80-95 --cookie-key "$PWD/key"
        blast "$1" 80-95 --threads 2 --cookie-key key
        same "a million probes once each, $1" "0 $all 0 0 0" \
                "$(jq .refused blasted) $(stats arrived duplicates outside bad_cookie)"
        same "their sums are right, $1" "0 0 0 $all" "$(stats bad_ip_sum bad_syn_sum malformed 'proto["6"]')"
        same "every one of them is in a millisecond, $1" $all \
                "$(awk '{ sum += $1 } END { print sum }' "$BUILD/lab/$LAB/arrivals.txt")"
        blast "$1" 80-95 --from 5000 --count 70000
        same "70,000 of them again, with another cookie, $1" "$all 70000 70000" "$(stats arrived duplicates bad_cookie)"
}
bulk 10.32.0.0/16
bulk 2001:db8:1::7:0/112

internet up --mode drop
blast 10.32.0.0/16 80-81
for i in 1 2 3; do in_scan bash -c 'echo >/dev/udp/10.32.0.1/53'; done
same "the mode that only counts" "131075 131072 3 0" "$(stats frames 'proto["6"]' 'proto["17"]' syn)"
internet up --open 100 --closed 0 --sink --no-arrivals
blast 10.32.0.0/16 80-81
same "answers end at the scanner's end, where they are counted" "131072 131072" "$(stats answered sunk)"

# ---- frames per millisecond
internet up --mode check
blast 10.32.0.0/16 80
sleep 0.4
blast 10.32.0.0/16 80
internet stats >/dev/null
gap=$(awk '$1 { if (NR - last - 1 > gap) gap = NR - last - 1; last = NR } END { print gap }' "$BUILD/lab/$LAB/arrivals.txt")
within "a pause of 400 ms is seen, ms" "$gap" 395 1500
same "and its emptiest 10 ms" 0 "$(stat_of arrivals.least_10ms)"

# ---- a far end that is too slow
internet up --mode check --plan 10.32.0.0/16 80 --slow-ns 20000
blast 10.32.0.0/16 80 --count 20000
refused=$(jq .refused blasted)
within "it makes the link refuse frames" "$refused" 1000 20000
settled=0
for ((i = 0; i < 100 && settled == 0; i++)); do # it is still busy with what it took
        sleep 0.05
        [ "$(stats arrived)" != $((20000 - refused)) ] || settled=1
done
same "what was not refused arrived" "$((20000 - refused)) 0" "$(stats arrived duplicates)"

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
