use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::{Value, json};

use super::*;
use crate::plan::Action;
use crate::volume::{VolumeSnapshot, plan_volume};

/// The finalizers that a plan writes; `None` if it writes nothing.
fn written(plan: Plan) -> Option<Vec<String>> {
    let step = plan.steps.into_iter().next()?;
    let metadata = match step.action {
        Action::PersistentVolumeClaim(Write::Update { wanted, .. }) => wanted.metadata,
        Action::PersistentVolume(Write::Update { wanted, .. }) => wanted.metadata,
        other => panic!("{other:?}"),
    };
    Some(metadata.finalizers.unwrap_or_default())
}

fn claim(metadata: Value) -> Arc<PersistentVolumeClaim> {
    let mut value = json!({"metadata": {"name": "p-data", "namespace": "n", "uid": "c"}});
    value["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    Arc::new(serde_json::from_value(value).unwrap())
}

fn pod(metadata: Value, node: &str, volume: Value, phase: &str) -> Arc<Pod> {
    let mut value = json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {"nodeName": node, "containers": [], "volumes": [volume]}, "status": {"phase": phase}});
    value["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    Arc::new(serde_json::from_value(value).unwrap())
}

#[test]
fn what_uses_a_claim() {
    let named = json!({"name": "v", "persistentVolumeClaim": {"claimName": "p-data"}});
    let other = json!({"name": "v", "persistentVolumeClaim": {"claimName": "other"}});
    let own = json!({"name": "data", "ephemeral": {}});
    let leaving =
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30});
    let shut =
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0});
    let cases = [
        ("it runs", pod(json!({}), "a", named.clone(), "Running"), true),
        ("on its way out", pod(leaving, "a", named.clone(), "Running"), true),
        ("ended", pod(json!({}), "a", named.clone(), "Succeeded"), true),
        ("shut down", pod(shut.clone(), "a", named.clone(), "Failed"), true),
        ("without a node", pod(json!({}), "", named.clone(), "Pending"), false),
        ("another claim", pod(json!({}), "a", other, "Running"), false),
        ("another namespace", pod(json!({"namespace": "m"}), "a", named, "Running"), false),
        ("its own", pod(json!({}), "a", own.clone(), "Running"), true),
        ("its own, shut down", pod(shut, "a", own.clone(), "Failed"), false),
        ("of another pod of the name", pod(json!({"uid": "w"}), "a", own, "Running"), false),
    ];
    let owner =
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true}]);
    for (what, pod, expected) in cases {
        assert_eq!(uses(&pod, &claim(json!({"ownerReferences": owner}))), expected, "{what}");
    }
}

#[test]
fn a_claim_is_held_until_nothing_uses_it() {
    let named = json!({"name": "v", "persistentVolumeClaim": {"claimName": "p-data"}});
    let user = [pod(json!({}), "a", named, "Running")];
    let held = json!(["ex.com/f", CLAIM_FINALIZER]);
    let leaving = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": held});
    let gone = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["ex.com/f"]});
    let none: &[Arc<Pod>] = &[];
    let cases = [
        (json!({}), none, Some(vec![CLAIM_FINALIZER])),
        (json!({"finalizers": ["ex.com/f"]}), &user, Some(vec!["ex.com/f", CLAIM_FINALIZER])),
        (json!({"finalizers": held}), none, None),
        (leaving.clone(), &user, None),
        (leaving, none, Some(vec!["ex.com/f"])),
        (gone, none, None),
    ];
    for (metadata, pods, expected) in cases {
        let claim = claim(metadata.clone());
        let plan = plan_protection(&ProtectionSnapshot { claim: &claim, pods });
        let lets_go = is_deleting(&claim.metadata) && !plan.is_empty();
        assert_eq!(plan.unused_claim.is_some(), lets_go, "{metadata}: the API is asked");
        let expected = expected.map(|it| it.into_iter().map(str::to_owned).collect());
        assert_eq!(written(plan), expected, "{metadata}");
    }
}

#[test]
fn a_volume_is_held_until_its_claim_is_gone() {
    let volume = |phase: &str, is_deleting: &str| {
        let mut value = json!({"metadata": {"name": "v", "finalizers": [VOLUME_FINALIZER]},
            "spec": {"claimRef": {"namespace": "n", "name": "p-data", "uid": "c"}}, "status": {"phase": phase}});
        if is_deleting == "deleting" {
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Arc::new(serde_json::from_value::<PersistentVolume>(value).unwrap())
    };
    let (bound, successor) = (claim(json!({})), claim(json!({"uid": "d"})));
    // What a phase said before does not count: it may be behind.
    let cases = [
        (volume("Bound", "deleting"), Some(&bound), None),
        (volume("Available", "deleting"), Some(&bound), None),
        (volume("Bound", "deleting"), Some(&successor), Some(vec![])),
        (volume("Bound", "deleting"), None, Some(vec![])),
        (volume("Bound", "stays"), Some(&bound), None),
    ];
    for (volume, claim, expected) in cases {
        let plan = plan_volume(&VolumeSnapshot { volume: &volume, claim });
        assert_eq!(written(plan), expected, "{volume:?} {claim:?}");
    }
    let mut bare = PersistentVolume::clone(&volume("Bound", "stays"));
    bare.metadata.finalizers = None;
    let plan = plan_volume(&VolumeSnapshot { volume: &Arc::new(bare), claim: Some(&bound) });
    assert_eq!(written(plan), Some(vec![VOLUME_FINALIZER.to_owned()]));
}
