//! Runs the operator: one engine, two kinds, a health endpoint.

use std::net::SocketAddr;

use endstate::{CancellationToken, Engine, health};
use kube::Client;

use crate::crd;
use crate::operand::EtcdOperand;

/// How the operator runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image that member pods take the launcher from: it holds the `endstate` executable at `/endstate`.
    pub image: String,
    /// Where `/livez` and `/readyz` are served; `None` for nowhere.
    pub health: Option<SocketAddr>,
}

impl Options {
    /// From `ENDSTATE_IMAGE` and `ENDSTATE_HEALTH_ADDRESS`, which the installed Deployment sets.
    #[must_use]
    pub fn from_env() -> Self {
        let default = || format!("endstate:{}", env!("CARGO_PKG_VERSION"));
        Self {
            image: std::env::var("ENDSTATE_IMAGE").unwrap_or_else(|_| default()),
            health: std::env::var("ENDSTATE_HEALTH_ADDRESS").ok().and_then(|it| it.parse().ok()),
        }
    }
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The health endpoint cannot be served.
    #[error("cannot serve health at {address}")]
    Health {
        /// Where it was to be.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The engine ended.
    #[error("the operator's engine ended")]
    Engine(#[source] endstate::Error),
}

/// Runs until shutdown.
pub async fn run(
    client: Client,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let mut engine = Engine::new(client, endstate::Options::new("endstate-etcd"));
    let ready = [
        endstate::operator::add(
            &mut engine,
            "etcdclusters",
            EtcdOperand::<crd::EtcdCluster>::new(&options.image),
        ),
        endstate::operator::add(
            &mut engine,
            "etcdclusters.v1beta2",
            EtcdOperand::<crd::historical::EtcdCluster>::new(&options.image),
        ),
    ];
    if let Some(address) = options.health {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| RunError::Health { address, source })?;
        let is_ready = move || ready.iter().all(endstate::operator::Health::is_ready);
        engine.spawn(move |shutdown| health::serve(listener, is_ready, shutdown));
    }
    tracing::info!(image = options.image, "the etcd operator runs");
    engine.run(shutdown).await.map_err(RunError::Engine)
}
