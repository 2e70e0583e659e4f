//! The manager against the real API server on the memory store, in process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod claims;
mod dead;
mod engine;
mod garbage;
mod nodes;
mod objects;
mod quiet;
mod roles;
mod workloads;
