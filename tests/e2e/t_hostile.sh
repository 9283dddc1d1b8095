#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Beside the true answers, forged ones on a tenth of the probes of each kind: duplicates, wrong cookies, foreign
# sources, truncated and corrupt frames, ICMP errors about packets never sent. The list is exact all the same,
# IPv4 and IPv6; so it is when each answer comes ten times, late, or out of turn.
# limit_s: 120
. "$(dirname "$0")/scan.sh"

v4=$(sized 10.0.0.0/16 10.0.0.0/14 10.0.0.0/20)
v6=$(sized 2001:db8:1::/112 2001:db8:1::/112 2001:db8:1::/118)
small=10.0.0.0/20
rate=$(pps 50000)

# under NAME PREFIX SIM-OPTIONS…: one exact scan of such an Internet
under() {
        local name=$1 prefix=$2
        shift 2
        internet up --prefix "$prefix" --open 20 --closed 30 --unreach 5 "$@"
        truth "$prefix" 80 >truth
        run_exact "$name, $prefix" truth "$prefix" -p80 --rate "$rate" --wait 2
}

lab_up --far none
under "all hostile kinds, 10 % each" "$v4" --hostile 10
kinds=$(internet stats | jq -c '.forged | map_values(. > 0)')
same "the lab did forge every kind" '{"dup":true,"cookie":true,"foreign":true,"short":true,"corrupt":true,"icmp":true}' "$kinds"
forged=$(sed -n 's/.*; \([0-9]*\) forged or malformed.*/\1/p' err)
[ "${forged:-0}" -gt 0 ]
check "the summary counts forgeries" $? "${forged:-none} counted"
under "all hostile kinds, 10 % each" "$v6" --hostile 10
under "each answer ten times" "$small" --answers-per-target 10
dups=$(sed -n 's/.* filtered, \([0-9]*\) duplicates.*/\1/p' err)
[ "${dups:-0}" -gt 10000 ]
check "the summary counts duplicates" $? "${dups:-none} counted"
under "answers out of turn" "$small" --reorder 50
under "answers up to a second late" "$small" --delay 0-1000
finish
