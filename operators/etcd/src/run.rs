//! Runs the operator: one engine, two kinds, a health endpoint.

use std::net::SocketAddr;

use endstate::lease::{Candidate, Leader, Timing};
use endstate::{CancellationToken, Engine, ObjectKey, health};
use kube::Client;

use crate::crd;
use crate::operand::EtcdOperand;
use crate::{NAME, NAMESPACE};

/// How the operator runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image that member pods take the launcher from: it holds the `endstate` executable at `/endstate`.
    pub image: String,
    /// Where `/livez` and `/readyz` are served; `None` for nowhere.
    pub health: Option<SocketAddr>,
    /// Who this replica is, for the lease by which one of several acts; `None` if no other can run.
    pub replica: Option<Replica>,
}

/// One of several operators beside each other.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Where the lease is.
    pub namespace: String,
    /// Who holds it.
    pub candidate: Candidate,
    /// How patient the others are.
    pub timing: Timing,
}

impl Options {
    /// From `ENDSTATE_IMAGE`, `ENDSTATE_HEALTH_ADDRESS`, `POD_NAME`, `POD_UID` and `POD_NAMESPACE`, which the installed
    /// Deployment sets.
    #[must_use]
    pub fn from_env() -> Self {
        let default = || format!("endstate:{}", env!("CARGO_PKG_VERSION"));
        Self {
            image: std::env::var("ENDSTATE_IMAGE").unwrap_or_else(|_| default()),
            health: std::env::var("ENDSTATE_HEALTH_ADDRESS").ok().and_then(|it| it.parse().ok()),
            replica: Replica::from_env(),
        }
    }
}

impl Replica {
    fn from_env() -> Option<Self> {
        let name = std::env::var("POD_NAME").ok()?;
        let uid = std::env::var("POD_UID").ok()?;
        Some(Self {
            namespace: std::env::var("POD_NAMESPACE").unwrap_or_else(|_| NAMESPACE.to_owned()),
            candidate: Candidate::Pod { name, uid },
            timing: Timing::default(),
        })
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
    let mut engine = engine(client, options.replica);
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

fn engine(client: Client, replica: Option<Replica>) -> Engine {
    let options = endstate::Options::new(NAME);
    let Some(replica) = replica else {
        tracing::warn!("this is no pod, so it holds no lease: let no other operator run beside it");
        return Engine::new(client, options);
    };
    let lease = ObjectKey::namespaced(replica.namespace.as_str(), NAME);
    let leader = Leader::new(client.clone(), &lease, &replica.candidate).timing(replica.timing);
    Engine::leading(client, options, leader)
}
