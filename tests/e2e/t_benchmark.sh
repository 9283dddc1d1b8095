#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --benchmark prints a cost for every stage and sends nothing; --cpu-mask changes speed and nothing else;
# --benchmark-tx says what the far end counts, keeps to --rate, and sends only to a MAC address that nobody has;
# --offline=frames probes what --offline does.
# limit_s: 120
. "$(dirname "$0")/scan.sh"

lab_up --far none
levels=()
for level in c avx2 avx512; do
        in_scan "$TRAWL" -sL 10.0.0.0/30 --cpu-mask $level >/dev/null 2>err && levels+=($level)
done

# ---- --benchmark
sent() { # frames that left the scanner's end
        ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.tx.packets'
}
before=$(sent)
TIMEFORMAT='%U %S'
used=$({ time in_scan "$TRAWL" --benchmark >table 2>err; } 2>&1)
same "benchmark: ends well and says nothing else" "0 0" "$? $(wc -c <err)"
seconds=$(awk '{ print $1 + $2 }' <<<"$used")
check "benchmark: under 15 s of CPU" "$(awk -v s="$seconds" -v san="$SANITIZER" 'BEGIN { print (s > (san == "" ? 15 : 60)) }')" "$seconds s"
check "benchmark: sends nothing" $(($(sent) - before > 10)) "$(($(sent) - before)) frames left, none of them probes"
# A row: a name, then pairs of nanoseconds and millions a second, which say the same.
rows() { # COLUMNS FILE: how many good rows, how many bad ones
        awk -v pairs="$1" '/^  / {
                n = 0; good = 1
                for (i = NF; i > 1 && $i ~ /^[0-9]+\.[0-9]+$/; i--) n++
                for (i = NF - n + 1; i < NF; i += 2)
                        if ($i <= 0 || $i * $(i + 1) < 900 - 5 * $i || $i * $(i + 1) > 1100 + 5 * $i + 50 * $(i + 1)) good = 0
                if (good && n == 2 * pairs) yes++
                else if (n != 2 && n != 2 * pairs || !good) no++
        } END { print yes + 0, no + 0 }' "$2"
}
same "benchmark: a column for each level this CPU has" "${levels[*]}" "$(sed -n '/^IPv4 Internet.*1 port /s/.*1 port *//p' table | xargs)"
read -ra counts <<<"$(rows ${#levels[@]} table)"
check "benchmark: rows" $((counts[0] < 36 || counts[1] > 0)) "${counts[0]} whole rows of levels, ${counts[1]} bad ones"
missing=
for row in order pick 'generate (order, pick)' 'generate, patch (masscan SYN)' 'generate, patch, stamp (windows SYN)' \
        'patch (cookie, sums), windows SYN' 'stamp, windows SYN' 'IPv4: decode a SYN-ACK' 'IPv6: decode, classify' \
        'dedup: a mark in 64 MiB of bitmap' 'list' 'json' 'ndjson' 'binary' 'xml'; do
        grep -qF "  $row  " table || missing+="$row; "
done
same "benchmark: every stage has its row" "" "$missing"
# What comes after a stage costs more than the stage alone: twice and more here, so noise cannot hide it.
cost() { # ROW: the first pair's nanoseconds, of the first table it is in
        grep -F "  $1  " table | head -n 1 | awk -v skip="$(wc -w <<<"$1")" '{ print $(skip + 1) }'
}
check "benchmark: a patch costs more than to find its target" \
        "$(awk -v g="$(cost 'generate (order, pick)')" -v p="$(cost 'generate, patch (masscan SYN)')" 'BEGIN { print (p < g) }')" \
        "$(cost 'generate (order, pick)') ns, $(cost 'generate, patch (masscan SYN)') ns"
if [ ${#levels[@]} -gt 1 ]; then
        in_scan "$TRAWL" --benchmark --cpu-mask c >table.c 2>err
        same "benchmark: --cpu-mask, and only its column" "0 c" "$? $(sed -n '/^IPv4 Internet.*1 port /s/.*1 port *//p' table.c)"
fi

# ---- --cpu-mask
for level in "${levels[@]}"; do
        in_scan "$TRAWL" -sL 10.0.0.0/18 2001:db8::/118 -p80-84 --seed 7 --cpu-mask $level >"order.$level" 2>err
        same "--cpu-mask $level: the same order" "$(cksum <order.c)" "$(cksum <"order.$level")"
done
same "the order is not empty" $((5 * (16384 + 1024))) "$(wc -l <order.c)"

# ---- --offline=frames
in_scan "$TRAWL" 10.0.0.0/16 -p80,81 --rate "$(pps 2000000)" --no-checkpoint --max-rate-per-host 0 --offline=frames --wait 0 2>err
same "--offline=frames: all probes are made" "0 131072" "$? $(sed -n 's/.*done: \([0-9]*\) probes sent.*/\1/p' err)"

# ---- --benchmark-tx
refused() { # NAME WORD ARGS…
        local name=$1 word=$2
        shift 2
        in_scan "$TRAWL" --benchmark-tx "$@" >out 2>err
        same "$name" "2 0 1" "$? $(wc -c <out) $(grep -c "$word" err)"
}
refused "without an interface" "name the interface"
refused "an interface that is not there" 'no interface "nope"' -e nope
refused "loopback" "Ethernet interface" -e lo
refused "a back-end that sends nothing" "nothing to measure" -e scan0 --io-tx null
refused "a back-end that would route" "leaves VLAN tags and MAC" -e scan0 --io-tx rawip

in_net() {
        ip netns exec "$NET" "$@"
}

frames() { # [BACK-END]: the sum of that column, its rows, and by how many back-ends
        awk -v b="${1:-}" '$2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ && (b == "" || $1 == b) { n += $3; rows++; by[$1] } END { print n + 0, rows + 0, length(by) }' out
}
# The far end tells them from others; a plain socket there sees all that comes, whatever its MAC address.
timeout -k 2 60 ip netns exec "$NET" "$HERE/bench_frames.py" net0 02:74:72:61:77:6c 198.18.0.0/15 seen &
BACKGROUND+=($!)
for ((i = 0; i < 100; i++)); do [ -e seen ] || sleep 0.05; done
in_scan "$TRAWL" --benchmark-tx -e scan0 --rate 2000 >out 2>err
same "at a rate: ends well" 0 $?
kill "${BACKGROUND[0]}" && wait "${BACKGROUND[0]}"
BACKGROUND=()
for way in xdp afpacket pcap; do
        read -r n _ <<<"$(frames $way)"
        check "at a rate: $way is never above it" $((n < 1000 || n > 4080)) "$n frames in 2 s at 2000 a second"
done
read -r told _ ways <<<"$(frames)"
read -r right wrong <seen
same "each goes to nobody's MAC address, to 198.18.0.0/15, with right sums" 0 "$wrong"
# One of each way comes before its clock starts.
same "as many came as were told" $((told + ways)) "$right"

# Without GRO the far end of a veth pair takes no frames from a program.
in_net "$BUILD/lab/offload" net0 gro off
in_scan "$TRAWL" --benchmark-tx -e scan0 --io-tx xdp >out 2>err
same "a way that the link does not take: nothing is measured" "1 0 0 0" "$? $(frames)"
grep -q '^xdp .*scan0 takes no frames by xdp' out
check "a way that the link does not take: told" $? "$(grep ^xdp out)"
in_net "$BUILD/lab/offload" net0 gro on

internet up --mode drop --no-arrivals --prefix 198.18.0.0/15
in_scan "$TRAWL" --benchmark-tx -e scan0 >out 2>err
same "flat out: ends well" "0 0" "$? $(wc -c <err)"
cat out
came=$(stat_of frames)
for way in xdp afpacket pcap; do
        read -r _ n _ <<<"$(frames $way)"
        check "flat out: several bursts by $way" $((n < 3)) "$n rows"
done
read -r told _ ways <<<"$(frames)"
same "flat out: the far end counts what was told" $((told + ways)) "$came"
awk '$2 ~ /^[0-9]+$/ && ($5 < $4 * 0.99 - 50 || $5 > $4 * 1.01 + 50 || $4 < 100 || $6 <= 0) { print; bad = 1 } END { exit bad }' out
check "flat out: the link counts the same" $? "$told frames"
finish
