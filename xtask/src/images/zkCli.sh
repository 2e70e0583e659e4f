#!/bin/sh
# ZooKeeper's command line: zkCli.sh [-server HOST:PORT] [COMMAND ARGUMENT...]
for lib in /apache-zookeeper-*-bin/lib; do
    exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.log.level=ERROR \
        -cp "/conf:$lib/*" org.apache.zookeeper.ZooKeeperMain "$@"
done
