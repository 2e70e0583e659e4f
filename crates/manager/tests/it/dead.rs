//! What is gone from the server does not stay in the caches of the SDK, however its answers and events cross.

use crate::support::{Cluster, eventually};
use endstate::{Cache, CancellationToken, Engine, ObjectKey, Options, Scope};
use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use serde_json::json;
use tower::ServiceExt as _;

const OBJECTS: usize = 100;

fn map(name: &str) -> ConfigMap {
    let meta = json!({"name": name, "namespace": "default", "labels": {"test": "yes"}});
    serde_json::from_value(json!({"metadata": meta})).unwrap()
}

/// Waits until the cache's watch has shown what happened so far: a change made now.
async fn catch_up(maps: &Api<ConfigMap>, cache: &Cache<ConfigMap>, word: usize) {
    let patch = Patch::Merge(json!({"data": {word.to_string(): "seen"}}));
    maps.patch("marker", &PatchParams::default(), &patch).await.unwrap();
    let key = ObjectKey::namespaced("default", "marker");
    eventually("the marker", async || {
        let data = cache.get(&key).and_then(|it| it.data.clone());
        data.is_some_and(|it| it.contains_key(&word.to_string()))
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_before_its_creation_is_answered_leaves_no_trace() {
    let cluster = Cluster::start(&[]).await;
    // Its answers to creations come only when the holder of the other end says so.
    let (answers, mut held) = tokio::sync::mpsc::unbounded_channel();
    let server = cluster.service();
    let slow = tower::service_fn(move |request: http::Request<Body>| {
        let (server, answers) = (server.clone(), answers.clone());
        async move {
            let is_create = request.method() == http::Method::POST;
            let answer = server.oneshot(request).await;
            if is_create {
                let (go, wait) = tokio::sync::oneshot::channel();
                answers.send(go).unwrap();
                wait.await.unwrap();
            }
            answer
        }
    });
    let mut engine = Engine::new(Client::new(slow, "default"), Options::new("tester"));
    let cache = engine.cache_of::<ConfigMap>((), Scope::all().label("test", "yes"));
    let (context, shutdown) = (engine.context().clone(), CancellationToken::new());
    let engine = tokio::spawn(engine.run(shutdown.clone()));
    cache.synced().await;

    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    maps.create(&PostParams::default(), &map("marker")).await.unwrap();
    let create = async |index| context.create(&map(&format!("m-{index}"))).await.map(drop);
    let made = join_all((0..OBJECTS).map(create));
    let deleted = async {
        let mut waiting = Vec::new();
        for _ in 0..OBJECTS {
            waiting.push(held.recv().await.unwrap());
        }
        catch_up(&maps, &cache, 1).await;
        for index in 0..OBJECTS {
            maps.delete(&format!("m-{index}"), &DeleteParams::default()).await.unwrap();
        }
        catch_up(&maps, &cache, 2).await;
        waiting.into_iter().for_each(|it| it.send(()).unwrap());
    };
    let (made, ()) = futures::join!(made, deleted);
    made.into_iter().for_each(Result::unwrap);
    assert_eq!(cache.len(), 1, "only the marker");
    shutdown.cancel();
    engine.await.unwrap().unwrap();
    cluster.stop().await;
}
