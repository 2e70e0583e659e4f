//! A server for one test of another crate: what it stores ends with it, and it has no nodes.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use store::MemoryStore;
use tempfile::TempDir;

use crate::{ApiServer, Config, Connection, NodeStreams, Pki};

/// An API server with the memory store, while this is kept.
pub struct Scratch {
    pub server: ApiServer,
    /// Holds the certificates.
    _directory: TempDir,
}

struct NoNodes;

#[async_trait]
impl NodeStreams for NoNodes {
    async fn connect(&self, node: &str) -> io::Result<Box<dyn Connection>> {
        Err(io::Error::other(format!("no node {node}")))
    }
}

impl Scratch {
    pub async fn start() -> Self {
        // Another test of the same process may have installed it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let directory = tempfile::tempdir().expect("a test may make a directory");
        let pki = Pki::load_or_create(directory.path(), &[]).expect("the directory is empty");
        let config = Config::new(Arc::new(MemoryStore::new()), pki, Arc::new(NoNodes));
        let server = ApiServer::start(config).await.expect("the store is empty");
        Self { server, _directory: directory }
    }
}
