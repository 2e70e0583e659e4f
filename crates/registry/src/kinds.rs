//! The table of built-in kinds, one file per API group.
//!
//! A row states what differs from [`Kind`]'s plain forms below; the functions a row names live in
//! [`crate::strategy`] and [`crate::printer`].

mod admissionregistration;
mod apiextensions;
mod apps;
mod auth;
mod autoscaling;
mod batch;
mod core;
mod networking;
mod policy;
mod rbac;
mod storage;

pub(crate) use core::SUBRESOURCE_KINDS;

use crate::kind::{ALL_VERBS, CREATE_ONLY, Kind, NameRule, Strategy};
use crate::printer;
use crate::resource::Subresource;

/// Every built-in kind.
pub(crate) fn all() -> impl Iterator<Item = &'static Kind> {
    [
        core::KINDS,
        apps::KINDS,
        batch::KINDS,
        policy::KINDS,
        rbac::KINDS,
        networking::KINDS,
        storage::KINDS,
        autoscaling::KINDS,
        auth::KINDS,
        admissionregistration::KINDS,
        apiextensions::KINDS,
    ]
    .into_iter()
    .flatten()
}

/// A namespaced, stored kind in which every plain choice holds.
const NAMESPACED: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    stored: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage_group: None,
    schema: |_| schemars::Schema::default(),
    strategy: Strategy::PLAIN,
    printer: printer::PLAIN,
};

const CLUSTER: Kind = Kind { namespaced: false, ..NAMESPACED };

/// A question that is answered and not kept.
const REVIEW: Kind = Kind {
    namespaced: false,
    stored: false,
    verbs: CREATE_ONLY,
    strategy: Strategy { name: NameRule::None, ..Strategy::PLAIN },
    ..NAMESPACED
};

const STATUS: Subresource =
    Subresource { name: "status", kind: None, verbs: &["get", "patch", "update"] };
const SCALE: Subresource = Subresource {
    name: "scale",
    kind: Some(("autoscaling", "v1", "Scale")),
    verbs: &["get", "patch", "update"],
};

/// The subresources of a kind with a status, and of one with a scale too.
const WITH_STATUS: &[Subresource] = &[STATUS];
const WITH_SCALE: &[Subresource] = &[SCALE, STATUS];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_are_complete_and_distinct() {
        let mut paths = BTreeSet::new();
        for kind in all() {
            assert!(!kind.kind.is_empty() && !kind.version.is_empty());
            assert!(!kind.singular.is_empty(), "{}", kind.kind);
            assert!(paths.insert((kind.group, kind.version, kind.plural)), "{} twice", kind.plural);
            let has = |name| kind.subresources.iter().any(|sub: &Subresource| sub.name == name);
            assert_eq!(kind.strategy.status, has("status"), "{}", kind.plural);
            assert!(kind.verbs.is_sorted(), "{}", kind.plural);
            assert!(kind.subresources.is_sorted_by_key(|sub| sub.name), "{}", kind.plural);
        }
    }
}
