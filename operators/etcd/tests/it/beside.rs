//! Users and roles against the embedded API server: what is refused, and what those say whose cluster cannot be asked.

use endstate_etcd::crd::{EtcdRole, EtcdUser};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::operator::World;

struct Beside {
    world: World,
    users: Api<DynamicObject>,
    roles: Api<DynamicObject>,
}

impl Beside {
    async fn new() -> Self {
        let world = World::new().await;
        let of = |kind| Api::default_namespaced_with(world.client(), &kind);
        let users = of(ApiResource::erase::<EtcdUser>(&()));
        let roles = of(ApiResource::erase::<EtcdRole>(&()));
        Self { world, users, roles }
    }

    async fn user(&self, spec: Value) -> Result<DynamicObject, kube::Error> {
        let mut object = DynamicObject::new("anna", &ApiResource::erase::<EtcdUser>(&()));
        object.data = json!({ "spec": spec });
        self.users.create(&PostParams::default(), &object).await
    }

    async fn role(&self, permissions: Value) -> Result<DynamicObject, kube::Error> {
        let mut object = DynamicObject::new("reader", &ApiResource::erase::<EtcdRole>(&()));
        object.data = json!({"spec": {"cluster": "demo", "permissions": permissions}});
        self.roles.create(&PostParams::default(), &object).await
    }

    /// Waits until the user's condition has this reason.
    async fn says(&self, reason: &str) -> DynamicObject {
        let is = |it: &Value| it["conditions"][0]["reason"] == reason;
        self.world.until(&self.users, "anna", is).await
    }
}

fn is_refused<T: std::fmt::Debug>(answer: Result<T, kube::Error>, why: &str) {
    let Err(kube::Error::Api(status)) = &answer else { panic!("not refused: {answer:?}") };
    assert!(status.code == 422 && status.message.contains(why), "{}", status.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_would_not_take_is_refused() {
    let beside = Beside::new().await;
    let one = "name one of key, prefix and range";
    let range =
        |from: &str, to: &str| json!([{"access": "read", "range": {"from": from, "to": to}}]);
    is_refused(beside.role(json!([{"access": "read"}])).await, one);
    is_refused(beside.role(json!([{"access": "read", "key": "a", "prefix": "b"}])).await, one);
    is_refused(beside.role(json!([{"access": "all", "key": "a"}])).await, "access");
    is_refused(beside.role(range("b", "a")).await, "smaller than its end");
    is_refused(beside.user(json!({"cluster": "demo", "name": "root"})).await, "operator's own");
    is_refused(beside.user(json!({})).await, "cluster");
    beside.role(range("a", "b")).await.unwrap();
    beside.user(json!({"cluster": "demo", "password": {}})).await.unwrap();
    for (change, why) in [
        (json!({"cluster": "other"}), "the cluster cannot be changed"),
        (json!({"name": "other"}), "the name cannot be changed"),
        (json!({"password": null}), "declare another object"),
    ] {
        let patch = Patch::Merge(json!({ "spec": change }));
        let answer = beside.users.patch("anna", &PatchParams::default(), &patch).await;
        is_refused(answer, why);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_says_whether_its_cluster_is_there_and_waits_for_none_that_is_not() {
    let beside = Beside::new().await;
    beside.user(json!({"cluster": "demo", "password": {}})).await.unwrap();
    beside.world.operate();
    let alone = beside.says("ClusterNotFound").await;
    assert_eq!(alone.data["status"]["conditions"][0]["status"], "False");
    let spec = json!({"size": 3, "version": "3.5.35"});
    beside.world.create("demo", spec).await.unwrap();
    let waits = beside.says("ClusterNotReady").await;
    assert_eq!(waits.data["status"]["conditions"][0]["status"], "Unknown");
    assert_eq!(waits.data["status"]["observedGeneration"], 1);
    assert!(waits.finalizers().is_empty(), "nothing of it is in etcd");

    // Another generation is told of, and nothing is written beside that.
    let patch = Patch::Merge(json!({"spec": {"roles": ["reader"]}}));
    beside.users.patch("anna", &PatchParams::default(), &patch).await.unwrap();
    let is = |it: &Value| it["observedGeneration"] == 2;
    let told = beside.world.until(&beside.users, "anna", is).await;
    let label = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    let labelled = beside.users.patch("anna", &PatchParams::default(), &label).await.unwrap();

    // One that was held when its cluster went is let go.
    let held = Patch::Merge(json!({"metadata": {"finalizers": ["endstate.dev/cluster"]}}));
    beside.users.patch("anna", &PatchParams::default(), &held).await.unwrap();
    beside.world.clusters().delete("demo", &DeleteParams::default()).await.unwrap();
    let gone = beside.says("ClusterNotFound").await;
    assert_ne!(told.resource_version(), gone.resource_version());
    assert!(labelled.metadata.generation == gone.metadata.generation);
    beside.users.delete("anna", &DeleteParams::default()).await.unwrap();
    let end = async { while beside.users.get_opt("anna").await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), end).await.unwrap();
}
