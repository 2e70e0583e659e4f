//! What belongs to a number: the pod's name, labels and host name, and the claims.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::{Metadata, Resource};

use super::REVISION;
use crate::owners::{controller_reference, name, uid};
use crate::pods;

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The number of a pod that is named after the set.
pub(super) fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let digits = name(&pod.metadata).strip_prefix(name(&set.metadata))?.strip_prefix('-')?;
    // `web-01` and `web-+1` are nobody's.
    let number: i32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

pub(super) fn pod_name(set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{ordinal}", name(&set.metadata))
}

/// The pod of a number, of a revision's template.
pub(super) fn pod(
    set: &StatefulSet,
    template: &PodTemplateSpec,
    ordinal: i32,
    revision: &str,
) -> Pod {
    let mut pod =
        pods::from_template(template, set.metadata.namespace.as_deref(), controller_reference(set));
    let name = pod_name(set, ordinal);
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name.clone());
    labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
    labels.insert(REVISION.to_owned(), revision.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name.clone());
    spec.subdomain = set.spec.as_ref().and_then(|it| it.service_name.clone());
    let volumes = spec.volumes.get_or_insert_default();
    for template in templates(set) {
        let volume = crate::owners::name(&template.metadata);
        volumes.retain(|it| it.name != volume);
        let source = PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(set, template, ordinal),
            read_only: Some(false),
        };
        volumes.push(Volume {
            name: volume.to_owned(),
            persistent_volume_claim: Some(source),
            ..Default::default()
        });
    }
    pod.metadata.name = Some(name);
    pod
}

fn templates(set: &StatefulSet) -> &[PersistentVolumeClaim] {
    set.spec.as_ref().and_then(|it| it.volume_claim_templates.as_deref()).unwrap_or_default()
}

fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", name(&template.metadata), name(&set.metadata))
}

/// Whether a claim of this name is one of the set's.
pub fn is_claim_of(set: &StatefulSet, claim: &str) -> bool {
    templates(set).iter().any(|template| {
        let prefix = format!("{}-{}-", name(&template.metadata), name(&set.metadata));
        claim.strip_prefix(&prefix).is_some_and(|it| it.parse::<i32>().is_ok())
    })
}

/// The claims of a number, as they are made.
pub(super) fn claims(
    set: &StatefulSet,
    ordinal: i32,
) -> impl Iterator<Item = PersistentVolumeClaim> {
    templates(set).iter().map(move |template| {
        let mut claim = template.clone();
        claim.metadata.name = Some(claim_name(set, template, ordinal));
        claim.metadata.namespace.clone_from(&set.metadata.namespace);
        let selector =
            set.spec.as_ref().and_then(|it| it.selector.match_labels.clone()).unwrap_or_default();
        claim.metadata.labels.get_or_insert_default().extend(selector);
        claim.status = None;
        claim
    })
}

/// Who a claim goes with: the set if claims are deleted with it, the pod if they are deleted when it is scaled away.
pub(super) fn claim_owners(
    set: &StatefulSet,
    pod: &Pod,
    is_condemned: bool,
) -> Vec<OwnerReference> {
    let policy =
        set.spec.as_ref().and_then(|it| it.persistent_volume_claim_retention_policy.as_ref());
    let deletes = |when: Option<&String>| when.is_some_and(|it| it == "Delete");
    let with_pod = is_condemned && deletes(policy.and_then(|it| it.when_scaled.as_ref()));
    let with_set = !with_pod && deletes(policy.and_then(|it| it.when_deleted.as_ref()));
    let mut owners = vec![];
    if with_set {
        owners.push(controller_reference(set));
    }
    if with_pod && pod.metadata.uid.is_some() {
        owners.push(OwnerReference {
            controller: None,
            block_owner_deletion: None,
            ..plain_reference(pod)
        });
    }
    owners
}

fn plain_reference(pod: &Pod) -> OwnerReference {
    OwnerReference {
        api_version: Pod::API_VERSION.to_owned(),
        kind: Pod::KIND.to_owned(),
        name: name(pod.metadata()).to_owned(),
        uid: uid(pod.metadata()).to_owned(),
        ..Default::default()
    }
}
