//! Persistent volumes and claims.

use std::sync::Arc;

use controllers::{Plan, volume};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine) {
    let claims = engine.cache::<PersistentVolumeClaim>();
    let volumes = engine.cache::<PersistentVolume>();
    let classes = engine.cache::<StorageClass>();
    let (waiting, of_class) = (claims.clone(), claims.clone());
    engine
        .add(
            "claim",
            Shell::new(Claims { volumes: volumes.clone(), classes: classes.clone() }, &claims),
        )
        .watches(&claims)
        .reports_as("persistentvolume-controller")
        .maps(&volumes, move |volume| {
            claim_of(volume).map_or_else(|| unbound(&waiting), |it| vec![it])
        })
        .maps(&classes, move |_| unbound(&of_class));
    engine
        .add("volume", Shell::new(Volumes { claims: claims.clone() }, &volumes))
        .watches(&volumes)
        .reports_as("persistentvolume-controller")
        .maps(&claims, |claim| {
            let volume = claim.spec.as_ref().and_then(|it| it.volume_name.as_deref());
            volume.map(ObjectKey::cluster).into_iter().collect()
        });
    let pods = engine.cache::<Pod>();
    let leaving = claims.clone();
    engine
        .add("claim-protection", Shell::new(Protection { pods: pods.clone() }, &claims))
        .watches(&claims)
        .reports_as("pvc-protection-controller")
        .maps(&pods, move |pod| leaving_claims(&leaving, pod));
}

/// The claims of a pod that wait for it.
fn leaving_claims(claims: &Cache<PersistentVolumeClaim>, pod: &Pod) -> Vec<ObjectKey> {
    let key = |name: String| ObjectKey::new(pod.metadata.namespace.as_deref(), &name);
    let is_leaving = |key: &ObjectKey| {
        claims.get(key).is_some_and(|it| it.metadata.deletion_timestamp.is_some())
    };
    volume::claim_names(pod).map(key).filter(is_leaving).collect()
}

fn claim_of(volume: &PersistentVolume) -> Option<ObjectKey> {
    let claim = volume.spec.as_ref()?.claim_ref.as_ref()?;
    Some(ObjectKey::new(claim.namespace.as_deref(), claim.name.as_deref()?))
}

/// The claims that a new volume may serve.
fn unbound(claims: &Cache<PersistentVolumeClaim>) -> Vec<ObjectKey> {
    let is_unbound = |it: &&Arc<PersistentVolumeClaim>| {
        it.spec.as_ref().is_some_and(|it| it.volume_name.as_ref().is_none_or(String::is_empty))
    };
    claims.list().iter().filter(is_unbound).map(|it| ObjectKey::of(&**it)).collect()
}

struct Claims {
    volumes: Cache<PersistentVolume>,
    classes: Cache<StorageClass>,
}

impl Controller for Claims {
    type Kind = PersistentVolumeClaim;

    fn plan(&self, look: &Look<'_, PersistentVolumeClaim>) -> Plan {
        let class = look.object.spec.as_ref().and_then(|it| it.storage_class_name.as_deref());
        let class = class.and_then(|it| self.classes.get(&ObjectKey::cluster(it)));
        let classes = self.classes.list();
        let default = volume::the_default(classes.iter().map(|it| &**it));
        volume::plan_claim(&volume::ClaimSnapshot {
            claim: look.object,
            volumes: &self.volumes.list(),
            class: class.as_deref(),
            default_class: default.and_then(|it| it.metadata.name.as_deref()),
        })
    }
}

struct Protection {
    pods: Cache<Pod>,
}

impl Controller for Protection {
    type Kind = PersistentVolumeClaim;

    fn plan(&self, look: &Look<'_, PersistentVolumeClaim>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        volume::plan_protection(&volume::ProtectionSnapshot {
            claim: look.object,
            pods: &self.pods.in_namespace(namespace),
        })
    }
}

struct Volumes {
    claims: Cache<PersistentVolumeClaim>,
}

impl Controller for Volumes {
    type Kind = PersistentVolume;

    fn plan(&self, look: &Look<'_, PersistentVolume>) -> Plan {
        let claim = claim_of(look.object).and_then(|it| self.claims.get(&it));
        volume::plan_volume(&volume::VolumeSnapshot { volume: look.object, claim: claim.as_ref() })
    }
}
