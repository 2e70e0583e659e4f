#!/bin/sh
# ZooKeeper's command line: zkCli.sh [-server HOST:PORT] [COMMAND ARGUMENT...]
for lib in /apache-zookeeper-*-bin/lib; do
    # The jars by name, as servers have them: with another class path Java reads the classes from jars.
    jars=$(printf '%s:' "$lib"/*.jar)
    exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.log.level=ERROR \
        -Dlogback.configurationFile=/conf/logback.xml -cp "${jars%:}" org.apache.zookeeper.ZooKeeperMain "$@"
done
