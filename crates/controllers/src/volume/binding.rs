//! What fits a claim, and the objects as a binding leaves them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, VolumeNodeAffinity,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{DRIVER, FOLDER_FINALIZER, PROVISIONED_BY, claim_reference};
use crate::labels::{Selector, annotate, annotation};
use crate::owners::{reference, uid};

pub(super) const STORAGE: &str = "storage";

/// The size of a volume, in billionths of a byte.
pub(super) fn capacity(volume: &PersistentVolume) -> i128 {
    size(volume.spec.as_ref().and_then(|it| it.capacity.as_ref()?.get(STORAGE)))
}

/// The size that a claim asks for, in billionths of a byte.
pub(super) fn wanted_size(claim: &PersistentVolumeClaim) -> i128 {
    size(requested(claim))
}

pub(super) fn requested(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get(STORAGE)
}

fn size(quantity: Option<&Quantity>) -> i128 {
    quantity
        .and_then(|it| machinery::quantity::Quantity::parse(&it.0).ok())
        .map_or(0, |it| it.nanos())
}

/// Whether an unclaimed volume can serve a claim.
pub(super) fn fits(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let (Some(has), Some(wants)) = (&volume.spec, &claim.spec) else { return false };
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let mode = |it: &Option<String>| it.clone().unwrap_or_else(|| "Filesystem".to_owned());
    let modes = has.access_modes.clone().unwrap_or_default();
    let is_selected =
        wants.selector.as_ref().is_none_or(|it| Selector::new(it).matches_meta(&volume.metadata));
    claim_reference(volume).is_none()
        && text(&has.storage_class_name) == text(&wants.storage_class_name)
        && mode(&has.volume_mode) == mode(&wants.volume_mode)
        && wants.access_modes.iter().flatten().all(|it| modes.contains(it))
        && capacity(volume) >= wanted_size(claim)
        && is_selected
}

/// Whether a volume can be used on every node.
pub(super) fn is_anywhere(volume: &PersistentVolume) -> bool {
    volume.spec.as_ref().is_none_or(|it| it.node_affinity.is_none())
}

/// The volume, reserved for the claim.
pub(super) fn reserved(
    volume: &Arc<PersistentVolume>,
    claim: &PersistentVolumeClaim,
) -> PersistentVolume {
    let mut wanted = PersistentVolume::clone(volume);
    wanted.spec.get_or_insert_default().claim_ref = Some(claim_of(claim));
    wanted
}

fn claim_of(claim: &PersistentVolumeClaim) -> k8s_openapi::api::core::v1::ObjectReference {
    let mut reference = reference(claim);
    reference.api_version = Some("v1".to_owned());
    reference
}

/// The claim, with its volume.
pub(super) fn bound_volume(
    claim: &Arc<PersistentVolumeClaim>,
    volume: &PersistentVolume,
) -> PersistentVolumeClaim {
    let mut wanted = PersistentVolumeClaim::clone(claim);
    wanted.spec.get_or_insert_default().volume_name.clone_from(&volume.metadata.name);
    annotate(&mut wanted.metadata, "pv.kubernetes.io/bind-completed", "yes");
    annotate(&mut wanted.metadata, "pv.kubernetes.io/bound-by-controller", "yes");
    if let Some(provisioner) = annotation(&volume.metadata, PROVISIONED_BY) {
        annotate(&mut wanted.metadata, "volume.kubernetes.io/storage-provisioner", provisioner);
    }
    wanted
}

/// The claim, saying what it has.
pub(super) fn bound_claim(
    claim: &Arc<PersistentVolumeClaim>,
    volume: &PersistentVolume,
    phase: &str,
) -> PersistentVolumeClaim {
    let mut wanted = PersistentVolumeClaim::clone(claim);
    let status = wanted.status.get_or_insert_default();
    let spec = volume.spec.clone().unwrap_or_default();
    status.phase = Some(phase.to_owned());
    status.access_modes = spec.access_modes;
    status.capacity = spec.capacity;
    wanted
}

/// A volume for the claim, as large as it asks, on a node if one is said. Its name is the claim's uid, so it is made
/// once. It stays until the node has removed the folder, or has seen that it is to be kept.
pub(super) fn provisioned(
    claim: &PersistentVolumeClaim,
    class: Option<&StorageClass>,
    node: Option<&str>,
) -> PersistentVolume {
    let spec = claim.spec.clone().unwrap_or_default();
    let size = requested(claim).cloned().unwrap_or_else(|| Quantity("1Gi".to_owned()));
    let mut metadata = ObjectMeta {
        name: Some(format!("pvc-{}", uid(&claim.metadata))),
        finalizers: Some(vec![FOLDER_FINALIZER.to_owned()]),
        ..Default::default()
    };
    annotate(&mut metadata, PROVISIONED_BY, DRIVER);
    let source = CSIPersistentVolumeSource {
        driver: DRIVER.to_owned(),
        volume_handle: uid(&claim.metadata).to_owned(),
        ..Default::default()
    };
    let policy = class.and_then(|it| it.reclaim_policy.clone());
    PersistentVolume {
        metadata,
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes,
            capacity: Some([(STORAGE.to_owned(), size)].into()),
            claim_ref: Some(claim_of(claim)),
            csi: Some(source),
            node_affinity: node.map(only_on),
            persistent_volume_reclaim_policy: policy.or_else(|| Some("Delete".to_owned())),
            storage_class_name: spec.storage_class_name,
            volume_mode: spec.volume_mode,
            ..Default::default()
        }),
        status: None,
    }
}

fn only_on(node: &str) -> VolumeNodeAffinity {
    let is_it = NodeSelectorRequirement {
        key: "kubernetes.io/hostname".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_expressions: Some(vec![is_it]), match_fields: None };
    VolumeNodeAffinity { required: Some(NodeSelector { node_selector_terms: vec![term] }) }
}
