# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts here share: a lab of their own with trawl in it, lists held against the truth, verdicts in the
# words of tests/run. Sourced first; afterwards the script stands in a scratch directory, and what it started is
# taken down when it ends, however it ends.
#
# FULL=1 asks for full sizes; without it every script keeps within the time of the core tests.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRAWL_ROOT=${TRAWL_ROOT:-$(cd "$HERE/../.." && pwd)}
TRAWL=${TRAWL:-$TRAWL_ROOT/bin/trawl}
case $TRAWL in /*) ;; *) TRAWL=$PWD/$TRAWL ;; esac
BUILD=${BUILD:-$TRAWL_ROOT/build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac # scripts go elsewhere
export BUILD
FULL=${FULL:-0}
SANITIZER=${SANITIZER:-}
NAME=$(basename "$0" .sh)
LAB=${NAME//[^a-z0-9]/}
LAB=${LAB:0:10}$(od -An -N2 -tx1 /dev/urandom | tr -d ' ') # the same script may run twice at a time
export LAB
SCAN=$LAB-scan NET=$LAB-net
FAILURES=0
BACKGROUND=()

OWN_TMP=
[ -n "${TMPDIR:-}" ] || OWN_TMP=$(mktemp -d "/tmp/$NAME.XXXXXX")
WORK=${TMPDIR:-$OWN_TMP}/$NAME.work

clean_up() {
        local pid
        for pid in "${BACKGROUND[@]}"; do
                kill "$pid" 2>/dev/null
                wait "$pid" 2>/dev/null
        done
        "$TRAWL_ROOT/lab/down"
        cd / && rm -rf "$WORK" ${OWN_TMP:+"$OWN_TMP"}
}
trap 'exit 143' TERM INT HUP
trap clean_up EXIT
mkdir -p "$WORK" && cd "$WORK" || exit 1

# ---- verdicts ----
ok() { # NAME [figures…]
        local name=$1
        shift
        echo "ok $name${*:+ ($*)}"
}

fail() { # NAME WHY…
        local name=$1
        shift
        FAILURES=$((FAILURES + 1))
        echo "FAIL $name: $*"
}

skip() { # NAME WHY…
        local name=$1
        shift
        echo "skip $name: $*"
}

check() { # NAME STATUS FIGURES: a verdict from an exit status
        if [ "$2" -eq 0 ]; then ok "$1" "$3"; else fail "$1" "$3"; fi
}

same() { # NAME EXPECTED GOT
        if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "expected '$2', got '$3'"; fi
}

finish() {
        [ "$FAILURES" -eq 0 ]
        exit
}

# ---- the lab ----
lab_up() { # lab/up's arguments
        "$TRAWL_ROOT/lab/up" "$@" || {
                fail lab "lab/up $* failed"
                exit 1
        }
}

internet() {
        "$TRAWL_ROOT/lab/internet" "$@"
}

stat_of() { # KEY: a counter of the simulated Internet
        internet stats | jq -r ".$1"
}

have_servers() { # nginx is at hand, installed or unpacked
        command -v nginx >/dev/null || [ -x "$BUILD/root/usr/sbin/nginx" ]
}

# What a scan that shows every state must list: "STATE tcp PORT ADDRESS". Targets that keep silent are not listed.
truth() { # PREFIX PORTS
        internet truth "$1" "$2" | sed -E -e '/^filtered .* [0-9a-f.:]+$/d' -e 's/ unreachable$//'
}

# A rate that a sanitized program reaches too.
pps() {
        if [ -n "$SANITIZER" ]; then echo $(($1 / 10)); else echo "$1"; fi
}

# sized CORE FULL SANITIZED: a size that fits the kind of run.
sized() {
        if [ -n "$SANITIZER" ]; then echo "$3"; elif [ "$FULL" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# ---- scans ----
in_scan() { # COMMAND…: in the scanner's namespace
        ip netns exec "$SCAN" "$@"
}

# Runs trawl in the scanner's namespace; what it says on stderr is in the file err, its status in $status.
scan() {
        timeout -k 5 "${LIMIT_S:-200}" ip netns exec "$SCAN" "$TRAWL" --no-checkpoint "$@" 2>err
        status=$?
        return $status
}

# compare NAME TRUTH LIST [--subset]: one verdict, with counts of misses, extras and doubles.
compare() {
        local name=$1 out rc
        shift
        out=$("$HERE/compare.py" "$@" 2>&1)
        rc=$?
        check "$name" $rc "$out"
        return $rc
}

# What the lab's own link has lost so far: frames that it says it dropped (a machine that is busy elsewhere lets its
# queues overflow), less what arrived at the scanner's end, plus what the simulated Internet sent there. Only
# differences mean something, and those only when they are positive.
lab_lost() {
        local sent=0 dropped arrived
        [ ! -s "$BUILD/lab/$LAB/sim.pid" ] ||
                sent=$(internet stats | jq '.answered + (.sent_late // 0) + ([.forged // {} | .[]] | add // 0)')
        arrived=$(ip -n "$SCAN" -s -j link show scan0 | jq '.[0].stats64.rx.packets')
        dropped=$({
                ip -n "$SCAN" -s -j link show scan0
                ip -n "$NET" -s -j link show net0
        } | jq -s 'map(.[].stats64 | .rx.dropped + .tx.dropped) | add')
        echo "$dropped $((sent ? sent - arrived : 0))"
}

lost_since() { # WHAT lab_lost SAID BEFORE
        local now was
        read -ra was <<<"$1"
        read -ra now <<<"$(lab_lost)"
        now=($((now[0] - was[0])) $((now[1] - was[1])))
        echo $((now[0] > now[1] ? now[0] : now[1]))
}

# run_exact NAME TRUTH ARGS…: one scan whose list must equal the truth, and which must end well. When the lab's link
# itself lost frames the scan is repeated, twice at most; the loss is told.
run_exact() {
        local name=$1 expected=$2 lost before out rc try
        shift 2
        for try in 1 2 3; do
                before=$(lab_lost)
                rm -f list
                scan --show open,closed,filtered -oL list "$@"
                rc=$?
                lost=$(lost_since "$before")
                if [ $rc -ne 0 ]; then
                        fail "$name" "exit status $rc: $(tail -n 3 err)"
                        return 1
                fi
                out=$("$HERE/compare.py" "$expected" list 2>&1)
                rc=$?
                [ $rc -ne 0 ] && [ "$lost" -gt 0 ] || break
                echo "$name, try $try: $out; the lab's link lost $lost frames: once more"
        done
        check "$name" $rc "$out"
        return $rc
}

# peer_masscan SECONDS ARGS…: Debian's masscan, which ends only when a packet arrives: it gets some.
peer_masscan() {
        local limit=$1 nudge
        shift
        ip netns exec "$NET" python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    s.sendto(b"", ("198.51.100.1", 9))
    time.sleep(0.2)' &
        nudge=$!
        timeout -k 2 "$limit" ip netns exec "$SCAN" masscan "$@" </dev/null >/dev/null 2>&1
        kill $nudge
        wait $nudge 2>/dev/null
}

# ended PID SECONDS: waits until the process is gone; false when it stays.
ended() {
        local i
        for ((i = 0; i < $2 * 50; i++)); do
                kill -0 "$1" 2>/dev/null || return 0
                sleep 0.02
        done
        return 1
}

now_ms() {
        echo $(($(date +%s%N) / 1000000))
}

if [ "$(id -u)" != 0 ]; then
        skip root "network namespaces need root"
        exit 0
fi
if [ ! -x "$TRAWL" ]; then
        fail program "$TRAWL is not built"
        exit 1
fi
