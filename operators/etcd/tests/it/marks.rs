//! In which order the operator writes what members rely on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use endstate::CancellationToken;
use endstate::Error;
use endstate::driver::{Address, Driver, Outcome, Target};
use endstate::operator::{APP_LABEL, ObjectsOf, Operand, STARTED_ANNOTATION, Wanted};
use endstate_core::{Call, Entry, MemberStatus, Membership, Position, Reach, Standing, View};
use endstate_etcd::{crd, kinds, objects};
use etcd_plan::{Etcd, EtcdClusterSpec};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ApiResource, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::client::Body;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::operator::{World, wait_for};

/// etcd whose first members all answer at once, and agree.
pub(crate) struct Answering {
    services: Api<Service>,
    /// At each look at members: whether clients could find them.
    found: Arc<Mutex<Vec<bool>>>,
    /// What it was asked to change.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// Who answers.
    pub(crate) answers: fn(&Address) -> bool,
    /// Who did not.
    pub(crate) silent: Arc<Mutex<Vec<String>>>,
}

impl Driver for Answering {
    type Spec = EtcdClusterSpec;

    async fn observe(&self, target: &Target<'_, EtcdClusterSpec>) -> View {
        let members = &target.members;
        if !members.is_empty() {
            let service = self.services.get_opt("demo-client").await.unwrap();
            self.found.lock().unwrap().push(service.is_some());
        }
        let ids = || members.iter().zip(1_u64..);
        let answer = |(it, id): (&Address, u64)| {
            if !(self.answers)(it) {
                return endstate_core::Target::silent(it.member.clone(), Reach::Unreachable);
            }
            let standing = if id == 1 { Standing::Leader } else { Standing::Voter };
            let status = MemberStatus::new(id.to_string(), "9", standing).follows("1");
            let status = status.at(Position::at(8)).runs("3.5.16").holds(1);
            endstate_core::Target::answered(it.member.clone(), status)
        };
        let entry = |(it, id): (&Address, u64)| Entry::voter(id.to_string(), it.member.clone());
        let silent = members.iter().filter(|it| !(self.answers)(it));
        let silent: Vec<_> = silent.map(|it| it.member.to_string()).collect();
        let agreed = members.len() - silent.len();
        self.silent.lock().unwrap().extend(silent);
        let list = Membership::new("9", ids().map(entry)).agreed(agreed);
        let list = (agreed > 0 || members.is_empty()).then_some(list);
        View::new(ids().map(answer).collect(), list)
    }

    async fn act(&self, _: &Target<'_, EtcdClusterSpec>, call: &Call) -> Outcome {
        self.asked.lock().unwrap().push(call.request.to_string());
        Outcome::blocked("nothing is to be changed")
    }
}

impl Operand for Answering {
    type App = Etcd;
    type Driver = Self;
    type Kind = crd::EtcdCluster;

    fn app(&self) -> &Etcd {
        &Etcd
    }

    fn driver(&self) -> &Self {
        self
    }

    fn kinds(&self) -> Vec<ApiResource> {
        kinds()
    }

    fn objects(&self, of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
        objects(of)
    }
}

/// Runs an operator of such members on a world until the world ends.
fn operate(world: &World) -> Arc<Mutex<Vec<bool>>> {
    let answering = answering(world);
    let found = Arc::clone(&answering.found);
    run(answering, world.client(), world.shutdown());
    found
}

pub(crate) fn answering(world: &World) -> Answering {
    let services = Api::namespaced(world.client(), "default");
    Answering {
        services,
        found: Arc::default(),
        asked: Arc::default(),
        answers: |_| true,
        silent: Arc::default(),
    }
}

/// Runs an operator; what is returned is done when it has ended.
pub(crate) fn run(
    answering: Answering,
    client: Client,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    let mut engine = endstate::Engine::new(client, endstate::Options::new("test"));
    endstate::operator::add(&mut engine, "etcdclusters", answering, "endstate:test");
    tokio::spawn(async move { drop(engine.run(shutdown).await) })
}

/// Whoever reads that a cluster is available looks for its service next.
#[tokio::test]
async fn the_service_for_clients_comes_with_the_record_and_not_a_look_later() {
    let world = World::new().await;
    let found = operate(&world);
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    // The first look has the pods marked, the second has the cluster recorded.
    let first = async || found.lock().unwrap().get(..3).map(<[bool]>::to_vec);
    assert_eq!(wait_for(first).await, [false, false, true]);
}

/// Between a first start and the mark a pod that lost everything would start blank. Nothing may count on the cluster by
/// then.
#[tokio::test]
async fn pods_say_that_their_members_started_before_it_is_recorded_that_a_cluster_exists() {
    let world = World::new().await;
    operate(&world);
    let spec = json!({"size": 3, "version": "3.5.16"});
    let object = world.create("demo", spec).await.unwrap();
    let recorded = first_record(&world, &object.resource_version().unwrap()).await;
    let pods = world.pods().await;
    assert_eq!(pods.len(), 3);
    for pod in pods {
        assert!(pod.annotations().contains_key(STARTED_ANNOTATION), "{}", pod.name_any());
        // Nothing but the mark changes these pods.
        assert!(revision(pod.resource_version()) < recorded, "{}", pod.name_any());
    }
}

/// A client whose changes of objects of a kind the API refuses.
fn without_changes(client: Client, kind: &'static str) -> Client {
    let spoil = move |mut request: http::Request<Body>| {
        if request.method() == http::Method::PATCH && request.uri().path().contains(kind) {
            let kind = http::HeaderValue::from_static("text/plain");
            request.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        }
        request
    };
    let send = move |request| {
        let client = client.clone();
        async move { client.send(spoil(request)).await }
    };
    Client::new(tower::service_fn(send), "default")
}

/// As an admission policy may do. What does not rely on the marks goes on, and what is refused is said.
#[tokio::test]
async fn pods_that_cannot_be_marked_do_not_stop_what_needs_no_marks() {
    let world = World::new().await;
    operate(&world);
    let object = world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    first_record(&world, &object.resource_version().unwrap()).await;
    world.shutdown().cancel();
    let pods: Api<Pod> = Api::namespaced(world.client(), "default");
    let name = world.pods().await[0].name_any();
    let bare = Patch::Merge(json!({"metadata": {"labels": {"endstate.dev/standing": null}}}));
    pods.patch(&name, &PatchParams::default(), &bare).await.unwrap();

    let stop = CancellationToken::new();
    run(answering(&world), without_changes(world.client(), "/pods/"), stop.clone());
    let paused = Patch::Merge(json!({"spec": {"paused": true}}));
    let changed = world.clusters().patch("demo", &PatchParams::default(), &paused).await.unwrap();
    wait_for(async || {
        let status = &world.clusters().get("demo").await.unwrap().data["status"];
        let is_seen = status["observedGeneration"].as_i64() == changed.metadata.generation;
        let told = status.to_string().contains(&format!("mark pod {name}"));
        (is_seen && told).then_some(())
    })
    .await;
    stop.cancel();
}

/// A quota, a policy, a webhook: members come and are repaired all the same, and what is refused is said.
#[tokio::test]
async fn objects_that_cannot_be_made_do_not_stop_members() {
    let world = World::new().await;
    let client = without_changes(world.client(), "/services/");
    run(answering(&world), client, world.shutdown());
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
    wait_for(async || {
        let status = &world.clusters().get("demo").await.unwrap().data["status"];
        let told = status["waiting"].to_string().contains("apply the objects of demo");
        (told && status["record"]["clusterId"].is_string()).then_some(())
    })
    .await;
}

/// The revision at which the identity of the cluster was written down.
pub(crate) async fn first_record(world: &World, since: &str) -> u64 {
    let changes = world.clusters().watch(&WatchParams::default(), since).await.unwrap();
    let mut changes = std::pin::pin!(changes);
    let recorded = async {
        while let Some(change) = changes.try_next().await.unwrap() {
            if let WatchEvent::Modified(object) = change
                && object.data["status"]["record"]["clusterId"].is_string()
            {
                return revision(object.resource_version());
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(Duration::from_secs(10), recorded).await.unwrap()
}

fn revision(version: Option<String>) -> u64 {
    version.unwrap().parse().unwrap()
}

/// Labels and owners are for everybody to edit; a pod that lost them is a member all the same, and gets them back.
#[tokio::test]
async fn a_pod_without_its_labels_or_its_owner_is_still_a_member() {
    let world = World::new().await;
    let operator = answering(&world);
    let asked = Arc::clone(&operator.asked);
    run(operator, world.client(), world.shutdown());
    let object = world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    first_record(&world, &object.resource_version().unwrap()).await;
    let pods: Api<Pod> = Api::namespaced(world.client(), "default");
    let before = world.pods().await.remove(0);
    let whole = |pod: &Pod| {
        let labels =
            before.labels().iter().all(|(key, value)| pod.labels().get(key) == Some(value));
        labels && pod.owner_references() == before.owner_references()
    };
    for taken in [
        json!({"labels": {APP_LABEL: null}}),
        json!({"ownerReferences": null}),
        json!({"labels": {APP_LABEL: "another"}, "ownerReferences": null}),
        json!({"labels": null, "ownerReferences": null}),
    ] {
        let patch = Patch::Merge(json!({"metadata": &taken}));
        let bare = pods.patch(&before.name_any(), &PatchParams::default(), &patch).await.unwrap();
        assert!(!whole(&bare), "{taken}");
        wait_for(async || {
            let pod = pods.get(&before.name_any()).await.unwrap();
            (pod.uid() == before.uid() && whole(&pod)).then_some(())
        })
        .await;
        let status = world.clusters().get("demo").await.unwrap().data["status"].clone();
        assert_eq!(status["record"]["members"].as_array().unwrap().len(), 3, "{taken}: {status}");
    }
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
}

/// A status that was lost, and pods without labels: what they hold is not known, so nothing is started beside them.
#[tokio::test]
async fn a_record_that_is_lost_is_made_again_of_pods_without_labels() {
    let world = World::new().await;
    let first = CancellationToken::new();
    run(answering(&world), world.client(), first.clone());
    let object = world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    first_record(&world, &object.resource_version().unwrap()).await;
    first.cancel();
    let pods: Api<Pod> = Api::namespaced(world.client(), "default");
    for pod in world.pods().await {
        let bare = Patch::Merge(json!({"metadata": {"labels": null}}));
        pods.patch(&pod.name_any(), &PatchParams::default(), &bare).await.unwrap();
    }
    let lost = Patch::Merge(json!({"status": null}));
    wait_for(async || {
        // The operator that ends may write once more.
        let clusters = world.clusters();
        clusters.patch_status("demo", &PatchParams::default(), &lost).await.ok()?;
        clusters.get("demo").await.unwrap().data["status"].is_null().then_some(())
    })
    .await;
    run(answering(&world), world.client(), world.shutdown());
    wait_for(async || {
        let status = &world.clusters().get("demo").await.unwrap().data["status"];
        let reasons = status["conditions"].as_array()?.iter().map(|it| it["reason"].as_str());
        let is_open = reasons.flatten().any(|it| it == "QuorumHealthy");
        (is_open && status["record"]["clusterId"].is_string()).then_some(())
    })
    .await;
    assert_eq!(world.pods().await.len(), 3, "each has its labels again, and no fourth was made");
}

/// A client that makes a service just before it first writes a status.
fn with_stranger(client: Client, theirs: Service) -> Client {
    let theirs = Arc::new(Mutex::new(Some(theirs)));
    let send = move |request: http::Request<Body>| {
        let is_status = request.method() == http::Method::PATCH
            && request.uri().path().ends_with("/etcdclusters/demo/status");
        let theirs = is_status.then(|| theirs.lock().unwrap().take()).flatten();
        let client = client.clone();
        async move {
            if let Some(theirs) = theirs {
                let services: Api<Service> = Api::namespaced(client.clone(), "default");
                services.create(&PostParams::default(), &theirs).await.unwrap();
            }
            client.send(request).await
        }
    };
    Client::new(tower::service_fn(send), "default")
}

#[tokio::test]
async fn a_service_of_somebody_else_that_comes_after_the_look_for_it_is_left_alone() {
    let world = World::new().await;
    let theirs: Service = serde_json::from_value(json!({
        "metadata": {"name": "demo-peer"},
        // As one that could be taken over.
        "spec": {
            "clusterIP": "None",
            "ports": [{"name": "a", "port": 80}],
            "selector": {"app": "theirs"},
        },
    }))
    .unwrap();
    run(answering(&world), with_stranger(world.client(), theirs), world.shutdown());
    world.create("demo", json!({"size": 3, "version": "3.5.16"})).await.unwrap();
    wait_for(async || {
        let status = &world.clusters().get("demo").await.unwrap().data["status"];
        let reasons = status["conditions"].as_array()?.iter().map(|it| it["reason"].as_str());
        reasons.flatten().any(|it| it == "NameTaken").then_some(())
    })
    .await;
    let services: Api<Service> = Api::namespaced(world.client(), "default");
    let kept = services.get("demo-peer").await.unwrap();
    assert_eq!(kept.spec.unwrap().selector.unwrap()["app"], "theirs");
    assert_eq!(kept.metadata.owner_references, None);
}
