//! The embedded cluster: API server, controllers, scheduler and node in one process.
