//! The ZooKeeper client against real servers on loopback, and the custom resource against an API server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod client;
mod crd;
