#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5 (and 3.8.6), OpenJDK 17: a follower that comes back with another address behind its name is let in
# only after half a minute or more; with -Dsun.net.inetaddr.ttl=1 on all servers, at once.
#
# What one would guess: the follower connects to the leader, so nobody needs its address. But in an election the server with
# the greater id connects to the one with the smaller, and takes the address that its Java has kept for 30 seconds; meanwhile
# the newcomer doubles the time between its questions.
# Where it matters: every restart of a pod on Kubernetes is a new address behind an old name.
#
# Names are resolved by a hosts file that Java is told of (-Djdk.net.hosts.file); all addresses are loopback.
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
</dependencies></project>
XML
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib >mvn.log 2>&1 ||
    { cat mvn.log; exit 2; }

ask() { timeout 2 bash -c "exec 3<>/dev/tcp/$1/2181 && printf srvr >&3 && cat <&3" 2>/dev/null || true; }
serves() { # ADDRESS SECONDS: waits until it follows or leads
    local end=$((SECONDS + $2))
    until ask "$1" | grep -qE '^Mode: (leader|follower)'; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
start() { # DIRECTORY NUMBER JAVA-OPTION
    java -Xmx64m "$3" -Djdk.net.hosts.file="$PWD/$1/hosts" -cp 'lib/*' \
        org.apache.zookeeper.server.quorum.QuorumPeerMain "$1/$2/zoo.cfg" >"$1/$2/log" 2>&1 &
}
hosts() { # DIRECTORY ADDRESS-OF-1 NET
    { echo "127.0.0.1 localhost"; echo "$2 zk-1"; for n in 2 3; do echo "$3.$n zk-$n"; done; } >"$1/hosts"
}
back() { # NAME NET JAVA-OPTION: how long the first server is away after it got another address
    mkdir "$1"
    hosts "$1" "$2.1" "$2"
    for n in 1 2 3; do
        mkdir -p "$1/$n/data"
        echo $n >"$1/$n/data/myid"
        printf '%s\n' tickTime=1000 initLimit=10 syncLimit=5 "dataDir=$1/$n/data" admin.enableServer=false \
            "dynamicConfigFile=$1/$n/members" >"$1/$n/zoo.cfg"
        for m in 1 2 3; do echo "server.$m=zk-$m:2888:3888:participant;zk-$m:2181"; done >"$1/$n/members"
    done
    start "$1" 1 "$3"
    local first=$!
    start "$1" 2 "$3"
    start "$1" 3 "$3"
    for n in 1 2 3; do serves "$2.$n" 60; done
    kill -9 "$first"
    wait "$first" 2>/dev/null || true
    hosts "$1" "$2.101" "$2"
    local from=$SECONDS
    start "$1" 1 "$3"
    serves "$2.101" 120
    echo "  ($1: $((SECONDS - from)) s)" >&2
    if [ $((SECONDS - from)) -ge 20 ]; then echo "20 s or more"; else echo "less than 20 s"; fi
    jobs -p | xargs -r kill -9
    wait 2>/dev/null || true
}
seen="Java's default:             $(back default 127.20.1 -Dseen=)
sun.net.inetaddr.ttl=1:     $(back ttl 127.20.2 -Dsun.net.inetaddr.ttl=1)"
echo "$seen"
expected="Java's default:             20 s or more
sun.net.inetaddr.ttl=1:     less than 20 s"
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
