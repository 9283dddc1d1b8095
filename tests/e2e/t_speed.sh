#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Truth at speed: the rate asked for is the rate sent, RSTs from the kernel included, as the far end sees it; when
# every target answers no result is lost, in lists and in binary files; a whole scan with a checkpoint is exact, and
# what it says of itself agrees with what the far end counted.
# limit_s: 1800
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

xdp=(--io-tx xdp --io-rx xdp --max-rate-per-host 0)
seconds=$(sized 3 10 3)

if unshare -n "$TRAWL" 10.0.0.1 -p80 --adapter lo --io-tx xdp --no-checkpoint 2>&1 | grep -q 'not compiled in'; then
        skip speed "the program has no libbpf"
        exit 0
fi

stats() { # KEY…: several counters
        local key out=()
        internet stats >stats.json
        for key; do
                out+=("$(jq -c ".$key" stats.json)")
        done
        echo "${out[*]}"
}

summed() { # the counts of the last scan's summary: probes replies answers open closed filtered duplicates lost
        sed -nE 's/^trawl: .*: ([0-9]+) probes sent .*, ([0-9]+) replies; ([0-9]+) answers: ([0-9]+) open, ([0-9]+) closed, ([0-9]+) filtered, ([0-9]+) duplicates; .*; ([0-9]+) lost in the kernel.*/\1 \2 \3 \4 \5 \6 \7 \8/p' err
}

# ---- the rate; under a sanitizer only what it can keep up with
# measure RATE STALLED_S: judges the arrivals of the first $seconds. Exit status 0: as asked; 2: as asked but for what
# trawl counted as stalls, of which nothing is made up
measure() {
        python3 - "$1" "$2" "$seconds" "$BUILD/lab/$LAB/arrivals.txt" <<'END'
import sys
rate, stalled_s, seconds = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
ms = [int(line) for line in open(sys.argv[4])][:seconds * 1000]
total, allowed = sum(ms), 1.15 * rate / 100 + 1
window = peak = above = 0
for i, n in enumerate(ms):
    window += n - (ms[i - 10] if i >= 10 else 0)
    peak = max(peak, window)
    above += window > allowed
share = total / (rate * seconds)
good = len(ms) == seconds * 1000 and abs(share - 1) <= 0.01 and not above
but_stalls = not above and stalled_s and abs(share + stalled_s / (seconds + 0.5) - 1) <= 0.02
print("%d frames in %.1f s, %.2f %% of what was asked; fullest 10 ms: %d frames, %.0f allowed, %d windows above" %
      (total, len(ms) / 1000, 100 * share, peak, allowed, above))
sys.exit(0 if good else 2 if but_stalls else 1)
END
}

# rate RATE OPEN ARGS…: OPEN percent of the targets are; "none": the far end only counts
rate() {
        local rate=$1 open=$2 far=(--hush --open "$2" --closed 0) try out rc stalled
        [ "$open" != none ] || far=(--mode drop)
        shift 2
        for try in 1 2 3; do
                internet up "${far[@]}"
                scan 10.0.0.0/8 -p80-87 --rate "$rate" --max-runtime "$seconds.5" --wait 0.3 --output none:none -v "${xdp[@]}" "$@"
                internet down
                stalled=$(sed -n 's/.* stalls .* cost \([0-9.]*\) s .*/\1/p' err)
                out=$(measure "$rate" "${stalled:-0}")
                rc=$?
                out="$out; $(grep -o '[0-9]* stalls.*' err || echo no stalls to tell of)"
                [ $rc -ne 0 ] || break
                echo "$rate pps, % open: $open, try $try: $out"
        done
        case $rc in
        2) skip "$rate frames/s, % open: $open $*" "this machine does not reach it: $out" ;;
        *) check "$rate frames/s, % open: $open $*" $rc "$out" ;;
        esac
}

lab_up --far none --queues 1
rate 1000 50
if [ -z "$SANITIZER" ]; then
        rate 100000 50
        rate 1000000 0
        rate 1000000 50
        [ "$FULL" != 1 ] || rate 5000000 none

        # CPU time: bursts are worth their system calls, and in between it sleeps
        internet up --mode drop --no-arrivals
        TIMEFORMAT='%U %S'
        { time scan 10.0.0.0/8 -p80 --rate 300k --max-runtime 3 --wait 0 --output none:none "${xdp[@]}"; } 2>times
        awk '{ exit !($1 + $2 < 1.2) }' times
        check "at 300,000 frames/s it leaves the core alone" $? "$(cat times) s of CPU time (user, system) in 3 s, for $(stat_of frames) frames"
fi

# ---- every target open
# all_open RATE PREFIX: list and binary at a time
all_open() {
        local rate=$1 prefix=$2 n lost sent unsent
        internet reset
        rm -f list bin back
        lost=$(ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.rx.packets')
        scan "$prefix" -p80 --rate "$rate" --wait 1 -oL list -oB bin -v "${xdp[@]}"
        sent=$(stat_of answered)
        lost=$((sent - $(ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.rx.packets') + lost))
        n=$(wc -l <truth)
        LC_ALL=C sort list | grep ^open | cut -d' ' -f1-4 | cmp -s - truth
        check "all open at $rate frames/s: list" $? "$n targets, $(grep -c ^open list) lines; the link lost $((lost > 0 ? lost : 0)) answers; $(grep -o '[0-9]* stalls.*' err)"
        "$TRAWL" --readscan bin -oL back 2>err2
        LC_ALL=C sort back | grep ^open | cut -d' ' -f1-4 | cmp -s - truth
        check "all open at $rate frames/s: binary" $? "$(grep -c ^open back) records"
        unsent=$(sed -n 's/^trawl: \([0-9]*\) replies found no room.*/\1/p' err)
        [ "${unsent:-0}" -le $((n / 10000)) ] || unsent=0 # so many would be a fault
        same "all open at $rate frames/s: it counted the same" "$n $((n - ${unsent:-0})) $n $n 0 0 0 0" "$(summed)"
        same "all open at $rate frames/s: a RST for each but ${unsent:-0} that it told, all well formed" \
                "$((n - ${unsent:-0})) 0 0 0" "$(stats rst bad_ip_sum bad_tcp_sum malformed)"
}

open_prefix() { # PREFIX
        internet truth "$1" 80 | LC_ALL=C sort >truth
}

internet up --hush --open 100 --closed 0 --no-arrivals
many=$(sized 10.0.0.0/12 10.0.0.0/8 10.0.0.0/16)
open_prefix "$many"
all_open 1000000 "$many"
[ "$FULL" != 1 ] || all_open 2000000 "$many"
open_prefix 2001:db8:1::/110
all_open 1000000 2001:db8:1::/110

# ---- a whole scan, flat out, with a checkpoint every second
"$TRAWL_ROOT/lab/down"
lab_up --far none --queues 2
[ "$FULL" != 1 ] || rate 5000000 none --tx-threads 2
ports=$(sized 80-83 80-95 80)
whole=$(sized 10.0.0.0/10 10.0.0.0/8 10.0.0.0/16)
internet up --hush --open 5 --closed 0 --no-arrivals
internet truth "$whole" "$ports" | grep ^open | LC_ALL=C sort >truth
rm -f list state
(
        for _ in $(seq 600); do # a checkpoint that is there while it runs
                [ ! -s state ] || { cp state state.seen && break; }
                sleep 0.05
        done
) &
BACKGROUND+=($!)
sent_ms=$(now_ms)
ip netns exec "$SCAN" "$TRAWL" "$whole" -p "$ports" --rate 50M "${xdp[@]}" --wait 1 --checkpoint state -oL list -v 2>err
rc=$?
took_ms=$(($(now_ms) - sent_ms))
check "whole scan: it ended well" $rc "$(grep -c . err) lines said; $(tail -n 1 err)"
LC_ALL=C sort list | grep ^open | cut -d' ' -f1-4 | cmp -s - truth
check "whole scan: exact list" $? "$(wc -l <truth) open, $(grep -c ^open list) listed; $(stat_of syn) probes in $((took_ms - 1000)) ms"
[ -s state.seen ]
check "whole scan: there were checkpoints" $? "$(head -c 60 state.seen | head -n 1)"
read -r probes replies answers open _ _ _ lost <<<"$(summed)"
read -r syn rst answered <<<"$(stats syn rst answered)"
same "whole scan: probes sent are those that arrived" "$syn" "$probes"
same "whole scan: answers counted are those that were sent" "$answered" "$((answers + lost))"
same "whole scan: RSTs counted are those that arrived" "$rst" "$replies"
same "whole scan: what was open is what is listed" "$(grep -c ^open list)" "$open"
same "whole scan: all frames well formed" "0 0 0 0" "$(stats bad_ip_sum bad_syn_sum bad_tcp_sum malformed)"
finish
