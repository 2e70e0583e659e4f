//! ReplicaSets as a deployment sees them: templates, hashes, revisions.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{DESIRED, MAX, REVISION};
use crate::labels::{annotate, annotation};
use crate::owners::{controller_reference, name};

/// Tells the pods of one template from those of others.
pub const HASH_LABEL: &str = "pod-template-hash";

/// What `kubectl apply` leaves on a deployment must not travel to its sets.
const NOT_COPIED: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAX,
];

pub(super) fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1)
}

pub(super) fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|it| it.available_replicas).unwrap_or(0)
}

/// How many pods its status counts.
pub(super) fn running(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |it| it.replicas)
}

/// An annotation that is a number.
pub(super) fn number(set: &ReplicaSet, key: &str) -> Option<i32> {
    annotation(&set.metadata, key)?.parse().ok()
}

/// Whether a set has a template, the hash label aside.
pub(super) fn has_template(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let present = set.spec.as_ref().and_then(|it| it.template.clone()).unwrap_or_default();
    plain(present) == plain(template.clone())
}

fn plain(mut template: PodTemplateSpec) -> PodTemplateSpec {
    let mut meta = template.metadata.take().unwrap_or_default();
    let mut labels = meta.labels.take().unwrap_or_default();
    labels.remove(HASH_LABEL);
    meta.labels = Some(labels);
    meta.annotations = Some(meta.annotations.unwrap_or_default());
    // Server-set fields of no meaning in a template.
    meta.creation_timestamp = None;
    PodTemplateSpec { metadata: Some(meta), spec: template.spec }
}

/// The hash of a template. `collisions` makes another one when a name is taken.
pub(super) fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    hash_of_text(&serde_json::to_string(&plain(template.clone())).unwrap_or_default(), collisions)
}

/// A short hash in letters that make no words.
pub fn hash_of_text(text: &str, collisions: i32) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.bytes().chain(collisions.to_le_bytes().into_iter().filter(|_| collisions != 0))
    {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string()
        .bytes()
        .map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()]))
        .collect()
}

/// The set for the deployment's current template, without replicas yet.
pub(super) fn make(deployment: &Deployment, revision: i64) -> ReplicaSet {
    let spec = deployment.spec.clone().unwrap_or_default();
    let collisions = deployment.status.as_ref().and_then(|it| it.collision_count).unwrap_or(0);
    let hash = hash(&spec.template, collisions);
    let mut template = spec.template;
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH_LABEL.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = spec.selector;
    selector.match_labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.clone());
    let annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    let mut metadata = ObjectMeta {
        name: Some(format!("{}-{hash}", name(&deployment.metadata))),
        namespace: deployment.metadata.namespace.clone(),
        labels: Some(labels),
        annotations: Some(
            annotations
                .into_iter()
                .filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))
                .collect(),
        ),
        owner_references: Some(vec![controller_reference(deployment)]),
        ..Default::default()
    };
    annotate(&mut metadata, REVISION, revision.to_string());
    let spec = ReplicaSetSpec {
        replicas: Some(0),
        min_ready_seconds: spec.min_ready_seconds,
        selector,
        template: Some(template),
    };
    ReplicaSet { metadata, spec: Some(spec), status: None }
}

/// The set with the deployment's sizes noted on it, which proportional scaling needs later.
pub(super) fn annotated(set: &Arc<ReplicaSet>, desired: i32, max: i32) -> ReplicaSet {
    let mut wanted = ReplicaSet::clone(set);
    annotate(&mut wanted.metadata, DESIRED, desired.to_string());
    annotate(&mut wanted.metadata, MAX, max.to_string());
    wanted
}
