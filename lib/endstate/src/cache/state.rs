//! What a cache knows, as a state machine: lists, watch events and own writes go in, changes come out.
//!
//! The watch is ordered and complete: once it has shown revision `shown` (by a list, a bookmark or a later event), it
//! has shown everything up to there. So an own write's answer at or below `shown` says nothing: if its object is not at
//! hand, it was deleted or left the scope. An answer above is held ([`Records`]) until the watch shows that revision or
//! passes it. Nothing needs to be remembered of what the watch showed to be gone.
//!
//! Invariants:
//! - the version of an object never goes back, whichever of watch and own write brings it first;
//! - what the watch or an own delete removed stays removed, until there is a successor (another uid);
//! - an own write's answer is visible until the watch has shown its revision;
//! - records are only of own writes whose answers are ahead of the watch: at most one a key, and none once it caught
//!   up.
//!
//! Versions that are not numbers cannot be compared; of a server that has such (none since Kubernetes 1.35), only the
//! watch counts, and own writes are seen when it shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::ahead::{Ahead, Records, Said};
use super::change::{Change, Origin};
use super::index::Index;
use crate::object::{revision, uid};
use crate::{Object, ObjectKey};

/// A list that is older than what was shown comes from a server that lags. That many in a row come from one that was
/// put back to an older state, which is then the truth.
const OUTDATED_MAX: u32 = 8;

#[derive(Clone)]
pub(super) struct State<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    index: Index,
    /// Own writes that the watch has not shown yet.
    ahead: Records,
    /// Everything up to this revision has been shown.
    shown: u64,
    /// The newest revision that was shown. Another object may have the same one, which comes next.
    newest: u64,
    /// How many lists in a row were older than that.
    outdated: u32,
}

/// A list that was not taken, since it is older than what was shown.
#[derive(Debug, thiserror::Error)]
#[error("the server listed revision {listed}, although it showed {shown} before")]
pub(super) struct Outdated {
    listed: u64,
    shown: u64,
}

impl<K> Default for State<K> {
    fn default() -> Self {
        let (objects, index, ahead) = (BTreeMap::new(), Index::default(), Records::default());
        Self { objects, index, ahead, shown: 0, newest: 0, outdated: 0 }
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

    /// The watch begins with all that there was at a version.
    pub(super) fn listed(
        &mut self,
        objects: Vec<Arc<K>>,
        version: Option<u64>,
    ) -> Result<Vec<Change<K>>, Outdated> {
        let version = version.unwrap_or_default();
        if version < self.newest {
            self.outdated += 1;
            if self.outdated < OUTDATED_MAX {
                return Err(Outdated { listed: version, shown: self.newest });
            }
            return Ok(self.put_back(objects, version));
        }
        self.outdated = 0;
        let listed = keys(&objects);
        let mut changes = Vec::new();
        for object in objects {
            let change = self.show(object);
            changes.extend(change.map(|it| Change { initial: it.old.is_none(), ..it }));
        }
        self.ahead.unlisted(&listed);
        changes.extend(self.retain(|ahead, key| listed.contains(key) || ahead.get(key).is_some()));
        changes.extend(self.passed(version));
        Ok(changes)
    }

    /// The server was put back to an older state: nothing that was known counts.
    fn put_back(&mut self, objects: Vec<Arc<K>>, version: u64) -> Vec<Change<K>> {
        (self.ahead, self.outdated) = (Records::default(), 0);
        (self.shown, self.newest) = (version, version);
        let listed = keys(&objects);
        let mut changes = self.retain(|_, key| listed.contains(key));
        changes.extend(objects.into_iter().map(|it| self.insert(ObjectKey::of(&*it), it, None)));
        changes
    }

    /// The watch has shown everything up to a revision.
    pub(super) fn passed(&mut self, version: u64) -> Vec<Change<K>> {
        self.shown = self.shown.max(version);
        self.newest = self.newest.max(version);
        let due = self.ahead.take_due(self.shown);
        let gone = due.into_iter().filter(|(_, ahead)| ahead.is_written());
        gone.filter_map(|(key, _)| self.remove(&key, None)).collect()
    }

    /// The watch showed an object.
    pub(super) fn applied(&mut self, object: Arc<K>) -> Vec<Change<K>> {
        if revision(&*object).is_some_and(|it| it <= self.shown) {
            return Vec::new();
        }
        let mut changes = self.reached(&*object);
        changes.extend(self.show(object));
        changes
    }

    /// The watch has come to an object: all before it has been shown.
    fn reached(&mut self, object: &K) -> Vec<Change<K>> {
        let Some(version) = revision(object) else { return Vec::new() };
        let changes = self.passed(version.saturating_sub(1));
        self.newest = self.newest.max(version);
        changes
    }

    fn show(&mut self, object: Arc<K>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let Some(version) = revision(&*object) else { return Some(self.insert(key, object, None)) };
        let mut is_echo = false;
        if let Some(mut ahead) = self.ahead.take(&key) {
            if ahead.outlives(uid(&*object), version) {
                if ahead.is_erased() && ahead.uid == uid(&*object) {
                    ahead.said = Said::Erased { is_shown: true };
                }
                self.ahead.put(key, ahead);
                return None;
            }
            is_echo = ahead.forget(version);
            if version < ahead.revision {
                self.ahead.put(key.clone(), ahead);
            }
        }
        match self.objects.get(&key) {
            Some(current) if is_older(&*object, &**current) => {
                // Somebody else's change that an own, later write overtook: whoever cares has not been woken for it.
                let is_same = revision(&**current) == Some(version);
                let is_news = !is_echo && !is_same && version > self.shown;
                let (old, new) = (Some(current.clone()), Some(current.clone()));
                is_news.then_some(Change { old, new, origin: None, initial: false })
            }
            _ => Some(self.insert(key, object, None)),
        }
    }

    /// The watch showed that an object is gone.
    pub(super) fn deleted(&mut self, object: &K) -> Vec<Change<K>> {
        let version = revision(object).unwrap_or(u64::MAX);
        let mut changes = self.reached(object);
        let key = ObjectKey::of(object);
        match self.ahead.take(&key) {
            Some(ahead) if ahead.uid != uid(object) => self.ahead.put(key.clone(), ahead),
            // It left the scope before the write that we know of.
            Some(ahead) if version < ahead.revision => self.ahead.put(key.clone(), ahead.unshown()),
            _ => {}
        }
        let is_gone = |current: &Arc<K>| {
            uid(&**current) == uid(object) && revision(&**current).is_none_or(|it| it <= version)
        };
        if self.objects.get(&key).is_some_and(is_gone) {
            changes.extend(self.remove(&key, None));
        }
        changes
    }

    /// An own write returned an object.
    pub(super) fn wrote(&mut self, object: Arc<K>, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let version = revision(&*object).filter(|it| *it > self.shown)?;
        let is_gone = |it: &Ahead| it.outlives(uid(&*object), version);
        let is_known = self.objects.get(&key).is_some_and(|current| is_older(&*object, &**current));
        if is_known || self.ahead.get(&key).is_some_and(is_gone) {
            return None;
        }
        let mut echoes = match self.ahead.take(&key) {
            Some(Ahead { said: Said::Written { echoes }, .. }) => echoes,
            _ => Vec::new(),
        };
        echoes.push(version);
        let (uid, said) = (uid(&*object).to_owned(), Said::Written { echoes });
        self.ahead.put(key.clone(), Ahead { uid, revision: version, said });
        Some(self.insert(key, object, origin))
    }

    /// An own write returned an object that does not belong here.
    pub(super) fn left(&mut self, object: &K, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(object);
        let version = revision(object).filter(|it| *it > self.shown)?;
        if is_older(object, &**self.objects.get(&key)?) {
            return None;
        }
        let uid = uid(object).to_owned();
        self.ahead.put(key.clone(), Ahead { uid, revision: version, said: Said::Left });
        self.remove(&key, origin)
    }

    /// A view that was derived from the version at hand, and that no write returned.
    pub(super) fn assumed(&mut self, object: Arc<K>, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(&*object);
        let current = self.objects.get(&key)?;
        let is_derived =
            uid(&*object) == uid(&**current) && revision(&*object) == revision(&**current);
        is_derived.then(|| self.insert(key, object, origin))
    }

    /// An own delete removed an object, of which a version was known.
    pub(super) fn erased(&mut self, object: &K, origin: Option<Origin>) -> Option<Change<K>> {
        let key = ObjectKey::of(object);
        let known = revision(object)?;
        let current = self.objects.get(&key);
        let is_it = current.is_some_and(|it| uid(&**it) == uid(object));
        let at_hand = current.and_then(|it| revision(&**it));
        let is_older = |it: &Ahead| it.uid != uid(object) && known <= it.revision;
        let is_past = known <= self.shown.max(at_hand.unwrap_or_default());
        if !is_it && (is_past || self.ahead.get(&key).is_some_and(is_older)) {
            // The watch showed its end, or there is a successor.
            return None;
        }
        let before = self.ahead.take(&key);
        let is_shown = match before.as_ref().map(|it| &it.said) {
            Some(Said::Erased { is_shown }) => *is_shown,
            Some(Said::Written { .. } | Said::Left) => false,
            None => is_it,
        };
        let revision = [at_hand, before.map(|it| it.revision)].into_iter().flatten().max();
        let revision = revision.map_or(known, |it| it.max(known));
        let (uid, said) = (uid(object).to_owned(), Said::Erased { is_shown });
        self.ahead.put(key.clone(), Ahead { uid, revision, said });
        self.remove(&key, origin)
    }

    /// Removes what is not to be kept.
    fn retain(&mut self, is_kept: impl Fn(&Records, &ObjectKey) -> bool) -> Vec<Change<K>> {
        let gone = self.objects.keys().filter(|key| !is_kept(&self.ahead, key));
        let gone: Vec<_> = gone.cloned().collect();
        gone.iter().filter_map(|key| self.remove(key, None)).collect()
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

fn keys<K: Object>(objects: &[Arc<K>]) -> BTreeSet<ObjectKey> {
    objects.iter().map(|object| ObjectKey::of(&**object)).collect()
}

/// Whether an object is no newer than the one at hand. Versions that are not numbers are always new.
fn is_older<K: Object>(object: &K, current: &K) -> bool {
    match (revision(object), revision(current)) {
        (Some(new), Some(current)) => new <= current,
        _ => false,
    }
}

#[cfg(test)]
mod explore;
#[cfg(test)]
mod tests;
