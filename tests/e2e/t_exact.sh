#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A scan's list equals the truth: nothing missed, nothing invented, nothing twice. A million simulated addresses
# on two ports at 300,000 packets a second, IPv6, several threads, and nginx on a real /16 with the link's
# offloads on and off (unfinished checksums, joined segments). Debian's masscan runs beside it, for comparison.
# limit_s: 280
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

v4=$(sized 10.0.0.0/12 10.0.0.0/12 10.0.0.0/18)
rate=$(pps 300000)
lab_up -- --prefix "$v4" --prefix 2001:db8:1::/112 --open 20 --closed 30 --unreach 5
truth "$v4" 80,443 >truth
run_exact "simulated Internet $v4 x 2 ports at $rate pps" truth "$v4" -p80,443 --rate "$rate" --wait 2
grep -m1 'done:' err

run_exact "the same, 2 transmit and 2 receive threads" truth "$v4" -p80,443 --rate "$rate" --wait 2 \
        --tx-threads 2 --rx-threads 2

v6=$(sized 2001:db8:1::/112 2001:db8:1::/112 2001:db8:1::/116)
truth "$v6" 80 >truth6
run_exact "IPv6 $v6 at $(pps 200000) pps" truth6 "$v6" -p80 --rate "$(pps 200000)" --wait 1

internet reset
scan 10.0.0.0/20 -p80 --rate "$(pps 20000)" --wait 1 -oL opens
internet truth 10.0.0.0/20 80 | grep '^open' >truth1
compare "open ports only, by default" truth1 opens

# ---- masscan beside it: no verdict, its figures are for comparison
if command -v masscan >/dev/null && [ -z "$SANITIZER" ]; then
        peer_masscan 14 10.0.0.0/16 -p80 --rate 20000 --wait 2 -oL list.masscan
        internet truth 10.0.0.0/16 80 | grep '^open' >truth1
        echo "for comparison, Debian's masscan, 10.0.0.0/16 at 20,000 pps: $("$HERE/compare.py" truth1 list.masscan)"
        scan 10.0.0.0/16 -p80 --rate 20000 --wait 2 -oL opens
        compare "trawl, same targets and rate as masscan" truth1 opens
fi

# ---- a real server, which says yes for a whole /16
if have_servers; then
        real=$(sized 172.16.0.0/16 172.16.0.0/16 172.16.0.0/20)
        python3 -c 'import ipaddress, sys
for a in ipaddress.ip_network(sys.argv[1]): print("open tcp 80", a)' "$real" >truth_real
        for offloads in on off; do
                lab_up --far real --no-tun --offloads $offloads
                run_exact "nginx on $real, offloads $offloads" truth_real "$real" -p80 --rate "$(pps 30000)" --wait 2
        done
else
        skip nginx "no nginx: it is neither installed nor unpacked in $BUILD/root (lab/servers does that)"
fi
finish
