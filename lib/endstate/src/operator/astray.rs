//! Pods of members that the watch does not show, because somebody took their labels or owner away.
//!
//! The watch selects by a label, which anyone may edit who may edit pods; so a pod that it does not show may be there all the
//! same. What exists is known by the record (a name that is used once, and the uid of its pod) and by the owner's uid: what is
//! recorded and not shown is read from the API itself before anything counts as gone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use endstate_core::{Record, Uid};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{Context, Declared, Error, Operand, Operator, SpecOf};
use crate::ObjectKey;

/// What was found past the watch, for each cluster.
#[derive(Default)]
pub(super) struct Astray {
    clusters: HashMap<ObjectKey, Found>,
}

#[derive(Default)]
struct Found {
    pods: Vec<Arc<Pod>>,
    /// Pods that are certainly gone: a uid never comes back, so nobody asks again.
    gone: HashSet<Uid>,
}

impl Astray {
    /// The pods of a cluster that were found at the last look.
    pub(super) fn pods(&self, key: &ObjectKey) -> Vec<Arc<Pod>> {
        self.clusters.get(key).map(|it| it.pods.clone()).unwrap_or_default()
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.clusters.remove(key);
    }

    fn is_gone(&self, key: &ObjectKey, uid: Option<&Uid>) -> bool {
        let found = self.clusters.get(key);
        uid.is_some_and(|uid| found.is_some_and(|it| it.gone.contains(uid)))
    }

    fn note(&mut self, key: &ObjectKey, pods: Vec<Arc<Pod>>, gone: Vec<Uid>) {
        if pods.is_empty() && gone.is_empty() && !self.clusters.contains_key(key) {
            return;
        }
        let found = self.clusters.entry(key.clone()).or_default();
        found.pods = pods;
        found.gone.extend(gone);
    }
}

impl<O: Operand> Operator<O> {
    /// Looks for the members' pods that the watch does not show.
    pub(super) async fn look_past_the_watch(
        &self,
        object: &Declared<O::Kind>,
        record: &Record<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<(), Error> {
        let key = ObjectKey::of(object);
        let shown = self.shown_pods_of(object);
        if record.is_blank() && shown.is_empty() {
            // Nothing is recorded, so nothing may be there: otherwise the record was lost.
            let all = ctx.list_live::<Pod>(key.namespace().unwrap_or_default()).await?;
            let ours = all.into_iter().filter(|it| is_controlled_by(it, object)).map(Arc::new);
            self.astray().note(&key, ours.collect(), vec![]);
            return Ok(());
        }
        let is_shown = |name: &str| shown.iter().any(|it| it.name_any() == name);
        let (mut pods, mut gone) = (vec![], vec![]);
        for (name, uid) in record.pods().filter(|(name, _)| !is_shown(name)) {
            if self.astray().is_gone(&key, uid) {
                continue;
            }
            let pod_key = ObjectKey::new(key.namespace(), name);
            // One that has its label and lost its owner is in the cache.
            let found = match self.pods.get(&pod_key) {
                Some(pod) => Some(pod),
                None => ctx.get_live::<Pod>(&pod_key).await?.map(Arc::new),
            };
            match found.filter(|it| is_the_one(it, uid, object)) {
                Some(pod) => pods.push(pod),
                None => gone.extend(uid.cloned()),
            }
        }
        self.astray().note(&key, pods, gone);
        Ok(())
    }

    fn astray(&self) -> std::sync::MutexGuard<'_, Astray> {
        self.astray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_astray(&self, key: &ObjectKey) {
        self.astray().forget(key);
    }

    /// The pods of the members: those that the watch shows, and those that were found past it.
    pub(super) fn pods_of(&self, object: &Declared<O::Kind>) -> Vec<Arc<Pod>> {
        let mut pods = self.shown_pods_of(object);
        for pod in self.astray().pods(&ObjectKey::of(object)) {
            if !pods.iter().any(|it| it.name_any() == pod.name_any()) {
                pods.push(pod);
            }
        }
        pods
    }

    /// The pods that the watch shows and this very object controls; one of the same name before it had another uid.
    fn shown_pods_of(&self, object: &Declared<O::Kind>) -> Vec<Arc<Pod>> {
        let Some(uid) = object.metadata.uid.as_deref() else { return Vec::new() };
        let mut pods = self.pods.owned_by(uid);
        pods.retain(|pod| is_controlled_by(pod, object));
        pods
    }
}

/// Whether a pod is the one that the record speaks of: by its uid, or, as long as nobody has seen it, by its owner.
fn is_the_one<K>(pod: &Pod, recorded: Option<&Uid>, object: &Declared<K>) -> bool {
    match recorded {
        Some(uid) => pod.metadata.uid.as_deref() == Some(uid.as_str()),
        None => is_controlled_by(pod, object),
    }
}

fn is_controlled_by<K>(pod: &Pod, object: &Declared<K>) -> bool {
    let uid = object.metadata.uid.as_deref();
    let mut owners = pod.owner_references().iter();
    owners.any(|it| it.controller == Some(true) && Some(it.uid.as_str()) == uid)
}
