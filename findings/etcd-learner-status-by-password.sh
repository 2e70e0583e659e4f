#!/usr/bin/env bash
# etcd 3.7.3: with authentication on, nobody who has a password gets the status of a learner.
#
# What one would guess: a learner answers Status (it is one of the few calls that it takes), and with authentication on
# to whoever has a password, as a voter does. But without a user it refuses ("user name is empty"), and a user has to
# be authenticated first at the same member, which a learner refuses ("rpc not supported for learner").
# Where it matters: whoever waits for a learner to catch up by its own status, after a password. A token that a voter
# gave, or a client certificate whose common name is the user, works.
#
# Needs go. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
go mod init seen >go.log 2>&1
go get go.etcd.io/etcd/server/v3@v3.7.3 go.etcd.io/etcd/etcdctl/v3@v3.7.3 >>go.log 2>&1 || { cat go.log; exit 2; }
go build -o etcd go.etcd.io/etcd/server/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
go build -o etcdctl go.etcd.io/etcd/etcdctl/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
start() {
    ./etcd --name "$1" --data-dir "$1" --listen-client-urls "http://$2:2379" --advertise-client-urls "http://$2:2379" \
        --listen-peer-urls "http://$2:2380" --initial-advertise-peer-urls "http://$2:2380" "${@:3}" >"$1.log" 2>&1 &
}
until_it() {
    local end=$((SECONDS + 60))
    until "$@" >said 2>&1; do
        [ $SECONDS -lt $end ] || { cat said; exit 2; }
        sleep 0.2
    done
}
voter() { ./etcdctl --endpoints http://127.20.5.1:2379 "$@"; }
learner() { ./etcdctl --endpoints http://127.20.5.2:2379 "$@" 2>&1 || true; }
members=voter=http://127.20.5.1:2380
start voter 127.20.5.1 --initial-cluster "$members"
until_it voter endpoint health
voter user add root:secret >/dev/null
voter user grant-role root root >/dev/null
voter auth enable >/dev/null
until_it voter --user root:secret member add learner --learner --peer-urls http://127.20.5.2:2380
start learner 127.20.5.2 --initial-cluster "$members,learner=http://127.20.5.2:2380" --initial-cluster-state existing
# It answers HTTP as soon as it follows the leader.
until_it curl -fsS http://127.20.5.2:2379/health
reason() { grep -oE 'user name is empty|rpc not supported for learner' | tail -1; }
seen="voter, by password: $(voter --user root:secret endpoint status | cut -d, -f3 | tr -d ' ')
learner, by nobody: $(learner endpoint status | reason)
learner, by password: $(learner --user root:secret endpoint status | reason)"
echo "$seen"
expected='voter, by password: 3.7.3
learner, by nobody: user name is empty
learner, by password: rpc not supported for learner'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
