// SPDX-License-Identifier: Apache-2.0
/*
 * table_other: the rows of the option table for names that are known and do nothing yet, or nothing at all:
 * every name of masscan's command line and those of nmap's that people try is answered by what it means here.
 * Invariant: a LATER row's word goes before "not in this version yet", a REFUSED row's word says what to do
 * instead.
 */
#include "option.h"

#define LATER(n, also, short_form, takes, var, what, text, more)                                   \
        {                                                                                          \
                .name = n, .aliases = also, .letters = short_form, .metavar = var, .help = text,   \
                .word = what, .section = SEC_LATER, .kind = OPT_LATER, .arg = takes, .flags = more \
        }
#define NOTHING(n, also, short_form, takes, var, text, more)                                        \
        {                                                                                           \
                .name = n, .aliases = also, .letters = short_form, .metavar = var, .help = text,    \
                .word = text, .section = SEC_IGNORED, .kind = OPT_NOOP, .arg = takes, .flags = more \
        }
#define REFUSED(n, also, short_form, takes, instead)                                         \
        {                                                                                    \
                .name = n, .aliases = also, .letters = short_form,                           \
                .metavar = takes == ARG_ONE ? "VALUE" : "", .help = "Refused: " instead ".", \
                .word = instead, .section = SEC_REFUSED, .kind = OPT_REFUSED, .arg = takes   \
        }

const struct opt opt_rows_other[] = {
        NOTHING("no-ping", "", "Pn PN P0", ARG_NONE, "",
                "Every target is probed in any case: no host discovery comes first.", OPT_NMAP),
        NOTHING("randomize-hosts", "", "", ARG_NONE, "", "The order is always random.", OPT_NMAP),
        NOTHING("send-eth", "", "", ARG_NONE, "", "Ethernet frames are sent wherever the link has them.",
                OPT_NMAP),
        NOTHING("release-memory", "", "", ARG_NONE, "", "Memory is given back in any case.", OPT_NMAP),
        NOTHING("sendq", "sendqueue", "", ARG_NONE, "", "A matter of Windows.", 0),
        NOTHING("min-packet", "min-pkt", "", ARG_ONE, "N", "Frames have the length they need.", 0),
        NOTHING("blackrock-rounds", "", "", ARG_ONE, "N", "The order has as many rounds as it needs.", 0),
        NOTHING("backtrace", "", "", ARG_NONE, "", "A core dump tells more.", 0),
        NOTHING("nobacktrace", "", "", ARG_NONE, "", "A core dump tells more.", 0),
        NOTHING("datadir", "", "", ARG_ONE, "DIR", "No data files are needed.", OPT_FREE),
        NOTHING("test", "", "", ARG_NONE, "", "masscan's developers' own.", 0),
        NOTHING("notest", "", "", ARG_NONE, "", "masscan's developers' own.", 0),
        LATER("rawudp", "", "", ARG_NONE, "", "UDP probes are", "Report UDP payloads as they came.", 0),
        LATER("script", "", "", ARG_ONE, "FILE", "scripts are", "Run a script.", 0),
        LATER("debug-tcp", "tcp-debug", "", ARG_NONE, "", "traces of single connections are",
              "Trace the state of each connection.", 0),
        LATER("banner1", "", "", ARG_ONE, "FILE", "banner parsers are",
              "Run the banner parsers over a capture file.", 0),
        LATER("output-redis", "", "oR", ARG_ONE, "HOST:PORT", "output to Redis is",
              "Stream results to a Redis server.", 0),
        LATER("redis", "", "", ARG_ONE, "HOST:PORT", "output to Redis is",
              "Stream results to a Redis server.", 0),
        LATER("redis-pwd", "", "", ARG_ONE, "TEXT", "output to Redis is", "Password of the Redis server.", 0),
        LATER("nmap-payloads", "nmap-payload", "", ARG_ONE, "FILE", "UDP probes and their payloads are",
              "UDP payloads in nmap's format.", 0),
        LATER("pcap-payloads", "pcap-payload", "", ARG_ONE, "FILE", "UDP probes and their payloads are",
              "UDP payloads from a capture file.", 0),
        LATER("nmap-service-probes", "nmap-service-probe", "", ARG_ONE, "FILE", "service probes are",
              "Service probes in nmap's format.", 0),
        LATER("data-length", "", "", ARG_ONE, "N", "data in probes is", "Append N random bytes to probes.",
              0),
        REFUSED("service-scan", "", "sV", ARG_NONE,
                "nmap's service detection is not trawl's work: hand the open ports on to nmap -sV (output "
                "nmap-list makes the commands)"),
        REFUSED("script-scan", "", "sC", ARG_NONE,
                "nmap's scripts are not trawl's work: hand the open ports on to nmap -sC (output nmap-list "
                "makes the commands)"),
        REFUSED("flag-scans", "", "sA sF sM sN sW sX", ARG_NONE,
                "scans with other TCP flags cannot tell open from silent: use the SYN scan (-sS, the "
                "default)"),
        REFUSED("idle-scan", "", "sI", ARG_NONE,
                "an idle scan needs a third host's counters: use the SYN scan (-sS, the default)"),
        REFUSED("ping-scan", "", "sn sP", ARG_NONE,
                "a scan for hosts alone needs ports here: use -p80,443 and report closed ports too (--show "
                "closed)"),
        REFUSED("host-discovery", "", "PS PA PU PE PP PM PO PR PY", ARG_NONE,
                "no host discovery comes before the scan: leave it out, every target is probed"),
        REFUSED("os-detection", "", "O", ARG_NONE,
                "guessing operating systems is not trawl's work: hand the open ports on to nmap -O"),
        REFUSED("osscan-guess", "osscan-limit", "", ARG_NONE,
                "guessing operating systems is not trawl's work: hand the open ports on to nmap -O"),
        REFUSED("aggressive", "", "A", ARG_NONE,
                "-A is several of nmap's scans in one: hand the open ports on to nmap -A"),
        REFUSED("version-light", "version-all version-trace", "", ARG_NONE,
                "nmap's service detection is not trawl's work: hand the open ports on to nmap -sV"),
        REFUSED("version-intensity", "", "", ARG_ONE,
                "nmap's service detection is not trawl's work: hand the open ports on to nmap -sV"),
        REFUSED("traceroute", "", "", ARG_NONE,
                "paths are not traced: use traceroute or mtr on the hosts found"),
        REFUSED("ftp-bounce", "", "b", ARG_NONE, "bouncing off FTP servers is not done: scan directly"),
        REFUSED("fragment", "", "f", ARG_NONE, "probes are not fragmented: leave it out"),
        REFUSED("mtu", "", "", ARG_ONE,
                "probes are far smaller than any MTU and are not fragmented: leave it out"),
        REFUSED("decoys", "", "D", ARG_NONE, "decoys would scan in other people's names: leave it out"),
        REFUSED("sequential", "", "r", ARG_NONE,
                "the order is always random, which is kind to the networks scanned: sort the results "
                "instead"),
        REFUSED("scanflags", "", "", ARG_ONE, "probes are plain SYNs: leave it out"),
        REFUSED("ip-options", "", "", ARG_ONE, "IP options make routers drop probes: leave it out"),
        REFUSED("port-ratio", "", "", ARG_ONE, "ports are ranked, not rated: use --top-ports N"),
        REFUSED("dns-servers", "", "", ARG_ONE,
                "names are resolved the system's way: change /etc/resolv.conf, or give addresses and -n"),
        REFUSED("system-dns", "", "", ARG_NONE, "names are always resolved the system's way: leave it out"),
        REFUSED("reverse-dns", "", "R", ARG_NONE,
                "addresses found are not turned into names: do so with the results"),
        REFUSED("scan-delay", "max-scan-delay", "", ARG_ONE,
                "trawl has one rate for all: use --rate, and --max-rate-per-host for a single host"),
        REFUSED("host-timeout", "", "", ARG_ONE,
                "no host holds the scan up: use --max-runtime for the whole, --wait for its end"),
        REFUSED("min-hostgroup", "max-hostgroup", "", ARG_ONE,
                "hosts are not scanned in groups: leave it out"),
        REFUSED("min-parallelism", "max-parallelism", "", ARG_ONE,
                "probes do not wait for each other: use --rate"),
        REFUSED("min-rtt-timeout", "max-rtt-timeout initial-rtt-timeout", "", ARG_ONE,
                "probes wait for nothing: use --wait for the end of the scan and --retry-delay between "
                "retries"),
        REFUSED("send-ip", "", "", ARG_NONE, "the way out is chosen by --io: use --io rawip"),
        REFUSED("privileged", "", "", ARG_NONE, "rights are tried, not declared: leave it out"),
        REFUSED("unprivileged", "", "", ARG_NONE,
                "a SYN scan needs the right to send raw packets: run as root, or setcap "
                "cap_net_raw,cap_net_admin=ep on the program"),
        REFUSED("log-errors", "", "", ARG_NONE,
                "errors are always told on standard error: redirect it with 2>FILE"),
        REFUSED("output-script-kiddie", "", "oS", ARG_ONE,
                "nobody needs -oS: use -oN for people, -oJ for programs"),
        REFUSED("csv", "", "", ARG_NONE, "CSV is an output here: use -oC FILE"),
};
const size_t opt_n_other = ARRAY_LEN(opt_rows_other);
