//! The tree again whenever something in it changes.

use std::pin::Pin;
use std::time::Duration;

use endstate_core::LABEL_CLUSTER;
use futures::stream::{self, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};

use super::{StatusError, Tree, fetch};
use crate::crd;

/// Changes come in bursts; one tree per burst is enough.
const BURST: Duration = Duration::from_millis(50);

type Changes = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// The tree now, and again at each change that shows. It ends at the first error, which a cluster that is deleted is, too.
pub fn watch(
    client: Client,
    namespace: String,
    name: String,
) -> impl Stream<Item = Result<Tree, StatusError>> + Send {
    let changes = stream::select_all([
        objects::<crd::EtcdCluster>(&client, &namespace, &name),
        objects::<crd::historical::EtcdCluster>(&client, &namespace, &name),
        pods(&client, &namespace, &name),
    ]);
    let state =
        State { client, namespace, name, changes: Box::pin(changes), last: None, ended: false };
    stream::unfold(state, State::next)
}

struct State {
    client: Client,
    namespace: String,
    name: String,
    changes: Changes,
    last: Option<Tree>,
    ended: bool,
}

impl State {
    async fn next(mut self) -> Option<(Result<Tree, StatusError>, Self)> {
        if self.ended {
            return None;
        }
        loop {
            if self.last.is_some() {
                self.changes.next().await?;
                self.swallow_burst().await;
            }
            match fetch(&self.client, &self.namespace, &self.name).await {
                Ok(tree) if self.last.as_ref() == Some(&tree) => {}
                Ok(tree) => {
                    self.last = Some(tree.clone());
                    return Some((Ok(tree), self));
                }
                Err(error) => {
                    self.ended = true;
                    return Some((Err(error), self));
                }
            }
        }
    }

    async fn swallow_burst(&mut self) {
        let end = tokio::time::Instant::now() + BURST;
        while let Ok(Some(())) = tokio::time::timeout_at(end, self.changes.next()).await {}
    }
}

fn objects<K: Resource<DynamicType = ()>>(client: &Client, namespace: &str, name: &str) -> Changes {
    let kind = ApiResource::erase::<K>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    changes(watcher(api, only))
}

fn pods(client: &Client, namespace: &str, name: &str) -> Changes {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let only = watcher::Config::default().labels(&format!("{LABEL_CLUSTER}={name}"));
    changes(watcher(api, only))
}

/// A watch that fails is tried again, more and more seldom. Each failure is a reason to look, too: nothing changed if the
/// kind is not installed, and if the API is gone, the look says so.
fn changes<T: Send + 'static>(
    watch: impl Stream<Item = Result<watcher::Event<T>, watcher::Error>> + Send + 'static,
) -> Changes {
    Box::pin(watch.default_backoff().map(drop))
}
