#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# One scan writes every output at once, and each is held against the truth or read by the program it is meant for:
# jq, xmllint, Debian's masscan, nmap's ndiff. --readscan converts ours and masscan's binary files. Results that
# masscan and trawl both have are the same bytes.
# limit_s: 150
# patient: yes
. "$(dirname "$0")/scan.sh"

prefix=10.0.0.0/22
lab_up -- --prefix $prefix --prefix 2001:db8:1::/120 --open 20 --closed 30 --unreach 5
{
        truth $prefix 80,443
        truth 2001:db8:1::/120 80,443
} | sort >truth
grep -v filtered truth >truth_tcp
opens=$(grep -c ^open truth) closeds=$(grep -c ^closed truth) filtereds=$(grep -c ^filtered truth)
all=$((opens + closeds + filtereds))
scan $prefix 2001:db8:1::/120 -p80,443 --rate 20000 --wait 1 --show open,closed,filtered --reason --interactive -oL o.list -oX o.xml \
        -oJ o.json -oD o.ndjson -oG o.grep -oB o.bin -oU o.uni -oH o.hosts -oN o.normal -oC o.csv --output none:o.none \
        --output nmap-list:o.targets --output-fields ip,port,proto,state,reason,ttl >o.stdout
check "one scan with twelve outputs" $status "$(tail -n 1 err)"

# canonical "STATE tcp PORT ADDRESS" lines from each format, compared with the truth
holds() { # NAME FILE
        sort "$2" | cmp -s - truth
        check "$1 holds the truth" $? "$(wc -l <"$2") of $all results; first difference: $(sort "$2" | diff - truth | sed -n 2p)"
}
grep -v '^#' o.list | cut -d' ' -f1-4 >c && holds list c
jq -r '.[] | .ip as $ip | .ports[] | "\(.status) \(.proto) \(.port) \($ip)"' o.json >c
holds JSON c
jq -r '"\(.data.status) \(.proto) \(.port) \(.ip)"' o.ndjson >c && holds NDJSON c
xmllint --noout o.xml
check "XML is well-formed" $? "$(wc -c <o.xml) bytes"
python3 -c 'import sys, xml.etree.ElementTree as E
for h in E.parse("o.xml").getroot().iter("host"):
    for p in h.iter("port"):
        print(p.find("state").get("state"), p.get("protocol"), p.get("portid"), h.find("address").get("addr"))' >c
holds XML c
sed -nE 's,^Timestamp: [0-9]+\tHost: ([^ ]+) \(\)\tPorts: ([0-9]+)/([a-z]+)/tcp/.*,\3 tcp \2 \1,p' o.grep >c && holds grepable c
sed -nE 's/^TCP ([a-z]+)\t[^[]*\[ *([0-9]+)\]\t\tfrom ([^ ]+) .*/\1 tcp \2 \3/p' o.uni >c && holds unicornscan c
python3 -c 'import csv
for r in csv.DictReader(open("o.csv")):
    print(r["state"], r["proto"], r["port"], r["ip"])' >c
holds CSV c
sed -nE 's,^Discovered ([a-z]+) port ([0-9]+)/tcp on ([^ ]+).*,\1 tcp \2 \3,p' o.stdout >c && holds "interactive text" c
same "hostonly has a line per result" "$all" "$(wc -l <o.hosts)"
same "none writes nothing" 0 "$(wc -c <o.none)"
same "normal text tells all ports" "$all" "$(grep -cE '^[0-9]+/tcp +(open|closed|filtered)' o.normal)"
[ -s o.targets ]
check "nmap list" $? "$(head -n 1 o.targets)"

# ---- binary: our reader, and masscan's
in_scan "$TRAWL" --readscan o.bin --show open,closed,filtered -oL r.list -oJ r.json -oX r.xml >out 2>err
check "--readscan" $? "$(cat err)"
grep -v '^#' r.list | cut -d' ' -f1-4 >c && holds "--readscan to list" c
same "--readscan to list has the times, too" "$(grep -v '^#' o.list | cut -d' ' -f1-5 | sort | md5sum)" "$(grep -v '^#' r.list | sort | md5sum)"
in_scan "$TRAWL" --readscan o.bin --show closed -p443 10.0.0.0/24 -oL f.list >out 2>err
same "--readscan filters" "$(grep -E ' 443 10\.0\.0\.[0-9]+$' truth_tcp | sort | md5sum)" \
        "$(grep -v '^#' f.list | cut -d' ' -f1-4 | sort | md5sum)"
if command -v masscan >/dev/null; then
        unshare -n masscan --readscan o.bin --show closed -oL m.list >out 2>&1
        same "Debian's masscan reads our binary file" "$(grep -vE '^#|^filtered' o.list | cut -d' ' -f1-5 | sort | md5sum)" \
                "$(grep -vE '^#|^unknown' m.list | sort | md5sum)"
        scan 10.0.0.0/24 -p80,443 --rate 20000 --wait 1 --show open,closed -oB tcp.bin
        for kind in L J G D; do
                unshare -n masscan --readscan tcp.bin --show closed -o$kind m.$kind >out 2>&1
                unshare -n "$TRAWL" --readscan tcp.bin --show open,closed -o$kind t.$kind >out 2>&1
                if [ ! -s m.$kind ]; then
                        skip "same bytes as masscan's, -o$kind" "this masscan does not write it"
                        continue
                fi
                same "same bytes as masscan's, -o$kind" "$(grep -av '^# ' m.$kind | md5sum)" "$(grep -av '^# ' t.$kind | md5sum)"
        done
        peer_masscan 6 10.0.0.0/26 -p80 --rate 1000 --wait 1 -oB m.bin
        [ -s m.bin ] && in_scan "$TRAWL" --readscan m.bin -oL mr.list 2>err
        check "we read masscan's binary file" $? "$(wc -l <mr.list) lines $(cat err)"
else
        skip masscan "masscan is not installed (tools/install-deps peers)"
fi

# ---- grouped and nmap's XML
scan 10.0.0.0/24 -p80-84 --rate 20000 --wait 1 --show closed,filtered --xml nmap -oX nmap.xml --group-by host -oG grouped -oA all
dtd=$(find /usr/share/nmap /usr/share/xml -name nmap.dtd 2>/dev/null | head -n 1)
if [ -n "$dtd" ]; then
        xmllint --noout --nonet --dtdvalid "$dtd" nmap.xml 2>out
        check "--xml nmap is valid against nmap's DTD" $? "$(head -n 3 out)"
else
        skip "nmap's DTD" "no nmap.dtd on this machine"
fi
same "a host stands once in --xml nmap" "" "$(grep -o '<address addr="[^"]*"' nmap.xml | sort | uniq -d | head -n 1)"
same "--group-by host: a line per host" "" "$(grep -o 'Host: [^ ]*' grouped | sort | uniq -d | head -n 1)"
ls all.nmap all.xml all.gnmap all.json >out 2>&1
check "-oA" $? "$(tr '\n' ' ' <out)"

# ---- ndiff against nmap's own scan of the same hosts
if ! command -v ndiff >/dev/null; then
        skip ndiff "ndiff is not installed (tools/install-deps peers)"
elif ! have_servers; then
        skip ndiff "no nginx: it is neither installed nor unpacked in $BUILD/root (lab/servers does that)"
else
        lab_up --far real --no-tun
        hosts="172.16.0.1-11"
        # shellcheck disable=SC2086
        scan $hosts -p80,81,443,8080,8081 --rate 1000 --wait 1 --show closed --xml nmap -oX ours.xml
        # shellcheck disable=SC2086
        in_scan nmap -n -Pn -sS -p80,81,443,8080,8081 --disable-arp-ping $hosts -oX theirs.xml >out 2>&1
        ndiff ours.xml theirs.xml >diff.out 2>&1
        same "ndiff between our XML and nmap's" 0 $?
        grep -E '^[-+]' diff.out | sed -n 3,12p
        same "both tell of 11 hosts with 3 open ports each" "33 33" \
                "$(grep -o 'state="open"' ours.xml | wc -l) $(grep -o 'state="open"' theirs.xml | wc -l)"
fi
finish
