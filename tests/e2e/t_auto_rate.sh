#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --rate auto behind a router that lets so many packets a second pass and no more: the rate it holds is at most 15 %
# under that and never above, the list has nothing twice and nothing invented, canaries cost at most 5 % more probes.
# Where nothing is in the way it goes up to the ceiling. The summary's coverage, from canaries and from retries, is
# held against the truth: the interval is meant for 95 % of all scans, so twice its width is allowed.
# patient: yes
# limit_s: 240
# sanitizers: none
. "$(dirname "$0")/scan.sh"

FAR=$LAB-far
LIMITER=

# The router is the lab's far end; behind it one more namespace, whose link the simulated Internet answers on.
far_up() { # FRAMES_PER_SECOND SIM-OPTION…
        local limit=$1
        shift
        far_down
        ip netns add "$FAR" &&
                ip -n "$NET" link add net1 address 02:00:00:00:01:01 type veth peer name far0 address 02:00:00:00:01:02 netns "$FAR" &&
                ip netns exec "$NET" "$BUILD/lab/offload" net1 all on && ip netns exec "$FAR" "$BUILD/lab/offload" far0 all on &&
                ip -n "$NET" addr add 203.0.113.1/24 dev net1 && ip -n "$FAR" addr add 203.0.113.2/24 dev far0 &&
                ip -n "$NET" link set net1 up && ip -n "$FAR" link set far0 up &&
                ip -n "$NET" route add 10.0.0.0/8 via 203.0.113.2 &&
                ip netns exec "$NET" sysctl -qw net.ipv4.ip_forward=1 || return
        if [ "$limit" -gt 0 ]; then
                ip netns exec "$NET" nft -f - <<END || return
table inet limiter {
chain c {
        type filter hook forward priority 0;
        oifname net1 limit rate over $limit/second burst 200 packets drop
}
}
END
        fi
        rm -f far.pid
        ip netns exec "$FAR" "$BUILD/lab/sim" --dev far0 --prefix 10.0.0.0/8 --pid-file "$PWD/far.pid" "$@" </dev/null >far.log 2>&1 &
        LIMITER=$!
        BACKGROUND+=($!)
        for _ in {1..200}; do
                [ ! -s far.pid ] || return 0
                sleep 0.05
        done
        return 1
}

far_down() {
        if [ -n "$LIMITER" ]; then
                kill "$LIMITER"
                wait "$LIMITER" 2>/dev/null
        fi
        BACKGROUND=() LIMITER=
        ip netns exec "$NET" nft delete table inet limiter 2>/dev/null
        ip -n "$NET" link del net1 2>/dev/null
        ip netns del "$FAR" 2>/dev/null
}

last_json() { # JQ-FILTER: of the last status line
        grep '"packets":' err | tail -n 1 | jq -r "$1"
}

within() { # NAME VALUE LOW HIGH FIGURES
        awk -v x="$2" -v lo="$3" -v hi="$4" 'BEGIN { exit !(x >= lo && x <= hi) }'
        check "$1" $? "$2, wanted $3 to $4; $5"
}

held() { # what was held when the search was over
        sed -n 's/.*--rate auto: held \([0-9]*\) .*/\1/p' err
}

trap 'far_down; clean_up' EXIT
lab_up --far none
have_nft=1
ip netns exec "$NET" nft list ruleset >/dev/null 2>&1 || have_nft=0

if [ $have_nft = 1 ] && far_up 6000 --open 5 --closed 5; then
        scan 10.0.0.0/12 -p80 --rate auto --max-rate 10k --max-runtime 65 --wait 1 --status-json --show open,closed -oL list
        within "held under a knee of 6000/s" "$(held)" 5100 6000 "$(grep -o '[^"]*--rate auto: held[^"]*' err)"
        within "canaries cost little" "$(last_json '100 * .packets.retries / .packets.probes')" 0.1 5 "percent of the probes"
        same "nothing twice" "" "$(sort list | uniq -d | head -n 3)"
        grep -v '^#' list | cut -d' ' -f1-4 | sort >got
        "$BUILD/lab/sim" --open 5 --closed 5 --truth 10.0.0.0/12 80 | grep -E '^(open|closed) ' | sort | comm -13 - got >invented
        same "nothing invented" "" "$(head -n 3 invented)"
        echo "$(wc -l <got) results"
else
        skip "a knee" "no packet limiter on this machine: $(tail -n 1 far.log 2>/dev/null)"
fi

far_up 0 --open 5 --closed 5 || fail "the far end" "$(tail -n 1 far.log)"
scan 10.0.0.0/8 -p80 --rate auto --max-rate 4k --max-runtime 25 --wait 1 -oL list
same "nothing in the way: the ceiling" 4000 "$(held)"
far_down

internet up --prefix 10.0.0.0/8 --open 100 --closed 0
scan 10.0.0.0/8 -p80 --rate auto --max-rate 100k --max-runtime 40 --wait 1 --no-checkpoint --output none:none
within "canaries keep up with a fast scan" "$(held)" 20000 100000 "$(grep -o '[^"]*--rate auto: held[^"]*' err)"

# ---- coverage ----
covers() { # NAME FOUND TRUTH
        local actual low high
        actual=$(awk -v f="$2" -v t="$3" 'BEGIN { print 100 * f / t }')
        low=$(last_json '2 * .coverage.low - .coverage.percent')
        high=$(last_json '2 * .coverage.high - .coverage.percent')
        within "$1" "$actual" "$low" "$high" "$(last_json '.coverage | tojson')"
}

internet up --prefix 10.0.0.0/16 --open 20 --closed 30 --loss-in 5 --loss-out 5
truth 10.0.0.0/16 80 >truth
scan 10.0.0.0/16 -p80 --rate 20k --retries 1 --wait 2 --status-json --show open,closed -oL list
covers "coverage by retries" "$(grep -c '^[oc]' list)" "$(wc -l <truth)"
scan 10.0.0.0/16 -p80 --rate auto --max-rate 8k --wait 2 --status-json --show open,closed -oL list
covers "coverage by canaries" "$(grep -c '^[oc]' list)" "$(wc -l <truth)"
finish
