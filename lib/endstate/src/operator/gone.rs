//! Which pods are gone for good.

use std::collections::{HashMap, HashSet};

use endstate_core::Uid;

use crate::ObjectKey;

/// The pods of each cluster that are certainly gone: a uid never comes back, so nobody asks again.
#[derive(Default)]
pub(super) struct Gone {
    clusters: HashMap<ObjectKey, HashSet<Uid>>,
}

impl Gone {
    pub(super) fn has(&self, key: &ObjectKey, uid: Option<&Uid>) -> bool {
        let gone = self.clusters.get(key);
        uid.is_some_and(|uid| gone.is_some_and(|it| it.contains(uid)))
    }

    pub(super) fn note(&mut self, key: &ObjectKey, uid: Uid) {
        self.clusters.entry(key.clone()).or_default().insert(uid);
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.clusters.remove(key);
    }
}
