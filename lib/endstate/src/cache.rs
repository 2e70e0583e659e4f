//! One shared, indexed view per kind and scope, with read-your-own-writes.
//!
//! A [`Cache`] is fed by a watch, and by the writes that go through a [`Context`](crate::Context): a reconcile never
//! sees a view older than its own last write, and the watch event of an own write does not wake it again. The logic
//! lives in a plain state machine (`state`) without tasks or clocks; this module adds locks, subscribers and the
//! watch.

mod ahead;
mod change;
mod feed;
mod index;
mod state;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use tokio::sync::watch;

use crate::{Object, ObjectKey};
pub use change::{Change, Origin};
pub(crate) use feed::feed;
use state::{Outdated, State};

/// Which objects of a kind a cache holds. Label requirements are equalities.
///
/// ```
/// let scope = endstate::Scope::all().label("app", "etcd");
/// assert_eq!(scope.label_selector().as_deref(), Some("app=etcd"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    labels: BTreeMap<String, String>,
    name: Option<String>,
    fields: Option<String>,
    has_managed_fields: bool,
    is_optional: bool,
}

impl Scope {
    /// Every object.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only objects with this label.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Only objects of this name, one per namespace.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only objects that match a field selector. Such a cache shows own creations only once the watch brings them,
    /// since only the server can tell what matches.
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }

    /// Keeps `managedFields`, which a cache drops otherwise: they are about half of an object's metadata.
    pub fn with_managed_fields(mut self) -> Self {
        self.has_managed_fields = true;
        self
    }

    /// Counts as complete where the API does not allow to list it, has no such kind, or answers the first list with
    /// another error: empty, or as it was seen last. [`Cache::is_refused`] tells. It is asked for again all the same.
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The label selector of the watch.
    pub fn label_selector(&self) -> Option<String> {
        let terms: Vec<_> =
            self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (!terms.is_empty()).then(|| terms.join(","))
    }

    /// The field selector of the watch.
    pub fn field_selector(&self) -> Option<String> {
        let name = self.name.as_ref().map(|it| format!("metadata.name={it}"));
        let terms: Vec<_> = name.into_iter().chain(self.fields.clone()).collect();
        (!terms.is_empty()).then(|| terms.join(","))
    }

    fn admits<K: Object>(&self, object: &K) -> bool {
        let labels = object.meta().labels.as_ref();
        let is_named = self.name.is_none() || self.name == object.meta().name;
        is_named
            && self
                .labels
                .iter()
                .all(|(key, value)| labels.and_then(|it| it.get(key)) == Some(value))
    }
}

/// `metadata.managedFields`
pub(crate) type ManagedFields = Option<Vec<ManagedFieldsEntry>>;

type Subscriber<K> = Box<dyn Fn(&Change<K>) + Send + Sync>;

/// A handle to the shared view of one kind and scope. Cheap to clone. Objects have no `managedFields` unless the scope
/// asks for them.
pub struct Cache<K: Object> {
    shared: Arc<Shared<K>>,
}

struct Shared<K: Object> {
    kind: K::DynamicType,
    scope: Scope,
    state: RwLock<State<K>>,
    subscribers: RwLock<Vec<Subscriber<K>>>,
    synced: watch::Sender<bool>,
    /// That it cannot be listed was said.
    refused: AtomicBool,
}

impl<K: Object> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K: Object> Cache<K> {
    pub(crate) fn new(kind: K::DynamicType, scope: Scope) -> Self {
        let (synced, _) = watch::channel(false);
        let (state, subscribers) = (RwLock::new(State::default()), RwLock::default());
        let refused = AtomicBool::new(false);
        Self { shared: Arc::new(Shared { kind, scope, state, subscribers, synced, refused }) }
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.read(|state| state.get(key).cloned())
    }

    /// All objects, ordered by key.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.read(|state| state.objects().cloned().collect())
    }

    /// The objects of a namespace, ordered by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        self.read(|state| state.in_namespace(namespace).cloned().collect())
    }

    /// The objects that name an owner (of any kind) by uid, ordered by key.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<K>> {
        self.read(|state| state.owned_by(uid).cloned().collect())
    }

    /// The objects of a namespace that carry a label, ordered by name.
    pub fn labelled(&self, namespace: &str, label: &str, value: &str) -> Vec<Arc<K>> {
        self.read(|state| state.labelled(namespace, label, value).cloned().collect())
    }

    /// The objects of a namespace that carry all the labels; all of the namespace if there are none.
    pub fn matching(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Arc<K>> {
        let Some((label, value)) = labels.iter().next() else {
            return self.in_namespace(namespace);
        };
        let mut found = self.labelled(namespace, label, value);
        found.retain(|object| {
            let present = object.meta().labels.as_ref();
            labels.iter().all(|(label, value)| present.and_then(|it| it.get(label)) == Some(value))
        });
        found
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.read(|state| state.len())
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        *self.shared.synced.borrow()
    }

    /// Whether the API did not allow to list it, had no such kind, or never could list it, when it was asked last; of a
    /// cache that is [optional](Scope::optional).
    pub fn is_refused(&self) -> bool {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Waits until the first list is complete.
    pub async fn synced(&self) {
        let mut synced = self.shared.synced.subscribe();
        // The sender lives in `self`, so waiting can only end well.
        let _ = synced.wait_for(|it| *it).await;
    }

    /// Calls back on every change, the objects already there first. Call-backs run on the task that brings the
    /// change: they must be short and must not block.
    pub fn subscribe(&self, call: impl Fn(&Change<K>) + Send + Sync + 'static) {
        let mut subscribers = write(&self.shared.subscribers);
        for object in self.list() {
            call(&Change { old: None, new: Some(object), origin: None, initial: true });
        }
        subscribers.push(Box::new(call));
    }

    pub(crate) fn kind(&self) -> &K::DynamicType {
        &self.shared.kind
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    /// An object in the form that this cache holds.
    fn kept(&self, mut object: K) -> Arc<K> {
        if !self.shared.scope.has_managed_fields {
            object.meta_mut().managed_fields = None;
        }
        Arc::new(object)
    }

    /// Takes in all that there was at a version.
    fn listed(&self, objects: Vec<Arc<K>>, version: Option<u64>) -> Result<(), Outdated> {
        let mut taken = Ok(());
        self.change(|state| {
            state.listed(objects, version).unwrap_or_else(|outdated| {
                taken = Err(outdated);
                Vec::new()
            })
        });
        taken?;
        self.shared.refused.store(false, Ordering::Relaxed);
        self.shared.synced.send_replace(true);
        Ok(())
    }

    /// Takes in that it cannot be listed; says whether it goes on without, and did not know so before.
    fn refused(&self) -> Option<bool> {
        let first = || !self.shared.refused.swap(true, Ordering::Relaxed);
        let is_new = self.shared.scope.is_optional.then(first)?;
        self.shared.synced.send_replace(true);
        Some(is_new)
    }

    /// Takes in what a write of this process returned, and its managed fields.
    pub(crate) fn wrote(&self, object: &Arc<K>, fields: &ManagedFields, origin: Option<Origin>) {
        let scope = &self.shared.scope;
        let mut object = object.clone();
        if scope.has_managed_fields {
            Arc::make_mut(&mut object).meta_mut().managed_fields.clone_from(fields);
        }
        self.change(|state| {
            let is_known = state.get(&ObjectKey::of(&*object)).is_some();
            match scope.admits(&*object) {
                true if is_known || scope.fields.is_none() => state.wrote(object, origin),
                true => None,
                false => state.left(&*object, origin),
            }
        });
    }

    /// Takes in a view that only this process knows of, over the version it was made from.
    pub(crate) fn assumed(&self, object: Arc<K>, origin: Option<Origin>) {
        self.change(|state| state.assumed(object, origin));
    }

    /// Takes in that a delete of this process removed an object at once.
    pub(crate) fn erased(&self, object: &K, origin: Option<Origin>) {
        self.change(|state| state.erased(object, origin));
    }

    fn read<T>(&self, look: impl FnOnce(&State<K>) -> T) -> T {
        look(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, then tells the subscribers, with no lock on the state held: they may read this cache.
    fn change<I>(&self, apply: impl FnOnce(&mut State<K>) -> I)
    where
        I: IntoIterator<Item = Change<K>>,
    {
        let changes = apply(&mut write(&self.shared.state));
        let subscribers = self.shared.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        let mut panic = None;
        for change in changes {
            for subscriber in subscribers.iter() {
                let told = std::panic::catch_unwind(AssertUnwindSafe(|| subscriber(&change)));
                panic = panic.or(told.err());
            }
        }
        if let Some(panic) = panic {
            // The others were told all the same: no change is told twice.
            std::panic::resume_unwind(panic);
        }
    }
}

/// A cache whose kind is forgotten, in the engine's table.
pub(crate) trait AnyCache: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<K: Object> AnyCache for Cache<K> {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A panic of a subscriber must not stop every other user of the cache; the state itself is changed by code that does
/// not panic halfway.
fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
