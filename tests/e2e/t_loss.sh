#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# 5 % of the packets lost on each way, drawn per packet: two retries find at least 99.8 % of what answers (three
# tries of which each succeeds with 0.95² leave 0.09 % unfound), nothing twice, and cost no more probes than the
# silent targets' two and the answering ones' 1 + 0.0975 + 0.0095 each. IPv4 and IPv6.
# limit_s: 120
. "$(dirname "$0")/scan.sh"

v4=$(sized 10.0.0.0/15 10.0.0.0/12 10.0.0.0/19)
v6=$(sized 2001:db8:1::/112 2001:db8:1::/112 2001:db8:1::/118)
rate=$(pps 50000)
least=$(sized 99.8 99.8 98.5) # few targets scatter more

# lossy PREFIX: one scan under loss and three verdicts about it
lossy() {
        local prefix=$1 targets answering sent bound times
        internet up --prefix "$prefix" --open 20 --closed 30 --loss-in 5 --loss-out 5 --track "$prefix" 80
        truth "$prefix" 80 >truth
        answering=$(wc -l <truth)
        rm -f list
        scan "$prefix" -p80 --rate "$rate" --retries 2 --wait 2 --show open,closed,filtered -oL list
        [ $status -eq 0 ] || fail "$prefix scan" "exit status $status: $(tail -n 3 err)"
        compare "$prefix found under loss, none twice" truth list --at-least "$least"
        sent=$(stat_of syn)
        targets=$(stat_of targets)
        bound=$((101 * (3000 * (targets - answering) + 1107 * answering) / 100000))
        [ "$sent" -le $bound ]
        check "$prefix probes within the bound" $? "$sent sent, at most $bound; $targets targets, $answering answer; $(stat_of lost_in)+$(stat_of lost_out) packets lost"
        times=$(internet stats | jq -c '.times_probed | keys')
        same "$prefix every target probed one to three times" '["1","2","3"]' "$times"
}

lab_up --far none
lossy "$v4"
lossy "$v6"
finish
