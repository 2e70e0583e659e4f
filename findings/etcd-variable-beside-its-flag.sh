#!/usr/bin/env bash
# etcd 3.4.23: a flag whose variable is set too keeps etcd from starting, even if both say the
# same.
#
# What one would guess: the flag wins over the variable, as in most programs that read both.
# Where it matters: images and charts that set ETCD_* for everybody, and a command line that sets the same for one member;
# operators that let users set variables.
#
# Needs apt-get, dpkg. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get -qq download etcd-server=3.4.23-4+b4 >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg -x etcd-server_*.deb .
code=0
ETCD_SNAPSHOT_COUNT=5000 timeout 20 usr/bin/etcd --data-dir data --snapshot-count 5000 >log 2>&1 || code=$?
told=$(grep -o 'conflicting environment variable "ETCD_SNAPSHOT_COUNT"' log | head -1)
seen="exit code $code, $told, $([ -e data ] && echo data || echo no data)"
echo "$seen"
expected='exit code 1, conflicting environment variable "ETCD_SNAPSHOT_COUNT", no data'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
