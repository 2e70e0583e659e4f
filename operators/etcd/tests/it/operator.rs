//! The operator against the embedded API server, without a node: what it declares, what it refuses, and that it is
//! quiet.
//!
//! Pods stay pending here, so this shows everything up to the first start; clusters that live are tested with real
//! processes, end to end.

use std::time::Duration;

use apiserver::{Identity, Scratch};
use endstate::CancellationToken;
use endstate::lease::{Candidate, Timing};
use endstate::package::{NAMESPACE, Options, Replica, RunError, installed_name, manifests, run};
use endstate_core::Version;
use endstate_etcd::{EtcdPackage, crd};
use etcd_plan::{Path, path};
use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::core::{GroupVersionKind, ObjectMeta};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long anything may take that should happen at once.
const SOON: Duration = Duration::from_secs(10);

pub(crate) struct World {
    client: Client,
    /// As the operator, with what its manifests give it.
    operator: Client,
    stop: CancellationToken,
    _scratch: Scratch,
}

/// Makes the roles of the operator and binds them, as an installation does. The lease of these tests is in `default`.
async fn give_rights(client: &Client) {
    for mut object in manifests(&EtcdPackage, "endstate:test") {
        let kind = object.types.clone().unwrap().kind;
        let namespaced = matches!(kind.as_str(), "Role" | "RoleBinding");
        if !namespaced && !matches!(kind.as_str(), "ClusterRole" | "ClusterRoleBinding") {
            continue;
        }
        let kind =
            ApiResource::from_gvk(&GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", &kind));
        let api: Api<DynamicObject> = match namespaced {
            true => Api::namespaced_with(client.clone(), "default", &kind),
            false => Api::all_with(client.clone(), &kind),
        };
        object.metadata.namespace = namespaced.then(|| "default".to_owned());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// An API server with both definitions.
    pub(crate) async fn new() -> Self {
        let scratch = Scratch::start().await;
        let client = Client::new(scratch.server.service(), "default");
        for definition in endstate_etcd::crds().into_iter().chain(endstate_etcd::crds_beside()) {
            let definitions = Api::<CustomResourceDefinition>::all(client.clone());
            definitions.create(&PostParams::default(), &definition).await.unwrap();
        }
        give_rights(&client).await;
        let account =
            format!("system:serviceaccount:{}:{}", NAMESPACE, installed_name(&EtcdPackage));
        let operator =
            scratch.server.service_as(Identity::new(&account, &["system:authenticated"]));
        let operator = Client::new(operator, "default");
        Self { client, operator, stop: CancellationToken::new(), _scratch: scratch }
    }

    pub(crate) fn operate(&self) {
        let options = Options {
            image: "endstate:test".to_owned(),
            health: None,
            debug_port: None,
            replica: None,
            crash_at: None,
        };
        tokio::spawn(run(&EtcdPackage, self.operator.clone(), options, self.stop.child_token()));
    }

    /// One of several operators; its image tells whose pods are whose.
    fn replica(&self, name: &str) -> JoinHandle<Result<(), RunError>> {
        let replica = Replica {
            namespace: "default".to_owned(),
            candidate: Candidate::Other(name.to_owned()),
            timing: Timing {
                duration: Duration::from_secs(1),
                renew_within: Duration::from_millis(600),
                retry: Duration::from_millis(50),
            },
        };
        let options = Options {
            image: format!("endstate:{name}"),
            health: None,
            debug_port: None,
            replica: Some(replica),
            crash_at: None,
        };
        tokio::spawn(run(&EtcdPackage, self.operator.clone(), options, self.stop.child_token()))
    }

    async fn holder(&self) -> Option<String> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), "default");
        leases.get_opt(&installed_name(&EtcdPackage)).await.unwrap()?.spec?.holder_identity
    }

    /// The operators that made pods, by the images that they gave them.
    async fn makers(&self) -> Vec<String> {
        let image = |pod: &Pod| {
            json!(pod)["spec"]["initContainers"][0]["image"].as_str().unwrap().to_owned()
        };
        let mut makers: Vec<_> = self.pods().await.iter().map(image).collect();
        makers.sort();
        makers.dedup();
        makers
    }

    pub(crate) fn clusters(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<crd::EtcdCluster>(&());
        Api::namespaced_with(self.client.clone(), "default", &kind)
    }

    fn historical(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<crd::historical::EtcdCluster>(&());
        Api::namespaced_with(self.client.clone(), "default", &kind)
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        spec: Value,
    ) -> Result<DynamicObject, kube::Error> {
        let object = json!({
            "apiVersion": "etcd.endstate.dev/v1", "kind": "EtcdCluster",
            "metadata": {"name": name}, "spec": spec,
        });
        let params = PostParams { field_manager: Some("test".into()), ..Default::default() };
        self.clusters().create(&params, &serde_json::from_value(object).unwrap()).await
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Ends with this world.
    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), "default");
        pods.list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until an object is as wanted.
    pub(crate) async fn until(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> DynamicObject {
        let look = async {
            loop {
                let object = api.get(name).await.unwrap();
                if wanted(&object.data["status"]) {
                    return object;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(SOON, look).await {
            Ok(object) => object,
            Err(_) => panic!("not as wanted: {}", json!(api.get(name).await.unwrap())),
        }
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.find(|it| it["type"] == kind).unwrap_or(&Value::Null)
}

/// The message of a refusal.
fn refused<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_spec_is_refused_with_what_to_do() {
    let world = World::new().await;
    let env = |name: &str| json!({"size": 3, "version": "3.5.16", "pod": {"etcdEnv": [{"name": name, "value": "x"}]}});
    for (spec, expected) in [
        (json!({"size": -1, "version": "3.5.16"}), "should be greater than or equal to 0"),
        (json!({"size": 8, "version": "3.5.16"}), "should be less than or equal to 7"),
        (json!({"size": "3", "version": "3.5.16"}), "must be of type integer"),
        (json!({"version": "3.5.16"}), "spec.size: Required value"),
        (json!({"size": 3}), "spec.version: Required value"),
        (json!({"size": 3, "version": "v3.5.16"}), "spec.version"),
        (json!({"size": 3, "version": "latest"}), "spec.version"),
        (json!({"size": 3, "version": "3.3.27"}), "use 3.4.0 or later"),
        (json!({"size": 3, "version": "3.5.1"}), "use 3.5.3 or later"),
        (env("ETCD_NAME"), "remove these variables"),
        (env("ETCD_INITIAL_CLUSTER"), "remove these variables"),
        (env("ETCD_UNSAFE_NO_FSYNC"), "remove these variables"),
        (env("ETCD_CERT_FILE"), "only these may be set: ETCD_AUTO_COMPACTION_MODE"),
        (env("ENDSTATE_STARTED"), "remove these variables"),
        (
            json!({"size": 3, "version": "3.5.16", "pod": {"labels": {"endstate.dev/cluster": "x"}}}),
            "choose another name",
        ),
        (
            json!({"size": 3, "version": "3.5.16", "storage": {"emptyDir": {"medium": "Floppy"}}}),
            "medium",
        ),
    ] {
        let message = refused(world.create("demo", spec.clone()).await);
        assert!(message.contains(expected), "{spec}: {message}");
    }
    let good = json!({"size": 3, "version": "3.5.16"});
    let message = refused(world.create(&"a".repeat(51), good.clone()).await);
    assert!(message.contains("at most 50 characters"), "{message}");
    let message = refused(world.create("3demo", good.clone()).await);
    assert!(message.contains("beginning with a letter"), "{message}");
    world.create("demo", good).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"version": "3.6.14"}}));
    let message = refused(world.clusters().patch("demo", &PatchParams::default(), &patch).await);
    assert!(message.contains("3.5.26 or newer before 3.6"), "{message}");
}

/// The API server refuses what the planner would, but for the way back to 3.4, which is open while a member runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_version_are_refused_as_the_planner_refuses_them() {
    let world = World::new().await;
    let versions = ["3.4.23", "3.5.16", "3.5.26", "3.5.35", "3.6.10", "3.6.11", "3.6.16", "3.7.3"];
    let version = |text: &str| text.parse::<Version>().unwrap();
    for from in versions {
        let name = format!("from-{}", from.replace('.', "-"));
        for to in versions {
            let spec = |version| json!({"size": 3, "version": version});
            world.create(&name, spec(from)).await.unwrap();
            let patch = Patch::Merge(json!({"spec": {"version": to}}));
            let answer = world.clusters().patch(&name, &PatchParams::default(), &patch).await;
            let back = version(to).minor == 4 && version(from).minor == 5;
            match path(version(from), version(to)) {
                Path::Refused(_) if !back => {
                    let message = refused(answer);
                    let told = ["one minor at a time", "work together from"];
                    assert!(
                        told.iter().any(|it| message.contains(it)),
                        "{from} to {to}: {message}"
                    );
                }
                _ => assert!(answer.is_ok(), "{from} to {to}: {answer:?}"),
            }
            world.clusters().delete(&name, &DeleteParams::default()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_historical_kind_cannot_have_yet_is_refused_and_the_rest_runs() {
    let world = World::new().await;
    world.operate();
    let object = |spec: Value| -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "etcd.database.coreos.com/v1beta2", "kind": "EtcdCluster",
            "metadata": {"name": "example-etcd-cluster"}, "spec": spec,
        }))
        .unwrap()
    };
    let api = world.historical();
    let params = PostParams::default();
    let half = json!({"size": 3, "version": "3.5.16", "TLS": {"static": {"operatorSecret": "o"}}});
    let message = refused(api.create(&params, &object(half)).await);
    assert!(message.contains("set both or none"), "{message}");
    for (pod, expected) in [
        (json!({"etcdEnv": [{"name": "ETCD_FORCE_NEW_CLUSTER", "value": "true"}]}), "remove these"),
        (json!({"annotations": {"endstate.dev/started": "x"}}), "choose another name"),
        (json!({"persistentVolumeClaimSpec": {"volumeName": "pv-1"}}), "new, empty volume"),
        (json!({"persistentVolumeClaimSpec": {"accessModes": ["ReadWriteMany"]}}), "one member's"),
    ] {
        let spec = json!({"size": 3, "version": "3.5.16", "pod": pod});
        let message = refused(api.create(&params, &object(spec)).await);
        assert!(message.contains(expected), "{message}");
    }
    let pod = json!({
        "etcdEnv": [{"name": "ETCD_SNAPSHOT_COUNT", "value": "20000"}, {"name": "TZ"}],
        "busyboxImage": "busybox:1.28.0-glibc",
    });
    api.create(&params, &object(json!({"size": 3, "version": "3.5.16", "pod": pod})))
        .await
        .unwrap();
    let made = world.until(&api, "example-etcd-cluster", |it| it["phase"] == "Creating").await;
    assert_eq!(made.data["status"]["serviceName"], "example-etcd-cluster-client");
    assert_eq!(made.data["status"]["clientPort"], 2379);
    let accepted = condition(&made.data["status"], "SpecAccepted");
    assert_eq!(accepted["reason"], "AcceptedWithWarnings");
    let message = accepted["message"].as_str().unwrap();
    assert!(message.contains("spec.pod.busyboxImage: has no effect: remove it"), "{message}");
    assert_eq!(made.data["status"]["members"]["unready"].as_array().map(Vec::len), Some(3));
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_cluster_gets_its_pods_and_the_operator_falls_silent() {
    let world = World::new().await;
    world.operate();
    let object = world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    let uid = object.uid().unwrap();
    let made = world
        .until(&world.clusters(), "demo", |it| condition(it, "Progressing")["reason"] == "Forming")
        .await;
    let status = &made.data["status"];
    assert_eq!(
        (&status["phase"], status["members"].as_array().unwrap().len()),
        (&json!("Creating"), 3)
    );
    assert_eq!(condition(status, "Available")["status"], "False");

    let pods =
        wait_for(async || (world.pods().await.len() == 3).then_some(world.pods().await)).await;
    for pod in &pods {
        let owner = &pod.owner_references()[0];
        assert_eq!((owner.uid.as_str(), owner.controller), (uid.as_str(), Some(true)));
    }
    let services = Api::<Service>::namespaced(world.client.clone(), "default");
    services.get("demo-peer").await.unwrap();
    let client = services.get_opt("demo-client").await.unwrap();
    assert!(client.is_none(), "nobody may connect before the cluster is known to exist");
    let budgets = Api::<PodDisruptionBudget>::namespaced(world.client.clone(), "default");
    let budget = json!(budgets.get("demo").await.unwrap());
    assert_eq!(budget["spec"]["minAvailable"], 2);
    let events = Api::<Event>::namespaced(world.client.clone(), "default");
    wait_for(async || {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let created = events.iter().filter(|it| it.reason.as_deref() == Some("PodCreated"));
        (created.count() == 3).then_some(())
    })
    .await;

    assert_silent(&world, "demo").await;
}

/// Nothing about the cluster is written any more, although the operator looks several times.
async fn assert_silent(world: &World, name: &str) {
    let version = world.clusters().get(name).await.unwrap().resource_version().unwrap();
    let changes = world.clusters().watch(&WatchParams::default(), &version).await.unwrap();
    let changes =
        changes.try_filter(|it| futures::future::ready(!matches!(it, WatchEvent::Bookmark(_))));
    let mut changes = std::pin::pin!(changes);
    let change = tokio::time::timeout(Duration::from_secs(2), changes.try_next()).await;
    assert!(change.is_err(), "a write although nothing changed: {change:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_before_the_cluster_exists_starts_anew_under_other_names() {
    let world = World::new().await;
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    let first =
        wait_for(async || (world.pods().await.len() == 3).then_some(world.pods().await)).await;
    let first: Vec<_> = first.iter().map(ResourceExt::name_any).collect();
    let patch = Patch::Merge(json!({"spec": {"size": 1}}));
    world.clusters().patch("demo", &PatchParams::default(), &patch).await.unwrap();
    let last = wait_for(async || {
        let pods = world.pods().await;
        (pods.len() == 1 && !first.contains(&pods[0].name_any())).then_some(pods)
    })
    .await;
    assert_eq!(last.len(), 1, "a name is used once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_the_api_refuses_are_asked_for_again_under_their_names() {
    let world = World::new().await;
    let accounts = Api::<ServiceAccount>::namespaced(world.client.clone(), "default");
    let account = accounts.get("default").await.unwrap();
    accounts.delete("default", &Default::default()).await.unwrap();
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    let refused = world
        .until(&world.clusters(), "demo", |it| condition(it, "Progressing")["reason"] == "BackOff")
        .await;
    let told = condition(&refused.data["status"], "Progressing")["message"].to_string();
    assert!(
        told.contains("an attempt failed: the API server refused to create its pod: "),
        "{told}"
    );
    assert!(told.contains("serviceaccount"), "the reason is the API's: {told}");
    let names = |it: &DynamicObject| -> Vec<String> {
        let members = it.data["status"]["members"].as_array().unwrap();
        members.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let name = account.metadata.name;
    let metadata = ObjectMeta { name, ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let pods =
        wait_for(async || (world.pods().await.len() == 3).then_some(world.pods().await)).await;
    let mut made: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
    made.sort();
    assert_eq!(made, names(&refused), "no name was used up");
}

/// What no schema can say is asked of the API before a spec is accepted: it keeps no member from being made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_whose_pods_the_api_refuses_is_not_accepted() {
    let world = World::new().await;
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
    let env = json!({"etcdEnv": [{"name": "=", "value": "1"}]});
    for (pod, expected) in [(json!({"labels": {"team": "no label"}}), "no label"), (env, "env[")] {
        let patch = Patch::Merge(json!({"spec": {"pod": pod}}));
        world.clusters().patch("demo", &PatchParams::default(), &patch).await.unwrap();
        let told = world
            .until(&world.clusters(), "demo", |it| {
                let accepted = condition(it, "SpecAccepted");
                accepted["status"] == "False" && accepted["message"].to_string().contains(expected)
            })
            .await;
        let message = condition(&told.data["status"], "SpecAccepted")["message"].to_string();
        assert!(message.contains("remains in effect"), "{message}");
        let undo = Patch::Merge(json!({"spec": {"pod": null}}));
        world.clusters().patch("demo", &PatchParams::default(), &undo).await.unwrap();
    }
    world
        .until(&world.clusters(), "demo", |it| condition(it, "SpecAccepted")["status"] == "True")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_status_starts_nothing() {
    let world = World::new().await;
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    let pods =
        wait_for(async || (world.pods().await.len() == 3).then_some(world.pods().await)).await;
    let names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
    let patch = Patch::Merge(json!({"status": null}));
    world.clusters().patch_status("demo", &PatchParams::default(), &patch).await.unwrap();
    let stopped = world
        .until(&world.clusters(), "demo", |it| {
            condition(it, "Progressing")["reason"] == "RecordLost"
        })
        .await;
    assert_eq!(condition(&stopped.data["status"], "Progressing")["status"], "False");
    let now: Vec<_> = world.pods().await.iter().map(ResourceExt::name_any).collect();
    assert_eq!(now, names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_somebody_else_is_left_alone_and_said() {
    let world = World::new().await;
    let services = Api::<Service>::namespaced(world.client.clone(), "default");
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo-peer"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    });
    let theirs: Service = serde_json::from_value(theirs).unwrap();
    services.create(&PostParams::default(), &theirs).await.unwrap();
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    let said = world
        .until(&world.clusters(), "demo", |it| {
            condition(it, "Progressing")["reason"] == "NameTaken"
        })
        .await;
    assert!(world.pods().await.is_empty(), "members could not find each other: {}", json!(said));
    let kept = services.get("demo-peer").await.unwrap();
    assert_eq!(kept.spec.unwrap().selector.unwrap()["app"], "theirs");

    services.delete("demo-peer", &Default::default()).await.unwrap();
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_cluster_is_left_alone_until_it_is_not() {
    let world = World::new().await;
    world.operate();
    world.create("demo", json!({"size": 3, "version": "3.5.16", "paused": true})).await.unwrap();
    world.until(&world.clusters(), "demo", |it| it["phase"] == "Paused").await;
    assert!(world.pods().await.is_empty());
    let patch = Patch::Merge(json!({"spec": {"paused": false}}));
    world.clusters().patch("demo", &PatchParams::default(), &patch).await.unwrap();
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
}

/// Asks again until there is an answer.
pub(crate) async fn wait_for<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(it) = ask().await {
                return it;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, look).await.expect("it does not happen")
}

/// Two operators, and never a write of the one that does not lead: S12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_one_acts_and_the_other_takes_over_when_it_is_killed() {
    let world = World::new().await;
    let first = world.replica("first");
    wait_for(async || world.holder().await.filter(|it| it == "first")).await;
    let second = world.replica("second");
    world.create("one", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
    assert_eq!(world.makers().await, ["endstate:first"]);

    // Killed: it gives nothing up, and the other waits until the lease has run out.
    first.abort();
    wait_for(async || world.holder().await.filter(|it| it == "second")).await;
    world.create("two", json!({"size": 1, "version": "3.5.16"})).await.unwrap();
    wait_for(async || (world.pods().await.len() == 4).then_some(())).await;
    assert_eq!(world.makers().await, ["endstate:first", "endstate:second"]);

    world.stop.cancel();
    second.await.unwrap().unwrap();
    assert_eq!(world.holder().await, None, "who ends well gives the lease up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_tree_follows_the_cluster() {
    use endstate::status::{StatusError, watch};
    let world = World::new().await;
    world.create("demo", json!({"size": 1, "version": "3.5.16"})).await.unwrap();
    let mut trees =
        Box::pin(watch(&EtcdPackage, world.client.clone(), "default".into(), "demo".into()));
    let first = trees.try_next().await.unwrap().unwrap();
    assert!(!first.is_current, "no operator has looked yet");
    world.operate();
    let with_pod = async {
        loop {
            let tree = trees.try_next().await.unwrap().unwrap();
            if tree.is_current && tree.members.iter().any(|it| it.pod.is_some()) {
                return tree;
            }
        }
    };
    let tree = tokio::time::timeout(SOON, with_pod).await.unwrap();
    assert!(tree.waiting[0].contains("form the cluster"), "{:?}", tree.waiting);
    world.clusters().delete("demo", &Default::default()).await.unwrap();
    let gone = async {
        loop {
            if let Err(error) = trees.try_next().await {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(SOON, gone).await.unwrap();
    assert!(matches!(error, StatusError::NotFound { .. }), "{error}");
    assert!(trees.try_next().await.unwrap().is_none());
}
