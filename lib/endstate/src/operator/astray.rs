//! Pods of members that the watch does not show, because somebody took their labels or owner away.
//!
//! The watch selects by a label, which anyone may edit who may edit pods; so a pod that it does not show may be there
//! all the same. What exists is known by the record (a name that is used once, and the uid of its pod) and by the
//! owner's uid: what is recorded and not shown is read from the API itself before anything counts as gone.

use std::sync::{Arc, MutexGuard, PoisonError};

use endstate_core::{Record, Uid};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::declared::Declared;
use super::gone::Gone;
use super::operand::{Operand, SpecOf};
use super::reconciler::Operator;
use crate::{Context, Error, ObjectKey};

impl<O: Operand> Operator<O> {
    /// The pods of the members: those that the watch shows, and those that it does not. The cache is read once, since
    /// it changes during the look: a pod that it showed counts as shown, and what it did not show is read from the API.
    pub(super) async fn look_past_the_watch(
        &self,
        object: &Declared<O::Kind>,
        record: &Record<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<Vec<Arc<Pod>>, Error> {
        let key = ObjectKey::of(object);
        let mut pods = self.shown_pods_of(object);
        if record.is_blank() && pods.is_empty() {
            // Nothing is recorded, so nothing may be there: otherwise the record was lost.
            let all = ctx.list_live::<Pod>(key.namespace().unwrap_or_default()).await?;
            let ours = all.into_iter().filter(|it| is_controlled_by(it, object)).map(Arc::new);
            return Ok(ours.collect());
        }
        for (name, uid) in record.pods() {
            let is_seen = pods.iter().any(|it| it.name_any() == name.as_str());
            if is_seen || self.gone().has(&key, uid) {
                continue;
            }
            let pod_key = ObjectKey::new(key.namespace(), name.as_str());
            let found = ctx.get_live::<Pod>(&pod_key).await?;
            match found.filter(|it| is_the_one(it, uid, object)) {
                Some(pod) => pods.push(Arc::new(pod)),
                None => uid.cloned().into_iter().for_each(|it| self.gone().note(&key, it)),
            }
        }
        Ok(pods)
    }

    /// The pods of a look, each as its cache has it by now, own writes included. Which pods there are is not asked
    /// again.
    pub(super) fn newest(&self, seen: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
        let newest = |pod: &Arc<Pod>| {
            let now = self.pods.get(&ObjectKey::of(&**pod));
            now.filter(|it| it.metadata.uid == pod.metadata.uid).unwrap_or_else(|| Arc::clone(pod))
        };
        seen.iter().map(newest).collect()
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_gone(&self, key: &ObjectKey) {
        self.gone().forget(key);
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
