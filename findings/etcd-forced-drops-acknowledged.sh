#!/usr/bin/env bash
# etcd 3.7.3: `--force-new-cluster` throws away a write that was acknowledged, although the member has it on its disk.
#
# What one would guess: a write is acknowledged when a majority has it in its log, so each of two members that acknowledged it has
# it for good, and the cluster that is forced from one of them has it, too. But a follower learns that an entry is committed
# with the next message only, a heartbeat later if nothing else is written; and a forced member keeps no entry that it does not
# know to be committed ("discarding uncommitted WAL entries").
# Where it matters: who recovers a lost quorum from the last member loses what was acknowledged within the last heartbeat, be that
# member as far as any. The heartbeat is three seconds here, to make the moment long; with the usual 0.1 s it is as real.
#
# Needs go. Seen: see the last lines.
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
here() { echo "http://127.20.7.$((10 + $1))"; }
ctl() { ./bin-etcdctl --endpoints "$(here "$1"):2379" "${@:2}"; }
cluster="m0=$(here 0):2380,m1=$(here 1):2380,m2=$(here 2):2380"
serve() {
    ./bin-server --name "m$1" --data-dir "data$1" --listen-client-urls "$(here "$1"):2379" \
        --advertise-client-urls "$(here "$1"):2379" --listen-peer-urls "$(here "$1"):2380" \
        --initial-advertise-peer-urls "$(here "$1"):2380" --initial-cluster "$cluster" \
        --heartbeat-interval 3000 --election-timeout 30000 "${@:2}" >>"log$1" 2>&1 &
    pids[$1]=$!
}
until_answers() {
    for _ in $(seq 300); do
        ctl "$1" get ready >/dev/null 2>&1 && return
        sleep 0.3
    done
    cat "log$1"
    exit 2
}
end() {
    kill -9 "${pids[$1]}"
    wait "${pids[$1]}" 2>/dev/null || true
}

for member in 0 1 2; do serve $member; done
until_answers 0
for leader in 0 1 2; do
    line=$(ctl $leader endpoint status -w json | tr -d ' \n')
    leads=$(sed -E 's/.*"leader":([0-9]+).*/\1/' <<<"$line")
    is=$(sed -E 's/.*"member_id":([0-9]+).*/\1/' <<<"$line")
    if [ "$leads" = "$is" ]; then break; fi
done
follower=$(((leader + 1) % 3))
end $(((leader + 2) % 3))
# Until the leader and the follower have nothing to tell each other but the heartbeat.
sleep 7
ctl $leader put acknowledged 1
end $follower
end $leader
grep -c acknowledged data$follower/member/wal/*.wal
serve $follower --force-new-cluster
until_answers $follower
after=$(ctl $follower get acknowledged)
echo "after the forced start: \"$after\""
grep -o 'discarding uncommitted WAL entries' log$follower
[ -z "$after" ] || { echo "the write is there: that has changed"; exit 1; }
# Seen:
#   OK                                          the write is acknowledged
#   1                                           it is in the follower's log
#   after the forced start: ""
#   discarding uncommitted WAL entries
