#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Bad input: every row of bad_input.tsv is one command line that must be refused: with its exit status, and with
# exactly one line on standard error that matches the row's expression. Each runs in a network namespace of its
# own that leads nowhere (lo, and one end of a veth pair with 10.99.0.1/24), in a directory with the files the
# rows name.
# patient: yes
# limit_s: 300
set -u
table=$(dirname "$(readlink -f "$0")")/bad_input.tsv
work=$TMPDIR/work
program=$TMPDIR/trawl # where an unprivileged user can reach it
mkdir -p "$work" && cp "$TRAWL" "$program" && cd "$work" || exit 1
ln -sf trawl "$TMPDIR/masscan"
chmod 755 "$TMPDIR" "$program" && chmod 777 "$work"

# ---- the files the rows name
printf '192.0.2.1\n192.0.2.2\n192.0.2.3, 192.0.2.999\n' >bad3.txt
printf '192.0.2.1 # fine\n\n10.0.3.9 - 10.0.3.1\n' >backwards.txt
printf '# nothing\n; at all\n' >empty.txt
printf '192.0.2.1\n192.0.2.0/40\n' >bits.txt
printf '192.0.2.1 -p80\n' >options.txt
printf '127.0.0.1\n' >one.txt
printf 'rate = 10k\nports = 80\n' >good.conf
printf 'rate = 10k\n  rate = 10q\n' >rate.conf
printf 'range = 192.0.2.1\nbogus = 1\n' >unknown.conf
printf '# x\n\nrange = 192.0.2.256\n' >range.conf
printf 'exclude = 10.0.0.0/99\n' >exclude.conf
printf 'shard = 5/4\n' >shard.conf
printf 'rate : 10\n' >colon.conf
printf 'rate\n' >novalue.conf
printf -- '--rate = 10\n' >dashes.conf
printf 'conf = loop.conf\n' >loop.conf
printf 'rate = 5\0\n' >binary.conf
printf 'rawudp = true\n' >banners.conf
printf 'source-port = 1-99999\n' >sport.conf
printf '192.0.2.0/24\n' >targets.conf
printf '\n# resume information\nresume-index = 193\nseed = 12\nports = 80\nrange = 192.0.2.0/24\n' >paused.conf
printf '# trawl checkpoint 9\nseed = 1\n' >version.resume
printf '# trawl checkpoint 2\nseed = 1\nshard = 2/3\n' >partial.resume
printf '# trawl checkpoint 2\nseed = 1\nstate.position\n' >torn.resume
printf '# trawl checkpoint 2\nseed = 1\nra' >cut.resume
printf 'xyz\n' >key.txt
printf 'no scan file\n' >text.bin
printf 'masscan/1.1\n' >short.bin
mkdir dir
touch exists.resume

net='ip link set lo up; ip link add t0 type veth peer name t1; ip addr add 10.99.0.1/24 dev t0
        ip link set t0 up; ip link set t1 up;'
run() { # ARGUMENTS...
        local as=()
        exe=$program
        while :; do
                case ${1-} in
                as-nobody) as=(setpriv --reuid=65534 --regid=65534 --clear-groups) ;;
                as-masscan) exe=$TMPDIR/masscan ;;
                *) break ;;
                esac
                shift
        done
        timeout 60 unshare -n -- sh -c "$net"' exec "$@"' sh "${as[@]}" "$exe" "$@" \
                >"$TMPDIR/out" 2>"$TMPDIR/err" </dev/null
}

rows=0
while IFS=$'\t' read -r arguments status expression; do
        case $arguments in '' | '#'*) continue ;; esac
        rows=$((rows + 1))
        eval "set -- $arguments"
        run "$@"
        got=$?
        lines=$(wc -l <"$TMPDIR/err")
        if ! [[ $got == $status ]]; then
                echo "FAIL $arguments: status $got, not $status: $(head -n 3 "$TMPDIR/err")"
        elif [ "$lines" -ne 1 ]; then
                echo "FAIL $arguments: $lines lines on standard error: $(head -n 3 "$TMPDIR/err")"
        elif ! grep -qE -- "$expression" "$TMPDIR/err"; then
                echo "FAIL $arguments: \"$(cat "$TMPDIR/err")\" does not match $expression"
        else
                echo "ok $arguments"
        fi
done <"$table"
[ "$rows" -ge 120 ] && echo "ok $rows rows" || echo "FAIL the table: only $rows rows"
