//! The scheduler on the engine. Decisions are made one after the other, each on a view that shows where the pods before
//! went; the bindings themselves are written side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use controllers::volume::waits_for_consumer;
use endstate::{Cache, Context, Engine, Error, Next, Notice, ObjectKey, Reconciler};
use k8s_openapi::api::core::v1::{
    Node, PersistentVolume, PersistentVolumeClaim, Pod, PodCondition, PodStatus,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::core::Request;
use scheduler::{
    Mount, SELECTED_NODE, Unschedulable, World, claim_names, is_finished, is_waiting, place,
};
use serde_json::json;

/// `client` is the one that binds.
pub(crate) fn add(engine: &mut Engine, client: Client) {
    let (pods, nodes) = (engine.cache::<Pod>(), engine.cache::<Node>());
    let claims = engine.cache::<PersistentVolumeClaim>();
    let (volumes, classes) = (engine.cache::<PersistentVolume>(), engine.cache::<StorageClass>());
    let (by_node, by_pod, by_claim) = (pods.clone(), pods.clone(), pods.clone());
    let scheduler = Scheduler {
        client,
        pods: pods.clone(),
        nodes: nodes.clone(),
        claims: claims.clone(),
        volumes: volumes.clone(),
        classes: classes.clone(),
        reserved: std::sync::Mutex::default(),
    };
    engine
        .add("scheduler", scheduler)
        .watches(&pods)
        // A node that came or changed may take what waits; so may one that a pod has left, or will not come to.
        .maps(&nodes, move |_| waiting(&by_node))
        .maps(&pods, move |pod| match is_leaving(pod) || is_gone(&by_pod, pod) {
            true => waiting(&by_pod),
            false => Vec::new(),
        })
        .maps(&claims, move |claim| waiting_for(&by_claim, claim))
        .reads(&volumes)
        .reads(&classes)
        .reports_as("default-scheduler")
        .concurrency(BINDINGS_MAX);
}

fn is_leaving(pod: &Pod) -> bool {
    is_finished(pod) || pod.metadata.deletion_timestamp.is_some()
}

fn is_gone(pods: &Cache<Pod>, pod: &Pod) -> bool {
    pods.get(&ObjectKey::of(pod)).is_none()
}

fn waiting(pods: &Cache<Pod>) -> Vec<ObjectKey> {
    pods.list().iter().filter(|it| is_waiting(it)).map(|it| ObjectKey::of(&**it)).collect()
}

/// The pods that wait and mount the claim.
fn waiting_for(pods: &Cache<Pod>, claim: &PersistentVolumeClaim) -> Vec<ObjectKey> {
    let meta = &claim.metadata;
    let all = pods.in_namespace(meta.namespace.as_deref().unwrap_or_default());
    let mounts = |pod: &Pod| claim_names(pod).any(|it| Some(it) == meta.name.as_deref());
    all.iter().filter(|it| is_waiting(it) && mounts(it)).map(|it| ObjectKey::of(&**it)).collect()
}

struct Scheduler {
    client: Client,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    claims: Cache<PersistentVolumeClaim>,
    volumes: Cache<PersistentVolume>,
    classes: Cache<StorageClass>,
    /// Pods whose volumes are being made, as they will be on their nodes: to the others they are there already. Held
    /// while a decision is made and shown to the next one.
    reserved: std::sync::Mutex<BTreeMap<ObjectKey, Pod>>,
}

/// What was decided about a pod.
enum Decision {
    /// Its node.
    Bind(String),
    /// Its node, once its claims have their volumes there.
    Tell(String, Vec<Arc<PersistentVolumeClaim>>),
}

impl Reconciler for Scheduler {
    type Kind = Pod;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(pod) = self.pods.get(&key).filter(|it| is_waiting(it)) else {
            self.reserved().remove(&key);
            return Ok(Next::Settled);
        };
        match self.decide(&pod, ctx) {
            Ok(Decision::Bind(node)) => {
                if let Err(error) = self.bind(ctx, &pod, &node).await {
                    // It is not there after all, as far as is known.
                    ctx.assume(Pod::clone(&pod));
                    return Err(error);
                }
            }
            Ok(Decision::Tell(node, claims)) => {
                for claim in claims {
                    tell(ctx, &claim, &node).await?;
                }
            }
            Err(why) => refuse(ctx, &pod, &why).await?,
        }
        Ok(Next::Settled)
    }
}

/// Says on a claim where its volume is to be. Its change, when it is bound, wakes the pod again.
async fn tell(ctx: &Context, claim: &PersistentVolumeClaim, node: &str) -> Result<(), Error> {
    let mut wanted = claim.clone();
    let annotations = wanted.metadata.annotations.get_or_insert_default();
    annotations.insert(SELECTED_NODE.to_owned(), node.to_owned());
    ctx.update(claim, &wanted).await.map(drop)
}

impl Scheduler {
    fn reserved(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Pod>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses a node, and shows the pod there to the decisions that follow.
    fn decide(&self, pod: &Pod, ctx: &Context) -> Result<Decision, Unschedulable> {
        let mut reserved = self.reserved();
        let key = ObjectKey::of(pod);
        reserved.remove(&key);
        let (node, claims) = self.place(pod, &reserved)?;
        let mut bound = pod.clone();
        bound.spec.get_or_insert_default().node_name = Some(node.clone());
        if claims.is_empty() {
            ctx.assume(bound);
            return Ok(Decision::Bind(node));
        }
        reserved.insert(key, bound);
        Ok(Decision::Tell(node, claims))
    }

    /// A node, and the claims that are to have their volumes there first.
    fn place(
        &self,
        pod: &Pod,
        reserved: &BTreeMap<ObjectKey, Pod>,
    ) -> Result<(String, Vec<Arc<PersistentVolumeClaim>>), Unschedulable> {
        let (nodes, pods) = (self.nodes.list(), self.pods.list());
        let nodes: Vec<&Node> = nodes.iter().map(|it| &**it).collect();
        let is_there = |it: &&Pod| !is_finished(it) && !reserved.contains_key(&ObjectKey::of(*it));
        let pods = pods.iter().map(|it| &**it).filter(is_there);
        let pods: Vec<&Pod> = pods.chain(reserved.values()).collect();
        let namespace = pod.metadata.namespace.as_deref();
        let found: Vec<_> = claim_names(pod)
            .map(|name| Found::look(self, name, self.claims.get(&ObjectKey::new(namespace, name))))
            .collect();
        let mounts: Vec<_> = found.iter().map(Found::mount).collect();
        let node = place(pod, World { nodes: &nodes, pods: &pods, mounts: &mounts })?;
        let told = mounts.iter().zip(&found).filter(|(mount, _)| mount.is_to_be_told());
        Ok((node, told.filter_map(|(_, found)| found.claim.clone()).collect()))
    }

    async fn bind(&self, ctx: &Context, pod: &Arc<Pod>, node: &str) -> Result<(), Error> {
        let key = ObjectKey::of(&**pod);
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key.name(), "namespace": key.namespace(), "uid": pod.metadata.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let url = format!("{}/{}", url_of_pods(&key), key.name());
        let body = binding.to_string().into_bytes();
        let request = Request::new(url_of_pods(&key)).create_subresource(
            "binding",
            key.name(),
            &Default::default(),
            body,
        );
        let request = request.map_err(|error| Error::other(format!("{url}: {error}")))?;
        let answer = tokio::time::timeout(BIND_MAX, self.client.request_text(request)).await;
        answer.map_err(Error::other)?.map_err(Error::other)?;
        let note = format!("Successfully assigned {key} to {node}");
        ctx.notice(&**pod, Notice::normal("Scheduled", "Binding", note));
        Ok(())
    }
}

/// A claim of a pod, with what belongs to it.
struct Found<'a> {
    name: &'a str,
    claim: Option<Arc<PersistentVolumeClaim>>,
    volume: Option<Arc<PersistentVolume>>,
    class: Option<Arc<StorageClass>>,
}

impl<'a> Found<'a> {
    fn look(from: &Scheduler, name: &'a str, claim: Option<Arc<PersistentVolumeClaim>>) -> Self {
        let spec = claim.as_ref().and_then(|it| it.spec.as_ref());
        let named = |name: Option<&str>| name.filter(|it| !it.is_empty()).map(ObjectKey::cluster);
        let volume = named(spec.and_then(|it| it.volume_name.as_deref()));
        let class = named(spec.and_then(|it| it.storage_class_name.as_deref()));
        let volume = volume.and_then(|it| from.volumes.get(&it));
        let class = class.and_then(|it| from.classes.get(&it));
        Found { name, volume, class, claim }
    }

    fn mount(&self) -> Mount<'_> {
        Mount {
            name: self.name,
            claim: self.claim.as_deref(),
            volume: self.volume.as_deref(),
            waits_for_consumer: self.class.as_deref().is_some_and(waits_for_consumer),
        }
    }
}

/// How many bindings are written at once.
const BINDINGS_MAX: usize = 8;

const BIND_MAX: std::time::Duration = std::time::Duration::from_secs(15);

fn url_of_pods(key: &ObjectKey) -> String {
    <Pod as kube::Resource>::url_path(&(), key.namespace())
}

/// Says on the pod why it waits, once per reason.
async fn refuse(ctx: &Context, pod: &Arc<Pod>, why: &Unschedulable) -> Result<(), Error> {
    let message = why.to_string();
    let conditions =
        pod.status.as_ref().and_then(|it| it.conditions.as_deref()).unwrap_or_default();
    let scheduled = conditions.iter().find(|it| it.type_ == "PodScheduled");
    if scheduled.is_some_and(|it| it.status == "False" && it.message.as_ref() == Some(&message)) {
        return Ok(());
    }
    let condition = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.clone()),
        last_transition_time: Some(Time(ctx.now())),
        ..PodCondition::default()
    };
    let mut wanted = Pod::clone(pod);
    let status = wanted.status.get_or_insert_with(PodStatus::default);
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|it| it.type_ != "PodScheduled");
    conditions.push(condition);
    ctx.update_status(&**pod, &wanted).await?;
    ctx.notice(&**pod, Notice::warning("FailedScheduling", "Scheduling", message));
    Ok(())
}
