//! Feeds one kind's metadata into the graph.

use std::collections::HashSet;
use std::sync::Arc;

use controllers::garbage::{Node, Object, Owner, Uid};
use endstate::CancellationToken;
use futures::StreamExt;
use kube::core::ObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};

use super::{Kind, Meta, ResourceName, Universe, api};

/// Events are many, own nothing and are owned by nobody.
pub(super) fn is_tracked(resource: &str) -> bool {
    resource != "events" && resource != "events.events.k8s.io"
}

/// Runs until the kind is no longer served.
pub(super) async fn run(
    universe: Arc<Universe>,
    resource: ResourceName,
    kind: Kind,
    stop: CancellationToken,
) {
    let mut feed = Feed { universe, resource, seen: HashSet::new(), is_listed: false };
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
    feed.end();
}

struct Feed {
    universe: Arc<Universe>,
    resource: ResourceName,
    /// What the list under way has brought.
    seen: HashSet<Uid>,
    is_listed: bool,
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
                self.listed();
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

    fn listed(&mut self) {
        if !std::mem::replace(&mut self.is_listed, true) {
            self.universe.missing.send_modify(|missing| *missing -= 1);
        }
    }

    /// A kind that is no longer served has no objects.
    fn end(mut self) {
        self.seen.clear();
        self.forget_unseen();
        self.listed();
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
