#!/usr/bin/env bash
# OpenJDK 17.0.19 (Debian 12): `-XX:SharedArchiveFile` that names a file which is not there switches off Java's own archive of
# classes too, without a word. Every start then loads all classes from scratch.
#
# What one would guess: -Xshare:auto, the default, goes on with what it can map; an archive of the application's classes lies
# on top of Java's own, so that without it Java's own remains.
# Where it matters: one command line for images with and without such an archive makes those without start slower.
#
# Needs apt-get, dpkg-deb. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
version=17.0.19+10-1~deb12u2
apt-get download -q "openjdk-17-jre-headless=$version" >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg-deb -x openjdk-17-jre-headless_*.deb root
java=$(echo "$folder"/root/usr/lib/jvm/java-17-openjdk-*/bin/java)
shared() { # OPTIONS: how the classes of java.base are loaded, and all that is said of it
    "$java" "$@" -Xlog:class+load:file=load.log -version >said.log 2>&1
    if grep -q 'java.lang.String .*shared objects file' load.log; then printf 'from an archive'; else printf 'one by one'; fi
    echo ", $(grep -ciE 'archive|share|cds' said.log || true) lines about it"
}
"$java" -version 2>&1 | sed -n 's/^openjdk version/version/p'
seen="no option: $(shared)
a file that is missing: $(shared -XX:SharedArchiveFile="$folder/missing.jsa")"
echo "$seen"
expected='no option: from an archive, 0 lines about it
a file that is missing: one by one, 0 lines about it'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
