#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a newcomer does first: install, uninstall, the self-test, the example configuration, and every command
# line of the README's "Use" section, which must be accepted as it stands there.
# limit_s: 180
# sanitizers: none
set -u
cd "$TRAWL_ROOT" || exit 1
dest=$TMPDIR/dest

verdict() { # STATUS NAME WHY
        if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "FAIL $2: $3"; fi
}

# ---- make install and uninstall
out=$(make install DESTDIR="$dest" PREFIX=/usr 2>&1)
verdict $? install "$out"
for file in bin/trawl share/man/man1/trawl.1 share/doc/trawl/README.md share/doc/trawl/examples/trawl.conf; do
        [ -s "$dest/usr/$file" ]
        verdict $? "installed $file" "not there, or empty"
done
[ ! -e "$dest/usr/bin/masscan" ]
verdict $? "no masscan link unless asked for" "it was installed"
out=$(make install DESTDIR="$dest" PREFIX=/usr INSTALL_MASSCAN_LINK=1 2>&1) &&
        [ "$(readlink "$dest/usr/bin/masscan")" = trawl ]
verdict $? "masscan link when asked for" "$out"

version=$(sed -n 's/^#define TRAWL_VERSION "\(.*\)"$/\1/p' src/base/base.h)
out=$("$dest/usr/bin/trawl" --version 2>&1) && grep -qF "$version" <<<"$out"
verdict $? "installed program tells version $version" "$out"
grep -q '^\.TH ' "$dest/usr/share/man/man1/trawl.1" && grep -q 'rate' "$dest/usr/share/man/man1/trawl.1"
verdict $? "man page has a title and the options" "$(head -n 5 "$dest/usr/share/man/man1/trawl.1")"

out=$(make uninstall DESTDIR="$dest" PREFIX=/usr 2>&1) && [ -z "$(find "$dest" ! -type d)" ]
verdict $? uninstall "$out $(find "$dest" ! -type d)"

# ---- the program by itself
out=$("$TRAWL" --selftest 2>&1) && grep -q 'selftest: success!' <<<"$out"
verdict $? selftest "$out"
out=$("$TRAWL" --help 2>&1) && grep -q -- --rate <<<"$out"
verdict $? help "$out"
out=$("$TRAWL" -c packaging/trawl.conf 192.0.2.1 -p80 --echo 2>&1) && grep -q '^rate *= *1000' <<<"$out"
verdict $? "example configuration" "$out"

# ---- the README's examples, run where the files they name exist, and a name server is /etc/hosts
printf '127.0.0.1 localhost\n198.51.100.10 example.com\n' >"$TMPDIR/hosts"
mount --bind "$TMPDIR/hosts" /etc/hosts || exit 1
ip link add house0 type veth peer name house1 && ip addr add 192.0.2.9/24 dev house0 || exit 1
ip link set house0 up && ip link set house1 up && ip route add default via 192.0.2.1 || exit 1
cd "$TMPDIR" || exit 1
echo "198.51.100.0/28" >targets.txt
echo "198.51.100.3" >never.txt
n=0
while IFS= read -r line; do
        command=$(sed -E 's/ +#.*//; s/ \| .*//' <<<"$line")
        case $command in
        *--resume* | *--readscan* | *--repair*) continue ;; # they need a scan first: other scripts have one
        *--iflist* | *--debug\ if* | *-sL*) ;;
        *) command="$command --echo" ;;
        esac
        n=$((n + 1))
        out=$(eval "${command/#trawl/\"\$TRAWL\"}" 2>&1)
        verdict $? "README: $command" "$out"
done < <(sed -n '/^## Use/,/^## /p' "$TRAWL_ROOT/README.md" | grep '^trawl ')
[ $n -ge 12 ]
verdict $? "README has at least 12 examples" "found $n"
ip link del house0
