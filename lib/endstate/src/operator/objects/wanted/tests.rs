use endstate_core::Retention;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::*;

fn owner() -> Owner {
    let object = json!({"metadata": {"namespace": "ns", "name": "demo", "uid": "u1"}});
    let object: Declared<ConfigMap> = serde_json::from_value(object).unwrap();
    Owner::of(&object, "app")
}

fn wanted(ownership: Ownership) -> Wanted {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"secret": "s3cret"}});
    Wanted::new(body, ownership).unwrap()
}

fn found(controller: Option<&str>, uid_label: Option<&str>) -> DynamicObject {
    let owners = controller.map(|uid| {
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "demo", "uid": uid, "controller": true}])
    });
    let labels = uid_label.map(|uid| json!({UID_LABEL: uid}));
    let object = json!({"metadata": {"name": "a", "namespace": "ns", "ownerReferences": owners, "labels": labels}});
    serde_json::from_value(object).unwrap()
}

#[test]
fn what_belongs_to_somebody_else_is_a_conflict() {
    use Ownership::{Kept, Owned};
    let cases = [
        (Owned, Some("u1"), None, false),
        (Owned, Some("u1"), Some("u1"), false),
        // Somebody removed the owner; the label still tells.
        (Owned, None, Some("u1"), false),
        (Owned, None, None, true),
        (Owned, None, Some("before"), true),
        (Owned, Some("other"), Some("u1"), true),
        (Kept, None, Some("u1"), false),
        (Kept, None, None, true),
        // Of a cluster that had this name before.
        (Kept, None, Some("before"), true),
        (Kept, Some("other"), Some("u1"), true),
        // Its policy was another.
        (Kept, Some("u1"), Some("u1"), false),
    ];
    for (ownership, controller, label, is_conflict) in cases {
        let current = [Some(found(controller, label))];
        let conflicts = conflicts(&owner(), &[wanted(ownership)], &current);
        let case = format!("{ownership:?} {controller:?} {label:?}");
        assert_eq!(conflicts.len(), usize::from(is_conflict), "{case}");
    }
    assert_eq!(conflicts(&owner(), &[wanted(Owned)], &[None]), []);
}

fn claim(size: &str, when_deleted: Reclaim) -> Wanted {
    let retention = Retention::new(when_deleted, Reclaim::Delete);
    Wanted::claim("demo-a", &VolumeSpec::new(size).retention(retention)).unwrap()
}

#[test]
fn a_claim_is_owned_if_it_is_to_end_with_the_cluster() {
    for (policy, ownership) in
        [(Reclaim::Retain, Ownership::Kept), (Reclaim::Delete, Ownership::Owned)]
    {
        assert_eq!(claim("1Gi", policy).ownership(), ownership);
    }
}

/// A mark is made for one cluster object and one intent, and nobody takes it away together with the labels.
#[test]
fn what_lost_its_labels_is_known_by_the_mark_of_what_was_applied() {
    let wanted = claim("1Gi", Reclaim::Retain);
    let conflict = |change: fn(&mut DynamicObject)| {
        let mut current = wanted.intent(&owner());
        current.metadata.labels = None;
        change(&mut current);
        owner().conflict(&wanted, &current).is_some()
    };
    assert!(!conflict(|_| {}));
    assert!(conflict(|it| it.metadata.annotations = None));
    assert!(conflict(|it| it.metadata.annotations =
        claim("2Gi", Reclaim::Retain).intent(&owner()).metadata.annotations));
    assert!(conflict(|it| drop(it.labels_mut().insert(UID_LABEL.to_owned(), "before".to_owned()))));
}

#[test]
fn an_owner_is_set_and_taken_away_beside_others() {
    let mut object = found(Some("other"), Some("u1"));
    for (ownership, owners) in [(Ownership::Owned, 2), (Ownership::Owned, 2), (Ownership::Kept, 1)]
    {
        owner().set(&mut object, ownership);
        assert_eq!(object.owner_references().len(), owners, "{ownership:?}");
    }
}

#[test]
fn an_intent_says_whose_it_is_and_prints_no_contents() {
    let owned = wanted(Ownership::Owned).intent(&owner());
    assert_eq!(owned.labels()[APP_LABEL], "app");
    assert_eq!(owned.labels()[CLUSTER_LABEL], "demo");
    assert_eq!(owned.labels()[UID_LABEL], "u1");
    assert_eq!(controller(&owned), Some("u1"));
    let kept = wanted(Ownership::Kept);
    assert_eq!(kept.intent(&owner()).metadata.owner_references, None);
    assert_eq!(format!("{kept:?}"), "ConfigMap a (Kept)");
}
