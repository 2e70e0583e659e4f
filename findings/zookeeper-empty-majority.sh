#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5 (and 3.8.6), by default: when two of three servers come back with empty disks, the two elect a leader,
# and the third, which has everything, throws its data away to follow it. With -Dzookeeper.db.autocreate=false nobody serves.
#
# What one would guess: a server that has transactions wins over servers that have none, as it does whenever it takes part
# in the election; but two of three are a majority without it.
# Where it matters: volumes that are lost together (a rack, a wrong storage class, emptyDir). With the switch, who begins an
# ensemble needs the file `initialize` in its data directory.
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

start() { # DIRECTORY NUMBER JAVA-OPTION
    java -Xmx64m "$3" -cp 'lib/*' org.apache.zookeeper.server.quorum.QuorumPeerMain "$1/$2/zoo.cfg" >"$1/$2/log" 2>&1 &
}
serves() { # ADDRESS SECONDS
    local end=$((SECONDS + $2))
    until timeout 2 bash -c "exec 3<>/dev/tcp/$1/2181 && printf srvr >&3 && cat <&3" 2>/dev/null | grep -q '^Mode:'; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
client() { java -cp 'lib/*' org.apache.zookeeper.ZooKeeperMain -server "$1:2181" "${@:2}" 2>&1; }
stop() {
    jobs -p | xargs -r kill -9
    wait 2>/dev/null || true
}
after() { # NAME NET JAVA-OPTION: what the third server has after the other two came back empty
    for n in 1 2 3; do
        mkdir -p "$1/$n/data"
        echo $n >"$1/$n/data/myid"
        touch "$1/$n/data/initialize"
        printf '%s\n' tickTime=1000 initLimit=10 syncLimit=5 "dataDir=$1/$n/data" admin.enableServer=false >"$1/$n/zoo.cfg"
        for m in 1 2 3; do echo "server.$m=$2.$m:2888:3888:participant;$2.$m:2181"; done >>"$1/$n/zoo.cfg"
        start "$1" $n "$3"
    done
    for n in 1 2 3; do serves "$2.$n" 60; done
    client "$2.3" create /precious 1 >/dev/null
    stop
    rm -r "$1/1/data/version-2" "$1/2/data/version-2"
    start "$1" 1 "$3"
    start "$1" 2 "$3"
    serves "$2.1" 10 || true
    start "$1" 3 "$3"
    if ! serves "$2.3" 10; then echo "does not serve"
    elif client "$2.3" ls / | grep -q precious; then echo "has its data"
    else echo "has lost its data"; fi
    stop
}
seen="by default:           the third $(after default 127.20.4 -Dseen=)
db.autocreate=false:  the third $(after guarded 127.20.5 -Dzookeeper.db.autocreate=false)"
echo "$seen"
expected='by default:           the third has lost its data
db.autocreate=false:  the third does not serve'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
