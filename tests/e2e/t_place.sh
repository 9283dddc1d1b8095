#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Output files and what lies about them. A rotating scan killed again and again, its live files replaced by copies
# before each resume: nothing is missing and nothing there twice; so it is when it is killed at its end, between the
# last file and the last checkpoint. A live file that is another one, or a file of somebody else where FILE.journal or
# FILE.new would be: said in clear words, and left as it is. An output that is new in a resume gets everything.
# patient: yes
# limit_s: 200
. "$(dirname "$0")/scan.sh"

prefix=10.0.0.0/18
lab_up -- --prefix $prefix --open 50 --closed 50
truth $prefix 80 >truth

# ---- rotation, kill -9, and copies
rotating=(-oL rot.list -oJ rot.json -oN rot.nmap --rotate-size 15k --rotate-dir aside)
mkdir aside
kills=$(sized 8 40 4)
done_early=0 status=137 command=("$prefix" -p80 "${rotating[@]}" --show closed --answer-horizon 1 --wait 1 --checkpoint state)
for ((i = 0; i < kills && status == 137; i++)); do
        ip netns exec "$SCAN" "$TRAWL" "${command[@]}" --rate "$(pps 3000)" 2>err &
        pid=$!
        sleep "0.$(printf %03d $((450 + RANDOM % 540)))"
        kill -KILL $pid || done_early=$((done_early + 1))
        wait $pid 2>/dev/null
        status=$?
        [ -e state ] || continue # killed before its first checkpoint: it starts anew
        command=(--resume state)
        for f in rot.*; do # (as long as no record in it is known, only the file itself will do)
                grep -q "^state.output.* items=0 .*journal=0:.* path=$f\$" state && continue
                [ -e "$f" ] && cp "$f" copy && mv copy "$f"
        done
done
same "copies: every kill met a running scan" "$kills 0 137" "$i $done_early $status"
timeout 120 ip netns exec "$SCAN" "$TRAWL" "${command[@]}" --rate "$(pps 30000)" 2>err
check "copies: resumed to the end" $? "$(tail -n 2 err)"
parts=(aside/*.list)
[ ${#parts[@]} -gt 4 ]
check "copies: the scan rotated" $? "${#parts[@]} lists"
compare "copies: joined lists" truth aside/*.list
compare "copies: joined JSON" truth aside/*.json --json
same "copies: grouped, each host once" "$(wc -l <truth) 0" \
        "$(cat aside/*.nmap | grep -c '^Host ') $(cat aside/*.nmap | grep '^Host ' | sort | uniq -d | wc -l)"
same "copies: nothing is left beside" "" "$(ls rot.* 2>/dev/null)"

# ---- killed at the end: the outputs are closed, the checkpoint is still there
if [ -n "$SANITIZER" ]; then
        skip "killed at the end" "a sanitizer wants to be the first library"
else
        cat >die.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int then(const char *path, int rc)
{
        const char *at = getenv("DIE_AFTER");
        if (at && strstr(path, at))
                kill(getpid(), SIGKILL);
        return rc;
}
int unlink(const char *p) { return then(p, (int)syscall(SYS_unlinkat, AT_FDCWD, p, 0)); }
int renameat2(int a, const char *p, int b, const char *q, unsigned f) { return then(p, (int)syscall(SYS_renameat2, a, p, b, q, f)); }
END
        ${CC:-cc} -shared -fPIC -O1 -o die.so die.c || fail die "it does not compile"
        grep ' 10\.0\.[0-3]\.' truth >truth22
        at_the_end() { # NAME PATH ARGS…: killed after PATH was removed or renamed, and resumed
                local name=$1 path=$2 status
                rm -rf end && mkdir end
                LD_PRELOAD=$PWD/die.so DIE_AFTER=$path ip netns exec "$SCAN" \
                        "$TRAWL" 10.0.0.0/22 -p80 --rate 3000 --show closed --answer-horizon 1 --wait 0.2 --checkpoint end/state \
                        -oN end/text -oL end/list "${@:3}" 2>err
                status=$?
                [ -e end/state ] || status="$status, without a checkpoint"
                same "$name: killed there" 137 "$status"
                ip netns exec "$SCAN" "$TRAWL" --resume end/state 2>err
                check "$name: resumed" $? "$(tail -n 1 err)"
                compare "$name: list" truth22 end/list*
                same "$name: grouped, each host once" "$(wc -l <truth22) 0" \
                        "$(cat end/text* | grep -c '^Host ') $(cat end/text* | grep '^Host ' | sort | uniq -d | wc -l)"
        }
        at_the_end "killed when the journal was gone" end/text.journal
        at_the_end "killed at the first rotation" end/text --rotate-size 10m --rotate-dir end
        at_the_end "killed at the last rotation" end/list --rotate-size 10m --rotate-dir end
fi

# ---- another file in the live one's place
ip netns exec "$SCAN" "$TRAWL" $prefix -p80 --rate 3000 --show closed --answer-horizon 1 --wait 1 --checkpoint state -oL list -oN text 2>err &
pid=$!
sleep 2.5
kill -KILL $pid
wait $pid 2>/dev/null
refused() { # NAME FILE WORD: resuming is refused, says the word about FILE, and leaves FILE as it is
        local before status
        before=$(cksum <"$2")
        ip netns exec "$SCAN" "$TRAWL" --resume state 2>err
        status=$?
        grep -q "\"$PWD/$2\".*$3\|\"$2\".*$3" err
        check "$1" $((status != 1 || $?)) "status $status, $(tail -n 1 err)"
        same "$1: left as it is" "$before" "$(cksum <"$2")"
}
mv list list.kept
cat aside/*.list >list
refused "another list in its place" list "bring the file back"
mv list.kept list
mv text.journal text.kept
echo mine >text.journal
refused "somebody's file in the journal's place" text.journal "in the way"
mv text.kept text.journal
ip netns exec "$SCAN" "$TRAWL" --resume state --rate 30000 -oL list -oN text -oJ new.json 2>err
check "with the files back it goes on" $? "$(tail -n 1 err)"
compare "with the files back: list" truth list
compare "with the files back: an output that is new has everything" truth new.json --json
same "with the files back: grouped, each host once" "$(wc -l <truth) 0" \
        "$(grep -c '^Host ' text) $(grep '^Host ' text | sort | uniq -d | wc -l)"

# ---- files of somebody else beside
echo mine >new.xml.new
scan 10.0.0.0/24 -p80 --rate 5000 --wait 1 --show closed --xml nmap -oX new.xml
check "FILE.new of somebody else: the scan" $? "$(tail -n 1 err)"
same "FILE.new of somebody else: left as it is" mine "$(cat new.xml.new)"
same "FILE.new of somebody else: results" "$(grep -c ' 10\.0\.0\.' truth)" "$(grep -c '^<host ' new.xml)"
echo mine >new.xml.journal
scan 10.0.0.0/24 -p80 --rate 5000 --wait 1 --xml nmap -oX new.xml
grep -q 'new.xml.journal" is in the way' err
check "FILE.journal of somebody else is refused" $((status != 1 || $?)) "status $status, $(tail -n 1 err)"
same "FILE.journal of somebody else: left as it is" mine "$(cat new.xml.journal)"
finish
