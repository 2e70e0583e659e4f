//! What a claim's class says: where and when its volume is made, and by whom.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::DRIVER;
use crate::labels::{annotate, annotation};
use crate::owners::name as name_of;
use crate::plan::Event;

/// The annotation by which the scheduler says on which node a claim's first consumer will be.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// When and where a volume is made.
pub(super) enum Binding<'a> {
    /// At once, and for every node.
    Anywhere,
    /// On a node.
    On(&'a str),
    /// Once a pod is there that says where.
    Waits,
}

pub(super) fn binding<'a>(
    claim: &'a PersistentVolumeClaim,
    class: Option<&StorageClass>,
) -> Binding<'a> {
    match annotation(&claim.metadata, SELECTED_NODE) {
        _ if !class.is_some_and(waits_for_consumer) => Binding::Anywhere,
        Some(node) => Binding::On(node),
        None => Binding::Waits,
    }
}

/// Whether claims of a class get their volume only when a pod needs it.
pub fn waits_for_consumer(class: &StorageClass) -> bool {
    class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

/// The class that a claim names. The empty one means: no class, only volumes that somebody made.
pub(super) fn name(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref()
}

/// The claim, of a class.
pub(super) fn of_class(claim: &Arc<PersistentVolumeClaim>, class: &str) -> PersistentVolumeClaim {
    let mut wanted = PersistentVolumeClaim::clone(claim);
    wanted.spec.get_or_insert_default().storage_class_name = Some(class.to_owned());
    wanted
}

/// Whether a volume for a claim is made here; otherwise what to tell its user.
pub(super) fn provisioning(
    claim: &PersistentVolumeClaim,
    class: Option<&StorageClass>,
) -> Result<(), Event> {
    let failed = |why: String| Err(Event::warning("ProvisioningFailed", why));
    match (name(claim), class) {
        (Some(""), _) => {
            let why = "no persistent volumes available for this claim and no storage class is set";
            return Err(Event::normal("FailedBinding", why));
        }
        (Some(name), None) => {
            return failed(format!("storageclass.storage.k8s.io {name:?} not found"));
        }
        (Some(_), Some(class)) if class.provisioner != DRIVER => {
            let why = format!(
                "Waiting for a volume to be created either by the external provisioner '{}' or manually by the \
                 system administrator. If volume creation is delayed, please verify that the provisioner is \
                 running and correctly registered.",
                class.provisioner
            );
            return Err(Event::normal("ExternalProvisioning", why));
        }
        // A cluster without a default class: folders serve.
        (None, _) | (Some(_), Some(_)) => {}
    }
    let Some(spec) = &claim.spec else { return Ok(()) };
    if spec.selector.is_some() {
        return failed("claim.Spec.Selector is not supported by the provisioner".to_owned());
    }
    if spec.volume_mode.as_deref() == Some("Block") {
        return failed("volumes of mode Block cannot be provisioned: they are folders".to_owned());
    }
    Ok(())
}

/// Of the classes that say they are the default the newest, and of those as new the first by name.
pub fn the_default<'a>(
    classes: impl Iterator<Item = &'a StorageClass>,
) -> Option<&'a StorageClass> {
    let defaults = classes.filter(|it| annotation(&it.metadata, IS_DEFAULT) == Some("true"));
    defaults.min_by_key(|it| {
        let made = it.metadata.creation_timestamp.as_ref().map(|it| it.0);
        (std::cmp::Reverse(made), name_of(&it.metadata).to_owned())
    })
}

/// The class that an embedded cluster starts with: folders on the node of the pod that first uses the claim.
pub fn default_class() -> StorageClass {
    let mut metadata = ObjectMeta { name: Some("standard".to_owned()), ..ObjectMeta::default() };
    annotate(&mut metadata, IS_DEFAULT, "true");
    StorageClass {
        metadata,
        provisioner: DRIVER.to_owned(),
        reclaim_policy: Some("Delete".to_owned()),
        volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
        allow_volume_expansion: Some(true),
        ..StorageClass::default()
    }
}
