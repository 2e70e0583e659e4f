//! Feeds one kind's metadata into the graph.

use std::collections::HashSet;
use std::sync::Arc;

use controllers::garbage::{Node, Object, Owner, Uid};
use endstate::CancellationToken;
use futures::StreamExt;
use kube::core::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};

use super::{Kind, Meta, ResourceName, Universe, api, rest};

/// Events are many, own nothing and are owned by nobody.
pub(super) fn is_tracked(resource: &str) -> bool {
    resource != "events" && resource != "events.events.k8s.io"
}

/// Runs until the kind is no longer served. A panic is a bug, but one that must not end garbage collection for good,
/// nor silently: it is logged, and the feed starts again with a new list.
pub(super) async fn keep(
    universe: Arc<Universe>,
    resource: ResourceName,
    kind: Kind,
    stop: CancellationToken,
) {
    let feed = || run(Arc::clone(&universe), Arc::clone(&resource), kind.clone(), stop.clone());
    survive(&resource, feed, &stop).await;
    Feed { universe, resource, seen: HashSet::new() }.end();
}

async fn survive<F>(resource: &str, feed: impl Fn() -> F, stop: &CancellationToken)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(feed()).await {
        tracing::error!(resource, %error, "what feeds garbage collection failed and starts again");
        rest(stop).await;
        if stop.is_cancelled() {
            return;
        }
    }
}

async fn run(universe: Arc<Universe>, resource: ResourceName, kind: Kind, stop: CancellationToken) {
    let mut feed = Feed { universe, resource, seen: HashSet::new() };
    let api = api(&feed.universe.client, &kind, None);
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = stop.cancelled() => break,
        };
        match change {
            Some(Ok(event)) => feed.take(event),
            // The definition may just have gone; whoever follows the kinds ends this then.
            Some(Err(error)) => {
                tracing::debug!(resource = &*feed.resource, %error, "a watch failed")
            }
            None => break,
        }
    }
}

struct Feed {
    universe: Arc<Universe>,
    resource: ResourceName,
    /// What the list under way has brought.
    seen: HashSet<Uid>,
}

impl Feed {
    fn take(&mut self, event: watcher::Event<Meta>) {
        match event {
            watcher::Event::Init => self.seen.clear(),
            watcher::Event::InitApply(object) => {
                if let Some(uid) = self.insert(&object.metadata) {
                    self.seen.insert(uid);
                }
            }
            watcher::Event::InitDone => {
                self.forget_unseen();
                self.universe.is_there(&self.resource);
            }
            watcher::Event::Apply(object) => drop(self.insert(&object.metadata)),
            watcher::Event::Delete(object) => {
                let Some(uid) = object.metadata.uid.as_deref() else { return };
                self.remove(&uid.into());
                self.tell_namespace(object.metadata.namespace.as_deref());
            }
        }
    }

    fn insert(&self, meta: &ObjectMeta) -> Option<Uid> {
        let node = node(&self.resource, meta)?;
        let uid = Arc::clone(&node.object.uid);
        let visit = self.universe.graph().insert(node);
        self.universe.judge(visit);
        self.tell_namespace(
            meta.namespace.as_deref().filter(|_| meta.deletion_timestamp.is_some()),
        );
        Some(uid)
    }

    fn remove(&self, uid: &Uid) {
        let visit = self.universe.graph().remove(uid);
        self.universe.judge(visit);
    }

    /// The content of a namespace changed; whether that matters is known where namespaces are emptied.
    fn tell_namespace(&self, namespace: Option<&str>) {
        if let Some(namespace) = namespace {
            self.universe.look_at_namespace(namespace);
        }
    }

    fn forget_unseen(&self) {
        let is_lost =
            |it: &&Node| it.object.resource == self.resource && !self.seen.contains(&it.object.uid);
        let lost: Vec<_> = self
            .universe
            .graph()
            .nodes()
            .filter(is_lost)
            .map(|it| Arc::clone(&it.object.uid))
            .collect();
        lost.iter().for_each(|uid| self.remove(uid));
    }

    /// A kind that is no longer served has no objects.
    fn end(self) {
        self.forget_unseen();
        self.universe.is_there(&self.resource);
    }
}

fn node(resource: &ResourceName, meta: &ObjectMeta) -> Option<Node> {
    let owners = meta.owner_references.iter().flatten().map(|it| Owner {
        api_version: it.api_version.clone(),
        kind: it.kind.clone(),
        name: it.name.clone(),
        uid: it.uid.as_str().into(),
        is_controller: it.controller,
        blocks: it.block_owner_deletion == Some(true),
    });
    Some(Node {
        object: Object {
            resource: Arc::clone(resource),
            namespace: meta.namespace.as_deref().map(Arc::from),
            name: meta.name.as_deref()?.into(),
            uid: meta.uid.as_deref()?.into(),
            resource_version: meta.resource_version.as_deref()?.into(),
        },
        owners: owners.collect(),
        finalizers: meta.finalizers.clone().unwrap_or_default(),
        is_deleting: meta.deletion_timestamp.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_panics_starts_again() {
        let (runs, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let feed = || {
            let runs = Arc::clone(&runs);
            async move { assert!(runs.fetch_add(1, Ordering::Relaxed) >= 2, "on purpose") }
        };
        survive("pods", feed, &stop).await;
        assert_eq!(runs.load(Ordering::Relaxed), 3);
        stop.cancel();
        survive("pods", || async { panic!("on purpose") }, &stop).await;
    }
}
