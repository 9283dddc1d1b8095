#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Our TCP against the kernel's over a bad network: of the frames 10 % are lost, 10 % doubled and 10 % put out of
# order, each way. Every server says one line of its own, up to two segments long, and closes; each line must arrive
# once and exactly, for every address and port. Then the same with the far end's offloads off. FULL=1: 100,000
# connections each. --hello-timeout is long: the kernel repeats a lost segment after 0.2, 0.6, 1.4 s …, but after 3, 9,
# 21 s where its SYN-ACK had to be repeated (RFC 6298 §5.7), so that of the lines of two segments one in some thousands is
# not whole after half a minute and has to be asked for again.
# patient: yes
# limit_s: 900
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

hosts=$(sized 800 50000 200)
ports="2000 2001"
rate=$(sized 1500 2500 200)
faults=drop=10%,dup=10%,reorder=10%
[ "$FULL" != 1 ] || LIMIT_S=400

# What must be listed: the servers' lines, made here from what servers.py promises.
promised() { # PREFIX
        python3 - "$1" "$hosts" "$ports" <<'END'
import ipaddress, sys, zlib
first = ipaddress.ip_address(sys.argv[1])
for i in range(int(sys.argv[2])):
    a = str(first + i)
    name = a if first.version == 6 else "::ffff:" + a
    for p in sys.argv[3].split():
        print("open tcp %s %s" % (p, a))
        print("banner tcp %s %s ftp 220 this is %s port %s, %s" % (p, a, a, p, "." * (1 + zlib.crc32(name.encode()) % 1800)))
END
}

# The list without its times.
lines_of() {
        sed -En -e 's/^((open|banner) tcp [0-9]+ [0-9a-f.:]+) [0-9]+/\1/p' "$1"
}

# One scan through the faults and what is to be said about it.
faulty() { # NAME FIRST TARGETS
        local name=$1 start want
        start=$(now_ms)
        rm -f list
        scan "$3" -p"${ports/ /,}" --banners --rate "$rate" --retries 7 --wait 4 --connection-timeout 60 --hello-timeout 20 \
                --fault-tx "$faults,seed=$RANDOM" --fault-rx "$faults,seed=$RANDOM" -oL list
        [ "$status" -eq 0 ] || fail "$name: it ends well" "exit status $status: $(tail -n 3 err)"
        promised "$2" | LC_ALL=C sort >want
        lines_of list | LC_ALL=C sort >got
        want=$(wc -l <want)
        diff want got >difference
        missing=$(grep -c '^<' difference)
        [ ! -s difference ]
        check "$name: every line right, none twice" $? \
                "$((want / 2)) connections, $missing lines missing, $(grep -c '^>' difference) too many, $(($(now_ms) - start)) ms; $(head -n 3 difference | cut -c1-150 | paste -sd'|')"
        [ "$(LC_ALL=C uniq -d got | wc -l)" -eq 0 ]
        check "$name: none twice" $? "$(uniq -d got | head -n 2 | cut -c1-80)"
}

last_of() { # FIRST: the last address
        python3 -c 'import ipaddress, sys; print(ipaddress.ip_address(sys.argv[1]) + int(sys.argv[2]) - 1)' "$1" "$hosts"
}

lab_up --far none --no-tun
ip -n "$NET" route replace local 10.0.0.0/15 dev lo
ip -n "$NET" -6 route replace local 2001:db8:2::/64 dev lo
ip netns exec "$NET" sh -c 'echo 12 >/proc/sys/net/ipv4/tcp_synack_retries; echo 15 >/proc/sys/net/ipv4/tcp_orphan_retries'
ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
words=()
for p in $ports; do words+=("line@$p"); done
ip netns exec "$NET" "$HERE/servers.py" "${words[@]}" >ready &
BACKGROUND+=($!)
for ((i = 0; i < 250; i++)); do
        [ ! -s ready ] || break
        sleep 0.02
done

faulty "IPv4, offloads on" 10.0.0.0 "10.0.0.0-$(last_of 10.0.0.0)"
ip netns exec "$NET" "$BUILD/lab/offload" net0 all off
# Other addresses: the kernel still has connections whose end was lost, and their ports might be taken again.
faulty "IPv4, offloads off" 10.1.0.0 "10.1.0.0-$(last_of 10.1.0.0)"
hosts=$((hosts / 10))
faulty "IPv6, offloads off" 2001:db8:2::1 "2001:db8:2::1-$(last_of 2001:db8:2::1)"
finish
