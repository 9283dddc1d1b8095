#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An interface that goes down in mid-scan (switched off, or its far end away): the scan waits for it, says so once,
# goes on by itself and finds everything; Ctrl-C works while it waits, and what was not sent is owed to --resume.
# An interface that is deleted ends the scan in order, and --resume goes on when there is one of that name again.
# patient: yes
# limit_s: 170
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

prefix=10.0.0.0/19
rate=$(pps 5000)
[ -z "$SANITIZER" ] || prefix=10.0.0.0/22
lab_up --far none
simulate() { # [sim-option…]
        internet up --prefix $prefix --open 20 --closed 30 --unreach 5 "$@"
}
simulate
truth $prefix 80 >truth
targets=$(awk -v bits="${prefix#*/}" 'BEGIN { print 2 ^ (32 - bits) }')

link() { # NAMESPACE DEVICE up|down
        ip -n "$1" link set "$2" "$3"
}

lift_off() { # ARGS…: a scan in the background, in the middle of it
        internet reset
        rm -f list
        ip netns exec "$SCAN" "$TRAWL" $prefix -p80 --rate "$rate" --show closed,filtered --router-mac 02:00:00:00:00:02 \
                --adapter scan0 --adapter-ip 198.51.100.1 "$@" 2>err &
        pid=$!
        sleep 0.8
}

touch_down() { # SECONDS: waits for the end of the scan, its exit status in $status
        if ! ended $pid "$1"; then
                kill -9 $pid
        fi
        wait $pid
        status=$?
}

cpu_ms() { # of the scan
        awk '{ print ($14 + $15) * 10 }' /proc/$pid/stat
}

# out NAME NAMESPACE DEVICE SECONDS WORD: so long without the link
out() {
        local name=$1 before spent arrived told seconds
        lift_off --no-checkpoint --wait 1 -oL list
        link "$2" "$3" down
        sleep 0.5
        before=$(cpu_ms)
        arrived=$(stat_of syn)
        sleep "$4"
        spent=$(($(cpu_ms) - before))
        same "$name: nothing is sent meanwhile" "$arrived" "$(stat_of syn)"
        link "$2" "$3" up
        touch_down 60
        same "$name: exit status" 0 $status
        compare "$name: everything is found, once" truth list
        arrived=$(stat_of syn)
        [ "$arrived" -ge "$targets" ] && [ "$arrived" -lt $((targets + rate * 3 / 2)) ]
        check "$name: only a second of probes is sent again" $? "$arrived probes arrived for $targets targets"
        told=$(grep -c "warning: scan0 $5; waiting for it$" err)
        seconds=$(sed -n 's/.*scan0 is up again after \([0-9.]*\) s$/\1/p' err)
        [ "$told" = 1 ] && awk "BEGIN { exit !(${seconds:-0} >= $4 && ${seconds:-0} < $4 + 2) }"
        check "$name: it is told once, and its end" $? "$(grep scan0 err | paste -sd'|')"
        [ -n "$SANITIZER" ] || [ "$spent" -lt 300 ]
        check "$name: it sleeps while it waits" $? "$spent ms of CPU time in $4 s"
}
out "switched off" "$SCAN" scan0 2.5 "is down"
out "no carrier" "$NET" net0 1.2 "has no carrier"

# ---- the other back-ends that send by an interface
for io in rawip pcap; do
        [ $io = rawip ] || "$TRAWL" --version | grep -q pcap || continue
        ip -n "$SCAN" route replace default via 198.51.100.2
        lift_off --no-checkpoint --wait 1 -oL list --io-tx $io
        link "$SCAN" scan0 down
        sleep 1.5
        ip -n "$SCAN" link set scan0 up && ip -n "$SCAN" route replace default via 198.51.100.2
        touch_down 60
        [ $status = 0 ] && ! grep -q 'could not be sent' err
        check "$io: exit status, no frame refused" $? "$status: $(tail -n 3 err | paste -sd'|')"
        compare "$io: everything is found" truth list
done

# ---- answers that were under way when it went down
simulate --delay 200-400
lift_off --no-checkpoint --wait 1 -oL list
link "$SCAN" scan0 down
sleep 1
link "$SCAN" scan0 up
touch_down 60
compare "answers that were under way are asked for again" truth list

# ---- and down again before they could all be asked: both outages are made good
small=10.0.0.0/23
internet up --prefix 10.0.0.0/22 --open 20 --closed 80 --delay 300-500
truth $small 80 >small
lift_off_small() { # RATE ARGS…
        rm -f list
        ip netns exec "$SCAN" "$TRAWL" $small -p80 --rate "$1" --show closed,filtered --no-checkpoint --adapter scan0 \
                --adapter-ip 198.51.100.1 -oL list "${@:2}" 2>err &
        pid=$!
        sleep 1
}
lift_off_small 100 --router-mac 02:00:00:00:00:02 --wait 2 # a block takes longer than the link is up in between
sleep 1
link "$SCAN" scan0 down
sleep 1.5
link "$SCAN" scan0 up
sleep 0.1
link "$SCAN" scan0 down
sleep 1.5
link "$SCAN" scan0 up
touch_down 60
compare "two outages, one right after the other" small list

# ---- blocks held back for neighbours that do not answer
ip -n "$SCAN" route replace default via 198.51.100.2
lift_off_small 300 198.51.100.100-198.51.100.250 --wait 2
sleep 0.3
link "$SCAN" scan0 down
sleep 1
link "$SCAN" scan0 up
touch_down 60
compare "what waits for ARP beside others is asked again too" small list

# ---- down and up again in the wait, at a slow rate: the scan does not end before it has asked again
rm -f list
printf 'open tcp 80 10.0.0.%d\n' 0 1 >two
internet down
internet up --prefix 10.0.0.0/24 --open 100 --closed 0 --delay 300-310
ip netns exec "$SCAN" timeout 60 "$TRAWL" 10.0.0.0/31 -p80 --rate 0.5 --wait 1 --retries 0 --no-checkpoint \
        --router-mac 02:00:00:00:00:02 --adapter scan0 -oL list 2>err &
pid=$!
for ((i = 0; i < 500; i++)); do
        [ "$(stat_of syn)" -lt 2 ] || break
        sleep 0.02
done
link "$SCAN" scan0 down
sleep 0.4
link "$SCAN" scan0 up
wait $pid
compare "an outage in the wait, at a slow rate" two list
simulate

# ---- the carrier goes away when all has been sent
lift_off_small 2000 --router-mac 02:00:00:00:00:02 --wait 2
link "$NET" net0 down
touch_down 20
[ $status = 1 ] && grep -q 'warning: scan0 has no carrier' err
check "no carrier in the wait" $? "exit status $status: $(tail -n 2 err | paste -sd'|')"
link "$NET" net0 up
simulate

# ---- the host's own addresses: loopback
rm -f list
ip netns exec "$SCAN" "$TRAWL" 127.1.0.0/23 -p80 --rate 400 --show closed --no-checkpoint --wait 1 -oL list 2>err &
pid=$!
sleep 0.6
link "$SCAN" lo down
sleep 1
link "$SCAN" lo up
touch_down 30
[ $status = 0 ] && [ "$(grep -c ^closed list)" = 512 ] && grep -q 'warning: lo is down; waiting for it' err
check "loopback goes down" $? "$(grep -c ^closed list) of 512: $(tail -n 3 err | paste -sd'|')"

# ---- two threads each way, and as NDJSON
lift_off --no-checkpoint --wait 1 -oL list --tx-threads 2 --rx-threads 2 --status-json
link "$SCAN" scan0 down
sleep 2
link "$SCAN" scan0 up
touch_down 60
compare "2 transmit and 2 receive threads" truth list
jq -es 'map(select(.state == "link-down" and .links_out == ["scan0"])) | length >= 1 and length <= 3' <err >/dev/null
check "--status-json says so" $? "$(jq -c '[.state, .links_out]' <err | sort | uniq -c | paste -sd' ')"
same "--status-json: up again" '[]' "$(jq -sc 'map(select(.packets)) | .[-1].links_out' <err)"

# ---- Ctrl-C while it waits
rm -f trawl.resume*
lift_off --wait 1 -oL list
link "$SCAN" scan0 down
sleep 1
kill -INT $pid
began=$(now_ms)
touch_down 5
took=$(($(now_ms) - began))
[ $status = 3 ] && [ $took -lt 2500 ] && [ -s trawl.resume ]
check "Ctrl-C while the link is down" $? "exit status $status after $took ms: $(tail -n 1 err)"
link "$SCAN" scan0 up
in_scan timeout 60 "$TRAWL" --resume trawl.resume 2>err
same "Ctrl-C: exit status of the resumed scan" 0 $?
compare "Ctrl-C: nothing is lost for --resume" truth list

# ---- down when the wait is over: what was asked last could not be answered
rm -f trawl.resume*
lift_off --wait 2.5 -oL list --max-targets $((rate * 3 / 10))
sleep 0.7
link "$SCAN" scan0 down
touch_down 20
[ $status = 1 ] && [ -s trawl.resume ]
check "down until the end of the wait" $? "exit status $status: $(tail -n 1 err)"
link "$SCAN" scan0 up

# ---- deleted, and made again
rm -f trawl.resume*
lift_off --wait 5 -oL list
ip -n "$SCAN" link del scan0
began=$(now_ms)
touch_down 10
took=$(($(now_ms) - began))
[ $status = 1 ] && [ $took -lt 2000 ] && [ -s trawl.resume ]
check "a deleted interface ends the scan" $? "exit status $status after $took ms: $(tail -n 1 err)"
same "it is named" 1 "$(grep -c 'error: the interface "scan0" is gone' err)"
"$TRAWL_ROOT/lab/down"
lab_up --far none
simulate
in_scan timeout 60 "$TRAWL" --resume trawl.resume 2>err
same "a deleted interface: exit status of the resumed scan" 0 $?
compare "a deleted interface: nothing is lost for --resume" truth list
finish
