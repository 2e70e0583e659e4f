//! Namespaces: deletion in order. Pods go first; what they may still need goes after them; then the namespace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The entry of `spec.finalizers` that this controller serves.
pub const FINALIZER: &str = "kubernetes";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub namespace: &'a Namespace,
    pub content: &'a [Content],
    /// `content` is known to be complete: it was read from the API, not from a cache.
    pub is_proven: bool,
    /// Why some resources could not be looked at.
    pub discovery_failure: Option<&'a str>,
    pub now: Timestamp,
}

/// The objects of one resource that a namespace holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// `deployments.apps`; `pods` in the core group.
    pub resource: String,
    pub objects: usize,
    /// How many of them have been asked to go.
    pub deleting: usize,
    /// How many objects each finalizer holds.
    pub finalizers: BTreeMap<String, usize>,
}

/// What to do about a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Resources whose objects are to be deleted, all of the namespace.
    pub delete: Vec<String>,
    /// Look whether there is really nothing left, and plan again.
    pub prove: bool,
    /// Take [`FINALIZER`] away.
    pub finalize: bool,
    /// Write this status.
    pub status: Option<Box<Namespace>>,
}

/// Plans the next step of a deletion. A namespace that stays needs nothing.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let namespace = snapshot.namespace;
    let mut plan = Plan::default();
    let finalizers =
        namespace.spec.as_ref().and_then(|it| it.finalizers.as_deref()).unwrap_or_default();
    if namespace.metadata.deletion_timestamp.is_none()
        || !finalizers.iter().any(|it| it == FINALIZER)
    {
        return plan;
    }
    let left: Vec<_> = snapshot.content.iter().filter(|it| it.objects > 0).collect();
    let pods = left.iter().find(|it| it.resource == "pods");
    let may_go: Vec<_> = match pods {
        Some(pods) => vec![*pods],
        None => left.clone(),
    };
    plan.delete =
        may_go.iter().filter(|it| it.deleting < it.objects).map(|it| it.resource.clone()).collect();
    plan.delete.sort();
    let is_empty = left.is_empty() && snapshot.discovery_failure.is_none();
    plan.finalize = is_empty && snapshot.is_proven;
    plan.prove = is_empty && !snapshot.is_proven;
    let status = status(snapshot, &left);
    if !plan.finalize && status.status != namespace.status {
        plan.status = Some(Box::new(status));
    }
    plan
}

fn status(snapshot: &Snapshot<'_>, left: &[&Content]) -> Namespace {
    let mut namespace = snapshot.namespace.clone();
    let status = namespace.status.get_or_insert_default();
    status.phase = Some("Terminating".to_owned());
    let conditions = status.conditions.get_or_insert_default();
    let failure = snapshot.discovery_failure;
    let remaining = remaining(left);
    let held = held(left);
    let set = [
        failure.map_or(
            (
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered".to_owned(),
            ),
            |why| ("NamespaceDeletionDiscoveryFailure", true, "DiscoveryFailed", why.to_owned()),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        remaining.map_or(
            (
                "NamespaceContentRemaining",
                false,
                "ContentRemoved",
                "All content successfully removed".to_owned(),
            ),
            |text| ("NamespaceContentRemaining", true, "SomeResourcesRemain", text),
        ),
        held.map_or(
            (
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".to_owned(),
            ),
            |text| ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", text),
        ),
    ];
    for (kind, holds, reason, message) in set {
        put(conditions, (kind, holds, reason, message), snapshot.now);
    }
    namespace
}

fn remaining(left: &[&Content]) -> Option<String> {
    let mut parts: Vec<_> = left
        .iter()
        .map(|it| format!("{} has {} resource instances", it.resource, it.objects))
        .collect();
    parts.sort();
    (!parts.is_empty()).then(|| format!("Some resources are remaining: {}", parts.join(", ")))
}

fn held(left: &[&Content]) -> Option<String> {
    let mut by_finalizer: BTreeMap<&str, usize> = BTreeMap::new();
    for (finalizer, count) in left.iter().flat_map(|it| &it.finalizers) {
        *by_finalizer.entry(finalizer).or_default() += count;
    }
    let parts: Vec<_> = by_finalizer
        .iter()
        .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
        .collect();
    (!parts.is_empty()).then(|| {
        format!("Some content in the namespace has finalizers remaining: {}", parts.join(", "))
    })
}

fn put(
    conditions: &mut Vec<NamespaceCondition>,
    (kind, holds, reason, message): (&str, bool, &str, String),
    now: Timestamp,
) {
    let status = if holds { "True" } else { "False" };
    let at = conditions.iter().position(|it| it.type_ == kind);
    let old = at.map(|at| &conditions[at]);
    let since = old.filter(|it| it.status == status).and_then(|it| it.last_transition_time.clone());
    let condition = NamespaceCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(since.unwrap_or(Time(now))),
    };
    match at {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminating() -> Namespace {
        let mut namespace = Namespace::default();
        namespace.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        namespace.spec.get_or_insert_default().finalizers = Some(vec![FINALIZER.into()]);
        namespace
    }

    fn content(resource: &str, objects: usize, deleting: usize) -> Content {
        Content { resource: resource.into(), objects, deleting, finalizers: BTreeMap::new() }
    }

    fn planned(namespace: &Namespace, content: &[Content], is_proven: bool) -> Plan {
        let now = Timestamp::UNIX_EPOCH;
        plan(&Snapshot { namespace, content, is_proven, discovery_failure: None, now })
    }

    #[test]
    fn pods_go_first_and_nothing_is_asked_twice() {
        let namespace = terminating();
        let all =
            [content("secrets", 2, 0), content("pods", 1, 0), content("deployments.apps", 1, 1)];
        assert_eq!(planned(&namespace, &all, false).delete, ["pods"]);
        let all = [content("secrets", 2, 0), content("pods", 1, 1)];
        assert!(planned(&namespace, &all, false).delete.is_empty());
        let all = [content("secrets", 2, 0), content("deployments.apps", 1, 1)];
        assert_eq!(planned(&namespace, &all, false).delete, ["secrets"]);
    }

    #[test]
    fn emptiness_is_proven_before_the_end() {
        let namespace = terminating();
        assert!(planned(&namespace, &[], false).prove);
        assert!(!planned(&namespace, &[], false).finalize);
        assert!(planned(&namespace, &[], true).finalize);
        let blind = Snapshot {
            namespace: &namespace,
            content: &[],
            is_proven: true,
            discovery_failure: Some("metrics.k8s.io/v1beta1 does not answer"),
            now: Timestamp::UNIX_EPOCH,
        };
        assert!(!plan(&blind).finalize, "what cannot be seen may be there");
    }

    #[test]
    fn the_status_is_written_once() {
        let mut namespace = terminating();
        let all = [content("pods", 1, 1)];
        let first = planned(&namespace, &all, false);
        namespace = *first.status.unwrap();
        assert!(planned(&namespace, &all, false).status.is_none());
    }

    #[test]
    fn a_namespace_that_stays_needs_nothing() {
        assert_eq!(planned(&Namespace::default(), &[content("pods", 1, 0)], true), Plan::default());
    }
}
