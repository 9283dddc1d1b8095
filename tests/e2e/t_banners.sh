#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Banners from real TCP by small servers of our own, on usual ports and on others, IPv4 and IPv6, offloads on and
# off: the list is exactly what they say. What the servers are told: hellos of the user's, HTTP headers, the names a
# target was given by. Odd ends and their words. Limits on connections lose nothing, and neither do kill -9 and
# --resume.
# patient: yes
# limit_s: 360
# sanitizers: asan
. "$(dirname "$0")/scan.sh"

FAR4=198.51.100.2 FAR6=2001:db8:ffff::2

# What this address must be listed with; the servers are those of the line that starts them below.
expected() { # ADDRESS
        local at=$1 p
        opened() { echo "open tcp $1 $at"; }
        told() { echo "banner tcp $1 $at $2"; }
        web() { # PORT TITLE MORE_HEADERS
                opened "$1"
                told "$1" "http.server little/1.0"
                told "$1" "title $2"
                told "$1" "http HTTP/1.1 200 OK\\x0d\\x0aServer: little/1.0\\x0d\\x0aContent-Type: text/html\\x0d\\x0a$3\\x0d"
        }
        for p in 22 31022; do opened $p && told $p 'ssh SSH-2.0-little_1.0\x0d\x0a'; done
        for p in 21 31021; do opened $p && told $p 'ftp 220 little ftp\x0a502 no'; done
        for p in 25 31025; do
                opened $p && told $p 'smtp 220 mail.example ESMTP little\x0a250-mail.example\x0a250 PIPELINING'
        done
        for p in 80 31080; do web $p "with length" 'Content-Length: 69\x0d\x0a'; done
        for p in 8000 31000; do web $p "until the end" ""; done
        for p in 8080 31088; do web $p "in chunks" 'Transfer-Encoding: chunked\x0d\x0a'; done
        for p in 8081 31081; do web $p "was packed" 'Content-Encoding: gzip\x0d\x0aContent-Length: 73\x0d\x0a'; done
        for p in 443 31443; do
                web $p "host none" 'Content-Length: 67\x0d\x0a'
                told $p "ssl TLS/1.3 cipher:0x1302, little.example, a.example, b.example"
                told $p "X509 $(openssl x509 -in cert.pem -outform DER | base64 -w0)"
        done
}
all=22,31022,21,31021,25,31025,80,31080,8000,31000,8080,31088,8081,31081,443,31443

lines_of() { # FILE: the list without its times
        sed -En 's/^((open|banner) tcp [0-9]+ [0-9a-f.:]+) [0-9]+/\1/p' "$1" | LC_ALL=C sort
}

# The same from NDJSON, whose texts are written otherwise: ports, addresses and kinds alone.
kinds_of() { # FILE
        jq -r 'select(.rec_type) | if .rec_type == "banner" then "banner \(.ip) \(.port) \(.data.service_name)"
                else "\(.data.status) \(.ip) \(.port)" end' "$1" | LC_ALL=C sort
}

kinds_expected() { # of lines on standard input
        awk '$1 == "open" { print "open", $4, $3 } $1 == "banner" { print "banner", $4, $3, $5 }' | LC_ALL=C sort
}

grab() { # ARGS…
        rm -f list list.nd
        scan --banners --wait 1 --hello-timeout 1 --connection-timeout 6 --rate 1000 -oL list -oD list.nd "$@"
}

exact() { # NAME ADDRESS ARGS…
        local name=$1 at=$2 out
        shift 2
        grab "$at" -p"$all" "$@"
        same "$name: the scan ends well" 0 "$status"
        out=$(diff <(expected "$at" | LC_ALL=C sort) <(lines_of list))
        check "$name: each line as it must be, and no other" $? "$(grep -c . list) lines $(head -n 6 <<<"$out" | cut -c1-120 | paste -sd'|')"
        out=$(diff <(expected "$at" | kinds_expected) <(kinds_of list.nd))
        check "$name: NDJSON has the same" $? "$(head -n 6 <<<"$out" | paste -sd'|')"
}

field() { # NAME PORT KIND FILTER: a truth about the fields of a banner
        jq -es "map(select(.port == $2 and .data.service_name == \"$3\")) | length == 1 and (.[0].data.fields | $4)" list.nd >/dev/null
        check "$1" $? "$(jq -c "select(.port == $2 and .data.service_name == \"$3\") | .data.fields" list.nd | cut -c1-200)"
}

has() { # NAME EXPRESSION [FILE]
        grep -qE -- "$2" "${3:-list}"
        check "$1" $? "$(tail -n 3 "${3:-list}" | cut -c1-100 | paste -sd'|')"
}

# What the servers of a port were told since the log was emptied, one JSON text a line.
told_on() { # PORT
        sleep 0.3
        jq -c "select(.port == $1) | .told" log
}

lab_up --far none --no-tun
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=little.example \
        -addext subjectAltName=DNS:a.example,DNS:b.example -keyout key.pem -out cert.pem 2>/dev/null
cat key.pem cert.pem >both.pem
ip -n "$NET" route replace local 172.16.0.0/16 dev lo
: >log
ip netns exec "$NET" "$HERE/servers.py" --log log --pem both.pem ssh@22 ssh@31022 ftp@21 ftp@31021 smtp@25 \
        smtp@31025 http@80 http@31080 http-close@8000 http-close@31000 http-chunked@8080 http-chunked@31088 \
        http-gzip@8081 http-gzip@31081 https@443 https@31443 echo-host@81 closes@1001 resets@1002 silent@1003 \
        window@1004 drips@1005 endless@1006 line@2000 line@2001 >ready &
BACKGROUND+=($!)
for ((i = 0; i < 250; i++)); do
        [ ! -s ready ] || break
        sleep 0.02
done
ip netns exec "$NET" nft -f - <<'END'
table ip shut {
        chain out {
                type filter hook output priority 0
                tcp sport 1004 tcp window set 0
        }
}
END

# ---- exactly
exact "IPv4" "$FAR4"
field "fields of ssh" 22 ssh '.software == "little_1.0" and .protocol == "2.0"'
field "fields of smtp" 31025 smtp '.hostname == "mail.example" and .starttls == false'
field "fields of http" 8081 http '.status == 200 and .content_encoding == "gzip" and .title == "was packed"'
field "fields of TLS" 31443 ssl '.version == "TLS/1.3" and .subject_cn == "little.example" and .chain_length == 1'
# shellcheck disable=SC2016 # awk's dollars
awk '$1 == "open" { at[$3] = NR } $1 == "banner" && !at[$3] { bad++ } END { exit bad > 0 }' list
check "a port is open before its banners" $? ""
exact "IPv6" "$FAR6"
ip netns exec "$NET" "$BUILD/lab/offload" net0 all off
exact "offloads off" "$FAR4"
ip netns exec "$NET" "$BUILD/lab/offload" net0 all on
exact "--per-host-connections 1" "$FAR4" --hello-timeout 0.4 --per-host-connections 1
exact "--max-connections 1" "$FAR4" --hello-timeout 0.4 --max-connections 1

# ---- odd ends, and a banner as soon as it is known
grab "$FAR4" -p22,1001-1006 --hello-timeout 2
has "closes at once" '^banner tcp 1001 .* remark closes at once$'
has "resets at once" '^banner tcp 1002 .* remark resets at once$'
has "says nothing" '^banner tcp 1003 .* remark says nothing$'
has "window shut" '^banner tcp 1004 .* remark window shut$'
has "drips" '^banner tcp 1005 .* remark drips$'
has "speaks without end" '^banner tcp 1006 .* remark speaks without end$'
same "one remark each" 6 "$(grep -c ' remark ' list)"
# shellcheck disable=SC2016
awk '/^banner tcp 22 / { ssh = $5 } / remark drips/ { drips = $5 } END { exit !(ssh && drips - ssh >= 3) }' list
check "ssh was told long before the slowest was done with" $? ""
start=$(now_ms)
grab "$FAR4" -p1005 --hello-timeout 2 --connection-timeout 3
took=$(($(now_ms) - start))
[ "$took" -gt 3000 ] && [ "$took" -lt 6500 ]
check "--connection-timeout 3 ends one that drips" $? "$took ms"

# ---- what the servers are told
: >log
grab "$FAR4" -p1003 --hello-string[1003] "$(printf 'who are you\r\n' | base64)" --connection-timeout 2
has "--hello-string: as it is" '^"who are you\\r\\n"$' <(told_on 1003)
: >log
grab "$FAR4" -p81 --hello http --http-method HEAD --http-url /there --http-version HTTP/1.1 --http-host h.example \
        --http-user-agent "me (mail@example.org)" --http-header "X-More: 1" --http-cookie k=v --http-field-remove Accept
same "--http-*: the request as the server saw it" \
        'HEAD /there HTTP/1.1|Host: h.example|User-Agent: me (mail@example.org)|Connection: close|Cookie: k=v|X-More: 1||' \
        "$(told_on 81 | jq -r . | tr -d '\r' | paste -sd'|')"
printf '%s first.example\n%s second.example\n' "$FAR4" "$FAR4" >hosts
: >log
rm -f list
unshare -m sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh timeout 60 ip netns exec "$SCAN" "$TRAWL" \
        --no-checkpoint first.example second.example -p81,443 --banners --wait 1 --hello-timeout 1 -oL list 2>err
for name in first second; do
        same "$name.example: asked by its Host" 1 "$(grep -c "^banner tcp 81 .* title host $name.example" list)"
        same "$name.example: by its Host in TLS" 1 "$(grep -c "^banner tcp 443 .* title host $name.example" list)"
        [ "$(jq -r "select(.port == 443 and .sni == \"$name.example\") | .told" log | grep -ci "^host: $name.example")" -ge 1 ]
        check "$name.example: SNI and Host are the same" $? "$(jq -c 'select(.port == 443) | .sni' log | paste -sd,)"
done
same "two names, two ports, each open once" 2 "$(grep -c ^open list)"

# ---- what is kept
grab "$FAR4" -p22,80 --nobanners
same "--nobanners" "open open" "$(lines_of list | cut -d' ' -f1 | paste -sd' ')"
grab "$FAR4" -p22,80 --capture html --capture raw -oB list.bin
has "--capture html" '^banner tcp 80 .* html .*with length'
raw=$(sed -n 's/^banner tcp 22 .* capture //p' list | head -n 1 | base64 -d 2>/dev/null | tr -d '\r\n')
[[ $raw == *SSH-2.0-little_1.0* ]]
check "--capture raw: the words of the server" $? "$(cut -c1-80 <<<"$raw") $(grep -c capture list)"
in_scan "$TRAWL" --readscan list.bin --banner-types ssh -oL chosen 2>err
same "--readscan --banner-types ssh" "ssh" "$(sed -n 's/^banner tcp [0-9]* [0-9.]* [0-9]* \([a-z0-9.]*\) .*/\1/p' chosen | sort -u | paste -sd' ')"

# ---- a host that answers on every port
every='remark answers on every port$'
# shellcheck disable=SC2046 # ports, apart
ip netns exec "$NET" "$HERE/lab_talk.py" serve $(seq 5000 5119) >/dev/null 2>&1 &
BACKGROUND+=("$!")
for ((i = 0; i < 250; i++)); do
        [ -z "$(ip netns exec "$NET" ss -Hltn 'sport = :5119')" ] || break
        sleep 0.02
done
grab "$FAR4" -p5000-5119
same "every port: all are open and speak" "120 120" "$(grep -c ^open list) $(grep -c ' ssh SSH' list)"
same "every port: it is said once" 1 "$(grep -c "$every" list)"
has "every port: the summary counts the host" '1 host answers on every port' err
same "every port: as NDJSON" 1 "$(jq -c 'select(.data.banner == "answers on every port")' list.nd | wc -l)"
grab "$FAR4" -p5000-5239
same "120 open ports, 120 closed: not said" "120 0" "$(grep -c ^open list) $(grep -c "$every" list)"
grab "$FAR4" -p5000-5089
same "90 ports, all open: not said" "90 0" "$(grep -c ^open list) $(grep -c "$every" list)"
rm -f list
scan "$FAR4" -p5000-5119 --rate 1000 --wait 1 --status-json -oL list
same "without --banners it is counted only" "120 0 1" \
        "$(grep -c ^open list) $(grep -c "$every" list) $(jq -Rr 'fromjson? | .found.all_open // empty' err | tail -n 1)"
rm -f list
scan "$FAR4" -p5000-5007 --banners --max-connections 1 --rate 4 --wait 1 --status-json -oL list
[ "$(grep -c '^{"state":"talk-full"' err)" -ge 1 ]
check "no room to talk: the status says that probes wait" $? "$(grep -o '^{"state":"[a-z-]*' err | sort | uniq -c | paste -sd,)"
has "no room to talk: and the summary how long" 'probes waited [0-9.]* s for room to talk' err
same "no room to talk: nothing is lost" "8 8" "$(grep -c ^open list) $(grep -c ' ssh SSH' list)"
rm -f list state*
ip netns exec "$SCAN" "$TRAWL" "$FAR4" -p5000-5119 --banners --rate 30 --answer-horizon 1 --wait 1 --no-status \
        -oL list --checkpoint state 2>err &
pid=$!
BACKGROUND+=("$pid")
for ((i = 0; i < 600; i++)); do
        grep -qs "$every" list && break
        sleep 0.02
done
kill -KILL "$pid"
wait "$pid" 2>/dev/null
before=$(grep -c ^open list)
timeout 60 ip netns exec "$SCAN" "$TRAWL" --resume state 2>err
same "killed after it was said, and resumed: said once" "120 1" "$(grep -c ^open list) $(grep -c "$every" list)"
[ "$before" -lt 120 ]
check "it was killed before its end" $? "$before ports were told"

# ---- kill -9 and --resume
hosts=$(sized 150 5000 60)
for ((i = 0; i < hosts; i++)); do
        for p in 2000 2001; do
                a=172.16.$((i / 250)).$((i % 250 + 1))
                echo "open tcp $p $a"
                echo "banner tcp $p $a ftp 220 this is $a port $p,"
        done
done | LC_ALL=C sort >want
awk '$1 == "open" { print $4 }' want | sort -u >targets
rm -f list list.nd state*
report=$("$HERE/kill.py" --checkpoint state --kills 3 --least 0.8 --most 2 --program "$TRAWL" -- \
        ip netns exec "$SCAN" "$TRAWL" -iL targets -p2000,2001 --banners --rate $((hosts / 5)) --answer-horizon 1 --wait 2 \
        --hello-timeout 1 --connection-timeout 6 -oL list -oD list.nd --checkpoint state)
check "killed three times and resumed to the end" $? "$report $(tail -n 1 kill.err)"
same "every kill met a running scan" 3 "$(jq .kills <<<"$report")"
out=$(diff want <(lines_of list | sed 's/, \.*$/,/'))
check "killed: no line is missing, none is there twice" $? "$(wc -l <want) lines; $(grep -c '^<' <<<"$out") missing, $(grep -c '^>' <<<"$out") too many: $(head -n 4 <<<"$out" | paste -sd'|')"
out=$(diff <(kinds_expected <want) <(kinds_of list.nd))
check "killed: NDJSON likewise" $? "$(grep -c '^<' <<<"$out") missing, $(grep -c '^>' <<<"$out") too many"
finish
