//! The etcd operator: custom resources, etcd client, and the operator's main loop.
