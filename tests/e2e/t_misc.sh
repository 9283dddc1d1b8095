#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The rest of the command line in real scans: limits, lists of targets and excludes, short port lists, traces and
# captures, status as NDJSON, signals, checkpoint files, back-ends, that every SYN shape is a valid packet by
# tshark's word, and a reader of stdout that sleeps over the end of a scan.
# patient: yes
# limit_s: 150
. "$(dirname "$0")/scan.sh"

prefix=10.0.0.0/20
lab_up -- --prefix $prefix --prefix 2001:db8:1::/120 --open 20 --closed 30 --unreach 5
truth $prefix 80 >truth


# ---- limits
internet reset
scan $prefix -p80 --rate 20000 --max-targets 500 --wait 0 -oL list
same "--max-targets 500" "500 0" "$(stat_of syn) $status"
scan $prefix -p80 --rate 2000 --max-results 25 --wait 1 -oL list
same "--max-results 25" "25 0" "$(grep -c ^open list) $status"
start=$(now_ms)
scan $prefix -p80 --rate 100 --max-runtime 2 --wait 0 -oL list
took=$(($(now_ms) - start))
[ $status -eq 3 ] && [ $took -ge 2000 ] && [ $took -lt 3000 ]
check "--max-runtime 2" $? "$took ms, exit status $status"
internet reset
scan 10.0.0.0/24 -p80 --rate 5000 --infinite --max-runtime 1.5 --wait 0 -oL list
syn=$(stat_of syn)
[ "$syn" -gt 1024 ]
check "--infinite goes round" $? "$syn probes to 256 targets in 1.5 s"
same "--infinite reports each port once" "" "$(grep ^open list | cut -d' ' -f1-4 | sort | uniq -d | head -n 3)"

# In each round as many, the first of that round's own order.
ip netns exec "$SCAN" "$TRAWL" 10.0.0.0-10.0.0.149 -p80 --seed 7 --infinite --max-targets 20 --rate 1000 \
        --max-runtime 1.5 --wait 0 --no-checkpoint --router-mac 02:00:00:00:00:02 --adapter scan0 --packet-trace -oL list 2>&1 |
        sed -n 's/^SENT.*> \[\(10\.0\.0\.[0-9]*\)\].*SYN$/\1/p' >sent
for k in 0 1 2; do
        sed -n "$((20 * k + 1)),$((20 * k + 20))p" sent | sort
        unshare -n "$TRAWL" -sL 10.0.0.0-10.0.0.149 -p80 --seed $((7 + k)) --max-targets 20 2>/dev/null | grep -o '10\.0\.0\.[0-9]*' | sort >want.$k
done >rounds
same "--infinite --max-targets 20: rounds" "60 $(cat want.0 want.1 want.2 | md5sum)" "$(wc -l <rounds) $(md5sum <rounds)"

# ---- retries without loss: only the silent ones are asked again
internet reset
silent=$((4096 - $(wc -l <truth) + $(grep -c ^filtered truth)))
scan $prefix -p80 --rate 20000 --retries 1 --wait 1 --show closed,filtered -oL list
syn=$(stat_of syn)
same "--retries 1: 4096 probes and one more for each that did not answer" $((4096 + silent)) "$syn"
compare "--retries 1: list" truth list

# ---- targets and ports
printf '10.0.0.0/24 # one\n; a comment\n10.0.1.0-10.0.1.127\n10.0.1.64-200,10.0.3.7\n' >targets
printf '10.0.0.0/25\n10.0.1.100\n' >never
truth 10.0.0.0/22 80 | awk '{ split($4, a, "."); n = a[3] * 256 + a[4] }
        (n >= 128 && n < 256) || (n >= 256 && n <= 456 && n != 356) || n == 775' >truth1
run_exact "-iL with --exclude-file" truth1 -iL targets --exclude-file never -p80 --rate 10000 --wait 1
same "excludes were never probed" 0 "$(unshare -n "$TRAWL" -sL -iL targets --exclude-file never -p80 2>/dev/null | grep -cE '^10\.0\.0\.([0-9]|[0-9][0-9]|1[01][0-9]|12[0-7])$')"
internet reset
scan 10.0.0.5 --top-ports 10 --rate 500 --wait 0 -oL list
same "--top-ports 10" 10 "$(stat_of syn)"
internet reset
scan 10.0.0.5 -F --exclude-ports 80,443 --rate 500 --wait 0 -oL list
same "-F without 80 and 443" 98 "$(stat_of syn)"
internet reset
scan 10.0.0.5 -p http,https,8000-8002 --rate 500 --wait 0 -oL list
same "names of services and a range" 5 "$(stat_of syn)"
for p in 80 443; do truth 10.0.0.0/25 $p; truth 2001:db8:1::/122 $p; done >truth1
run_exact "IPv4 and IPv6 in one scan" truth1 10.0.0.0/25 '[2001:db8:1::]/122' -p80,443 --rate 5000 --wait 1
seq 0 255 | sed 's/^/10.0.0./' >targets
truth 10.0.0.0/24 80 >truth1
run_exact "a list from stdin" truth1 -iL - -p80 --rate 5000 --wait 1 <targets

# ---- seeing packets
scan 10.0.0.0/28 -p80 --rate 100 --wait 1 --packet-trace --show closed,filtered -oL list >trace
sent=$(grep -c '^SENT .*TCP .*SYN' trace) rcvd=$(grep -c '^RCVD' trace)
[ "$sent" -eq 16 ] && [ "$rcvd" -ge "$(grep -vc '^#' list)" ]
check "--packet-trace" $? "$sent sent, $rcvd received, $(grep -vc '^#' list) results; $(head -n 1 trace)"
scan 10.0.0.0/24 -p80 --rate 2000 --wait 1 --pcap replies.pcap --show closed,filtered -oL list
answers=$(tshark -r replies.pcap -Y 'tcp.flags.syn == 1 || tcp.flags.reset == 1 || icmp' 2>/dev/null | wc -l)
same "--pcap holds every answer" "$(grep -vc '^#' list)" "$answers"

# ---- status
scan $prefix -p80 --rate 1000 --wait 1 --max-runtime 3 --status-json -oL list
jq -es 'length >= 3 and all(.[]; type == "object")' <err >out 2>&1
check "--status-json is NDJSON throughout" $? "$(wc -l <err) lines; $(tail -c 200 out)"
jq -es 'map(select(.packets)) | .[-1].packets.probes > 2000' <err >out 2>&1
check "--status-json has packet counters" $? "$(jq -sc 'map(select(.packets)) | .[-1].packets' <err 2>&1)"
ip netns exec "$SCAN" "$TRAWL" --no-checkpoint 10.0.0.0/20 -p80 --rate 1000 --wait 0 -oL list 2>err &
pid=$!
sleep 1
kill -USR1 $pid
sleep 0.2
kill -USR2 $pid
sleep 0.2
kill -USR2 $pid
sleep 0.2
kill -TERM $pid
wait $pid
status=$?
same "SIGUSR1 is faster, SIGUSR2 slower, SIGTERM ends it" "1100 1000 909 3" "$(sed -n 's/.*rate is now \([0-9]*\) .*/\1/p' err | paste -sd' ') $status"
grep -qE 'done: .* probes sent .* answers: .* open, .* closed' err || grep -qE 'interrupted: .* probes sent' err
check "a summary at the end" $? "$(tail -n 1 err)"

# ---- checkpoint files
rm -f trawl.resume*
run_it() {
        timeout 30 ip netns exec "$SCAN" "$TRAWL" 10.0.0.0/22 -p80 --rate 500 --wait 0 --max-runtime 1 -oL list "$@" 2>err
        status=$?
}
run_it
[ $status -eq 3 ] && [ -s trawl.resume ] && [ -s trawl.resume.targets ]
check "an unfinished scan leaves trawl.resume" $? "exit status $status: $(ls trawl.resume* 2>&1 | paste -sd' ')"
same "checkpoint files are private" "600 600 600" "$(stat -c %a trawl.resume trawl.resume.targets trawl.resume.journal | paste -sd' ')"
sum=$(md5sum <trawl.resume)
run_it
[ "$sum" = "$(md5sum <trawl.resume)" ] && [ -s trawl.resume.1 ]
check "the next scan does not overwrite it" $? "$(ls trawl.resume* | paste -sd' '); $(grep -m1 another err)"
run_it --checkpoint trawl.resume
same "--checkpoint with a name that exists is refused" 2 $status
run_it --no-checkpoint
same "--no-checkpoint writes none" "trawl.resume trawl.resume.1" "$(ls trawl.resume trawl.resume.[0-9] | paste -sd' ')"
rm -f trawl.resume*

# ---- no packets at all
internet reset
scan $prefix -p80 --rate 100000 --offline --wait 0 -oL list
same "--offline" "0 0" "$status $(stat_of frames)"
scan $prefix -p80 --rate 100000 --io null --wait 0 -oL list
same "--io null" "0 0" "$status $(stat_of frames)"

# ---- what the probes are, by tshark
for profile in minimal masscan linux windows bsd; do
        for target in 10.0.0.0/26 2001:db8:1::/122; do
                scan $target -p80 --rate 10000 --syn-profile $profile --io-tx file:x.pcap --wait 0
                tshark -r x.pcap -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -e tcp.checksum.status \
                        -e ip.checksum.status -e tcp.flags.str -e _ws.expert.severity >fields 2>/dev/null
                good=$(awk -F'\t' '$1 == 1 && ($2 == 1 || $2 == "") && $3 ~ /S/' fields | wc -l)
                bad=$(tshark -r x.pcap -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y '_ws.malformed || _ws.expert.severity >= 0x600000' 2>/dev/null | wc -l)
                same "SYNs of --syn-profile $profile to $target" "64 0" "$good $bad"
        done
done
scan 10.0.0.0/26 -p80 --rate 10000 --badsum --io-tx file:x.pcap --wait 0
same "--badsum is bad" 64 "$(tshark -r x.pcap -o tcp.check_checksum:TRUE -Y 'tcp.checksum.status == 0' 2>/dev/null | wc -l)"
scan 10.0.0.0/26 -p80 --rate 10000 --ttl 77 --vlan 9 --source-port 4000-4003 --io-tx file:x.pcap --wait 0
same "--ttl, --vlan, --source-port" "77 9 4" "$(tshark -r x.pcap -T fields -e ip.ttl -e vlan.id 2>/dev/null | sort -u | tr '\t' ' ') $(tshark -r x.pcap -T fields -e tcp.srcport 2>/dev/null | sort -u | wc -l)"
for profile in minimal masscan linux windows bsd; do
        internet reset
        run_exact "--syn-profile $profile is answered" truth $prefix -p80 --rate 20000 --wait 1 --syn-profile $profile
        same "--syn-profile $profile: no sum was wrong on the wire" "4096 0 0 0" "$(internet stats | jq -r '"\(.syn) \(.bad_syn_sum) \(.bad_tcp_sum) \(.bad_ip_sum)"')"
done
internet up --prefix $prefix --hush --open 100 --closed 0
scan 10.0.0.0/24 -p80 --rate 5000 --wait 1 -oL list
same "it closes what it opened" 256 "$(stat_of rst)"
internet reset
scan 10.0.0.0/24 -p80 --rate 5000 --wait 1 --noreset -oL list
same "--noreset does not" 0 "$(stat_of rst)"

# ---- the reader still sleeps when the wait is over: what was heard by then is not given up. The kernel keeps some
# hundred frames for us: what it could not keep is told
internet up --prefix 10.0.0.0/19 --open 100 --closed 0 --delay 4000-4100
truth 10.0.0.0/19 80 | head -n 8000 >truth
scan "10.0.0.0-$(tail -n 1 truth | cut -d' ' -f4)" -p80 --rate 2000 --wait 5 -oL - | (
        sleep 13
        cat >list
)
grep ^open list | cut -d' ' -f1-4 | LC_ALL=C sort >got
missed=$(LC_ALL=C sort truth | LC_ALL=C comm -23 - got | wc -l)
lost=$(sed -n 's/.* \([0-9]*\) lost in the kernel.*/\1/p' err)
[ "$missed" -le "${lost:-0}" ] && [ "$(wc -l <got)" -gt 5000 ]
check "stdout blocked over the end of the wait" $? "$missed missed, $lost told as lost in the kernel; $(wc -l <got) listed"
finish
