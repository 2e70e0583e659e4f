//! The server: what all requests share, and the way of one request through it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, Method, Uri};
use machinery::error::ApiError;
use registry::{Registry, Resource};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::authn::Identity;
use crate::authz::{self, Authorizer, Ruled};
use crate::body::Body;
use crate::crd::Lifecycle;
use crate::intake::{self, Origin, Unread};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::negotiate::Format;
use crate::pki::Pki;
use crate::respond::{self, Response};
use crate::streams::NodeStreams;
use crate::{bootstrap, dispatch};

/// What a server is made of.
pub struct Config {
    pub store: Arc<dyn Store>,
    pub pki: Pki,
    /// How pods' logs, commands and ports are reached.
    pub node_streams: Arc<dyn NodeStreams>,
    pub limits: Limits,
    /// Kinds that are served and that nothing acts on where this server is used, as `plural` or `plural.group`: who
    /// creates one is told.
    pub unattended: &'static [&'static str],
}

impl Config {
    /// With the usual limits, and everything attended to.
    pub fn new(store: Arc<dyn Store>, pki: Pki, node_streams: Arc<dyn NodeStreams>) -> Self {
        Self { store, pki, node_streams, limits: Limits::default(), unattended: &[] }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the store cannot be read")]
    Store(#[from] store::Error),
    #[error("the objects that every cluster has could not be made")]
    Bootstrap(#[from] ApiError),
}

/// A running API server. Clones are handles to the same one.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    registry: RwLock<Arc<Registry>>,
    pub(crate) pki: Pki,
    pub(crate) nodes: Arc<dyn NodeStreams>,
    pub(crate) lifecycle: Lifecycle,
    authorizer: Arc<Authorizer>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// Bytes made for answers that are not gone yet.
    pub(crate) answers: Arc<AtomicUsize>,
    unattended: &'static [&'static str],
    /// Held while service addresses are chosen and stored.
    pub(crate) addresses: tokio::sync::Mutex<()>,
    shutdown: CancellationToken,
    random: SystemRandom,
}

impl ApiServer {
    /// Reads the custom resource definitions and makes the objects that every cluster has.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (shutdown, authorizer) = (CancellationToken::new(), Arc::new(Authorizer::default()));
        authz::follow(config.store.clone(), authorizer.clone(), shutdown.clone()).await?;
        let server = Self {
            shared: Arc::new(Shared {
                store: Arc::new(Ruled { store: config.store, authorizer: authorizer.clone() }),
                authorizer,
                registry: RwLock::new(Arc::new(Registry::new([]))),
                pki: config.pki,
                nodes: config.node_streams,
                lifecycle: Lifecycle::default(),
                metrics: Metrics::default(),
                limits: config.limits,
                answers: Arc::default(),
                unattended: config.unattended,
                addresses: tokio::sync::Mutex::new(()),
                shutdown,
                random: SystemRandom::new(),
            }),
        };
        crate::crd::reconcile(&server).await?;
        bootstrap::run(&server).await?;
        tokio::spawn(bootstrap::forget(server.clone()));
        Ok(server)
    }

    /// The server as a tower service, for an administrator (`system:masters`) in this process.
    pub fn service(&self) -> InProcess {
        self.service_as(Identity::masters("system:endstate"))
    }

    /// The server as a tower service: what a `kube::Client` in this process talks to. Requests come from one identity,
    /// and may do what that may.
    pub fn service_as(&self, identity: Identity) -> InProcess {
        InProcess { server: self.clone(), identity: Arc::new(identity) }
    }

    /// The certificates and keys.
    pub fn pki(&self) -> &Pki {
        &self.shared.pki
    }

    /// Ends watches and everything else that would not end by itself. Listeners end by their own tokens.
    pub fn shut_down(&self) {
        self.shared.shutdown.cancel();
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// What to tell who creates an object of a kind that does nothing here.
    pub(crate) fn no_effect(&self, resource: &Resource) -> Option<String> {
        let unattended = self.leaves_alone(resource);
        unattended.then(|| format!("{} are stored here, and nothing acts on them", resource.plural))
    }

    /// Whether nothing acts on objects of this kind here.
    fn leaves_alone(&self, resource: &Resource) -> bool {
        self.shared.unattended.iter().any(|it| {
            let (plural, group) = it.split_once('.').unwrap_or((it, ""));
            plural == resource.plural && group == resource.group
        })
    }

    pub(crate) fn authorizer(&self) -> &Authorizer {
        &self.shared.authorizer
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.shared.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn set_registry(&self, registry: Registry) {
        let next = Arc::new(registry);
        *self.shared.registry.write().unwrap_or_else(std::sync::PoisonError::into_inner) = next;
    }

    pub(crate) fn shutdown_token(&self) -> &CancellationToken {
        &self.shared.shutdown
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shared.shutdown.is_cancelled()
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], ApiError> {
        random(|bytes| self.shared.random.fill(bytes))
    }

    pub(crate) fn random_below(&self, limit: u64) -> Result<u64, ApiError> {
        Ok(u64::from_be_bytes(self.random()?) % limit)
    }

    /// A new version 4 UUID.
    pub(crate) fn uid(&self) -> Result<String, ApiError> {
        let mut bytes: [u8; 16] = self.random()?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let number = u128::from_be_bytes(bytes);
        Ok(format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            number >> 96,
            number >> 80 & 0xffff,
            number >> 64 & 0xffff,
            number >> 48 & 0xffff,
            number & 0xffff_ffff_ffff
        ))
    }

    /// Whoever finds a definition or an object of a definition on its way out changed sees to what follows.
    pub(crate) async fn after_write(&self, resource: &registry::Resource) {
        if self.shared.lifecycle.concerns(resource) {
            self.follow_definitions().await;
        }
    }

    // Boxed, because following up deletes objects, which is followed up in turn.
    fn follow_definitions(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.follow_definitions_once())
    }

    async fn follow_definitions_once(&self) {
        // On a task of its own, because a client that goes away must not leave the change half done.
        let server = self.clone();
        let done = tokio::spawn(async move { crate::crd::reconcile(&server).await });
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "custom resource definitions are not up to date")
            }
            Err(error) => {
                tracing::error!(%error, "following up on custom resource definitions failed")
            }
        }
    }

    /// Answers one request. Whatever panics in it is answered as an internal error.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let format = Format::Json;
        let metered = self.shared.metrics.begin();
        let (method, path) = (request.method.clone(), request.uri.path().to_owned());
        let answer = AssertUnwindSafe(dispatch::answer(self, request)).catch_unwind().await;
        let response = answer.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            tracing::error!(%method, path, panic = text, "a request panicked");
            respond::failure(
                format,
                &ApiError::internal("this request hit a bug in the server; its log has more"),
            )
        });
        metered.end(&method, response.status());
        response
    }
}

/// Random bytes, or a failure: never bytes that could be guessed, because uids guard what is deleted.
fn random<const N: usize>(
    fill: impl FnOnce(&mut [u8]) -> Result<(), Unspecified>,
) -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map_err(|_| ApiError::internal("the system has no randomness"))?;
    Ok(bytes)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        (None, None) => "unknown",
    }
}

/// A request whose body is still to be read.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Unread,
    /// Who the connection belongs to, if that is known.
    pub(crate) connection: Option<Arc<Identity>>,
    /// The way to take the connection over (WebSocket).
    pub(crate) upgrade: Option<hyper::upgrade::OnUpgrade>,
}

/// The server as a tower service in this process.
#[derive(Clone)]
pub struct InProcess {
    server: ApiServer,
    identity: Arc<Identity>,
}

impl<B> tower::Service<http::Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (server, identity) = (self.server.clone(), self.identity.clone());
        Box::pin(async move {
            Ok(intake::answer(&server, request, Some(identity), Origin::InProcess).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_randomness_there_is_a_failure_and_no_zeros() {
        assert_eq!(random::<8>(|_| Err(Unspecified)).unwrap_err().code, 500);
        let sevens = random::<2>(|bytes| {
            bytes.fill(7);
            Ok(())
        });
        assert_eq!(sevens.unwrap(), [7, 7]);
    }
}
