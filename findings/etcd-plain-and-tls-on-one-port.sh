#!/usr/bin/env bash
# etcd 3.4.23 (and 3.5.16): one client port serves in plain and with TLS at once, if `--listen-client-urls`
# names the same address with both schemes.
#
# What one would guess: two URLs of one host and port are the same listener, so the second fails to bind, or the last one
# decides whether the port speaks TLS. But both are served, told apart by the first bytes of each connection.
# Where it matters: turning TLS on or off for a cluster whose clients change over one by one; checking that a port takes
# nothing in plain: an `https` URL in the flag does not say so.
#
# Needs apt-get, dpkg, openssl, curl. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get -qq download etcd-server=3.4.23-4+b4 >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg -x etcd-server_*.deb .
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=etcd \
    -addext subjectAltName=IP:127.20.4.1 2>/dev/null
usr/bin/etcd --data-dir data --cert-file cert.pem --key-file key.pem --advertise-client-urls https://127.20.4.1:2379 \
    --listen-client-urls http://127.20.4.1:2379,https://127.20.4.1:2379 \
    --listen-peer-urls http://127.20.4.1:2380 --initial-advertise-peer-urls http://127.20.4.1:2380 \
    --initial-cluster default=http://127.20.4.1:2380 >log 2>&1 &
end=$((SECONDS + 30))
until curl -fsS http://127.20.4.1:2379/health >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { cat log; exit 2; }
    sleep 0.1
done
version() { curl -sS --cacert cert.pem "$1://127.20.4.1:2379/version" | tr -d '\n'; }
seen="http: $(version http)
https: $(version https)"
echo "$seen"
expected='http: {"etcdserver":"3.4.23","etcdcluster":"3.4.0"}
https: {"etcdserver":"3.4.23","etcdcluster":"3.4.0"}'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
