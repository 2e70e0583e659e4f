//! Several pods that lose the label by which they are watched, at once or one during the look for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use endstate::CancellationToken;
use endstate::operator::APP_LABEL;
use endstate_core::App;
use etcd_plan::Etcd;
use futures::future::join_all;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::Notify;

use crate::marks::{Answering, answering, first_record, run};
use crate::operator::{World, wait_for};

/// Only who has an address is asked and answers.
fn addressed(world: &World) -> Answering {
    let mut it = answering(world);
    it.answers = |it| it.host.is_some();
    it
}

fn pods(client: Client) -> Api<Pod> {
    Api::namespaced(client, "default")
}

/// Makes a cluster of three, whose pods run. Its operator has ended.
async fn running(world: &World) -> Vec<Pod> {
    let stop = CancellationToken::new();
    let ended = run(addressed(world), world.client(), stop.clone());
    let spec = json!({"size": 3, "version": "3.5.16"});
    let object = world.create("demo", spec).await.unwrap();
    let started = wait_for(async || Some(world.pods().await).filter(|it| it.len() == 3)).await;
    let status = json!({"status": {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{
            "name": Etcd.name(), "image": "test", "imageID": "test", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }],
    }});
    for pod in &started {
        let status = Patch::Merge(&status);
        let params = PatchParams::default();
        pods(world.client()).patch_status(&pod.name_any(), &params, &status).await.unwrap();
    }
    first_record(world, &object.resource_version().unwrap()).await;
    stop.cancel();
    ended.await.unwrap();
    calm(world).await;
    started
}

/// Records that the members have been well for long: nobody is removed while they are just back.
async fn calm(world: &World) {
    let mut record = world.clusters().get("demo").await.unwrap().data["status"]["record"].take();
    for member in record["members"].as_array_mut().unwrap() {
        member["recovered"] = json!("2026-01-01T00:00:00Z");
    }
    let calm = Patch::Merge(json!({"status": {"record": record}}));
    world.clusters().patch_status("demo", &PatchParams::default(), &calm).await.unwrap();
}

async fn strip(pods: &Api<Pod>, pod: &Pod) {
    let bare = Patch::Merge(json!({"metadata": {"labels": {APP_LABEL: null}}}));
    let bare = pods.patch(&pod.name_any(), &PatchParams::default(), &bare).await.unwrap();
    assert_eq!(bare.labels().get(APP_LABEL), None);
}

/// Waits until all pods are the same as before, with their label, and nobody is on the way in or out.
async fn restored(world: &World, before: &[Pod]) {
    let uids: Vec<_> = before.iter().map(ResourceExt::uid).collect();
    wait_for(async || {
        let now = world.pods().await;
        assert_eq!(now.iter().map(ResourceExt::uid).collect::<Vec<_>>(), uids);
        now.iter().all(|it| it.labels().contains_key(APP_LABEL)).then_some(())
    })
    .await;
    let record = world.clusters().get("demo").await.unwrap().data["status"]["record"].clone();
    assert_eq!(record["members"].as_array().unwrap().len(), 3, "{record}");
    assert!(record["step"].is_null(), "{record}");
}

#[tokio::test]
async fn several_pods_that_lose_their_label_at_once_are_still_members() {
    let world = World::new().await;
    let before = running(&world).await;
    let operator = addressed(&world);
    let (asked, silent) = (Arc::clone(&operator.asked), Arc::clone(&operator.silent));
    run(operator, world.client(), world.shutdown());
    let pods = pods(world.client());
    for taken in [&before[..2], &before[1..], &before[..]] {
        join_all(taken.iter().map(|it| strip(&pods, it))).await;
        restored(&world, &before).await;
    }
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(*silent.lock().unwrap(), Vec::<String>::new());
}

/// Takes the label of one pod during the first look for another.
struct Race {
    pods: Api<Pod>,
    looked_for: String,
    taken: Pod,
    is_over: AtomicBool,
    /// The watch has shown that the pod left it.
    has_left: Notify,
}

impl Race {
    fn is_begun_by(&self, request: &http::Request<Body>) -> bool {
        let path = format!("/pods/{}", self.looked_for);
        request.method() == http::Method::GET && request.uri().path().ends_with(&path)
    }

    async fn begin(&self) {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            strip(&self.pods, &self.taken).await;
            let left = self.has_left.notified();
            tokio::time::timeout(Duration::from_secs(10), left).await.unwrap();
            // There is one thread: whoever was handed the event takes it in meanwhile.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn saw(&self, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        if text.contains("DELETED") && text.contains(&self.taken.name_any()) {
            self.has_left.notify_one();
        }
    }
}

fn racing(client: Client, race: Arc<Race>) -> Client {
    let send = move |request: http::Request<Body>| {
        let is_look = race.is_begun_by(&request);
        let (client, race) = (client.clone(), Arc::clone(&race));
        async move {
            if is_look {
                race.begin().await;
            }
            let answer = client.send(request).await?;
            Ok::<_, kube::Error>(answer.map(|body| {
                body.map_frame(move |frame| {
                    frame.data_ref().into_iter().for_each(|it| race.saw(it));
                    frame
                })
            }))
        }
    };
    Client::new(tower::service_fn(send), "default")
}

#[tokio::test]
async fn a_pod_that_leaves_the_watch_during_a_look_for_another_is_still_a_member() {
    let world = World::new().await;
    let before = running(&world).await;
    let race = Arc::new(Race {
        pods: pods(world.client()),
        looked_for: before[0].name_any(),
        taken: before[1].clone(),
        is_over: AtomicBool::new(false),
        has_left: Notify::new(),
    });
    let operator = addressed(&world);
    let (asked, silent) = (Arc::clone(&operator.asked), Arc::clone(&operator.silent));
    run(operator, racing(world.client(), Arc::clone(&race)), world.shutdown());
    strip(&race.pods, &before[0]).await;
    wait_for(async || race.is_over.load(Ordering::SeqCst).then_some(())).await;
    restored(&world, &before).await;
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(*silent.lock().unwrap(), Vec::<String>::new());
}
