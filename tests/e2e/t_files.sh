#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Output files survive. SIGKILL during bursts of a real scan that writes every format at once: each file parses as it
# is, or does after --repair, and holds nothing false. A full disk: a clear message, nothing corrupt, and the scan goes
# on when there is room. Rotation and appending leave valid files, too. FULL=1: 200 kills.
# limit_s: 600
# patient: yes
. "$(dirname "$0")/scan.sh"

FORMATS="list json ndjson xml grepable unicornscan hostonly csv"
prefix=10.0.0.0/16
lab_up -- --prefix $prefix --open 50 --closed 50
truth $prefix 80 >truth

# ---- kill -9 in the middle of things
outputs=() files=()
for f in $FORMATS; do
        outputs+=(--output "$f:k/$f")
        files+=("$f:k/$f")
done
kills=$(sized 10 200 4)
whole=0 repaired=0 empty=0 bad="" torn_binary=0 binary_ok=0 first_try=""
for ((i = 0; i < kills; i++)); do
        rm -rf k && mkdir k
        ip netns exec "$SCAN" "$TRAWL" $prefix -p80 --rate "$(pps 60000)" --wait 0 --show closed --no-checkpoint \
                "${outputs[@]}" --output xml-nmap:k/xml-nmap --output binary:k/binary >/dev/null 2>k/err &
        pid=$!
        sleep "0.$(printf %03d $((150 + RANDOM % 840)))"
        kill -KILL $pid
        wait $pid 2>/dev/null
        out=$("$HERE/parses.py" truth "${files[@]}" xml-nmap:k/xml-nmap)
        whole=$((whole + $(grep -c whole <<<"$out")))
        empty=$((empty + $(grep -c empty <<<"$out")))
        for f in $(sed -n 's/ broken.*//p' <<<"$out"); do
                first_try="$first_try $f"
                if unshare -n "$TRAWL" --repair "k/$f" >/dev/null 2>k/repair && again=$("$HERE/parses.py" truth "$f:k/$f"); then
                        repaired=$((repaired + 1))
                else
                        bad="$bad $(cat k/repair) $again;"
                fi
        done
        [ -e k/binary ] || continue
        unshare -n "$TRAWL" --readscan k/binary --show closed -oL k/from_binary 2>k/err ||
                { [ -s k/binary ] && bad="$bad binary: $(cat k/err)"; }
        if grep -q middle k/err; then
                torn_binary=$((torn_binary + 1))
                unshare -n "$TRAWL" --repair k/binary 2>/dev/null
                unshare -n "$TRAWL" --readscan k/binary --show closed -oL k/from_binary 2>k/err
        fi
        if [ -s k/binary ] && ! grep -q middle k/err && "$HERE/parses.py" truth list:k/from_binary >/dev/null; then
                binary_ok=$((binary_ok + 1))
        elif [ -s k/binary ]; then
                bad="$bad binary: $(cat k/err);"
        fi
done
[ -z "$bad" ] && [ $((whole + repaired)) -gt 0 ]
check "SIGKILL in bursts, every format" $? \
        "$kills kills: $whole files whole as they were, $repaired after --repair ($first_try ), $empty not begun;$bad"
[ $binary_ok -gt 0 ]
check "SIGKILL in bursts, binary" $? "$binary_ok of $kills files read, $torn_binary of them after --repair"

# ---- a full disk
cat >full.sh <<'END'
set -u
mkdir -p disk && mount -t tmpfs -o size=1m,mode=0755 disk disk || exit 9
ip netns exec "$SCAN" "$TRAWL" 10.0.0.0/16 -p80 --rate "$1" --wait 1 --show closed --checkpoint state \
        -oL disk/list -oJ disk/json -oX disk/xml -oB disk/binary >/dev/null 2>err &
pid=$!
for _ in $(seq 300); do grep -q "No space" err && break; sleep 0.1; done
sleep 1
cp -r disk full_disk
mount -o remount,size=64m disk
wait $pid
echo "status $?"
cp -r disk free_disk
umount disk
END
export SCAN TRAWL
out=$(unshare -m bash full.sh "$(pps 30000)")
same "full disk: the scan ended well when there was room" "status 0" "$out"
grep -q 'No space left' err
check "full disk: a clear message" $? "$(grep -m1 'space' err)"
out=$("$HERE/parses.py" truth list:full_disk/list json:full_disk/json xml:full_disk/xml)
for f in $(sed -n 's/ broken.*//p' <<<"$out"); do unshare -n "$TRAWL" --repair "full_disk/$f" 2>/dev/null; done
mended=$("$HERE/parses.py" truth list:full_disk/list json:full_disk/json xml:full_disk/xml)
check "full disk: files parse, or after --repair" $? "$(tr '\n' ';' <<<"$out") then $(tr '\n' ';' <<<"$mended")"
compare "full disk: list complete in the end" truth free_disk/list
compare "full disk: JSON complete in the end" truth free_disk/json --json
out=$("$HERE/parses.py" truth xml:free_disk/xml)
check "full disk: XML complete in the end" $? "$out"
unshare -n "$TRAWL" --readscan free_disk/binary --show closed -oL from_binary 2>err
compare "full disk: binary complete in the end" truth from_binary

# ---- rotation and appending
mkdir aside
scan $prefix -p80 --rate "$(pps 60000)" --wait 1 --show closed --rotate-size 400k --rotate-dir aside -oJ rot.json -oX rot.xml -oL rot.list
check "rotation by size: the scan" $status "$(tail -n 1 err)"
parts=()
for f in aside/*; do
        case $f in *.json) parts+=("json:$f") ;; *.xml) parts+=("xml:$f") ;; *) parts+=("list:$f") ;; esac
done
out=$("$HERE/parses.py" truth "${parts[@]}")
check "rotation by size: every file parses" $? "${#parts[@]} files; $(grep broken <<<"$out" | head -n 3)"
[ ${#parts[@]} -ge 12 ]
check "rotation by size: there are several of each" $? "${#parts[@]} files"
compare "rotation by size: joined lists" truth aside/*.list
compare "rotation by size: joined JSON" truth aside/*.json --json

rm -rf aside && mkdir aside
scan $prefix -p80 --rate "$(pps 20000)" --wait 1 --show closed --rotate 1s --rotate-dir aside -oJ rot.json
compare "rotation every second: joined JSON" truth aside/*.json --json
[ "$(find aside -name '*.json' | wc -l)" -ge 4 ]
check "rotation every second: several files" $? "$(find aside -name '*.json' | wc -l) files"

truth 10.0.0.0/20 80 >truth20
for part in 10.0.0.0/21 10.0.8.0/21; do
        scan $part -p80 --rate 20000 --wait 1 --show closed --append-output -oJ app.json -oX app.xml -oL app.list -oD app.ndjson -oB app.binary
        [ $status -eq 0 ] || fail "appending $part" "$(cat err)"
done
out=$("$HERE/parses.py" truth json:app.json xml:app.xml ndjson:app.ndjson)
check "appending: JSON, XML and NDJSON are one document each" $? "$(tr '\n' ';' <<<"$out")"
compare "appending: JSON" truth20 app.json --json
compare "appending: list" truth20 app.list
unshare -n "$TRAWL" --readscan app.binary --show closed -oL from_binary 2>err
compare "appending: binary" truth20 from_binary
finish
