//! Tasks against the embedded API server: what stays as it is, and what one says whose cluster is not there.

use endstate_etcd::crd::EtcdTask;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::operator::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_waits_for_its_cluster_and_one_that_is_over_stays_as_it_is() {
    let world = World::new().await;
    let kind = ApiResource::erase::<EtcdTask>(&());
    let tasks = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let create = async |name: &str| {
        let mut object = DynamicObject::new(name, &kind);
        object.data = json!({"spec": {"cluster": "demo", "moveLeader": {}}});
        tasks.create(&PostParams::default(), &object).await.unwrap();
    };
    create("waits").await;
    create("over").await;
    create("begun").await;
    let status = |name: &'static str, status: Value| {
        let tasks = tasks.clone();
        async move {
            let patch = Patch::Merge(json!({"status": status}));
            tasks.patch_status(name, &PatchParams::default(), &patch).await.unwrap()
        }
    };
    let start = "2026-01-01T00:00:00Z";
    let complete = json!([{"type": "Complete", "status": "True", "reason": "Complete", "message": "demo-a leads",
        "observedGeneration": 1, "lastTransitionTime": start}]);
    let over = json!({"state": "Complete", "startTime": start, "completionTime": start, "conditions": complete});
    let over = status("over", over).await;
    status("begun", json!({"state": "Running", "startTime": start})).await;
    world.operate();
    let told = |reason: &'static str| move |it: &Value| it["conditions"][0]["reason"] == reason;
    let waits = world.until(&tasks, "waits", told("ClusterNotFound")).await;
    assert_eq!(waits.data["status"]["state"], "Waiting");
    assert_eq!(waits.data["status"]["operation"], "moveLeader");
    let begun = world.until(&tasks, "begun", told("ClusterDeleted")).await;
    assert_eq!(begun.data["status"]["conditions"][1]["type"], "Failed");

    // Its cluster comes, and does not run: the one says so, the others stay as they are.
    world.create("demo", json!({"size": 3, "version": "3.5.35"})).await.unwrap();
    world.until(&tasks, "waits", told("ClusterNotReady")).await;
    let version = |it: &DynamicObject| it.metadata.resource_version.clone();
    assert_eq!(version(&tasks.get("over").await.unwrap()), version(&over));
    assert_eq!(version(&tasks.get("begun").await.unwrap()), version(&begun));

    let patch = Patch::Merge(json!({"spec": {"moveLeader": {"to": "demo-a"}}}));
    let refused = tasks.patch("over", &PatchParams::default(), &patch).await.unwrap_err();
    assert!(refused.to_string().contains("declare another object"), "{refused}");
    // Nothing holds one that is deleted.
    tasks.delete("waits", &DeleteParams::default()).await.unwrap();
    assert!(tasks.get_opt("waits").await.unwrap().is_none());
}
