//! What is safe for etcd, as pure functions.
