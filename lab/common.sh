# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# Names and helpers that the lab's scripts share; sourced, never run. LAB names the lab (default "trawl"): several
# can live side by side. Everything of a lab is its namespaces, its run directory and the processes whose pid files
# lie in there; nothing of the host's own network is touched.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB=${LAB:-trawl}
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
TOOLS=$BUILD/lab
RUN=$TOOLS/$LAB
SCAN=$LAB-scan NET=$LAB-net TUN=$LAB-tun

die() {
        printf '%s: %s\n' "lab/$(basename "$0")" "$*" >&2
        exit 1
}

check_name() {
        [[ $LAB =~ ^[a-z][a-z0-9]{0,14}$ ]] || die "LAB='$LAB' is no name for a lab: a small letter, then up to 14 small letters and digits"
        [[ $LAB != sim && $LAB != tunlink && $LAB != offload && $LAB != blast && $LAB != obj ]] || die "LAB='$LAB' is the name of a tool in $TOOLS; choose another"
}

need_root() {
        [ "$(id -u)" = 0 ] || die "network namespaces take root; try sudo"
}

need_tool() {
        [ -x "$TOOLS/$1" ] || die "$TOOLS/$1 is not built; run 'make lab' first"
}

have_ns() {
        [ -e "/run/netns/$1" ]
}

# One "PATH VALUE" a line on stdin, PATH below /proc/sys. A kernel without a setting is a kernel without it.
set_sysctls() {
        # shellcheck disable=SC2016
        ip netns exec "$1" bash -c 'while read -r path value; do echo "$value" >"/proc/sys/$path"; done' 2>/dev/null
}

# lives PID NAMESPACE: is the process there, in that namespace, and not a zombie?
lives() {
        local ours theirs
        ours=$(stat -Lc %i "/run/netns/$2" 2>/dev/null) && theirs=$(stat -Lc %i "/proc/$1/ns/net" 2>/dev/null) &&
                [ "$ours" = "$theirs" ]
}

# stop_pid FILE NAMESPACE: ends the process of a pid file, if it is still the one that we started in there.
stop_pid() {
        local pid i
        pid=$(cat "$1" 2>/dev/null) || return 0
        rm -f "$1"
        [ -n "$pid" ] && lives "$pid" "$2" || return 0
        kill -TERM "$pid" 2>/dev/null
        for ((i = 0; i < 250; i++)); do
                lives "$pid" "$2" || return 0
                sleep 0.02
        done
        kill -KILL "$pid" 2>/dev/null
        return 0
}

# wait_pid FILE PID LOG: until FILE is there; fails with the log's last words when the process ended instead.
wait_pid() {
        local i
        for ((i = 0; i < 500; i++)); do
                [ -s "$1" ] && return 0
                kill -0 "$2" 2>/dev/null || break
                sleep 0.02
        done
        die "$(tail -n 3 "$3")"
}
