#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Servers that mean harm: words without end, a byte a second, 16 MB of headers, pages that would grow to 64 MB, a
# chain of 1,000 certificates, and the golden samples of every protocol with bytes changed, lengths wrong, pieces
# lost and doubled. A scan of them ends in time, in bounded memory, without a crash, and the honest server among
# them is heard all the same. FULL=1: more damaged conversations.
# patient: yes
# limit_s: 300
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

FAR4=198.51.100.2
declare -A usual=([amqp]=5672 [dns]=53 [ftp]=21 [http]=80 [imap]=143 [ldap]=389 [memcached]=11211 [minecraft]=25565
        [mongodb]=27017 [mqtt]=1883 [mysql]=3306 [pop3]=110 [postgres]=5432 [rdp]=3389 [redis]=6379 [rmi]=1099
        [rtsp]=554 [sip]=5060 [smb]=445 [smb2]=446 [smtp]=25 [socks]=1080 [ssh]=22 [sslv3]=443 [telnet]=23 [vnc]=5900
        [x11]=6000 [xmpp]=5222)

serve() { # KIND@PORT…
        rm -f ready
        ip netns exec "$NET" "$HERE/servers.py" --samples "$TRAWL_ROOT/tests/golden/banner" --pem chain.pem "$@" >ready 2>server.err &
        BACKGROUND+=($!)
        local i
        for ((i = 0; i < 500; i++)); do
                [ ! -s ready ] || return 0
                sleep 0.02
        done
        fail lab "no servers: $(tail -n 1 server.err)"
}

# A scan with its peak of memory in $peak_mib and its time in $took.
measured() { # ARGS…
        local start pid kib
        start=$(now_ms)
        peak_mib=0
        rm -f list
        timeout -k 5 "${LIMIT_S:-120}" ip netns exec "$SCAN" "$TRAWL" --no-checkpoint --banners --wait 2 \
                --connection-timeout 8 --hello-timeout 1 "$@" -oL list -oD list.nd 2>err &
        pid=$!
        while kill -0 "$pid" 2>/dev/null; do
                kib=$(awk '/VmHWM/ { print $2 }' "/proc/$(pgrep -P "$pid" || echo 0)/status" 2>/dev/null)
                [ "$((${kib:-0} / 1024))" -le "$peak_mib" ] || peak_mib=$((kib / 1024))
                sleep 0.05
        done
        wait "$pid"
        status=$?
        took=$(($(now_ms) - start))
}

survived() { # NAME MOST_MS MOST_MIB
        same "$1: the scan ends well" 0 "$status"
        [ "$status" -eq 0 ] || tail -n 5 err
        [ "$took" -le "$2" ]
        check "$1: in time" $? "$took ms, at most $2"
        if [ -z "$SANITIZER" ]; then
                [ "$peak_mib" -gt 0 ] && [ "$peak_mib" -le "$3" ]
                check "$1: in bounded memory" $? "$peak_mib MiB at most at any time, at most $3 allowed"
        fi
        tail -n 1 list | grep -q '^# end' && jq -es 'length > 0' list.nd >/dev/null
        check "$1: what it wrote is whole" $? "$(grep -c '^banner' list) banners, $(wc -c <list) bytes"
}

listed() { # NAME EXPRESSION
        grep -qE "$2" list
        check "$1" $? "$(grep -cE "$2" list) lines"
}

lab_up --far none --no-tun
ip -n "$NET" route replace local 172.16.0.0/16 dev lo
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=chained.example \
        -keyout key.pem -out cert.pem 2>/dev/null
{
        cat key.pem
        for ((i = 0; i < 1000; i++)); do cat cert.pem; done
} >chain.pem

# ---- what has no end, or no measure
serve ssh@22 endless@1001 endless-lines@1002 endless-http@80 headers@1003 bomb@1004 deep@1005 drips@1006 https@443 silent@1007
LIMIT_S=90 measured "$FAR4" -p22,80,443,1001-1007 --rate 1000 --hello-timeout 2
survived "without measure" 45000 200
listed "among them an honest one" '^banner tcp 22 .* ssh SSH-2.0-little_1.0'
listed "endless bytes are told" '^banner tcp 1001 .* remark speaks without end'
listed "drops are told" '^banner tcp 1006 .* remark drips'
listed "silence is told" '^banner tcp 1007 .* remark says nothing'
listed "a page without end has its status" '^banner tcp 80 .* http HTTP/1.1 200 OK'
listed "16 MB of headers: the first are told" '^banner tcp 1003 .* http HTTP/1.1 200 OK'
listed "a bomb gives its title" '^banner tcp 1004 .* title small'
listed "a chain of 1,000: TLS is told, or that it failed" '^banner tcp 443 .* (ssl|X509|unknown|error|remark) '
same "each port open once" 10 "$(grep -c '^open' list)"

# ---- many of them at a time: memory does not follow their number
hosts=$(sized 48 256 8)
LIMIT_S=150 measured "172.16.0.0-172.16.0.$((hosts - 1))" -p80,1001-1005 --rate 500
survived "$hosts of each at a time" $((60000 + hosts * 200)) 500
same "each port open once, many" $((hosts * 6)) "$(grep -c '^open' list)"

# ---- damaged conversations of each protocol, on its usual port, where it is asked first of all
kill "${BACKGROUND[0]}"
wait "${BACKGROUND[0]}" 2>/dev/null
BACKGROUND=()
words=() ports=
for protocol in "${!usual[@]}"; do
        words+=("mad:$protocol@${usual[$protocol]}")
        ports+=,${usual[$protocol]}
done
serve "${words[@]}" line@2000
hosts=$(sized 16 256 6)
LIMIT_S=240 measured "172.16.1.0-172.16.1.$((hosts - 1))" -p2000"$ports" --rate 200 --capture raw --capture html
survived "damaged conversations" $((60000 + hosts * 1200)) 300
same "each port open once, damaged" $((hosts * (${#usual[@]} + 1))) "$(grep -c '^open' list)"
same "the honest servers among them" "$hosts" "$(grep -cE '^banner tcp 2000 .* ftp 220 this is' list)"
finish
