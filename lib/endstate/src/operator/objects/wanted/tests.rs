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
