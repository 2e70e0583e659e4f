//! Says what wakes a reconciler.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kube::core::ClusterResourceScope;
use kube::{Resource, ResourceExt};

use super::worker::{Inbox, Worker};
use super::{Engine, Reconciler};
use crate::cache::Change;
use crate::{Backoff, Cache, Object, ObjectKey, Priority};

type Waiter = BoxFuture<'static, ()>;

/// A reconciler that is being added to an [`Engine`]; it is complete when this is dropped.
///
/// ```no_run
/// # use endstate::{Context, Engine, Error, Next, ObjectKey, Reconciler};
/// # use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::{Node, Pod}};
/// # struct ReplicaSets;
/// # impl Reconciler for ReplicaSets {
/// #     type Kind = ReplicaSet;
/// #     async fn reconcile(&self, _: ObjectKey, _: &Context) -> Result<Next, Error> { Ok(Next::Settled) }
/// # }
/// # fn add(engine: &mut Engine) {
/// let (sets, pods) = (engine.cache::<ReplicaSet>(), engine.cache::<Pod>());
/// engine.add("replicasets", ReplicaSets).watches(&sets).owned(&pods).concurrency(4);
/// # }
/// ```
pub struct Registration<'e, R: Reconciler> {
    engine: &'e mut Engine,
    name: Arc<str>,
    reconciler: Option<R>,
    inbox: Arc<Inbox>,
    primary: Option<Cache<R::Kind>>,
    needed: Vec<Waiter>,
    concurrency: usize,
    backoff: Backoff,
    deadline: Duration,
    reporter: Option<Arc<str>>,
}

impl Engine {
    /// Adds a reconciler. The [`Registration`] says what wakes it.
    pub fn add<R: Reconciler>(&mut self, name: &str, reconciler: R) -> Registration<'_, R> {
        Registration::new(self, name, reconciler)
    }
}

impl<'e, R: Reconciler> Registration<'e, R> {
    fn new(engine: &'e mut Engine, name: &str, reconciler: R) -> Self {
        let deadline = engine.options.reconcile_deadline;
        Registration {
            engine,
            name: name.into(),
            reconciler: Some(reconciler),
            inbox: Arc::new(Inbox::new()),
            primary: None,
            needed: Vec::new(),
            concurrency: 4,
            backoff: Backoff::default(),
            deadline,
            reporter: None,
        }
    }

    /// Wakes for objects of its own kind; changes by users come first.
    pub fn watches(mut self, cache: &Cache<R::Kind>) -> Self {
        self.subscribe(cache, |change| {
            let priority = if change.is_users() { Priority::User } else { Priority::Change };
            change
                .states()
                .next()
                .map(|object| (ObjectKey::of(&**object), priority))
                .into_iter()
                .collect()
        });
        self.primary = Some(cache.clone());
        self
    }

    /// Wakes the object that is the controller of a changed one.
    pub fn owned<K: Object>(self, cache: &Cache<K>) -> Self {
        self.maps(cache, |object: &K| controller_key::<R::Kind, K>(object).into_iter().collect())
    }

    /// Wakes the objects whose keys a function returns for the states before and after a change.
    pub fn maps<K: Object>(
        mut self,
        cache: &Cache<K>,
        keys: impl Fn(&K) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        self.subscribe(cache, move |change| {
            let mut woken: Vec<_> = change.states().flat_map(|object| keys(object)).collect();
            woken.sort();
            woken.dedup();
            woken.into_iter().map(|key| (key, Priority::Change)).collect()
        });
        self
    }

    /// Wakes the objects whose keys a function returns for a change, by the states before and after.
    pub fn changes<K: Object>(
        mut self,
        cache: &Cache<K>,
        keys: impl Fn(Option<&K>, Option<&K>) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        self.subscribe(cache, move |change| {
            let woken = keys(change.old.as_deref(), change.new.as_deref());
            woken.into_iter().map(|key| (key, Priority::Change)).collect()
        });
        self
    }

    /// Wakes for nothing, but waits until the cache is complete before the first reconcile.
    pub fn reads<K: Object>(mut self, cache: &Cache<K>) -> Self {
        let cache = cache.clone();
        self.needed.push(Box::pin(async move { cache.synced().await }));
        self
    }

    /// How many keys are reconciled at once; 4 by default.
    pub fn concurrency(mut self, keys_max: usize) -> Self {
        self.concurrency = keys_max;
        self
    }

    /// The back-off of failing keys.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Wakes an object because a person asks about it.
    pub(crate) fn waker(&self) -> Box<dyn Fn(ObjectKey) + Send + Sync> {
        let inbox = Arc::clone(&self.inbox);
        Box::new(move |key| inbox.push(key, Priority::User))
    }

    /// The controller name of its events, at most 100 characters; by default that of the engine's options.
    pub fn reports_as(mut self, component: &str) -> Self {
        self.reporter = Some(component.into());
        self
    }

    /// How long one reconcile may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn subscribe<K: Object>(
        &mut self,
        cache: &Cache<K>,
        keys: impl Fn(&Change<K>) -> Vec<(ObjectKey, Priority)> + Send + Sync + 'static,
    ) {
        let (inbox, name) = (self.inbox.clone(), self.name.clone());
        cache.subscribe(move |change| {
            for (key, priority) in keys(change) {
                let own = change.origin.as_ref().filter(|it| it.controller == name);
                if own.is_none_or(|origin| origin.key != key) {
                    inbox.push(key, if change.initial { Priority::Resync } else { priority });
                }
            }
        });
        let cache = cache.clone();
        self.needed.push(Box::pin(async move { cache.synced().await }));
    }
}

impl<R: Reconciler> Drop for Registration<'_, R> {
    fn drop(&mut self) {
        let Some(reconciler) = self.reconciler.take() else { return };
        let mut context = self.engine.context.clone();
        if let Some(reporter) = self.reporter.take() {
            context.recorder = context.recorder.named(reporter);
        }
        self.inbox.configure(self.concurrency, self.backoff);
        let worker = Worker {
            name: self.name.clone(),
            reconciler: Arc::new(reconciler),
            inbox: self.inbox.clone(),
            primary: self.primary.take(),
            context,
            deadline: self.deadline,
            grace: self.engine.options.shutdown_grace,
        };
        let needed = std::mem::take(&mut self.needed);
        self.engine.spawn(move |shutdown| worker.run(needed, shutdown));
    }
}

/// The key of the object's controller, if that is of kind `O`.
pub(crate) fn controller_key<O, K: Object>(object: &K) -> Option<ObjectKey>
where
    O: Object<DynamicType: Default>,
{
    let kind = O::DynamicType::default();
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true))?;
    let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
    if owner.kind != O::kind(&kind) || group != O::group(&kind) {
        return None;
    }
    let is_cluster_scoped =
        TypeId::of::<<O as Resource>::Scope>() == TypeId::of::<ClusterResourceScope>();
    let namespace = object.meta().namespace.as_deref().filter(|_| !is_cluster_scoped);
    Some(ObjectKey::new(namespace, &owner.name))
}
