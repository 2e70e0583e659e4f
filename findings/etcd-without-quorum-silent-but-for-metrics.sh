#!/usr/bin/env bash
# etcd 3.7.3: a member that starts and finds no quorum answers no client at all, not even for itself, and tells where its metrics are
# who it is and up to where it has applied its log.
#
# What one would guess: `endpoint status` is a member's own word and needs nobody else, as with a member that loses its quorum
# while it runs: that one goes on to answer it. But one that starts takes clients only after it has published itself through the
# log, which takes a quorum: the question runs into its time-out. The listener for metrics is served before.
# Where it matters: whoever chooses from which member to recover a lost quorum hears nothing of one whose process has been
# started since, for as long as the quorum is gone, and must not take that for a member that is lost or behind.
#
# Needs go and curl. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
version=v3.7.3
go mod init seen >go.log 2>&1
for part in server etcdctl; do
    go get go.etcd.io/etcd/$part/v3@$version >>go.log 2>&1 || { cat go.log; exit 2; }
    go build -o bin-$part go.etcd.io/etcd/$part/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
done
here() { echo "http://127.20.8.$((10 + $1))"; }
ctl() { ./bin-etcdctl --endpoints "$(here "$1"):2379" "${@:2}"; }
cluster="m0=$(here 0):2380,m1=$(here 1):2380,m2=$(here 2):2380"
serve() {
    ./bin-server --name "m$1" --data-dir "data$1" --listen-client-urls "$(here "$1"):2379" \
        --advertise-client-urls "$(here "$1"):2379" --listen-peer-urls "$(here "$1"):2380" \
        --initial-advertise-peer-urls "$(here "$1"):2380" --initial-cluster "$cluster" \
        --listen-metrics-urls "$(here "$1"):2381" >>"log$1" 2>&1 &
    pids[$1]=$!
}
# The first line that a question gives, asked again for half a minute.
until_says() {
    for _ in $(seq 100); do
        if says=$("$@" 2>/dev/null) && [ -n "$says" ]; then echo "$says" && return; fi
        sleep 0.3
    done
    cat log0
    exit 2
}
metric() { curl -s "$(here 0):2381/metrics" | grep -E "^etcd_server_(id|proposals_applied_total)" >metrics && [ "$(grep -cv ' 0$' metrics)" = 2 ] && cat metrics; }

for member in 0 1 2; do serve $member; done
until_says ctl 0 put key value
kill -9 "${pids[1]}" "${pids[2]}"
echo "lost while it runs: $(ctl 0 endpoint status | cut -d, -f1,3)"
kill -9 "${pids[0]}"
wait 2>/dev/null || true
serve 0
until_says metric
if ctl 0 --command-timeout 10s endpoint status >status 2>&1; then
    cat status
    echo "it answers: that has changed"
    exit 1
fi
echo "started without it: no answer within 10 s"
# Seen (ids and indices differ each time):
#   OK
#   lost while it runs: http://127.20.8.10:2379, 3.7.3
#   etcd_server_id{server_id="4b5a0c53ae0ef9a5"} 1
#   etcd_server_proposals_applied_total 8
#   started without it: no answer within 10 s
