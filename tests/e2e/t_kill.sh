#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A scan killed with SIGKILL at random moments (one of them just after a checkpoint) and resumed each time: the
# list it leaves equals the truth, without a line twice, its JSON parses, and what is probed again stays within
# rate x (1 s + answer horizon + retries x delay) for each kill, as the lab counts it. Answers are up to half a
# second late. Without and with retries; 2 transmit threads resumed with 1. Likewise Ctrl-C, a list from stdin,
# and names. FULL=1: 20 kills each.
# patient: yes
# limit_s: 900
. "$(dirname "$0")/scan.sh"

kills=$(sized 6 20 3)

# killed NAME KILLS RETRIES RATE PREFIX EXTRA ARGS…: verdicts on one scan of PREFIX, port 80. EXTRA: argument lists for
# resuming, taken in turn, separated by '|'.
killed() {
        local name=$1 n=$2 retries=$3 rate=$4 prefix=$5 extra=() word report
        local targets answering sent again bound most
        while IFS= read -r word; do extra+=(--extra="$word"); done < <(tr '|' '\n' <<<"$6")
        shift 6
        internet up --prefix "$prefix" --open 20 --closed 30 --delay 0-500 --track "$prefix" 80
        truth "$prefix" 80 >truth
        answering=$(wc -l <truth)
        rm -f state* list list.json
        most=$((4 + retries))
        report=$("$HERE/kill.py" --checkpoint state --kills "$n" --most "$most" --program "$TRAWL" "${extra[@]}" -- \
                ip netns exec "$SCAN" "$TRAWL" "$prefix" -p80 --rate "$rate" --retries "$retries" --answer-horizon 1 \
                --wait 2 --show open,closed,filtered -oL list -oJ list.json --checkpoint state "$@")
        check "$name: it was resumed to the end" $? "$report $(tail -n 2 kill.err)"
        same "$name: every kill met a running scan" "$n" "$(jq .kills <<<"$report")"
        jq -e '.after_checkpoint_ms > 0 and .after_checkpoint_ms < 50' <<<"$report" >out
        check "$name: one kill within 50 ms after a checkpoint" $? "$(jq .after_checkpoint_ms <<<"$report") ms"
        compare "$name: list" truth list
        compare "$name: JSON" truth list.json --json
        targets=$(stat_of targets)
        sent=$(stat_of syn)
        again=$((sent - answering - (retries + 1) * (targets - answering)))
        bound=$((n * rate * (2 + retries)))
        [ "${sent:-0}" -gt 0 ] && [ $again -le $bound ] && [ $again -ge 0 ]
        check "$name: probes sent again" $? "$again in $n kills, at most $bound; $sent sent in all"
        [ -z "$(ls state* 2>/dev/null)" ]
        check "$name: a finished scan leaves no checkpoint" $? "$(ls state* 2>/dev/null)"
}

lab_up --far none
rate=$(pps 10000)
killed "no retries" "$kills" 0 "$rate" "$(sized 10.0.0.0/16 10.0.0.0/14 10.0.0.0/19)" ""
killed "2 retries" "$kills" 2 "$rate" "$(sized 10.0.0.0/17 10.0.0.0/15 10.0.0.0/20)" ""
killed "2 transmit threads, resumed with 1" "$kills" 0 "$rate" "$(sized 10.0.0.0/16 10.0.0.0/14 10.0.0.0/19)" \
        "--tx-threads 2|--tx-threads 1" --tx-threads 2
killed "another rate each time" 3 0 "$rate" "$(sized 10.0.0.0/17 10.0.0.0/17 10.0.0.0/20)" "--rate $((rate / 2))|--rate $rate"

# ---- Ctrl-C
internet up --prefix 10.0.0.0/16 --open 20 --closed 30 --delay 0-500
truth 10.0.0.0/18 80 >truth
run_start=$(now_ms)
rm -f list
# a shell starts what it puts behind & with Ctrl-C ignored: undone here, as on a terminal
env --default-signal=INT ip netns exec "$SCAN" "$TRAWL" 10.0.0.0/18 -p80 --rate 5000 --wait 1 --show open,closed \
        -oL list --checkpoint state 2>err &
pid=$!
sleep 1.5
kill -INT $pid
wait $pid
same "Ctrl-C: exit status says it was interrupted" 3 $?
took=$(($(now_ms) - run_start))
[ $took -lt 4500 ]
check "Ctrl-C: it stopped and waited for late answers only" $? "$took ms after the start, killed at 1500"
tail -n 1 err | grep -q -- 'go on with .*--resume state'
check "Ctrl-C: it says how to go on" $? "$(tail -n 1 err)"
tail -n 1 list | grep -q '^# end'
check "Ctrl-C: the list is complete in itself" $? "$(wc -l <list) lines"
ip netns exec "$SCAN" "$TRAWL" --resume state --rate 20000 2>err
check "Ctrl-C: resumed" $? "$(tail -n 1 err)"
compare "Ctrl-C: joined list" truth list

# ---- a list from stdin, which is gone when the scan goes on
rm -f list
for ((i = 0; i < 64; i++)); do echo "10.0.$i.0/24"; done >targets
report=$("$HERE/kill.py" --checkpoint state --kills 2 --least 0.8 --most 1.6 --program "$TRAWL" --stdin targets -- \
        ip netns exec "$SCAN" "$TRAWL" -iL - -p80 --rate 5000 --answer-horizon 1 --wait 2 --show open,closed -oL list \
        --checkpoint state)
check "targets from stdin: resumed twice" $? "$report"
compare "targets from stdin: list" truth list

# ---- names, which may not be asked for again: the second time there is no hosts file
internet up --prefix 10.0.0.0/16 --open 100 --closed 0 --delay 0-500
rm -f list out.csv
for ((i = 1; i < 200; i++)); do echo "10.0.1.$i host$i.example"; done >hosts
seq -f 'host%.0f.example' 1 199 >names
with_hosts() {
        exec unshare -m sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' sh hosts ip netns exec "$SCAN" "$@"
}
with_hosts "$TRAWL" -iL names -p80-89 --rate 400 --answer-horizon 1 --wait 1 -oL list -oC out.csv \
        --output-fields names,ip,port,state --checkpoint state 2>err &
pid=$!
sleep 2.5
kill -KILL $pid || cat err
wait $pid 2>/dev/null
ip netns exec "$SCAN" "$TRAWL" --resume state --rate 3000 2>err
check "names: resumed without a name server" $? "$(tail -n 1 err)"
for ((i = 1; i < 200; i++)); do
        for p in 80 81 82 83 84 85 86 87 88 89; do echo "open tcp $p 10.0.1.$i"; done
done >truth
compare "names: list" truth list
same "names: each record has its name" 1990 "$(grep -cE '"host([0-9]+)\.example",10\.0\.1\.\1,' out.csv)"

# ---- what resuming refuses
ip netns exec "$SCAN" "$TRAWL" 10.0.0.0/24 -p80 --rate 50 --checkpoint state --max-runtime 1 --wait 0 >out 2>err
ip netns exec "$SCAN" "$TRAWL" --resume state 10.0.9.0/24 -p80 2>err
same "another target set is refused" 2 $?
grep -q 'not those of that scan' err
check "another target set is refused with a clear word" $? "$(tail -n 1 err)"
finish
