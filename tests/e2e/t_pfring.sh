#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# PF_RING, played by a stand-in for its library (tests/pfring/standin.c): whole scans through it give the exact list,
# under masscan's switch and under PF_RING's own names for interfaces; and what is said when the library is missing,
# is too old, or has run out of its demo time.
# patient: yes
# limit_s: 120
# sanitizers: asan tsan
. "$(dirname "$0")/scan.sh"

library=$BUILD/pfring
if [ ! -e "$library/libpfring.so" ]; then
        fail stand-in "$library/libpfring.so is not built"
        finish
fi
export STANDIN_LOG=$WORK/opened
rings() { # the interfaces that PF_RING was asked for, by its own names
        cut -d' ' -f2 opened | sort -u | paste -sd' '
}

prefix=$(sized 10.0.0.0/16 10.0.0.0/14 10.0.0.0/20)
rate=$(pps 50000)
lab_up -- --prefix "$prefix" --prefix 2001:db8:1::/116 --open 20 --closed 30 --unreach 5
truth "$prefix" 80 >truth
truth 2001:db8:1::/120 80 >truth6

# ---- no library, and an old one
if in_scan python3 -c 'import ctypes; ctypes.CDLL("libpfring.so")' 2>/dev/null; then
        skip "without the library" "this machine has PF_RING"
else
        scan 10.0.0.0/24 -p80 --pfring --wait 0 -oL list
        same "without the library: exit status 2, one line" "2 1" "$status $(wc -l <err)"
        grep -q 'libpfring\.so is not installed: install ntop.s package "pfring"' err
        check "without the library: what to install" $? "$(cat err)"
        scan 10.0.0.0/24 -p80 -e zc:scan0 --wait 0 -oL list
        same "without the library, zc:scan0" "2 1" "$status $(wc -l <err)"
fi
export LD_LIBRARY_PATH=$library/old
scan 10.0.0.0/24 -p80 --pfring --wait 0 -oL list
grep -q 'libpfring\.so lacks pfring_set_cluster, pfring_set_poll_watermark: install a newer' err
check "a library that lacks functions" $((status != 2 || $?)) "exit status $status: $(cat err)"

# ---- whole scans
export LD_LIBRARY_PATH=$library
rm -f opened
run_exact "--pfring, $prefix at $rate pps" truth "$prefix" -p80 --pfring --rate "$rate" --wait 2
grep -m1 'done:' err
same "--pfring opened the interface by its name" scan0 "$(rings)"
rm -f opened
run_exact "--pfring, IPv6" truth6 2001:db8:1::/120 -p80 --pfring --rate 1000 --wait 2
run_exact "--pfring, 2 transmit and 2 receive threads" truth "$prefix" -p80 --pfring --rate "$rate" --wait 2 \
        --tx-threads 2 --rx-threads 2

rm -f opened
run_exact "--io-tx pfring alone" truth "$prefix" -p80 --io-tx pfring --rate "$rate" --wait 2
rm -f opened
run_exact "-e zc:scan0" truth "$prefix" -p80 -e zc:scan0 --rate "$rate" --wait 2
same "-e zc:scan0 opened zc:scan0" zc:scan0 "$(rings)"
rm -f opened
run_exact "-e zc:scan0@1" truth "$prefix" -p80 -e zc:scan0@1 --rate "$rate" --wait 2
same "-e zc:scan0@1 opened zc:scan0@1" zc:scan0@1 "$(rings)"

# ---- beside it
ip -n "$SCAN" addr add 198.51.100.77/32 dev lo
scan 198.51.100.77 -p80 --pfring --rate 100 --wait 1 --show closed -oL list
same "our own address, which is on no link" "0 1" "$status $(grep -c ^closed list)"
scan 10.0.0.0/24 -p80 --pfring --rate 10000 --wait 1 --bpf 'arp or net 10.0.0.0/25' -oL list
internet truth 10.0.0.0/25 80 | grep '^open' >truth1
compare "--bpf holds for PF_RING, too" truth1 list
finish
