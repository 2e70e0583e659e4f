use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use serde_json::json;

use super::*;
use crate::operator::Health;
use crate::package::Package;

/// An application with an older kind that keeps the status one level down.
struct Toy;

impl Package for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn about(&self) -> &'static str {
        "toys"
    }

    fn crds(&self) -> Vec<CustomResourceDefinition> {
        vec![]
    }

    fn operate(&self, _: &mut crate::Engine, _: &str) -> Vec<Health> {
        vec![]
    }

    fn summary(&self, object: &DynamicObject) -> Summary {
        let mut summary = Summary::of(object);
        summary.endpoint = Some(format!("http://{}:1", object.name_any()));
        if object.types.as_ref().is_some_and(|it| it.api_version == "old.example.com/v1") {
            summary.status = summary.status["inner"].clone();
        }
        summary
    }
}

fn tree(object: &DynamicObject, pods: &[Pod]) -> Result<Tree, StatusError> {
    super::tree(&Toy, &Seen { object, pods, claims: &[] })
}

fn cluster(status: Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "toy.example.com/v1",
        "kind": "ToyCluster",
        "metadata": { "name": "demo", "namespace": "default", "uid": "u1", "generation": 2 },
        "spec": { "size": 3, "version": "3.5.16" },
        "status": status,
    }))
    .unwrap()
}

fn pod(name: &str, owner: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "default", "ownerReferences": [
            { "apiVersion": "toy.example.com/v1", "kind": "ToyCluster", "name": "demo", "uid": owner, "controller": true },
        ]},
        "spec": {
            "nodeName": "node-1",
            "containers": [{ "name": "server", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
            "volumes": [{ "name": "data", "emptyDir": {} }, { "name": "unused", "emptyDir": {} }],
        },
        "status": {
            "phase": "Running", "podIP": "10.244.0.5",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "server", "image": "", "imageID": "", "ready": true, "restartCount": 1,
                "state": { "running": {} } }],
        },
    }))
    .unwrap()
}

fn status() -> Value {
    json!({
        "observedGeneration": 2, "phase": "Updating", "size": 3, "ready": 2,
        "conditions": [
            { "type": "Degraded", "status": "True", "reason": "MembersUnhealthy", "message": "demo-b: its data is lost",
              "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ],
        "members": [
            { "name": "demo-a", "id": "a1", "role": "server", "standing": "Leader", "healthy": true, "updated": true, "version": "3.5.16",
              "position": "120", "lag": 0, "dataSize": 20480 },
            { "name": "demo-b", "id": "b1", "role": "server", "standing": "Voter", "healthy": false, "updated": true, "trouble": "its data is lost" },
        ],
        "waiting": [{ "for": "member demo-b to be healthy", "because": "its data is lost" }],
        "record": { "clusterId": "ff" },
    })
}

#[test]
fn the_tree_reads_from_the_cluster_down_to_the_volumes() {
    let tree = tree(&cluster(status()), &[pod("demo-a", "u1"), pod("demo-x", "other")]).unwrap();
    let text = render(&tree, Style::Plain);
    let expected = "\
toy default/demo  Updating  2 of 3 members ready  3.5.16  http://demo:1
├─ demo-a  leader  healthy  3.5.16  position 120  data 20.0 KiB  id a1
│  └ pod Running, ready  on node-1  10.244.0.5  restarted once
│    └ volume data  emptyDir  /data
├─ demo-b  voter   unhealthy  id b1
│  └ its data is lost
│  └ no pod
├─ waiting for member demo-b to be healthy because its data is lost
└─ Degraded=True: demo-b: its data is lost
";
    assert_eq!(text, expected);
}

#[test]
fn colours_change_nothing_but_colours() {
    let tree = tree(&cluster(status()), &[pod("demo-a", "u1")]).unwrap();
    let coloured = render(&tree, Style::Coloured);
    let mut plain = String::new();
    let mut parts = coloured.split('\x1b');
    plain += parts.next().unwrap();
    for part in parts {
        plain += part.split_once('m').unwrap().1;
    }
    assert_eq!(plain, render(&tree, Style::Plain));
}

#[test]
fn a_cluster_that_nobody_has_looked_at_says_so() {
    let tree = tree(&cluster(Value::Null), &[]).unwrap();
    assert!(!tree.is_current);
    let text = render(&tree, Style::Plain);
    assert!(text.contains("waiting for the operator"), "{text}");
}

#[test]
fn a_kind_with_another_status_gives_the_same_tree() {
    let mut object = cluster(json!({ "phase": "Running", "inner": status() }));
    object.types = Some(kube::api::TypeMeta {
        api_version: "old.example.com/v1".into(),
        kind: "ToyCluster".into(),
    });
    let old = tree(&object, &[]).unwrap();
    let new = tree(&cluster(status()), &[]).unwrap();
    assert_eq!(old.members, new.members);
    assert_eq!(old.phase, "Updating");
}

#[test]
fn a_pod_that_the_application_does_not_list_is_shown_all_the_same() {
    let tree = tree(&cluster(status()), &[pod("demo-c", "u1")]).unwrap();
    let member = tree.members.iter().find(|it| it.name == "demo-c").unwrap();
    assert_eq!(member.role, "joining");
    assert_eq!(member.trouble.as_deref(), Some("toy does not list it"));
}

#[test]
fn a_removed_member_is_leaving_while_its_pod_ends() {
    let mut removed = pod("demo-c", "u1");
    removed.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let tree = tree(&cluster(status()), &[removed]).unwrap();
    let member = tree.members.iter().find(|it| it.name == "demo-c").unwrap();
    assert_eq!(member.role, "leaving");
    assert_eq!(member.trouble.as_deref(), Some("its pod is being deleted"));
}

#[test]
fn lost_data_comes_with_what_can_be_done_and_a_start_without_alarm() {
    let with = |kind: &str, status: &str, reason: &str| {
        let condition = json!({ "type": kind, "status": status, "reason": reason, "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let status = json!({ "observedGeneration": 2, "conditions": [condition] });
        render(&tree(&cluster(status), &[]).unwrap(), Style::Plain)
    };
    assert!(
        with("QuorumLost", "True", "DataLost")
            .contains("first back up the data directories of the remaining pods")
    );
    assert_eq!(with("Available", "False", "NotCreated").lines().count(), 1);
    assert!(with("Progressing", "False", "NameTaken").contains("Progressing=False: m"));
}

#[test]
fn a_claim_is_shown_with_its_size() {
    let mut pod = pod("demo-a", "u1");
    let spec = pod.spec.as_mut().unwrap();
    spec.volumes = serde_json::from_value(json!([
        { "name": "data", "persistentVolumeClaim": { "claimName": "data-demo-a" } },
        { "name": crate::launcher::VOLUME, "emptyDir": {} },
    ]))
    .unwrap();
    let asked = json!({ "metadata": { "name": "data-demo-a" },
        "spec": { "resources": { "requests": { "storage": "1Gi" } } } });
    let mut bound = asked.clone();
    bound["status"] = json!({ "capacity": { "storage": "2Gi" } });
    for (claim, size) in [(asked, "1Gi"), (bound, "2Gi")] {
        let claims: [PersistentVolumeClaim; 1] = [serde_json::from_value(claim).unwrap()];
        let (object, pods) = (cluster(status()), [pod.clone()]);
        let seen = Seen { object: &object, pods: &pods, claims: &claims };
        let text = render(&super::tree(&Toy, &seen).unwrap(), Style::Plain);
        let line = format!("volume data  claim data-demo-a  {size}  /data");
        assert!(text.contains(&line), "{text}");
        assert!(!text.contains("launcher"), "{text}");
    }
}

/// Anybody may change a label or take an owner away; a name is used once, and another's pod has another owner.
#[test]
fn pods_are_the_clusters_by_owner_and_those_without_one_by_name() {
    let mut lost = pod("demo-b", "u1");
    lost.metadata.owner_references = None;
    let mut foreign = pod("demo-c", "u1");
    foreign.metadata.owner_references = None;
    let tree = tree(&cluster(status()), &[pod("demo-a", "other"), lost, foreign]).unwrap();
    let has_pod: Vec<_> =
        tree.members.iter().map(|it| (it.name.as_str(), it.pod.is_some())).collect();
    assert_eq!(has_pod, [("demo-a", false), ("demo-b", true)]);
}
