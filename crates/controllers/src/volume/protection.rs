//! Claims and volumes that somebody asked to delete stay for as long as something uses them.
//!
//! Invariant: a claim is let go only if neither the snapshot nor the API itself ([`Plan::unused_claim`]) has a pod on a
//! node that names it. A pod that ended counts until it is deleted, as on Kubernetes; one without a node does not,
//! since none is given to a pod whose claim is being deleted.

use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::owners::{is_controlled_by, is_deleting, name, uid};
use crate::plan::{Plan, Write};
use crate::pods::node_name;

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
pub(super) const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

/// What the plan for the protection of a claim may look at.
pub struct ProtectionSnapshot<'a> {
    pub claim: &'a Arc<PersistentVolumeClaim>,
    /// The pods of its namespace.
    pub pods: &'a [Arc<Pod>],
}

/// Holds the claim, or lets it go.
pub fn plan_protection(snapshot: &ProtectionSnapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let claim = snapshot.claim;
    let is_used = || snapshot.pods.iter().any(|it| uses(it, claim));
    if let Some(wanted) = guarded(&**claim, CLAIM_FINALIZER, is_used) {
        plan.unused_claim = is_deleting(&claim.metadata).then(|| claim.clone());
        plan.push(Write::update(claim, wanted));
    }
    plan
}

/// Whether a pod keeps its claim from being deleted.
pub fn uses(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let is_named = |volume: &Volume| match &volume.persistent_volume_claim {
        Some(source) => source.claim_name == name(&claim.metadata),
        None => {
            ephemeral(pod, volume).is_some_and(|it| it == name(&claim.metadata))
                && is_controlled_by(&claim.metadata, uid(&pod.metadata))
                && !is_shut_down(pod)
        }
    };
    pod.metadata.namespace == claim.metadata.namespace
        && node_name(pod).is_some()
        && volumes(pod).any(is_named)
}

/// The names of the claims that a pod may use.
pub fn claim_names(pod: &Pod) -> impl Iterator<Item = String> {
    volumes(pod).filter_map(|volume| match &volume.persistent_volume_claim {
        Some(source) => Some(source.claim_name.clone()),
        None => ephemeral(pod, volume),
    })
}

/// The object with the finalizer unless it is being deleted, without it if it is and is not used; `None` if it is so.
pub(super) fn guarded<K>(object: &K, finalizer: &str, is_used: impl Fn() -> bool) -> Option<K>
where
    K: Clone + Metadata<Ty = ObjectMeta>,
{
    let meta = object.metadata();
    let is_held = meta.finalizers.iter().flatten().any(|it| it == finalizer);
    let change: fn(&mut Vec<String>, &str) = match (is_deleting(meta), is_held) {
        (false, false) => |all, it| all.push(it.to_owned()),
        (true, true) if !is_used() => |all, it| all.retain(|other| other != it),
        _ => return None,
    };
    let mut wanted = object.clone();
    let finalizers = &mut wanted.metadata_mut().finalizers;
    change(finalizers.get_or_insert_default(), finalizer);
    if finalizers.as_ref().is_some_and(Vec::is_empty) {
        *finalizers = None;
    }
    Some(wanted)
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|it| it.volumes.iter().flatten())
}

/// The name of the claim that is made for a volume of the pod's own.
fn ephemeral(pod: &Pod, volume: &Volume) -> Option<String> {
    volume.ephemeral.as_ref()?;
    Some(format!("{}-{}", name(&pod.metadata), volume.name))
}

/// Its node is done with it; a finalizer may keep the object, and wait for the claim.
fn is_shut_down(pod: &Pod) -> bool {
    is_deleting(&pod.metadata) && pod.metadata.deletion_grace_period_seconds == Some(0)
}

#[cfg(test)]
mod tests;
