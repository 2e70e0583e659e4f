//! The scheduler on the engine. Decisions are made one after the other, each on a view that shows where the pods before
//! went; the bindings themselves are written side by side.

use std::sync::Arc;

use endstate::{Cache, Context, Engine, Error, Next, Notice, ObjectKey, Reconciler};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::core::Request;
use scheduler::{Unschedulable, World, claim_names, is_finished, is_waiting, place};
use serde_json::json;

/// `client` is the one that binds.
pub(crate) fn add(engine: &mut Engine, client: Client) {
    let (pods, nodes) = (engine.cache::<Pod>(), engine.cache::<Node>());
    let claims = engine.cache::<PersistentVolumeClaim>();
    let turn = std::sync::Mutex::new(());
    let (by_node, by_pod, by_claim) = (pods.clone(), pods.clone(), pods.clone());
    let scheduler = Scheduler {
        client,
        pods: pods.clone(),
        nodes: nodes.clone(),
        claims: claims.clone(),
        turn,
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
    /// Held while a decision is made and shown to the next one.
    turn: std::sync::Mutex<()>,
}

impl Reconciler for Scheduler {
    type Kind = Pod;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(pod) = self.pods.get(&key).filter(|it| is_waiting(it)) else {
            return Ok(Next::Settled);
        };
        match self.decide(&pod, ctx) {
            Ok(node) => {
                if let Err(error) = self.bind(ctx, &pod, &node).await {
                    // It is not there after all, as far as is known.
                    ctx.assume(Pod::clone(&pod));
                    return Err(error);
                }
            }
            Err(why) => refuse(ctx, &pod, &why).await?,
        }
        Ok(Next::Settled)
    }
}

impl Scheduler {
    /// Chooses a node, and shows the pod there to the decisions that follow.
    fn decide(&self, pod: &Pod, ctx: &Context) -> Result<String, Unschedulable> {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let node = self.place(pod)?;
        let mut bound = pod.clone();
        bound.spec.get_or_insert_default().node_name = Some(node.clone());
        ctx.assume(bound);
        Ok(node)
    }

    fn place(&self, pod: &Pod) -> Result<String, Unschedulable> {
        let (nodes, pods) = (self.nodes.list(), self.pods.list());
        let nodes: Vec<&Node> = nodes.iter().map(|it| &**it).collect();
        let pods: Vec<&Pod> = pods.iter().map(|it| &**it).filter(|it| !is_finished(it)).collect();
        let claim =
            |name: &str| self.claims.get(&ObjectKey::new(pod.metadata.namespace.as_deref(), name));
        let claims: Vec<_> = claim_names(pod).filter_map(claim).collect();
        let claims: Vec<&PersistentVolumeClaim> = claims.iter().map(|it| &**it).collect();
        place(pod, World { nodes: &nodes, pods: &pods, claims: &claims })
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
