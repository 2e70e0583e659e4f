//! Everything that exists, as metadata: what garbage collection and the deletion of namespaces look at.
//!
//! Tasks: one that follows the served kinds ([`kinds`]), one per kind that feeds the graph ([`feed`]), one that
//! collects garbage ([`collect`]), one that empties namespaces ([`empty`]). They meet in [`Universe`], and wake each
//! other through two queues of names ([`waiting`]). A feed that panics is started again; another task that does ends
//! the engine.
//!
//! Invariants: nothing is collected and no namespace is finished before every kind's first list is in the graph; the
//! graph holds no more of an object than its name, its owners and its finalizers.

mod collect;
mod empty;
mod feed;
mod kinds;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use controllers::garbage::{Graph, Uid};
use endstate::{CancellationToken, Engine};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::core::ApiResource;
use tokio::sync::{Notify, watch};

use waiting::Waiting;

/// One served kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kind {
    pub(crate) api: ApiResource,
    pub(crate) namespaced: bool,
}

/// `deployments.apps`; `pods` in the core group.
type ResourceName = Arc<str>;

/// What is missing until the kinds themselves are known; no kind has this name.
const ALL_KINDS: &str = "*";

/// How long anything here rests after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the tasks share.
pub(crate) struct Universe {
    client: Client,
    graph: Mutex<Graph>,
    kinds: Mutex<BTreeMap<ResourceName, Kind>>,
    /// The kinds whose first lists are not in the graph yet, and at first [`ALL_KINDS`].
    missing: watch::Sender<BTreeSet<ResourceName>>,
    /// Objects to judge.
    objects: Waiting<Uid>,
    /// Namespaces to look at.
    namespaces: Waiting<Arc<str>>,
}

/// Adds garbage collection and the deletion of namespaces to an engine.
pub(crate) fn add(engine: &mut Engine) {
    let universe = Arc::new(Universe::new(engine.context().client().clone()));
    let definitions = engine.cache::<CustomResourceDefinition>();
    let changed = Arc::new(Notify::new());
    let notify = Arc::clone(&changed);
    definitions.subscribe(move |_| notify.notify_one());
    let known = engine.cache::<Namespace>();
    let wake = Arc::clone(&universe);
    known.subscribe(move |change| {
        let terminating = change.new.as_ref().filter(|it| it.metadata.deletion_timestamp.is_some());
        if let Some(name) = terminating.and_then(|it| it.metadata.name.as_deref()) {
            wake.look_at_namespace(name);
        }
    });
    spawn(engine, &universe, |universe, stop| kinds::follow(universe, changed, stop));
    spawn(engine, &universe, collect::run);
    spawn(engine, &universe, |universe, stop| empty::run(universe, known, stop));
}

fn spawn<F>(
    engine: &mut Engine,
    universe: &Arc<Universe>,
    task: impl FnOnce(Arc<Universe>, CancellationToken) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let universe = Arc::clone(universe);
    engine.spawn(move |stop| task(universe, stop));
}

/// Rests after a failure, but not beyond the shutdown.
async fn rest(stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(RETRY_AFTER) => {}
        () = stop.cancelled() => {}
    }
}

impl Universe {
    fn new(client: Client) -> Self {
        Self {
            client,
            graph: Mutex::default(),
            kinds: Mutex::default(),
            missing: watch::Sender::new(BTreeSet::from([ALL_KINDS.into()])),
            objects: Waiting::new(),
            namespaces: Waiting::new(),
        }
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<ResourceName, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kind(&self, resource: &str) -> Option<Kind> {
        self.kinds().get(resource).cloned()
    }

    fn judge(&self, objects: impl IntoIterator<Item = Uid>) {
        objects.into_iter().for_each(|object| self.objects.push(object));
    }

    fn look_at_namespace(&self, name: &str) {
        self.namespaces.push(name.into());
    }

    fn is_missing(&self, resource: &ResourceName) {
        self.missing.send_if_modified(|missing| missing.insert(Arc::clone(resource)));
    }

    fn is_there(&self, resource: &str) {
        self.missing.send_if_modified(|missing| missing.remove(resource));
    }

    /// Waits until the graph is whole; ends early at the shutdown.
    async fn is_whole(&self, stop: &CancellationToken) {
        let mut missing = self.missing.subscribe();
        let whole = missing.wait_for(BTreeSet::is_empty);
        tokio::select! {
            _ = whole => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The metadata that every object has.
pub(crate) type Meta = kube::core::PartialObjectMeta<kube::core::DynamicObject>;

/// An API of one kind's metadata.
fn api(client: &Client, kind: &Kind, namespace: Option<&str>) -> kube::Api<Meta> {
    match namespace.filter(|_| kind.namespaced) {
        Some(namespace) => kube::Api::namespaced_with(client.clone(), namespace, &kind.api),
        None => kube::Api::all_with(client.clone(), &kind.api),
    }
}
