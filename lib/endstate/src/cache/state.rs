//! What a cache knows, as a state machine: watch events and own writes go in, changes come out.
//!
//! Invariants:
//! - the version of an object never goes back, whichever of watch and own write brings it first;
//! - an object that an own delete removed stays removed, until the watch shows its successor (another uid);
//! - own writes are kept through a relist if they were answered after it began, since its list may be older.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::index::Index;
use super::{Change, Origin};
use crate::object::{revision, uid};
use crate::{Object, ObjectKey};

pub(super) struct State<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    index: Index,
    /// Own writes that the watch has not shown yet.
    own: HashMap<ObjectKey, Own>,
    /// The keys seen since a relist began.
    listed: Option<BTreeSet<ObjectKey>>,
    /// How many lists began.
    round: u64,
}

struct Own {
    revisions: Vec<u64>,
    /// The uid of an object that was removed.
    erased: Option<String>,
    /// The round in which the last of them was answered.
    round: u64,
}

impl<K> Default for State<K> {
    fn default() -> State<K> {
        let (objects, index, own) = (BTreeMap::new(), Index::default(), HashMap::new());
        State { objects, index, own, listed: None, round: 0 }
    }
}

impl<K: Object> State<K> {
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.objects.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    pub(super) fn in_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<K>> + use<'a, K> {
        let namespace: Arc<str> = namespace.into();
        let first = ObjectKey::namespaced(namespace.clone(), "");
        self.objects
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(key, _)| key.namespace() == Some(&*namespace))
            .map(|(_, object)| object)
    }

    pub(super) fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Arc<K>> {
        self.index.owned_by(uid).filter_map(|key| self.objects.get(key))
    }

    pub(super) fn labelled<'a>(
        &'a self,
        namespace: &str,
        label: &str,
        value: &str,
    ) -> impl Iterator<Item = &'a Arc<K>> + use<'a, K> {
        let namespace: Arc<str> = namespace.into();
        let first = ObjectKey::namespaced(namespace.clone(), "");
        self.index
            .labelled(label, value)
            .into_iter()
            .flat_map(move |keys| keys.range((Bound::Included(first.clone()), Bound::Unbounded)))
            .take_while(move |key| key.namespace() == Some(&*namespace))
            .filter_map(|key| self.objects.get(key))
    }

    /// The watch begins to list.
    pub(super) fn begin(&mut self) {
        self.round += 1;
        self.listed = Some(BTreeSet::new());
    }

    /// The watch showed an object of its list.
    pub(super) fn listed(&mut self, object: Arc<K>) -> Option<Change<K>> {
        if let Some(listed) = &mut self.listed {
            listed.insert(ObjectKey::of(&*object));
        }
        self.applied(object).map(|change| Change { initial: change.old.is_none(), ..change })
    }

    /// The list is complete: what it did not show is gone, unless an own write is newer than it.
    pub(super) fn complete(&mut self) -> Vec<Change<K>> {
        let round = self.round;
        self.own.retain(|_, own| own.round == round);
        let listed = self.listed.take().unwrap_or_default();
        let gone: Vec<_> = self
            .objects
            .keys()
            .filter(|key| !listed.contains(key) && !self.own.contains_key(key))
            .cloned()
            .collect();
        gone.iter().filter_map(|key| self.remove(key, None)).collect()
    }

    /// The watch showed an object.
    pub(super) fn applied(&mut self, object: Arc<K>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let is_echo = match self.own.get_mut(&key) {
            Some(own) if own.erased.as_deref() == Some(uid(&*object)) => return None,
            Some(own) => own.forget(revision(&*object)),
            None => false,
        };
        if self.own.get(&key).is_some_and(|own| own.revisions.is_empty()) {
            self.own.remove(&key);
        }
        match self.objects.get(&key) {
            Some(current) if is_older(&*object, &**current) => {
                // Somebody else's change that an own, later write overtook: whoever cares has not been woken for it.
                let current = current.clone();
                let is_news = !is_echo && revision(&*object) != revision(&*current);
                is_news.then(|| Change {
                    old: Some(current.clone()),
                    new: Some(current),
                    origin: None,
                    initial: false,
                })
            }
            _ => Some(self.insert(key, object, None)),
        }
    }

    /// The watch showed that an object is gone.
    pub(super) fn deleted(&mut self, object: &K) -> Option<Change<K>> {
        let key = ObjectKey::of(object);
        if self.own.get(&key).is_some_and(|own| own.erased.as_deref() == Some(uid(object))) {
            self.own.remove(&key);
            return None;
        }
        let current = self.objects.get(&key)?;
        if uid(&**current) != uid(object) || revision(object) < revision(&**current) {
            return None;
        }
        self.own.remove(&key);
        self.remove(&key, None)
    }

    /// An own write returned an object.
    pub(super) fn wrote(&mut self, object: Arc<K>, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let is_known = self.objects.get(&key).is_some_and(|current| is_older(&*object, &**current));
        let is_erased =
            self.own.get(&key).is_some_and(|own| own.erased.as_deref() == Some(uid(&*object)));
        if is_known || is_erased {
            return None;
        }
        let round = self.round;
        let own = self.own.entry(key.clone()).or_insert_with(|| Own::new(round));
        own.round = round;
        own.erased = None;
        own.revisions.extend(revision(&*object));
        Some(self.insert(key, object, origin))
    }

    /// A view that was derived from the version at hand, and that no write returned.
    pub(super) fn assumed(&mut self, object: Arc<K>, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let current = self.objects.get(&key)?;
        let is_derived =
            uid(&*object) == uid(&**current) && revision(&*object) == revision(&**current);
        is_derived.then(|| self.insert(key, object, origin))
    }

    /// An own delete removed an object.
    pub(super) fn erased(
        &mut self,
        key: &ObjectKey,
        gone: &str,
        origin: Option<Origin>,
    ) -> Option<Change<K>> {
        let current = self.objects.get(key)?;
        if uid(&**current) != gone {
            return None;
        }
        let mut own = Own::new(self.round);
        own.erased = Some(gone.to_owned());
        self.own.insert(key.clone(), own);
        self.remove(key, origin)
    }

    fn insert(&mut self, key: ObjectKey, object: Arc<K>, origin: Option<Origin>) -> Change<K> {
        let old = self.objects.insert(key.clone(), object.clone());
        if let Some(old) = &old {
            self.index.remove(&key, &**old);
        }
        self.index.insert(&key, &*object);
        Change { old, new: Some(object), origin, initial: false }
    }

    fn remove(&mut self, key: &ObjectKey, origin: Option<Origin>) -> Option<Change<K>> {
        let old = self.objects.remove(key)?;
        self.index.remove(key, &*old);
        Some(Change { old: Some(old), new: None, origin, initial: false })
    }
}

impl Own {
    fn new(round: u64) -> Own {
        Own { revisions: Vec::new(), erased: None, round }
    }

    /// Whether a revision was one of ours; it is then forgotten.
    fn forget(&mut self, revision: Option<u64>) -> bool {
        let before = self.revisions.len();
        self.revisions.retain(|it| Some(*it) != revision);
        self.revisions.len() < before
    }
}

/// Whether an object is no newer than the one at hand. Versions that are not numbers are always new.
fn is_older<K: Object>(object: &K, current: &K) -> bool {
    match (revision(object), revision(current)) {
        (Some(new), Some(current)) => new <= current,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
