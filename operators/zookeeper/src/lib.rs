//! The ZooKeeper operator's shell: what talks to the servers. What is decided is in `zookeeper-plan`.

pub mod client;
