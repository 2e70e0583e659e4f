//! The revisions of a set's template, each kept as an object.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};

use super::{REVISION, Snapshot, View};
use crate::labels::label;
use crate::owners::{controller_reference, is_deleting, name};
use crate::plan::{Plan, Write};

const HASH: &str = "controller.kubernetes.io/hash";

/// The revision that pods had, and the one that they get.
pub(super) struct Revisions {
    pub(super) current: Arc<ControllerRevision>,
    pub(super) update: Arc<ControllerRevision>,
}

impl Revisions {
    pub(super) fn is_rolling(&self) -> bool {
        name(&self.current.metadata) != name(&self.update.metadata)
    }
}

/// Finds the two; `None` if one must be written first.
pub(super) fn settle(
    plan: &mut Plan,
    snapshot: &Snapshot<'_>,
    mine: &[Arc<ControllerRevision>],
) -> Option<Revisions> {
    let set = &**snapshot.set;
    let wanted = set.spec.as_ref().map(|it| &it.template);
    let highest = mine.iter().map(|it| it.revision).max().unwrap_or(0);
    let equal = mine.iter().filter(|it| template(it).as_ref() == wanted);
    let Some(update) = equal.max_by_key(|it| it.revision) else {
        if !is_deleting(&set.metadata) {
            create(plan, snapshot, data_of(set), highest + 1);
        }
        return None;
    };
    if update.revision < highest && !is_deleting(&set.metadata) {
        // Back to an earlier template: it becomes the newest.
        let wanted =
            ControllerRevision { revision: highest + 1, ..ControllerRevision::clone(update) };
        plan.push(Write::update(update, wanted));
        return None;
    }
    let named = set.status.as_ref().and_then(|it| it.current_revision.as_deref());
    let current = mine.iter().find(|it| Some(name(&it.metadata)) == named).unwrap_or(update);
    Some(Revisions { current: current.clone(), update: update.clone() })
}

fn create(plan: &mut Plan, snapshot: &Snapshot<'_>, data: Value, revision: i64) {
    let set = &**snapshot.set;
    // A name that is taken by another template is avoided by counting on.
    let is_free = |name: &String| {
        !snapshot.revisions.iter().any(|it| it.metadata.name.as_ref() == Some(name))
    };
    let hashes = (0..=i32::MAX)
        .map(|collisions| crate::deployment::hash_of_text(&data.to_string(), collisions));
    let Some((hash, name)) = hashes
        .map(|hash| (hash.clone(), format!("{}-{hash}", name(&set.metadata))))
        .find(|(_, name)| is_free(name))
    else {
        return;
    };
    let template = set.spec.as_ref().and_then(|it| it.template.metadata.as_ref());
    let mut labels = template.and_then(|it| it.labels.clone()).unwrap_or_default();
    labels.insert(HASH.to_owned(), hash);
    plan.push(Write::create(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controller_reference(set)]),
            ..Default::default()
        },
        data: Some(RawExtension(data)),
        revision,
    }));
}

/// What a revision remembers, in the form that `kubectl rollout undo` sends as a patch.
fn data_of(set: &StatefulSet) -> Value {
    let mut template = set.spec.as_ref().map(|it| json!(it.template)).unwrap_or_default();
    template["$patch"] = "replace".into();
    json!({ "spec": { "template": template } })
}

/// The template that a revision remembers.
pub(super) fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template = &revision.data.as_ref()?.0["spec"]["template"];
    serde_json::from_value(template.clone()).ok()
}

/// The revision's name as pods carry it.
pub(super) fn of_pod(meta: &ObjectMeta) -> Option<&str> {
    label(meta, REVISION)
}

/// Deletes the oldest revisions beyond the limit that no pod was made of.
pub(super) fn forget_old(plan: &mut Plan, view: &View<'_>, mine: &[Arc<ControllerRevision>]) {
    let is_used = |it: &&Arc<ControllerRevision>| {
        let name = name(&it.metadata);
        [&view.revisions.current, &view.revisions.update]
            .iter()
            .any(|it| super::name(&it.metadata) == name)
            || view.pods().any(|pod| of_pod(&pod.metadata) == Some(name))
    };
    let mut unused: Vec<_> = mine.iter().filter(|it| !is_used(it)).collect();
    unused.sort_by_key(|it| (it.revision, name(&it.metadata).to_owned()));
    let limit = usize::try_from(view.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let excess = unused.len().saturating_sub(limit);
    unused.into_iter().take(excess).for_each(|it| plan.push(Write::delete(it)));
}
