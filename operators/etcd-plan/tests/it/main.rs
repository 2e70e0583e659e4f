//! What the planner makes of etcd: what members are started with, and what is asked of them.

mod auth;
mod certmanager;
mod recovered;
mod restore;
mod space;
mod stories;
mod tls;
mod words;
