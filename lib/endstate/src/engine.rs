//! Runs reconcilers: shared caches, one queue per reconciler, panics and deadlines contained per key.

mod registration;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Caches;
use crate::crash::{Calls, CrashAt};
use crate::event::{Poster, recorder};
use crate::lease::{Fence, Leader};
use crate::{Cache, Context, Error, Failure, Metrics, Notice, Object, ObjectKey, Scope};
pub use registration::Registration;
pub(crate) use registration::controller_key;

/// What a reconcile wants next.
///
/// ```
/// use std::time::Duration;
/// use endstate::Next;
/// /// A sketch of a poll, for state that sends no events.
/// fn next(is_done: bool) -> Next {
///     if is_done { Next::Settled } else { Next::After(Duration::from_secs(2)) }
/// }
/// assert_eq!(next(true), Next::Settled);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something changes.
    Settled,
    /// To look again at once: after a step whose outcome decides the next one. A reconciler's own writes do not wake
    /// it, so a reconcile that must see their effect asks for it.
    Again,
    /// To look again after this long, or earlier if something changes.
    After(Duration),
}

/// The author's half of a controller: brings one object's world closer to what the object asks for.
///
/// It gets a key, never an event, so it must look at the current state. It may be cancelled at any `await`, and may be
/// called for objects that no longer exist.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind whose keys it is called with.
    type Kind: Object<DynamicType: Default>;

    /// Looks at the world around one object, and acts.
    fn reconcile(
        &self,
        key: ObjectKey,
        ctx: &Context,
    ) -> impl Future<Output = Result<Next, Error>> + Send;

    /// Called after a reconcile failed, before the key backs off. `object` is the object of the key, if it exists. The
    /// notice that it returns is recorded as an event; the default records panics, deadlines and all errors except
    /// conflicts and the end of leadership.
    fn failed(&self, object: Option<&Self::Kind>, failure: &Failure) -> Option<Notice> {
        let _ = object;
        match failure {
            Failure::Error(error) if error.is_conflict() => None,
            Failure::Error(Error::NotLeading { .. }) => None,
            Failure::Error(_) => {
                Some(Notice::warning("ReconcileFailed", "Reconcile", failure.message()))
            }
            Failure::Panic(_) => {
                Some(Notice::warning("ReconcilePanicked", "Reconcile", failure.message()))
            }
            Failure::Deadline(_) => {
                Some(Notice::warning("ReconcileTimedOut", "Reconcile", failure.message()))
            }
        }
    }
}

/// How an engine behaves.
///
/// ```
/// let options = endstate::Options::new("etcd-operator");
/// assert_eq!(options.field_manager, "etcd-operator");
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The field manager of writes, and the reporter of events.
    pub field_manager: String,
    /// How long one request may take.
    pub request_deadline: Duration,
    /// How long one reconcile may take.
    pub reconcile_deadline: Duration,
    /// How long running reconciles may go on after a shutdown was asked for.
    pub shutdown_grace: Duration,
    /// At which call the process ends, if it is to: see [`crash`](crate::crash).
    pub crash_at: Option<CrashAt>,
}

impl Options {
    /// The usual limits, under a name.
    pub fn new(field_manager: impl Into<String>) -> Self {
        Self {
            field_manager: field_manager.into(),
            request_deadline: Duration::from_secs(15),
            reconcile_deadline: Duration::from_secs(120),
            shutdown_grace: Duration::from_secs(5),
            crash_at: None,
        }
    }
}

/// A task that ends when the token is cancelled.
type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

/// Several reconcilers that share caches. See the [crate's example](crate).
pub struct Engine {
    options: Options,
    context: Context,
    poster: Poster,
    tasks: Vec<Task>,
    leader: Option<Leader>,
}

impl Engine {
    /// An engine without reconcilers and without a lease: run one replica, since nothing stops a second one from
    /// acting.
    pub fn new(client: Client, options: Options) -> Self {
        Self::behind(Fence::open(), client, options)
    }

    /// An engine without reconcilers that may run in several replicas: reconcilers run, and write, in the replica that
    /// holds the lease, while the caches of the others stay warm. The lease is released when [`run`](Engine::run) ends.
    pub fn leading(client: Client, options: Options, leader: Leader) -> Self {
        let engine = Self::behind(leader.fence(), client, options);
        Self { leader: Some(leader), ..engine }
    }

    fn behind(fence: Fence, client: Client, options: Options) -> Self {
        let (recorder, poster) = recorder(client.clone(), &options.field_manager);
        let metrics = Metrics::default();
        let context = Context {
            client,
            caches: Arc::new(Caches::default()),
            recorder,
            field_manager: options.field_manager.as_str().into(),
            request_deadline: options.request_deadline,
            origin: None,
            fence,
            calls: Calls::new(options.crash_at, metrics.clone()),
            metrics,
        };
        Self { options, context, poster, tasks: Vec::new(), leader: None }
    }

    /// The cache of all objects of a kind. Asking twice gives the same cache; it fills once the engine runs.
    pub fn cache<K: Object<DynamicType: Default>>(&mut self) -> Cache<K> {
        self.cache_of(K::DynamicType::default(), Scope::all())
    }

    /// The cache of some objects of a kind, which may be known only at run time.
    pub fn cache_of<K: Object>(&mut self, kind: K::DynamicType, scope: Scope) -> Cache<K> {
        let (cache, is_new) = self.context.caches.open(kind, scope);
        if is_new {
            let (fed, client) = (cache.clone(), self.context.client.clone());
            self.spawn(move |shutdown| crate::cache::feed(fed, client, shutdown));
        }
        cache
    }

    /// A context outside any reconcile.
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// What the engine counts.
    pub fn metrics(&self) -> Metrics {
        self.context.metrics.clone()
    }

    /// Adds a task of the application's own. It must end when the token is cancelled.
    pub fn spawn<F>(&mut self, task: impl FnOnce(CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Box::new(move |shutdown| Box::pin(task(shutdown))));
    }

    /// Runs until shutdown: caches fill, then reconciles begin. Returns after every task has ended.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { options, poster, tasks, leader, .. } = self;
        let (end, mut keeping) = (CancellationToken::new(), JoinSet::new());
        if let Some(leader) = leader {
            keeping.spawn(leader.run(end.clone()));
        }
        // A failing task must end the others too: half an engine is of no use.
        let stop = shutdown.child_token();
        let mut running = JoinSet::new();
        for task in tasks {
            running.spawn(task(stop.clone()));
        }
        let posting = tokio::spawn(poster.run(options.request_deadline, end.clone()));
        let result = until_ended(&mut running, &mut keeping, &stop).await;
        // Only now, since everything that the lease guards has ended.
        end.cancel();
        while keeping.join_next().await.is_some() {}
        if tokio::time::timeout(options.shutdown_grace, posting).await.is_err() {
            tracing::warn!("the last events were not posted in time");
        }
        result
    }
}

/// Waits until every task has ended. The first one that ends stops the others, and so does the task that renews the
/// lease: without it no reconcile would ever run again.
async fn until_ended(
    running: &mut JoinSet<()>,
    keeping: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut result = Ok(());
    while !running.is_empty() {
        tokio::select! {
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    result = Err(Error::other(error));
                }
            }
            Some(ended) = keeping.join_next() => {
                let why = ended.err().map_or_else(|| "it ended".to_owned(), |it| it.to_string());
                result = Err(Error::other(format!("the lease is not renewed any more: {why}")));
            }
        }
        stop.cancel();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_whose_lease_nobody_keeps_ends() {
        let stop = CancellationToken::new();
        let (mut running, mut keeping) = (JoinSet::new(), JoinSet::new());
        let stopped = stop.clone();
        running.spawn(async move { stopped.cancelled().await });
        keeping.spawn(async { panic!("a bug") });
        let ended = until_ended(&mut running, &mut keeping, &stop);
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.unwrap().unwrap_err().to_string().contains("the lease is not renewed"));
    }
}
