#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The checks that only detect: each mode of tests/servers/fake_tls.py, vulnerable and mended, through a whole scan, and
# servers of OpenSSL's and nginx that have nothing of it. What is told of each is what the advisory says, what leaks is
# in no file, and nobody else is called vulnerable.
# patient: yes
# limit_s: 240
. "$(dirname "$0")/scan.sh"

FAR4=198.51.100.2
FAKES=$HERE/../servers/fake_tls.py
ports=() fakes=() verdicts=()

expect() { # PORT NAME VERDICTS: "vuln:" and "safe:" with each word of such banners, in the order of the alphabet
        ports+=("$1")
        verdicts+=("$1 $2 $3")
}

fake() { # PORT MODE VERDICTS
        fakes+=("$2@$FAR4:$1")
        expect "$@"
}

SOUND="safe:SSL[no-heartbeat],safe:poodle[no-SSLv3]"
RESUMES="safe:SSL[no-heartbeat],safe:SSL[no-ticketbleed],safe:poodle[no-SSLv3]" # its own ticket was taken

sound() { # PORT VERDICTS ARGS…: openssl s_server
        local port=$1
        expect "$port" "openssl$(printf '%s' "${@:3}")" "$2"
        shift 2
        ip netns exec "$NET" openssl s_server -accept "$FAR4:$port" -cert cert.pem -key key.pem -www "$@" >/dev/null 2>&1 &
        BACKGROUND+=("$!")
}

nginx_starts() { # PORT
        local nginx libs
        nginx=$(command -v nginx || echo "$BUILD/root/usr/sbin/nginx")
        libs=$(find "$BUILD/root" -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
        cat >nginx.conf <<END
daemon off;
user root;
pid $PWD/nginx.pid;
events { }
http {
        access_log off;
        client_body_temp_path $PWD/tmp; proxy_temp_path $PWD/tmp; fastcgi_temp_path $PWD/tmp;
        uwsgi_temp_path $PWD/tmp; scgi_temp_path $PWD/tmp;
        server { listen $FAR4:$1 ssl; ssl_certificate $PWD/cert.pem; ssl_certificate_key $PWD/key.pem; ssl_protocols TLSv1.2; }
}
END
        LD_LIBRARY_PATH=$libs ip netns exec "$NET" "$nginx" -p "$PWD" -e "$PWD/error.log" -c "$PWD/nginx.conf" >/dev/null 2>&1 &
        BACKGROUND+=("$!")
        expect "$1" nginx "$RESUMES"
}

all_listen() {
        local i
        for ((i = 0; i < 500; i++)); do
                [ "$(ip netns exec "$NET" ss -Hltn | wc -l)" -lt "${#ports[@]}" ] || return 0
                sleep 0.02
        done
        fail lab "not all of them listen: $(cat fakes.log)"
}

told() { # PORT: in the form of `expect`
        awk -v port="$1" '$1 == "banner" && $3 == port && ($6 == "vuln" || $6 == "safe") {
                for (i = 7; i <= NF; i++) print $6 ":" $i
        }' list | LC_ALL=C sort -u | paste -sd,
}

lab_up --far none --no-tun
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=checks.example -days 9 2>/dev/null ||
        fail lab "openssl made no certificate"

fake 443 heartbleed-vulnerable "safe:poodle[no-SSLv3],vuln:SSL[HEARTBLEED],vuln:SSL[heartbeat]"
fake 31443 heartbleed-vulnerable "safe:poodle[no-SSLv3],vuln:SSL[HEARTBLEED],vuln:SSL[heartbeat]"
fake 8443 heartbleed-fixed "safe:SSL[heartbeat],safe:poodle[no-SSLv3]"
fake 9443 no-heartbeat "$SOUND"
fake 4433 ticketbleed-vulnerable "safe:SSL[no-heartbeat],safe:poodle[no-SSLv3],vuln:SSL[ticketbleed]"
fake 31433 ticketbleed-vulnerable "safe:SSL[no-heartbeat],safe:poodle[no-SSLv3],vuln:SSL[ticketbleed]"
fake 10443 ticketbleed-fixed "safe:SSL[no-heartbeat],safe:SSL[no-ticketbleed],safe:poodle[no-SSLv3]"
fake 4443 sslv3 "safe:SSL[no-heartbeat],vuln:POODLE,vuln:SSL[v3]"
fake 12443 sslv3-rc4 "safe:SSL[no-heartbeat],safe:poodle[no-SSLv3],vuln:SSL[v3]"
fake 5443 sslv3-scsv "safe:SSL[no-heartbeat],safe:poodle[TLS_FALLBACK_SCSV],vuln:SSL[v3]"
fake 7443 no-sslv3 "$SOUND"
fake 6443 answers-tls "$SOUND"
fake 8834 sslv2 "vuln:SSL[v2]"
ip netns exec "$NET" python3 "$FAKES" --cert cert.pem --key key.pem "${fakes[@]}" >fakes.log 2>&1 &
BACKGROUND+=("$!")
sound 8244 "$SOUND"
sound 8531 "$RESUMES" -tls1_2
sound 8140 "$SOUND" -tls1_2 -no_ticket
sound 8243 "$SOUND" -tls1_3
if have_servers; then
        nginx_starts 2376
else
        skip nginx "it is not at hand; lab/servers fetch"
fi
all_listen

scan "$FAR4" -p"$(IFS=, && echo "${ports[*]}")" --banners --capture raw --heartbleed --ticketbleed --vuln poodle \
        --vuln sslv3 --wait 2 -oL list -oD list.ndjson
check "the scan ends well" "$status" "$(tail -n 1 err)"
for verdict in "${verdicts[@]}"; do
        read -r port name expected <<<"$verdict"
        same "$name on $port" "$expected" "$(told "$port")"
done
python3 - <<'END'
import base64, json, sys
leaks = 0
for line in open("list.ndjson"):
    line = line.strip().rstrip(",")
    if not line.startswith("{"):
        continue
    data = json.loads(line).get("data", {})
    text = data.get("banner", "").encode()
    if data.get("service_name") == "capture":
        text = base64.b64decode(text)
    leaks += b"LEAKED" in text or "LEAKED" in json.dumps(data)
sys.exit(leaks > 0)
END
check "what leaks is in no banner, field or capture" $? "by the words that the fakes leak"
vulnerable=$(awk '$1 == "banner" && $6 == "vuln" { print $3 }' list | sort -un | paste -sd,)
same "nobody else is called vulnerable" 443,4433,4443,5443,8834,12443,31433,31443 "$vulnerable"
finish
