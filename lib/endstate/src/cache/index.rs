//! The indexes of a cache: by owner and by label.

use std::collections::{BTreeSet, HashMap};

use crate::{Object, ObjectKey};

/// Sets of keys under one or two words.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    owners: HashMap<Box<str>, BTreeSet<ObjectKey>>,
    labels: HashMap<Box<str>, HashMap<Box<str>, BTreeSet<ObjectKey>>>,
}

impl Index {
    pub(super) fn insert<K: Object>(&mut self, key: &ObjectKey, object: &K) {
        for owner in object.meta().owner_references.iter().flatten() {
            self.owners.entry(owner.uid.as_str().into()).or_default().insert(key.clone());
        }
        for (label, value) in object.meta().labels.iter().flatten() {
            let values = self.labels.entry(label.as_str().into()).or_default();
            values.entry(value.as_str().into()).or_default().insert(key.clone());
        }
    }

    pub(super) fn remove<K: Object>(&mut self, key: &ObjectKey, object: &K) {
        for owner in object.meta().owner_references.iter().flatten() {
            discard(&mut self.owners, &owner.uid, key);
        }
        for (label, value) in object.meta().labels.iter().flatten() {
            let Some(values) = self.labels.get_mut(label.as_str()) else { continue };
            discard(values, value, key);
            if values.is_empty() {
                self.labels.remove(label.as_str());
            }
        }
    }

    pub(super) fn owned_by(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.owners.get(uid).into_iter().flatten()
    }

    pub(super) fn labelled(&self, label: &str, value: &str) -> Option<&BTreeSet<ObjectKey>> {
        self.labels.get(label)?.get(value)
    }
}

fn discard(sets: &mut HashMap<Box<str>, BTreeSet<ObjectKey>>, word: &str, key: &ObjectKey) {
    let Some(set) = sets.get_mut(word) else { return };
    set.remove(key);
    if set.is_empty() {
        sets.remove(word);
    }
}
