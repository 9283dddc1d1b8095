#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Scans end on time: within half a second of --wait, with answers or without, --wait 0, --wait auto; what sends
# nothing ends at once with status 0. A reader of stdout that sleeps delays the scan and costs no result.
# limit_s: 180
. "$(dirname "$0")/scan.sh"
slack_ms=$(sized 500 500 3000)

# timed NAME FROM_MS TO_MS ARGS…: a scan whose running time lies between
timed() {
        local name=$1 from=$2 to=$3 start took
        shift 3
        start=$(now_ms)
        scan "$@" >out
        took=$(($(now_ms) - start))
        [ $status -eq 0 ] && [ $took -ge "$from" ] && [ $took -le "$to" ]
        check "$name" $? "took $took ms, allowed $from to $to, exit status $status"
}

lab_up --far none
internet up --prefix 10.0.0.0/16 --open 20 --closed 30
# 1,000 frames and less at 10,000 a second: a tenth of a second
timed "--wait 0" 50 $((100 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait 0
timed "--wait 1" 1000 $((1100 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait 1
timed "--wait 3" 3000 $((3100 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait 3 -oJ x.json
timed "--wait auto" 50 $((2000 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait auto
internet up --prefix 10.0.0.0/16 --open 0 --closed 0
timed "--wait 1, not one answer" 1000 $((1100 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait 1 -oX x.xml
xmllint --noout x.xml
check "XML of no results is a document" $? "$(wc -c <x.xml) bytes"
timed "--wait auto, not one answer" 50 $((3000 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait auto
timed "--retries 1: sent twice, a second apart" 2000 $((2200 + slack_ms)) 10.0.0.0/23 -p80 --rate 10000 --wait 1 --retries 1
internet up --prefix 10.0.0.0/16 --open 20 --closed 30 --delay 300-400
truth 10.0.0.0/20 80 >truth
run_exact "--wait auto with answers 300 to 400 ms late" truth 10.0.0.0/20 -p80 --rate 20000 --wait auto

for arg in --version --help -h --nmap --iflist --selftest; do
        timeout 60 ip netns exec "$SCAN" "$TRAWL" $arg >out 2>&1
        check "$arg" $? "$(wc -l <out) lines, exit status 0 expected"
done
timeout 20 ip netns exec "$SCAN" "$TRAWL" 10.0.0.1 -p80 --echo >out 2>&1
check "--echo" $? "$(wc -l <out) lines"

# ---- stdout blocked
sleep_s=$(sized 5 30 5)
rate=$(pps 500000)
prefix=$(sized 10.0.0.0/13 10.0.0.0/11 10.0.0.0/18)
internet up --prefix "$prefix" --open 20 --closed 30
truth "$prefix" 80 >truth
start=$(now_ms)
scan "$prefix" -p80 --rate "$rate" --wait 1 --show open,closed,filtered -oL - | (
        sleep "$sleep_s"
        cat >list
)
took=$(($(now_ms) - start))
compare "stdout blocked for $sleep_s s at $rate pps" truth list
[ $took -ge $((sleep_s * 1000)) ]
check "it was blocked indeed" $? "the scan took $took ms"

# ---- nobody reads stdout any more: the scan ends, with a word
timeout 60 ip netns exec "$SCAN" "$TRAWL" --no-checkpoint 10.0.0.0/12 -p80 --rate "$(pps 20000)" --wait 1 -oL - 2>err | head -n 5 >/dev/null
state=("${PIPESTATUS[@]}")
[ "${state[0]}" -ne 124 ] && grep -q pipe err
check "the reader of stdout went away" $? "exit status ${state[0]}: $(tail -n 1 err)"
finish
