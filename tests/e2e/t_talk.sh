#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Conversations and the end of a scan: killed with SIGKILL while it speaks to services and resumed, each port has
# one record and one banner, whose words may change from time to time; --max-results gives so many ports, each with
# its banner; Ctrl-C leaves who was not spoken to yet to --resume and does not wait for them; a pool that cannot be
# had is told; a scan leaves no connection open at the far end, and what a killed one leaves is told.
# limit_s: 150
# patient: yes
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

FAR=198.51.100.2 PORTS=5000-5059 N=60

start() { # NAMESPACE COMMAND…: in the background, taken down at the end
        local netns=$1
        shift
        ip netns exec "$netns" "$@" >/dev/null 2>&1 &
        BACKGROUND+=($!)
}

trawls() { # ARGS…: in the background, where Ctrl-C works; its id is in $scan
        env --default-signal=INT ip netns exec "$SCAN" "$TRAWL" "$@" >/dev/null 2>>err &
        scan=$!
}

told() { # NAME: has each port one record and one banner?
        grep -c '^open' list >opens
        grep '^open' list | cut -d' ' -f3 | sort -u | wc -l >ports
        grep '^banner' list | cut -d' ' -f3 | sort | uniq -c | awk '{ print $1 }' | sort | uniq -c >banners
        [ "$(cat opens ports banners | xargs)" = "$N $N $N 1" ]
        check "$1" $? "opens, ports, banners of how many: $(cat opens ports banners | xargs) $(tail -n 1 err)"
}

lab_up --far none --no-tun
# Greets with the time of day and waits for a word that does not come; from port 5100 on it keeps the connection
# when the other side is done with it.
cat >clock.py <<'END'
import socket, sys, threading, time


def serve(port):
    server = socket.create_server(("", port), backlog=64)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=greet, args=(connection,), daemon=True).start()


def greet(connection):
    with connection:
        connection.sendall(b"220 mail.example ESMTP %d\r\n" % time.time_ns())
        connection.settimeout(60)
        try:
            while connection.recv(1000):
                pass
            if connection.getsockname()[1] >= 5100:
                time.sleep(600)
        except OSError:
            pass


for port in [*range(5000, 5060), *range(5100, 5160)]:
    threading.Thread(target=serve, args=(port,), daemon=port < 5159).start()
END
start "$NET" python3 clock.py
for ((i = 0; i < 250; i++)); do
        [ "$(ip netns exec "$NET" ss -Hltn | grep -c ':5[01][0-5][0-9] ')" = $((2 * N)) ] && break
        sleep 0.02
done
common=(--banners --max-rate-per-host 0 --wait 2)

# ---- killed and resumed: some connections stay open at the far end, some are only half open
rm -f list err
trawls "$FAR" -p$PORTS "${common[@]}" --rate 20 --per-host-connections 8 --hello-timeout 1 --checkpoint state -oL list
for ((k = 0; k < 4; k++)); do
        sleep 1.7
        kill -9 "$scan"
        wait "$scan" 2>/dev/null
        trawls --resume state
done
wait "$scan"
check "killed and resumed: it ended well" $? "$(tail -n 1 err)"
told "killed and resumed: one record and one banner for each port"

# ---- --max-results
scan "$FAR" -p$PORTS "${common[@]}" --rate 2000 --max-results 5 -oL list
grep '^open' list | cut -d' ' -f3 | sort >opens
grep '^banner' list | cut -d' ' -f3 | sort >banners
[ "$(wc -l <opens)" = 5 ] && cmp -s opens banners
check "--max-results: as many ports, each with its banner" $? "opens $(xargs <opens), banners $(xargs <banners)"

# ---- Ctrl-C
rm -f list err
began=$(now_ms)
trawls "$FAR" -p$PORTS "${common[@]}" --rate 2000 --per-host-connections 1 --checkpoint state -oL list
sleep 2
kill -INT "$scan"
wait "$scan"
took=$(($(now_ms) - began))
grep -q 'open ports have not been spoken to' err && [ $took -lt 25000 ]
check "Ctrl-C: does not wait for who was not spoken to yet" $? "$took ms, $(tail -n 1 err)"
trawls --resume state --per-host-connections 32
wait "$scan"
check "Ctrl-C: resumed" $? "$(tail -n 1 err)"
told "Ctrl-C: one record and one banner for each port"

# ---- again at once, from the same port
left() { # connections that the far end still holds
        ip netns exec "$NET" ss -Htan 'sport >= 5100' | grep -cv LISTEN
}
again=("$FAR" -p5100-5159 "${common[@]}" --rate 1000 --source-port 61000 --no-checkpoint -oL list)
for turn in first second; do
        scan "${again[@]}"
        told "a scan from one port, the $turn: one record and one banner for each port"
        [ "$(left)" = 0 ]
        check "the $turn leaves no connection open at the far end" $? "$(left) left"
done
rm -f list err
trawls "${again[@]}"
for ((i = 0; i < 250 && $(left) < 10; i++)); do
        sleep 0.01
done
kill -9 "$scan"
wait "$scan" 2>/dev/null
scan "${again[@]}"
opens=$(grep -c '^open' list)
told=$(sed -n 's/^trawl: \([0-9]*\) times a target answered for a connection from before.*/\1/p' err)
[ "$opens" -lt $N ] && [ "${told:-0}" -ge $((N - opens)) ]
check "killed, and not resumed: what it left open is told" $? "$opens open, ${told:-none} told"

# ---- a pool that cannot be had
if [ -z "$SANITIZER" ]; then
        (ulimit -v 500000 && ip netns exec "$SCAN" "$TRAWL" "$FAR" -p5000 "${common[@]}" --no-checkpoint \
                --max-connections 16777216 -oL list 2>err)
        [ $? -eq 1 ] && grep -q 'error: .*lower --max-connections' err
        check "a pool that cannot be had is told" $? "$(grep error err)"
fi
finish
