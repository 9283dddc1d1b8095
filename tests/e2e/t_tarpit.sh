#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Tarpits: a third of the targets answers without a window, says it again and again, and does not care for our RST.
# Each is an open port and is listed once, and gets a RST for each of its answers at most; also when answers get lost and probes are
# repeated, when they are late, and among forgeries. Hosts that answer on every port are listed like any other, and counted.
# patient: yes
# limit_s: 180
. "$(dirname "$0")/scan.sh"

v4=$(sized 10.0.0.0/18 10.0.0.0/16 10.0.0.0/21)
v6=$(sized 2001:db8:1::/114 2001:db8:1::/112 2001:db8:1::/118)
rate=$(pps 20000)

# under NAME PREFIX SIM-OPTIONS… -- ARGS…: one exact scan of such an Internet
under() {
        local name=$1 prefix=$2 sim=()
        shift 2
        while [ "$1" != -- ]; do
                sim+=("$1")
                shift
        done
        shift
        internet up --hush --open 5 --closed 10 --unreach 5 --tarpit 33 "${sim[@]}"
        truth "$prefix" 80 >truth
        tarpits=$(grep -c ' tarpit$' truth)
        run_exact "$name, $prefix" truth "$prefix" -p80 --rate "$rate" "$@"
}

# What the far end saw: every tarpit said it $1 more times, and RSTs: one for each open port, which was opened by
# our probe, and at most one for each answer.
repeated() {
        local open rst
        open=$(grep -c '^open' truth)
        rst=$(stat_of rst)
        same "each of $tarpits tarpits repeated itself, $1 times" $(($1 * tarpits)) "$(stat_of repeated)"
        [ "$rst" -ge "$open" ] && [ "$rst" -le $((open + $1 * tarpits)) ]
        check "RSTs: one for each open port, no more than answers" $? "$rst for $open ports, $(($1 * tarpits)) repeats"
        dups=$(sed -n 's/.* filtered, \([0-9]*\) duplicates.*/\1/p' err)
        same "the repeats are duplicates in the summary" $(($1 * tarpits)) "$dups"
}

# all_open NAME PREFIX HOSTS RETRIES SIM-OPTIONS…: an exact scan of 300 ports that counts so many hosts as open on every port
all_open() {
        local name=$1 prefix=$2 hosts=$3 retries=$4
        shift 4
        internet up --hush "$@"
        truth "$prefix" 1-300 >truth
        run_exact "$name" truth "$prefix" -p1-300 --rate "$rate" --wait 1 --retries "$retries"
        same "$name: hosts that answer on every port" "$hosts" \
                "$(($(sed -n 's/^trawl: \([0-9]*\) hosts\{0,1\} answers\{0,1\} on every port.*/\1/p' err)))"
}

lab_up --far none
under "a third are tarpits" "$v4" -- --wait 4
repeated 5
under "a third are tarpits" "$v6" --tarpit-repeats 3 -- --wait 2
repeated 3
under "lost answers, retries" "$v4" --tarpit-repeats 3 --loss-in 5 --loss-out 5 -- --wait 2 --retries 7
under "late, out of turn, among forgeries" "$v4" --tarpit-repeats 3 --hostile 5 --delay 0-300 -- --wait 3
all_open "64 hosts are open everywhere" 10.0.0.0/26 64 0 --open 100 --closed 0 --unreach 0
all_open "likewise, answers get lost" 2001:db8:1::/122 64 7 --open 100 --closed 0 --unreach 0 --loss-in 5 --loss-out 5
all_open "half is open, the rest is dropped" 10.0.0.0/26 0 0 --open 50 --closed 0 --unreach 0
all_open "most is open, some is closed" 10.0.0.0/26 0 0 --open 80 --closed 20 --unreach 0
finish
