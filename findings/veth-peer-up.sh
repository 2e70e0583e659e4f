#!/usr/bin/env bash
# Linux (seen: 6.18), through iproute2 6.1.0: a veth pair whose second end is asked for as up is not made at all.
#
# What one would guess: `up` in the description of the peer means what it means for the first end, which may be up from the
# start; the pair is one request, and comes up with both ends.
# Where it matters: who makes the end of a container in the container's namespace by one request (rather than moving it
# there, which waits for all processors each time) wants it up, too. The peer is brought up before it knows its first end,
# the driver answers ENOTCONN for one without, and all of the request is undone. It takes a second request, in the namespace
# of the container.
#
# Each pair is asked for in an empty network namespace.
# Seen: see the last lines.
# Needs apt-get with the sources of Debian 12, dpkg, and user namespaces (`unshare`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
packages=(iproute2=6.1.0-3 libbpf1 libmnl0 libbsd0 libelf1 libmd0 libcap2)
apt-get -qq download "${packages[@]}" >apt.log 2>&1 || { cat apt.log; exit 2; }
for package in *.deb; do dpkg -x "$package" .; done
libraries=$(dirname "$(find . -name 'libmnl.so.0' | head -1)")
export LD_LIBRARY_PATH=$folder/$libraries
ip=$(find "$folder" -name ip -path '*bin/ip' -type f | head -1)

pair() {
    local own=$1 peer=$2
    # shellcheck disable=SC2086 # a word or none
    unshare --user --map-root-user --net sh -c "
        $ip link add own0 $own type veth peer name peer0 $peer 2>told || true
        echo \"\$(cat told) \$($ip -oneline link show type veth | wc -l) ends\""
}
uname -r
{
    echo "both down:$(pair '' '')"
    echo "first up:$(pair up '')"
    echo "peer up:$(pair '' up)"
    echo "both up:$(pair up up)"
} >seen
cat seen
diff seen - <<'EXPECTED' || { echo "this has changed"; exit 1; }
both down: 2 ends
first up: 2 ends
peer up:RTNETLINK answers: Transport endpoint is not connected 0 ends
both up:RTNETLINK answers: Transport endpoint is not connected 0 ends
EXPECTED
