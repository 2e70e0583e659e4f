//! Growth of volumes, as far as a folder can grow: it is as large as its disk, so the size is a number.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;

use super::binding::{STORAGE, capacity, requested, wanted_size};
use super::{DRIVER, PROVISIONED_BY};
use crate::labels::annotation;

/// The volume as large as its claim asks, if it is smaller and its class lets volumes grow.
pub(super) fn grown(
    volume: &PersistentVolume,
    claim: &PersistentVolumeClaim,
    class: Option<&StorageClass>,
) -> Option<PersistentVolume> {
    let is_ours = annotation(&volume.metadata, PROVISIONED_BY) == Some(DRIVER);
    let may_grow = class.is_some_and(|it| it.allow_volume_expansion == Some(true));
    if !is_ours || !may_grow || wanted_size(claim) <= capacity(volume) {
        return None;
    }
    let mut larger = volume.clone();
    let size = requested(claim)?.clone();
    let capacity = &mut larger.spec.get_or_insert_default().capacity;
    capacity.get_or_insert_default().insert(STORAGE.to_owned(), size);
    Some(larger)
}
