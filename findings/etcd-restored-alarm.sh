#!/usr/bin/env bash
# etcd 3.7.3: a cluster that is restored from a snapshot may refuse every write for ever, in the name of a member that it does
# not have.
#
# What one would guess: the alarm that a member has no space is that member's, so a new cluster with a new member and a larger
# quota has none. But alarms are among the data, and `etcdutl snapshot restore` takes all of it along. Where the alarm stood when
# the snapshot was saved, the restored cluster lists it under the old member's id, and has no member of that id.
# Where it matters: whoever restores a backup that was taken because the space had run out must disarm the alarm before anybody
# can write. The remedies that come to mind, a larger quota or a defragmentation, change nothing.
#
# Needs go. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
version=v3.7.3
go mod init seen >go.log 2>&1
for part in server etcdctl etcdutl; do
    go get go.etcd.io/etcd/$part/v3@$version >>go.log 2>&1 || { cat go.log; exit 2; }
    go build -o bin-$part go.etcd.io/etcd/$part/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
done
here=http://127.20.7.2
ctl() { ./bin-etcdctl --endpoints $here:2379 "$@"; }
serve() {
    ./bin-server --data-dir "$1" --listen-client-urls $here:2379 --advertise-client-urls $here:2379 \
        --listen-peer-urls $here:2380 --initial-advertise-peer-urls $here:2380 --initial-cluster default=$here:2380 \
        --quota-backend-bytes "$2" >"$1.log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        ctl get ready >/dev/null 2>&1 && return
        sleep 0.1
    done
    cat "$1.log"
    exit 2
}

serve old $((4 << 20))
for number in $(seq 100); do
    head -c 700000 /dev/zero | tr '\0' x | ctl put "key$number" >/dev/null 2>put.log || break
done
grep -q 'database space exceeded' put.log
ctl snapshot save snapshot.db >/dev/null 2>&1
kill $server
wait $server || true
./bin-etcdutl snapshot restore snapshot.db --data-dir new --initial-cluster default=$here:2380 \
    --initial-cluster-token another --initial-advertise-peer-urls $here:2380 >/dev/null 2>&1

serve new $((1 << 30))
alarms=$(ctl alarm list)
members=$(ctl member list -w fields | sed -n 's/^"ID" : //p')
echo "alarms of the restored cluster: $alarms"
echo "its members: $members"
case $alarms in *NOSPACE*) ;; *) echo "it has no alarm: that has changed"; exit 1 ;; esac
case $alarms in *"$members"*) echo "the alarm names its member: that has changed"; exit 1 ;; esac
if ctl put after 1 2>put.log; then echo "it takes writes: that has changed"; exit 1; fi
grep 'database space exceeded' put.log
ctl alarm disarm >/dev/null
ctl put after 1
# Seen (the ids differ each time):
#   alarms of the restored cluster: memberID:1959799277619757897  alarm:NOSPACE
#   its members: 11043194446610751374
#   Error: etcdserver: mvcc: database space exceeded
#   OK
