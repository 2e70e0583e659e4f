//! The tree again whenever something in it changes.

use std::pin::Pin;
use std::time::Duration;

use futures::future::ready;
use futures::stream::{self, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

use super::read::kinds;
use super::{StatusError, Tree, fetch};
use crate::package::Package;

/// Changes come in bursts; one tree per burst is enough.
const BURST: Duration = Duration::from_millis(50);

type Changes = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// The tree now, and again at each change that shows. It ends at the first error, which a cluster that is deleted is,
/// too.
///
/// ```no_run
/// # use endstate::{package::Package, status::{Style, render, watch}};
/// # use futures::StreamExt;
/// async fn follow(package: &'static dyn Package, client: kube::Client) {
///     let mut trees = std::pin::pin!(watch(package, client, "default".into(), "demo".into()));
///     while let Some(Ok(tree)) = trees.next().await {
///         println!("{}", render(&tree, Style::Plain));
///     }
/// }
/// ```
pub fn watch(
    package: &'static dyn Package,
    client: Client,
    namespace: String,
    name: String,
) -> impl Stream<Item = Result<Tree, StatusError>> + Send {
    let kinds = kinds(package);
    let mut changes: Vec<_> =
        kinds.iter().map(|it| objects(&client, it, &namespace, &name)).collect();
    changes.push(pods(&client, &namespace, &name));
    let changes: Changes = Box::pin(stream::select_all(changes));
    let state = State { package, client, namespace, name, changes, last: None, ended: false };
    stream::unfold(state, State::next)
}

struct State {
    package: &'static dyn Package,
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
            match fetch(self.package, &self.client, &self.namespace, &self.name).await {
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

fn objects(client: &Client, kind: &ApiResource, namespace: &str, name: &str) -> Changes {
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, kind);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    changes(watcher(api, only), |_| true)
}

/// Pods that may be members: by their owner's name, or by their own, which begins with the cluster's. Which are, the
/// look decides.
fn pods(client: &Client, namespace: &str, name: &str) -> Changes {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let (name, prefix) = (name.to_owned(), format!("{name}-"));
    changes(watcher(api, watcher::Config::default()), move |pod| {
        pod.name_any().starts_with(&prefix)
            || pod.owner_references().iter().any(|it| it.name == name)
    })
}

/// A watch that fails is tried again, more and more seldom. Each failure is a reason to look, too: nothing changed if
/// the kind is not installed, and if the API is gone, the look says so.
fn changes<T: Send + 'static>(
    watch: impl Stream<Item = Result<watcher::Event<T>, watcher::Error>> + Send + 'static,
    matters: impl Fn(&T) -> bool + Send + Sync + 'static,
) -> Changes {
    let matters = move |event: &Result<watcher::Event<T>, watcher::Error>| match event {
        Ok(
            watcher::Event::Apply(it) | watcher::Event::Delete(it) | watcher::Event::InitApply(it),
        ) => matters(it),
        Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => true,
    };
    Box::pin(watch.default_backoff().filter(move |event| ready(matters(event))).map(drop))
}
