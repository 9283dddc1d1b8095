#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Is lab/tcpsim a right TCP server? The kernel's own TCP is its client here: conversations are held from connect to
# close, each way of ending, and the far end's counters must say the same. Then segments that no client would send. Then
# trawl is its client, at a rate that is too high.
# patient: yes
# limit_s: 120
. "$(dirname "$0")/scan.sh"
TCPSIM_PID=

far() { # OPTIONS…
        [ -z "$TCPSIM_PID" ] || { kill "$TCPSIM_PID" && wait "$TCPSIM_PID"; } 2>/dev/null
        rm -f far.pid far.json
        ip netns exec "$NET" "$BUILD/lab/tcpsim" --dev net0 --stats far.json --pid-file far.pid "$@" </dev/null >far.log 2>&1 &
        TCPSIM_PID=$!
        BACKGROUND+=("$TCPSIM_PID")
        for _ in {1..100}; do
                [ ! -s far.pid ] || return 0
                sleep 0.05
        done
        fail tcpsim "$(tail -n 1 far.log)"
        exit 1
}

counted() { # KEYS: the far end's counters, one after the other
        rm -f far.json
        kill -USR1 "$TCPSIM_PID"
        for _ in {1..200}; do
                [ ! -s far.json ] || break
                sleep 0.01
        done
        jq -r "[$1] | join(\" \")" far.json
}

WRONG='.bad_ip_sum + .bad_tcp_sum + .bad_ack + .bad_request + .malformed + .no_room'

# client COUNT PORT REQUEST: what came, of all of them; the client closes when it has heard "end" or the server's FIN
client() {
        in_scan timeout 20 python3 - "$@" <<'END'
import socket, sys
count, port, request = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode().decode("unicode_escape").encode()
heard = set()
for i in range(count):
    s = socket.create_connection(("10.1.%d.%d" % (i // 250, i % 250 + 1), port), timeout=5)
    if request:
        s.sendall(request)
    got = b""
    while not got.endswith(b"end"):
        more = s.recv(4096)
        if not more:
            break
        got += more
    s.close()
    heard.add(got.decode())
print("|".join(sorted(heard)))
END
}

lab_up --far none --queues 1
# The kernel's own segments leave with sums still to be filled in; the far end wants them whole.
in_scan "$BUILD/lab/offload" scan0 tx off

far --answer 'HTTP/1.0 200 OK\r\n\r\nthe end'
said=$(client 300 80 'GET / HTTP/1.0\r\n\r\n')
same request "$(printf 'HTTP/1.0 200 OK\r\n\r\nthe end')" "$said"
sleep 0.2
same request-counters "300 300 300 300 300 0 0" "$(counted ".begun, .completed, .asked, .data, .closed, .reset, $WRONG")"

far --answer 'HTTP/1.0 200 OK\r\n\r\nover' --close
said=$(client 300 80 'GET / HTTP/1.0\r\n\r\n')
same server-closes "$(printf 'HTTP/1.0 200 OK\r\n\r\nover')" "$said"
sleep 0.2
same server-closes-counters "300 300 300 300 0 0" "$(counted ".begun, .completed, .data, .closed, .reset, $WRONG")"

far --port 22 --speak 'SSH-2.0-x\r\nend'
said=$(client 300 22 '')
same server-speaks "$(printf 'SSH-2.0-x\r\nend')" "$said"
sleep 0.2
same server-speaks-counters "300 300 300 300 0 0" "$(counted ".begun, .completed, .data, .closed, .reset, $WRONG")"

far --port 22 --hold 3 --drip 1
said=$(client 3 22 '') # one after the other: none has the next one's turn
same held ... "$said"
sleep 0.2
same held-counters "3 9 3 3 0 0" "$(counted ".completed, .held_bytes, .held_fins, .closed, .held_overflow, $WRONG")"

# What is wrong must be called wrong: an ACK out of the blue, a request that is none, a sum that does not fit.
far
in_scan python3 - <<'END'
import socket, struct
def fold(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for wrong in (0, 1):
    tcp = struct.pack("!HHIIBBHHH", 40000, 80, 1, 12345, 0x50, 0x10, 1000, 0, 0)
    pseudo = socket.inet_aton("198.51.100.1") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", fold(pseudo + tcp) ^ wrong) + tcp[18:]
    raw.sendto(tcp, ("10.0.0.1", 0))
s = socket.create_connection(("10.0.0.2", 80), timeout=5)
s.sendall(b"NONSENSE")
s.recv(100)
END
same wrong "1 1 1 0" "$(counted ".bad_ack, .bad_tcp_sum, .bad_request, .asked")"

# trawl, told to send more than it can converse about: probes wait, and every service is heard.
prefix=$(sized 10.0.0.0/15 10.0.0.0/13 10.0.0.0/20)
all=$((1 << (32 - ${prefix#*/})))
far
scan "$prefix" -p80 --banners --rate 2000000 --max-rate-per-host 0 --rx-threads 2 --max-connections 400000 --retries 3 --retry-delay 1 \
        --wait 5 -oL list
same swamped-status 0 $?
lost=$(sed -n 's/.* \([0-9]*\) lost in the kernel.*/\1/p' err)
[ "${lost:-$all}" -le $((all / 100)) ]
check swamped-lost $? "$lost frames of $((3 * all)) lost in the kernel"
same swamped "$all $all" "$(counted .begun,.data)"
same swamped-titles "$all" "$(awk '$1 == "banner" && $6 == "title" { print $4 }' list | sort -u | wc -l)"
finish
