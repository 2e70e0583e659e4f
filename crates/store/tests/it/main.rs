//! What a store promises, on every engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

mod conformance;
mod full;
mod kill;
mod model;
mod reopen;
mod snapshot;
mod stress;
