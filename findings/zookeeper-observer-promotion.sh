#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5 (and 3.8.6): `reconfig` does not let an observer of a one-server ensemble become its second voter,
# however long it has had the leader's data. A server that was never added, and was started as a participant, may.
#
# What one would guess: adding a server as an observer first, and promoting it once it has caught up, is the careful way. But the
# leader asks for a quorum of the new configuration among those who follow it as followers, and an observer is none.
# Where it matters: growing from one server; operators that add every server as an observer.
#
# Needs java, mvn. Seen: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'XML'
<project><modelVersion>4.0.0</modelVersion><groupId>seen</groupId><artifactId>seen</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.9.5</version></dependency>
<dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
<dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
<dependency><groupId>commons-cli</groupId><artifactId>commons-cli</artifactId><version>1.5.0</version></dependency>
</dependencies></project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib >mvn.log 2>&1 ||
    { cat mvn.log; exit 2; }

net=127.20.3
server() { echo "server.$1=$net.$1:2888:3888:$2;$net.$1:2181"; }
start() { # NUMBER LINE...
    local n=$1
    shift
    mkdir -p "$n/data"
    echo "$n" >"$n/data/myid"
    printf '%s\n' tickTime=1000 initLimit=10 syncLimit=5 "dataDir=$n/data" admin.enableServer=false standaloneEnabled=false \
        reconfigEnabled=true "dynamicConfigFile=$n/members" >"$n/zoo.cfg"
    printf '%s\n' "$@" >"$n/members"
    # The access rules of the node that holds the configuration are not the subject here.
    java -Xmx64m -Dzookeeper.skipACL=yes -cp 'lib/*' org.apache.zookeeper.server.quorum.QuorumPeerMain "$n/zoo.cfg" >"$n/log" 2>&1 &
}
mode() { # NUMBER: waits until it serves, and says as what
    local answer end=$((SECONDS + 60))
    until answer=$(timeout 2 bash -c "exec 3<>/dev/tcp/$net.$1/2181 && printf srvr >&3 && cat <&3" 2>/dev/null) &&
        grep -q '^Mode:' <<<"$answer"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
    sed -n 's/^Mode: //p' <<<"$answer"
}
put() { # LINE: what `reconfig -add` says, by whether the new configuration is printed
    if java -cp 'lib/*' org.apache.zookeeper.ZooKeeperMain -server "$net.1:2181" reconfig -add "$1" 2>&1 | grep -q '^Committed new configuration'
    then echo accepted; else echo refused; fi
}
start 1 "$(server 1 participant)"
seen="1 is a $(mode 1)
2, not started, is added as an observer: $(put "$(server 2 observer)")"
start 2 "$(server 1 participant)" "$(server 2 observer)"
seen="$seen
2 is an $(mode 2)"
sleep 5
seen="$seen
2 is made a participant: $(put "$(server 2 participant)")"
start 3 "$(server 1 participant)" "$(server 3 participant)"
seen="$seen
3, not added, is a $(mode 3)
3 is added as a participant: $(put "$(server 3 participant)")"
echo "$seen"
expected='1 is a leader
2, not started, is added as an observer: accepted
2 is an observer
2 is made a participant: refused
3, not added, is a follower
3 is added as a participant: accepted'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
