#!/usr/bin/env bash
# etcd 3.6.16: two learners that are started at the same moment wait seven seconds for each other, twice.
#
# What one would guess: with --max-learners=2 two learners start beside each other as fast as one does. But a member that
# joins asks every listed member for /version, and for /downgrade/enabled, before it serves anything; its peer port
# takes connections from the first moment on and answers none until then. So each waits for the other until its own
# request times out. Started one after the other, the second when the first serves, both are there within a second.
# Where it matters: whoever grows a cluster by several learners at once, for speed.
#
# Needs go. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
go mod init seen >go.log 2>&1
go get go.etcd.io/etcd/server/v3@v3.6.16 go.etcd.io/etcd/etcdctl/v3@v3.6.16 >>go.log 2>&1 || { cat go.log; exit 2; }
go build -o etcd go.etcd.io/etcd/server/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
go build -o etcdctl go.etcd.io/etcd/etcdctl/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
start() {
    ./etcd --name "$1" --data-dir "$1" --listen-client-urls "http://$2:2379" --advertise-client-urls "http://$2:2379" \
        --listen-peer-urls "http://$2:2380" --initial-advertise-peer-urls "http://$2:2380" --max-learners 2 \
        "${@:3}" >"$1.log" 2>&1 &
}
until_it() {
    local end=$((SECONDS + 60))
    until "$@" >said 2>&1; do
        [ $SECONDS -lt $end ] || { cat said; exit 2; }
        sleep 0.1
    done
}
voter() { ./etcdctl --endpoints http://127.20.6.1:2379 "$@"; }
serves() { curl -fsS --max-time 1 "http://$1:2379/health"; }
# Joins two learners, a and b of this number; "at-once" or "in-turn". Says how long it took, in whole seconds.
join_two() {
    local a=127.20.6.$((2 * $1)) b=127.20.6.$((2 * $1 + 1))
    until_it voter member add "a$1" --learner --peer-urls "http://$a:2380"
    members="$members,a$1=http://$a:2380"
    local before=$members begun=$SECONDS
    if [ "$2" = in-turn ]; then
        start "a$1" "$a" --initial-cluster "$before" --initial-cluster-state existing
        until_it serves "$a"
    fi
    until_it voter member add "b$1" --learner --peer-urls "http://$b:2380"
    members="$members,b$1=http://$b:2380"
    if [ "$2" = at-once ]; then
        start "a$1" "$a" --initial-cluster "$members" --initial-cluster-state existing
    fi
    start "b$1" "$b" --initial-cluster "$members" --initial-cluster-state existing
    until_it serves "$a"
    until_it serves "$b"
    echo $((SECONDS - begun))
}
remove() {
    local id
    id=$(voter member list | grep ", $1, " | cut -d, -f1)
    until_it voter member remove "$id"
}
members=voter=http://127.20.6.1:2380
start voter 127.20.6.1 --initial-cluster "$members"
until_it voter endpoint health
join_two 1 in-turn >in-turn
remove a1
remove b1
members=voter=http://127.20.6.1:2380
join_two 2 at-once >at-once
timeouts=$(cat a2.log b2.log | grep -c 'failed to get version.*Timeout exceeded' || true)
quick() { if [ "$1" -lt "$2" ]; then echo yes; else echo no; fi; }
seen="one after the other, within 7 s: $(quick "$(cat in-turn)" 7)
at once, within 7 s: $(quick "$(cat at-once)" 7)
questions for /version that timed out: $timeouts"
echo "$seen"
expected='one after the other, within 7 s: yes
at once, within 7 s: no
questions for /version that timed out: 2'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
