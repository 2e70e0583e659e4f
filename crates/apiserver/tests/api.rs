//! The API server from outside: what clients send, and what they are answered.
//!
//! Every test starts a server of its own on the memory store and talks to its in-process service, unless it is
//! about connections.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "api/harness.rs"]
mod harness;

#[path = "api/access.rs"]
mod access;
#[path = "api/accounts.rs"]
mod accounts;
#[path = "api/concurrency.rs"]
mod concurrency;
#[path = "api/connections.rs"]
mod connections;
#[path = "api/definitions.rs"]
mod definitions;
#[path = "api/deletion.rs"]
mod deletion;
#[path = "api/directives.rs"]
mod directives;
#[path = "api/field_cases.rs"]
mod field_cases;
#[path = "api/health.rs"]
mod health;
#[path = "api/hostile.rs"]
mod hostile;
#[path = "api/limits.rs"]
mod limits;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/parts.rs"]
mod parts;
#[path = "api/pod_security.rs"]
mod pod_security;
#[path = "api/recorded.rs"]
mod recorded;
#[path = "api/subresources.rs"]
mod subresources;
#[path = "api/tunnel.rs"]
mod tunnel;
#[path = "api/types.rs"]
mod types;
#[path = "api/watches.rs"]
mod watches;
#[path = "api/writes.rs"]
mod writes;
