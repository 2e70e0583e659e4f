//! The etcd operator with real parts around it: etcd processes on loopback, and the API server in process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod astray;
mod beside;
mod certmanager;
mod client;
mod compared;
mod corruption;
mod driver;
mod fields;
mod historical;
mod launcher;
mod marks;
mod monitoring;
mod operator;
mod space;
mod tasks;
mod tls;
