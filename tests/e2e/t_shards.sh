#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shards 1/7 to 7/7 are an exact partition of the targets: as lists, and as packets on the wire when every shard
# has its own rate and number of transmit threads. The order depends on seed and targets only.
# limit_s: 120
# patient: yes
. "$(dirname "$0")/scan.sh"

targets=10.0.0.0-10.0.139.99 # an odd number, so that the order has holes
count=$((2 * (139 * 256 + 100)))
lab_up -- --prefix 10.0.0.0/16 --open 0 --closed 0 --track 10.0.0.0/16 80,443

for i in 1 2 3 4 5 6 7; do
        scan -sL $targets -p80,443 --seed 7 --shard $i/7 >part.$i || fail "listing of shard $i" "$(cat err)"
done
scan -sL $targets -p80,443 --seed 7 >whole
check "the shards' lists, joined in order, are the whole list" "$(cat part.? | cmp -s - whole; echo $?)" "$(wc -l <whole) lines"
same "the whole list names each target once" $count "$(sort -u whole | wc -l)"
most=$(wc -l part.? | awk '$2 ~ /part/ && $1 > m { m = $1 } END { print m }')
least=$(wc -l part.? | awk '$2 ~ /part/ && (!m || $1 < m) { m = $1 } END { print m }')
[ $((most - least)) -lt 600 ]
check "the shards are about equal" $? "$least to $most targets of $count/7 = $((count / 7))"
scan -sL $targets -p80,443 --seed 8 >other
[ "$(head -n 1000 other | md5sum)" != "$(head -n 1000 whole | md5sum)" ]
check "another seed is another order" $? "first 1,000 of $(wc -l <other)"

for i in 1 2 3 4 5 6 7; do
        scan $targets -p80,443 --seed 7 --shard $i/7 --rate "$(pps $((i * 9000)))" --tx-threads $((1 + i % 3)) --wait 0 ||
                fail "scan of shard $i" "exit status $status: $(tail -n 3 err)"
done
same "on the wire each target was probed once" "{\"1\":$count}" "$(internet stats | jq -c .times_probed)"

# ---- the whole order on the wire, in the sequence of the list
scan 10.0.0.0/22 -p80,443 --seed 5 --io-tx file:probes.pcap --rate 1M --wait 0
scan -sL 10.0.0.0/22 -p80,443 --seed 5 >list
tshark -r probes.pcap -T fields -e ip.dst -e tcp.dstport 2>/dev/null | tr '\t' ':' >wire
check "the file back-end holds the list, in its order" "$(cmp -s list wire; echo $?)" "$(wc -l <wire) packets, $(wc -l <list) lines"
finish
