//! ZooKeeper's jars. A version's own, and what both versions run with: the dependencies that the artifact declares for
//! run time, and four that it declares as provided and does not start without (logging, metrics, snappy, and the
//! command line of its client). Left out: AdminServer's, and native code for TLS and epoll, which Java has its own
//! of.

use super::sharing::Rehearsal;
use crate::maven::{Jar, jar};

/// An ensemble of one, so that it has the classes of a quorum.
pub(super) const REHEARSAL: Rehearsal = Rehearsal {
    arguments: &[
        "-Dlogback.configurationFile=/conf/logback.xml",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        "/tmp/rehearsal/zoo.cfg",
    ],
    files: &[
        ("initialize", ""),
        ("myid", "1"),
        ("members", "server.1=127.0.0.1:{1}:{2}:participant;127.0.0.1:{0}"),
        (
            "zoo.cfg",
            "dataDir=/tmp/rehearsal\ndynamicConfigFile=/tmp/rehearsal/members\ntickTime=500\ninitLimit=20\n\
             syncLimit=10\nreconfigEnabled=true\nstandaloneEnabled=false\nadmin.enableServer=false\n\
             4lw.commands.whitelist=srvr\n",
        ),
    ],
    question: "srvr",
    answer: "Mode: leader",
};

#[rustfmt::skip]
pub(super) const V3_8_6: [Jar; 2] = [
    jar("org.apache.zookeeper", "zookeeper", "3.8.6", "a00943a87b9c83379267ebda487be1ddb83e9997a03e59f9199338a033b71ed7"),
    jar("org.apache.zookeeper", "zookeeper-jute", "3.8.6", "640777a745364b617d05a0309cd2edc5d725d76f9d93e2b29f07561da9575efb"),
];

#[rustfmt::skip]
pub(super) const V3_9_5: [Jar; 2] = [
    jar("org.apache.zookeeper", "zookeeper", "3.9.5", "936d025db1a85f085edea25048c3f5b3de5fc29329c371a10925e3b78b0b38a0"),
    jar("org.apache.zookeeper", "zookeeper-jute", "3.9.5", "abcbc7f9d6c493daa118da6fa3061a201e2c521217526e8535adfb56b629e52a"),
];

#[rustfmt::skip]
pub(super) const COMMON: [Jar; 16] = [
    jar("org.apache.yetus", "audience-annotations", "0.12.0", "ffb101fc066360ff3c77457c927fd7967fb096a6ee9e046ab7071447d8208efc"),
    jar("commons-cli", "commons-cli", "1.5.0", "bc8bb01fc0fad250385706e20f927ddcff6173f6339b387dc879237752567ac6"),
    jar("commons-io", "commons-io", "2.17.0", "4aa4ca48f3dfd30b78220b7881d8cb93eac4093ec94361b6befa9487998a550b"),
    jar("ch.qos.logback", "logback-classic", "1.3.15", "06c68fb7468143c3c6512d13bb8eb6676724b019330de3a5ab493e267dde2084"),
    jar("ch.qos.logback", "logback-core", "1.3.15", "90b72ec457f30f8f42a280a409ab2bc4499fec16983005d1d91015199be7047b"),
    jar("io.dropwizard.metrics", "metrics-core", "4.1.12.1", "cec34936faa625039f4e46123eccaa10a9eb9d9a40c6075830cd81330e259cf9"),
    jar("io.netty", "netty-buffer", "4.1.130.Final", "00a522b67ea35cb7b4dd9cf27f85c6c58f5e306785aa045302e5f6b2d4944a87"),
    jar("io.netty", "netty-codec", "4.1.130.Final", "52636bc29bd62120b97bbe5d1d21eab9b1cb2bef8efbb54d2221c5f3fa08d8cd"),
    jar("io.netty", "netty-common", "4.1.130.Final", "53921f28dd5a352b1bed0e1cbcc54d013dc60ffebeae9b2b1e53eabef317e581"),
    jar("io.netty", "netty-handler", "4.1.130.Final", "98c78ec187ca30a4b9775bf6f632f5c9929db6bf06a60e6971f945813880ca0f"),
    jar("io.netty", "netty-resolver", "4.1.130.Final", "48c5b218a89d184e1b601d46433957f515fcefdb4464182b1348bce4f5a18f35"),
    jar("io.netty", "netty-transport", "4.1.130.Final", "1bf573266d271f856705a9984d25449c56a1d73c02a16af12033ceccfe555dbb"),
    jar("io.netty", "netty-transport-classes-epoll", "4.1.130.Final", "1c352508d70aca1ccc3068daac907ad1e9d8dc68b07148d57426730bf0d0c8b6"),
    jar("io.netty", "netty-transport-native-unix-common", "4.1.130.Final", "cf5efc4168597d7cd14695b469418cac2a1134533f9a0c82ef0538d796fd39e1"),
    jar("org.slf4j", "slf4j-api", "2.0.13", "e7c2a48e8515ba1f49fa637d57b4e2f590b3f5bd97407ac699c3aa5efb1204a9"),
    jar("org.xerial.snappy", "snappy-java", "1.1.10.5", "0f3f1857ed33116583f480b4df5c0218836c47bfbc9c6221c0d73f356decf37b"),
];
