//! Persistent volumes and claims: which claim has which volume, the built-in provisioner, and growth.
//!
//! A binding has two ends and is made in one order: the volume names the claim (with its uid), then the claim names the
//! volume, then each says so in its status. Wherever that stops, the next plan goes on. A volume is never given to
//! another claim than the one whose uid it names. A claim whose class waits for its first consumer gets a volume once
//! the scheduler has said on which node, and the volume stays there.

mod binding;
mod class;
mod growth;
mod protection;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::owners::{is_deleting, uid};
use crate::plan::{Event, Plan, Write};
use binding::{bound_claim, bound_volume, fits, is_anywhere, provisioned, reserved};
use class::{Binding, binding, of_class};
pub use class::{SELECTED_NODE, default_class, the_default, waits_for_consumer};
use growth::grown;
pub use protection::{ProtectionSnapshot, claim_names, plan_protection, uses};
use protection::{VOLUME_FINALIZER, guarded};

/// The driver of the volumes that are made here: folders of the cluster's own, which the node keeps by the claim's uid.
pub const DRIVER: &str = "folder.endstate.dev";
/// Who made a volume.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Keeps a volume that was made here until its folder is gone, or is left to whoever retains it.
pub const FOLDER_FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";

/// What the plan for a claim may look at.
pub struct ClaimSnapshot<'a> {
    pub claim: &'a Arc<PersistentVolumeClaim>,
    pub volumes: &'a [Arc<PersistentVolume>],
    /// The class that the claim names, if there is such a class.
    pub class: Option<&'a StorageClass>,
    /// The class of claims that name none, if there is one.
    pub default_class: Option<&'a str>,
}

/// What the plan for a volume may look at.
pub struct VolumeSnapshot<'a> {
    pub volume: &'a Arc<PersistentVolume>,
    /// The claim of the namespace and name that the volume names.
    pub claim: Option<&'a Arc<PersistentVolumeClaim>>,
}

/// Finds or makes the claim's volume, and binds the two.
pub fn plan_claim(snapshot: &ClaimSnapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let claim = snapshot.claim;
    if is_deleting(&claim.metadata) {
        return plan;
    }
    let named =
        claim.spec.as_ref().and_then(|it| it.volume_name.as_deref()).filter(|it| !it.is_empty());
    match named {
        Some(name) => {
            let volume =
                snapshot.volumes.iter().find(|it| it.metadata.name.as_deref() == Some(name));
            follow(&mut plan, snapshot, volume);
        }
        None => find(&mut plan, snapshot),
    }
    plan
}

/// The claim names a volume: make the volume name it too, then say that they are bound.
fn follow(plan: &mut Plan, snapshot: &ClaimSnapshot<'_>, volume: Option<&Arc<PersistentVolume>>) {
    let claim = snapshot.claim;
    let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
    let wanted = match volume {
        Some(volume) if is_for(volume, claim) => match volume_claim_uid(volume) {
            Some(_) => match grown(volume, claim, snapshot.class) {
                Some(larger) => {
                    let done = Event::normal("VolumeResizeSuccessful", "Resize volume succeeded");
                    let write = Write::update(volume, larger);
                    return plan.announce(write, done, "VolumeResizeFailed");
                }
                None => bound_claim(claim, volume, "Bound"),
            },
            None => return plan.push(Write::update(volume, reserved(volume, claim))),
        },
        // Its data is gone, or somebody else's: never another volume in its place.
        None if phase == Some("Bound") => bound_claim_without(claim, "Lost"),
        _ => bound_claim_without(claim, if phase == Some("Lost") { "Lost" } else { "Pending" }),
    };
    if wanted.status != claim.status {
        plan.push(Write::update_status(claim, wanted));
    }
}

fn bound_claim_without(claim: &Arc<PersistentVolumeClaim>, phase: &str) -> PersistentVolumeClaim {
    let mut wanted = PersistentVolumeClaim::clone(claim);
    wanted.status.get_or_insert_default().phase = Some(phase.to_owned());
    wanted
}

/// The claim names no volume: one that names it, one that fits, or a new one.
fn find(plan: &mut Plan, snapshot: &ClaimSnapshot<'_>) {
    let claim = snapshot.claim;
    if let (None, Some(class)) = (class::name(claim), snapshot.default_class) {
        // As on Kubernetes, where a class that becomes the default is the class of claims that wait.
        return plan.push(Write::update(claim, of_class(claim, class)));
    }
    let mut volumes: Vec<_> =
        snapshot.volumes.iter().filter(|it| !is_deleting(&it.metadata)).collect();
    volumes.sort_by_key(|it| (binding::capacity(it), it.metadata.name.clone()));
    if let Some(volume) = volumes.iter().find(|it| names(it, claim)) {
        return match volume_claim_uid(volume) {
            Some(_) => plan.push(Write::update(claim, bound_volume(claim, volume))),
            None => plan.push(Write::update(volume, reserved(volume, claim))),
        };
    }
    let node = match binding(claim, snapshot.class) {
        Binding::Anywhere => None,
        Binding::On(node) => Some(node),
        Binding::Waits => {
            let note = "waiting for first consumer to be created before binding";
            plan.notices.push(Event::normal("WaitForFirstConsumer", note));
            return wait(plan, claim);
        }
    };
    let may_have = |it: &PersistentVolume| node.is_none() || is_anywhere(it);
    if let Some(volume) = volumes.iter().find(|it| fits(it, claim) && may_have(it)) {
        return plan.push(Write::update(volume, reserved(volume, claim)));
    }
    match class::provisioning(claim, snapshot.class) {
        Ok(()) => {
            let volume = provisioned(claim, snapshot.class, node);
            let name = crate::owners::name(&volume.metadata);
            let note = format!("Successfully provisioned volume {name}");
            let done = Event::normal("ProvisioningSucceeded", note);
            plan.announce(Write::create(volume), done, "ProvisioningFailed");
        }
        Err(why) => {
            plan.notices.push(why);
            wait(plan, claim);
        }
    }
}

fn wait(plan: &mut Plan, claim: &Arc<PersistentVolumeClaim>) {
    let wanted = bound_claim_without(claim, "Pending");
    if wanted.status != claim.status {
        plan.push(Write::update_status(claim, wanted));
    }
}

/// Says how the volume stands; removes one that was made for a claim that is gone. A volume that is being deleted stays
/// while its claim is there.
pub fn plan_volume(snapshot: &VolumeSnapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let volume = snapshot.volume;
    let is_claims = |claimed: &str| snapshot.claim.is_some_and(|it| uid(&it.metadata) == claimed);
    let is_used = || volume_claim_uid(volume).is_some_and(is_claims);
    if let Some(wanted) = guarded(&**volume, VOLUME_FINALIZER, is_used) {
        plan.push(Write::update(volume, wanted));
        return plan;
    }
    if is_deleting(&volume.metadata) {
        return plan;
    }
    let spec = volume.spec.clone().unwrap_or_default();
    let phase = match volume_claim_uid(volume) {
        None => "Available",
        Some(claimed) if is_claims(claimed) => "Bound",
        Some(_) => {
            let is_ours =
                crate::labels::annotation(&volume.metadata, PROVISIONED_BY) == Some(DRIVER);
            if is_ours && spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete") {
                plan.push(Write::delete(volume));
                return plan;
            }
            "Released"
        }
    };
    if volume.status.as_ref().and_then(|it| it.phase.as_deref()) != Some(phase) {
        let mut wanted = PersistentVolume::clone(volume);
        wanted.status.get_or_insert_default().phase = Some(phase.to_owned());
        plan.push(Write::update_status(volume, wanted));
    }
    plan
}

fn claim_reference(volume: &PersistentVolume) -> Option<&ObjectReference> {
    volume.spec.as_ref()?.claim_ref.as_ref()
}

fn volume_claim_uid(volume: &PersistentVolume) -> Option<&str> {
    claim_reference(volume)?.uid.as_deref().filter(|it| !it.is_empty())
}

/// Whether the volume is reserved for the claim, by uid or, where a user wrote it, by name.
fn names(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    claim_reference(volume).is_some_and(|it| {
        let is_named = it.namespace == claim.metadata.namespace && it.name == claim.metadata.name;
        is_named && volume_claim_uid(volume).is_none_or(|it| it == uid(&claim.metadata))
    })
}

/// Whether the claim may have the volume.
fn is_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    claim_reference(volume).is_none() || names(volume, claim)
}

#[cfg(test)]
mod tests;
