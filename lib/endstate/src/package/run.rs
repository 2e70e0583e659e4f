//! Runs an operator: one engine for all of its kinds, a lease, a health endpoint.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{DEBUG_PORT, NAMESPACE, Package, installed_name};
use crate::crash::{CrashAt, NoCrashAt};
use crate::lease::{Candidate, Leader, Timing};
use crate::operator::Health;
use crate::{Engine, ObjectKey, debug, health};

/// How an operator runs.
///
/// ```
/// use endstate::package::Options;
/// let image = "endstate:0.1.0".into();
/// let options = Options { image, health: None, debug_port: None, replica: None, crash_at: None };
/// assert!(options.replica.is_none(), "no lease: let no other operator run beside it");
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// The image that member pods take the launcher from: it holds the `endstate` executable at `/endstate`.
    pub image: String,
    /// Where `/livez`, `/readyz` and `/metrics` are served; `None` for nowhere.
    pub health: Option<SocketAddr>,
    /// The port on loopback at which it explains what it would do; `None` for nowhere.
    pub debug_port: Option<u16>,
    /// Who this replica is, for the lease by which one of several acts; `None` if no other can run.
    pub replica: Option<Replica>,
    /// At which call it ends, if it is to: see [`crash`](crate::crash).
    pub crash_at: Option<CrashAt>,
}

/// One of several operators beside each other.
///
/// ```
/// use endstate::lease::{Candidate, Timing};
/// use endstate::package::Replica;
/// let candidate = Candidate::Other("laptop".into());
/// let replica = Replica { namespace: "default".into(), candidate, timing: Timing::default() };
/// assert_eq!(replica.namespace, "default");
/// ```
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
    /// Deployment sets, and [`ENDSTATE_CRASH_AT`](crate::crash).
    ///
    /// # Errors
    ///
    /// [`RunError::HealthAddress`] if that is no `IP:PORT`, [`RunError::CrashAt`] if that is no `CALL:WAY`.
    pub fn from_env() -> Result<Self, RunError> {
        let default = || format!("endstate:{}", env!("CARGO_PKG_VERSION"));
        let health = std::env::var("ENDSTATE_HEALTH_ADDRESS").ok();
        let parse = |it: String| it.parse().map_err(|_| RunError::HealthAddress(it));
        let crash_at = std::env::var_os(CrashAt::VARIABLE);
        let crash_at = crash_at.map(|it| it.to_string_lossy().parse()).transpose();
        let crash_at = crash_at.map_err(RunError::CrashAt)?;
        Ok(Self {
            image: std::env::var("ENDSTATE_IMAGE").unwrap_or_else(|_| default()),
            health: health.map(parse).transpose()?,
            debug_port: std::env::var("POD_NAME").is_ok().then_some(DEBUG_PORT),
            replica: Replica::from_env(),
            crash_at,
        })
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

/// Why an operator ended.
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
    /// `ENDSTATE_HEALTH_ADDRESS` is no address.
    #[error("ENDSTATE_HEALTH_ADDRESS must be IP:PORT, such as 0.0.0.0:8080, not {0:?}")]
    HealthAddress(String),
    /// `ENDSTATE_CRASH_AT` is no call and way.
    #[error("ENDSTATE_CRASH_AT {0}")]
    CrashAt(NoCrashAt),
    /// The engine ended.
    #[error("the operator's engine ended")]
    Engine(#[source] crate::Error),
}

/// Runs a package's operator until shutdown.
///
/// ```no_run
/// use endstate::package::{Options, Package, RunError, run};
/// async fn operate(package: &dyn Package, client: kube::Client) -> Result<(), RunError> {
///     run(package, client, Options::from_env()?, endstate::CancellationToken::new()).await
/// }
/// ```
pub async fn run(
    package: &dyn Package,
    client: Client,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let named = crate::Options::new(installed_name(package));
    let engine_options = crate::Options { crash_at: options.crash_at, ..named };
    let mut engine = engine(client, engine_options, options.replica);
    let kinds = Arc::new(package.operate(&mut engine, &options.image));
    if let Some(address) = options.health {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| RunError::Health { address, source })?;
        let ready = Arc::clone(&kinds);
        let is_ready = Box::new(move || ready.iter().all(Health::is_ready));
        let endpoints = health::Endpoints { is_ready, metrics: engine.metrics(), report: None };
        engine.spawn(move |shutdown| health::serve(listener, endpoints, shutdown));
    }
    if let Some(port) = options.debug_port {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| RunError::Health { address, source })?;
        engine.spawn(move |shutdown| debug::serve(listener, explain(kinds), shutdown));
    }
    tracing::info!(operator = package.name(), image = options.image, "the operator runs");
    engine.run(shutdown).await.map_err(RunError::Engine)
}

/// Asks the reconciler of the kind, which looks at once.
fn explain(kinds: Arc<Vec<Health>>) -> debug::Explain {
    Box::new(move |group, key, spec| {
        let answer = kinds.iter().find_map(|it| it.explain(&group, &key, spec.clone()));
        Box::pin(async move { answer?.await.ok() })
    })
}

fn engine(client: Client, options: crate::Options, replica: Option<Replica>) -> Engine {
    let Some(replica) = replica else {
        tracing::warn!(
            "without POD_NAME and POD_UID there is no lease: run one replica of this operator"
        );
        return Engine::new(client, options);
    };
    let lease = ObjectKey::namespaced(replica.namespace.as_str(), options.field_manager.as_str());
    let leader = Leader::new(client.clone(), &lease, &replica.candidate).timing(replica.timing);
    Engine::leading(client, options, leader)
}
