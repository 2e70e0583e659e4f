//! What fits a claim, and the objects as a binding leaves them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{DRIVER, PROVISIONED_BY, claim_reference};
use crate::labels::{Selector, annotate};
use crate::owners::{reference, uid};

const STORAGE: &str = "storage";

/// The size of a volume, in billionths of a byte.
pub(super) fn capacity(volume: &PersistentVolume) -> i128 {
    size(volume.spec.as_ref().and_then(|it| it.capacity.as_ref()?.get(STORAGE)))
}

fn wanted_size(claim: &PersistentVolumeClaim) -> i128 {
    let resources = claim.spec.as_ref().and_then(|it| it.resources.as_ref());
    size(resources.and_then(|it| it.requests.as_ref()?.get(STORAGE)))
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

/// A volume for the claim, as large as it asks. Its name is the claim's uid, so it is made once.
pub(super) fn provisioned(claim: &PersistentVolumeClaim) -> PersistentVolume {
    let spec = claim.spec.clone().unwrap_or_default();
    let requests = spec.resources.and_then(|it| it.requests).unwrap_or_default();
    let size = requests.get(STORAGE).cloned().unwrap_or_else(|| Quantity("1Gi".to_owned()));
    let mut metadata =
        ObjectMeta { name: Some(format!("pvc-{}", uid(&claim.metadata))), ..Default::default() };
    annotate(&mut metadata, PROVISIONED_BY, DRIVER);
    let source = CSIPersistentVolumeSource {
        driver: DRIVER.to_owned(),
        volume_handle: uid(&claim.metadata).to_owned(),
        ..Default::default()
    };
    PersistentVolume {
        metadata,
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes,
            capacity: Some([(STORAGE.to_owned(), size)].into()),
            claim_ref: Some(claim_of(claim)),
            csi: Some(source),
            persistent_volume_reclaim_policy: Some("Delete".to_owned()),
            storage_class_name: spec.storage_class_name,
            volume_mode: spec.volume_mode,
            ..Default::default()
        }),
        status: None,
    }
}
