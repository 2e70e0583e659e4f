//! From the API and the application to one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use endstate_core::{Identity, MemberName, Snapshot, targets};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use kube::ResourceExt;

use super::{Declared, Operand, Operator, SpecOf, member_pod};
use crate::driver::{Address, Driver};
use crate::{Context, Error, ObjectKey};

/// How long a node must have been silent before what ran on it is given up.
const NODE_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// One look: what is decided on, and the pods as the API has them.
pub(super) struct Look<S> {
    pub(super) snapshot: Snapshot<S>,
    pub(super) pods: Vec<Arc<Pod>>,
}

impl<O: Operand> Operator<O> {
    /// Everything the planner may look at, from one moment: pods first, then the members' own answers.
    pub(super) async fn observe(
        &self,
        object: &Declared<O::Kind>,
        ctx: &Context,
    ) -> Result<Look<SpecOf<O>>, Error> {
        // Before the look: a term that begins during it has not seen what was refused in this one.
        let (key, term) = (ObjectKey::of(object), ctx.fence().term());
        let spec = self.operand.spec(&object.spec).map_err(|it| unreadable("spec", it))?;
        let status = self.operand.status(&object.status).map_err(|it| unreadable("status", it))?;
        let identity = identity(object);
        let owned = self.look_past_the_watch(object, &status.record, ctx).await?;
        let lost = self.lost_nodes(&owned, ctx).await?;
        let pods: Vec<_> = owned
            .iter()
            .map(|pod| {
                let node = pod.spec.as_ref().and_then(|it| it.node_name.as_deref());
                let node_lost = node.is_some_and(|it| lost.contains(it));
                member_pod(pod, self.operand.container(), node_lost)
            })
            .collect();
        let members = targets(&status.record, &pods);
        let addresses = addresses(&members, &owned, self.operand.container());
        let view = self.operand.driver().observe(&addresses).await;
        let snapshot = Snapshot {
            now: ctx.now(),
            seed: identity.seed(),
            object: identity,
            spec,
            status,
            pods: Some(pods),
            view,
            blocked: self.refusals().last(&key, term),
        };
        Ok(Look { snapshot, pods: owned })
    }

    /// The nodes of these pods that are gone, or silent for long.
    async fn lost_nodes(
        &self,
        pods: &[Arc<Pod>],
        ctx: &Context,
    ) -> Result<BTreeSet<String>, Error> {
        let nodes: BTreeSet<_> =
            pods.iter().filter_map(|it| it.spec.as_ref()?.node_name.clone()).collect();
        let mut lost = BTreeSet::new();
        for name in nodes {
            let key = ObjectKey::cluster(name.as_str());
            let node = match self.nodes.get(&key) {
                Some(node) => Some(Node::clone(&node)),
                // The cache may just not have heard of it yet.
                None => ctx.get_live::<Node>(&key).await?,
            };
            if node.is_none_or(|it| is_silent(&it, ctx.now())) {
                lost.insert(name);
            }
        }
        Ok(lost)
    }
}

fn unreadable(what: &str, error: serde_json::Error) -> Error {
    Error::other(format!("the {what} of this object cannot be read, so nothing is done: {error}"))
}

/// Who the object is, as the planner wants it.
fn identity<K>(object: &Declared<K>) -> Identity {
    let meta = &object.metadata;
    Identity {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default().into(),
        resource_version: meta.resource_version.clone().unwrap_or_default().into(),
        generation: meta.generation.unwrap_or_default(),
        deleting: meta.deletion_timestamp.is_some(),
    }
}

/// Where the members are. One whose process is known not to run has no address: asking it would only take the time that a silence
/// takes.
fn addresses(members: &[MemberName], pods: &[Arc<Pod>], container: &str) -> Vec<Address> {
    let host = |name: &str| {
        let pod = pods.iter().find(|it| it.name_any() == name)?;
        let status = pod.status.as_ref().filter(|it| is_running(it, container))?;
        status.pod_ip.clone().filter(|it| !it.is_empty())
    };
    members.iter().map(|it| Address { member: it.clone(), host: host(it) }).collect()
}

fn is_running(status: &PodStatus, container: &str) -> bool {
    let mut containers = status.container_statuses.iter().flatten();
    let main = containers.find(|it| it.name == container);
    main.and_then(|it| it.state.as_ref()).is_some_and(|it| it.running.is_some())
}

/// Whether a node says nothing, for so long that it will not come back in time.
fn is_silent(node: &Node, now: Timestamp) -> bool {
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let Some(ready) = conditions.into_iter().find(|it| it.type_ == "Ready") else { return false };
    let since = ready.last_transition_time.as_ref().map(|it| it.0);
    ready.status == "Unknown" && since.is_some_and(|it| now.duration_since(it) >= NODE_PATIENCE)
}
