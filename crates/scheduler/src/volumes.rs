//! Where a pod may be because of its claims: where their volumes are, or may be made.

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};

use crate::fit::matches_term;
use crate::name;

/// The annotation by which a claim is told where its first consumer will be.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// A claim that a pod mounts.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'a> {
    pub name: &'a str,
    /// The claim, if it is there.
    pub claim: Option<&'a PersistentVolumeClaim>,
    /// The volume that the claim names, if it is there.
    pub volume: Option<&'a PersistentVolume>,
    /// Its class makes volumes only for pods that say where.
    pub waits_for_consumer: bool,
}

impl Mount<'_> {
    /// Whether the claim waits to be told on which node its volume is to be.
    pub fn is_to_be_told(&self) -> bool {
        self.waits_for_consumer && self.claim.is_some_and(|it| volume_name(it).is_none())
    }
}

/// The names of the claims that a pod mounts.
pub fn claim_names(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod.spec.iter().flat_map(|it| it.volumes.iter().flatten());
    volumes.filter_map(|it| Some(it.persistent_volume_claim.as_ref()?.claim_name.as_str()))
}

/// Why a pod can be on no node, in the words of Kubernetes.
pub(crate) fn obstacle_everywhere(mount: &Mount<'_>) -> Option<String> {
    let name = mount.name;
    let Some(claim) = mount.claim else {
        return Some(format!("persistentvolumeclaim \"{name}\" not found"));
    };
    if claim.metadata.deletion_timestamp.is_some() {
        // It waits for the pods that are bound, so no other may be.
        return Some(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    match (volume_name(claim), mount.volume) {
        (None, _) if mount.waits_for_consumer => None,
        (None, _) => Some("pod has unbound immediate PersistentVolumeClaims".to_owned()),
        (Some(volume), None) => Some(format!(
            "persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""
        )),
        (Some(_), Some(_)) => None,
    }
}

/// Why a pod cannot be on a node.
pub(crate) fn obstacle(mount: &Mount<'_>, node: &Node) -> Option<&'static str> {
    if mount.volume.is_some_and(|volume| !is_reachable(volume, node)) {
        return Some("node(s) had volume node affinity conflict");
    }
    let annotations = mount.claim.and_then(|it| it.metadata.annotations.as_ref());
    let selected = annotations.and_then(|it| it.get(SELECTED_NODE));
    let is_elsewhere = mount.is_to_be_told() && selected.is_some_and(|it| it != name(node));
    is_elsewhere.then_some("node(s) didn't find available persistent volumes to bind")
}

fn is_reachable(volume: &PersistentVolume, node: &Node) -> bool {
    let affinity = volume.spec.as_ref().and_then(|it| it.node_affinity.as_ref());
    let required = affinity.and_then(|it| it.required.as_ref());
    required.is_none_or(|it| it.node_selector_terms.iter().any(|term| matches_term(term, node)))
}

fn volume_name(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref().filter(|it| !it.is_empty())
}
