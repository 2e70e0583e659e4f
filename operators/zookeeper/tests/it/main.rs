//! The ZooKeeper client against real servers on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod client;
