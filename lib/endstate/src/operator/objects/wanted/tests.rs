use endstate_core::{Retention, VolumeSpec};
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
        (Kept, Some("u1"), None, false),
    ];
    for (ownership, controller, label, is_conflict) in cases {
        let current = [Some(found(controller, label))];
        let conflicts = conflicts(&owner(), &[wanted(ownership)], &current);
        let case = format!("{ownership:?} {controller:?} {label:?}");
        assert_eq!(conflicts.len(), usize::from(is_conflict), "{case}");
    }
    assert_eq!(conflicts(&owner(), &[wanted(Owned)], &[None]), []);
}

fn claim(size: &str, ownership: Ownership) -> Wanted {
    // The policy is the planner's to read.
    let retention = Retention::new(Reclaim::Delete, Reclaim::Delete);
    let volume = VolumeSpec::new(size).retention(retention);
    let member = MemberVolume::new("demo-a", ("shard", 2), volume).ownership(ownership);
    Wanted::claim(&member).unwrap()
}

#[test]
fn a_claim_is_owned_if_the_plan_says_so_and_says_whose_it_is() {
    for ownership in [Ownership::Owned, Ownership::Kept] {
        let claim = claim("1Gi", ownership);
        assert_eq!(claim.ownership(), ownership);
        let intent = claim.intent(&owner());
        assert_eq!(controller(&intent).is_some(), ownership == Ownership::Owned);
        let labels = [MEMBER_LABEL, LABEL_ROLE, LABEL_GROUP, RETAINED_LABEL];
        let labels = labels.map(|it| intent.labels()[it].as_str());
        assert_eq!(labels, ["demo-a", "shard", "2", "false"]);
    }
}

#[test]
fn the_claims_of_a_member_name_each_other() {
    let volume = || MemberVolume::new("demo-a", ("member", 0), VolumeSpec::new("1Gi"));
    let journal = Wanted::claim(&volume().named("journal", vec!["data".into(), "index".into()]));
    let intent = journal.unwrap().intent(&owner());
    assert_eq!(intent.name_any(), "journal-demo-a");
    let seen = crate::operator::Claim::of(intent);
    assert_eq!(seen.beside(), ["data", "index"]);
    let alone = Wanted::claim(&volume()).unwrap().intent(&owner());
    assert_eq!(alone.annotations().get(BESIDE), None, "one that is alone is as it always was");
}

/// A mark is made for one cluster object and one intent, and nobody takes it away together with the labels. Whether it
/// was owned then does not matter.
#[test]
fn what_lost_its_labels_is_known_by_the_mark_of_what_was_applied() {
    for (before, now) in [Ownership::Owned, Ownership::Kept].map(|it| (it, Ownership::Kept)) {
        let wanted = claim("1Gi", now);
        let conflict = |change: fn(&mut DynamicObject)| {
            let mut current = claim("1Gi", before).intent(&owner());
            (current.metadata.labels, current.metadata.owner_references) = (None, None);
            change(&mut current);
            owner().conflict(&wanted, &current).is_some()
        };
        assert!(!conflict(|_| {}), "{before:?}");
        assert!(conflict(|it| it.metadata.annotations = None));
        assert!(conflict(|it| it.metadata.annotations =
            claim("2Gi", Ownership::Kept).intent(&owner()).metadata.annotations));
        assert!(conflict(|it| drop(
            it.labels_mut().insert(UID_LABEL.to_owned(), "before".to_owned())
        )));
    }
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
