//! Runs agents: for each object of a kind a pod beside the cluster that it names, in which a program of the operator's
//! works for it, with the application's own programs and whatever secrets that takes.
//!
//! Observe → plan → execute, as for clusters: the plan is [`endstate_core::plan_agent`]. An agent is asked over HTTP
//! how far it is, at its pod's address; what it says counts if it says that it works for this very object.

mod asking;
mod pod;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use endstate_core::backup::Report;
use endstate_core::{
    AgentPlan, AgentSeen, AgentStep, Identity, Progress, Ready, Told, Truth, Verdict, plan_agent,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Endpoint, get};
use crate::context::Propagation;
use crate::metrics::AgentFigures;
use crate::operator::{APP_LABEL, Declared};
use crate::{Cache, Context, Engine, Error, Next, ObjectKey, Reconciler, Scope};
pub use asking::cluster_at;
pub use pod::{Agent, PORT, SCRATCH};

/// How long it may take to say so.
const ASK_MAX: Duration = Duration::from_secs(2);

/// How long it rests after a step.
const STEP_REST: Duration = Duration::from_secs(1);

/// How many objects are in work at once.
const CONCURRENCY: usize = 8;

/// A kind whose objects have agents.
pub trait Agency: Send + Sync + 'static {
    /// The kind.
    type Kind: Resource<DynamicType = (), Scope: 'static> + Clone + std::fmt::Debug + Send + Sync;
    /// The kind of the clusters that they name.
    type Cluster: Resource<DynamicType = (), Scope: 'static> + Clone + std::fmt::Debug + Send + Sync;

    /// What their pods are called in labels.
    const NAME: &'static str;

    /// The cluster that an object of this namespace names, or why it names none. By default `spec.cluster`.
    fn cluster(_namespace: &str, spec: &Value) -> Result<String, Verdict> {
        Ok(spec["cluster"].as_str().unwrap_or_default().to_owned())
    }

    /// Finds the status that is kept here in the object's. By default the whole of it.
    fn read(status: &Value) -> &Value {
        status
    }

    /// The object's status, with this one in it. By default as it is.
    fn publish(status: Value) -> Value {
        status
    }

    /// The agent of an object with this spec and status, of a cluster; or why there can be none yet.
    fn agent(
        &self,
        object: &Identity,
        declared: (&Value, &Value),
        cluster: &Seen<'_>,
    ) -> Result<Agent, Verdict>;

    /// What an agent's report says of its object; `None` if it is none, or of another object's agent. By default what
    /// one says that keeps backups.
    fn told(&self, object: &Identity, report: &Value) -> Option<Told> {
        let report = Report::deserialize(report).ok().filter(|it| it.by == *object.uid)?;
        Some(report.told())
    }

    /// What the status shows of a report, beside the condition and the progress. By default what
    /// [`BackupStatus`](crate::crd::BackupStatus) has.
    fn shown(&self, report: &Value) -> Value {
        let shown = ["lineage", "full", "delta", "trial", "entries", "storedBytes"];
        shown.into_iter().map(|it| (it.to_owned(), report[it].clone())).collect()
    }
}

/// The cluster that an object names.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who it is.
    pub object: &'a Identity,
    /// Its status.
    pub status: &'a Value,
}

/// Adds the reconciler of a kind with agents to an engine. Their pods bring the program from `image`, which holds the
/// `endstate` executable at `/endstate`.
pub fn add<A: Agency>(engine: &mut Engine, name: &str, agency: A, image: &str) {
    let objects = engine.cache::<Declared<A::Kind>>();
    let clusters = engine.cache::<Declared<A::Cluster>>();
    let pods = engine.cache_of::<Pod>((), Scope::all().label(APP_LABEL, A::NAME));
    let (known, image) = (objects.clone(), image.to_owned());
    let agents = Agents {
        agency,
        image,
        objects: objects.clone(),
        clusters: clusters.clone(),
        pods: pods.clone(),
        missed: Mutex::default(),
    };
    let registration = engine.add(name, agents).watches(&objects).owned(&pods);
    let woken = registration.maps(&clusters, move |cluster| {
        let name = ObjectKey::of(cluster);
        let all = known.list();
        let of = all.iter().filter(|it| cluster_of::<A>(it).ok().as_ref() == Some(&name));
        of.map(|it| ObjectKey::of(&**it)).collect()
    });
    drop(woken.concurrency(CONCURRENCY));
}

fn cluster_of<A: Agency>(object: &Declared<A::Kind>) -> Result<ObjectKey, Verdict> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = A::cluster(namespace, &object.spec)?;
    Ok(ObjectKey::namespaced(namespace, name))
}

struct Agents<A: Agency> {
    agency: A,
    image: String,
    objects: Cache<Declared<A::Kind>>,
    clusters: Cache<Declared<A::Cluster>>,
    pods: Cache<Pod>,
    /// How often in a row the agents of objects were asked and said nothing.
    missed: Mutex<HashMap<ObjectKey, u32>>,
}

impl<A: Agency> Reconciler for Agents<A> {
    type Kind = Declared<A::Kind>;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(object) = self.objects.get(&key) else {
            self.missed().remove(&key);
            ctx.metrics.agents().forget(&told_as::<A>(&key));
            return Ok(Next::Settled);
        };
        // What it controls goes with it.
        if object.metadata.deletion_timestamp.is_some() {
            ctx.metrics.agents().forget(&told_as::<A>(&key));
            return Ok(Next::Settled);
        }
        let identity = object.identity();
        let agent = self.agent(&identity, &object);
        let pod = self.pod(&identity);
        let report = match &pod {
            Some(pod) => ask(pod).await,
            None => None,
        };
        let told = report.as_ref().and_then(|it| self.agency.told(&identity, it));
        let progress = Progress::deserialize(A::read(&object.status)).unwrap_or_default();
        let seen_pod = pod.as_deref().map(pod::seen);
        let made_from = agent.as_ref().map(|it| it.made_from(&self.image));
        let wanted = made_from.as_ref().map(String::as_str).map_err(|it| *it);
        let seen = AgentSeen {
            now: ctx.now(),
            progress: &progress,
            wanted,
            pod: seen_pod.as_ref(),
            told: told.as_ref(),
            missed: self.count(&key, pod.as_deref().and_then(address).is_some() && told.is_none()),
        };
        let plan = plan_agent(&seen);
        let shown = report.filter(|_| told.is_some());
        self.publish(&object, &plan, shown.as_ref(), ctx).await?;
        self.execute(&object, &plan, (agent.ok(), pod.as_deref()), ctx).await?;
        Ok(match plan.look_again_ms {
            // A name may be taken by somebody else's pod, or by the last one for as long as that takes to go.
            _ if plan.step != AgentStep::Nothing => Next::After(STEP_REST),
            Some(0) => Next::Again,
            Some(wait) => Next::After(Duration::from_millis(wait.into())),
            None => Next::Settled,
        })
    }
}

impl<A: Agency> Agents<A> {
    fn missed(&self) -> MutexGuard<'_, HashMap<ObjectKey, u32>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often in a row it has said nothing by now.
    fn count(&self, key: &ObjectKey, is_silent: bool) -> u32 {
        let mut missed = self.missed();
        let times = missed.entry(key.clone()).or_default();
        *times = if is_silent { times.saturating_add(1) } else { 0 };
        *times
    }

    fn agent(&self, identity: &Identity, object: &Declared<A::Kind>) -> Result<Agent, Verdict> {
        let name = cluster_of::<A>(object)?;
        let cluster = self.clusters.get(&name);
        let Some(cluster) = cluster.filter(|it| it.metadata.deletion_timestamp.is_none()) else {
            let (name, api_version) = (name.name(), A::Cluster::api_version(&()));
            let why = format!("there is no cluster {name} of {api_version} in this namespace");
            return Err(Verdict::waits("ClusterNotFound", why));
        };
        let of = cluster.identity();
        let seen = Seen { object: &of, status: &cluster.status };
        self.agency.agent(identity, (&object.spec, A::read(&object.status)), &seen)
    }

    /// The pod of an object's agent, whatever that was told.
    fn pod(&self, object: &Identity) -> Option<Arc<Pod>> {
        let key = ObjectKey::namespaced(object.namespace.as_str(), pod::name(object));
        self.pods.get(&key).filter(|it| is_controlled(it, object))
    }

    async fn publish(
        &self,
        object: &Declared<A::Kind>,
        plan: &AgentPlan,
        report: Option<&Value>,
        ctx: &Context,
    ) -> Result<(), Error> {
        let known = A::read(&object.status);
        let before = ready_of(known);
        let generation = object.metadata.generation.unwrap_or_default();
        let mut status = match known {
            Value::Object(fields) => fields.clone(),
            _ => serde_json::Map::new(),
        };
        if let Value::Object(progress) = json!(plan.progress) {
            status.extend(progress);
        }
        if let Some(Value::Object(shown)) = report.map(|it| self.agency.shown(it)) {
            status.extend(shown.into_iter().filter(|it| !it.1.is_null()));
        }
        status.insert("observedGeneration".into(), generation.into());
        if let Some(verdict) = &plan.verdict {
            let ready = Ready::of(verdict, before.as_ref(), generation, ctx.now());
            let mut condition = json!(ready);
            condition["type"] = "Ready".into();
            status.insert("conditions".into(), json!([condition]));
        }
        let status = Value::Object(status);
        let of = told_as::<A>(&ObjectKey::of(object));
        ctx.metrics.agents().note(of, figures::<A>(object, &status));
        let status = A::publish(status);
        ctx.update_status(object, &object.with_status(status)).await.map(drop)
    }

    async fn execute(
        &self,
        object: &Declared<A::Kind>,
        plan: &AgentPlan,
        (agent, pod): (Option<Agent>, Option<&Pod>),
        ctx: &Context,
    ) -> Result<(), Error> {
        match (plan.step, agent, pod) {
            (AgentStep::Create, Some(agent), _) => {
                let identity = object.identity();
                let mut pod = agent.pod(A::NAME, &self.image, &identity);
                pod.metadata.namespace.clone_from(&object.metadata.namespace);
                pod.metadata.owner_references = Some(vec![object.as_controller()]);
                match ctx.create(&pod).await {
                    // The one of before is on its way out, and wakes this when it is gone.
                    Err(error) if error.is_conflict() => Ok(()),
                    created => created.map(drop),
                }
            }
            (AgentStep::Delete, _, Some(pod)) => ctx.delete(pod, Propagation::Background).await,
            _ => Ok(()),
        }
    }
}

/// By what figures of an object are known: two kinds may have agents of one name.
fn told_as<A: Agency>(object: &ObjectKey) -> (&'static str, String, ObjectKey) {
    (A::NAME, A::Kind::group(&()).into_owned(), object.clone())
}

/// What the status says, as figures.
fn figures<A: Agency>(object: &Declared<A::Kind>, status: &Value) -> AgentFigures {
    let taken =
        ["full", "delta"].iter().filter_map(|it| status[*it]["taken"].as_str()?.parse().ok());
    AgentFigures {
        cluster: cluster_of::<A>(object).map_or_else(|_| String::new(), |it| it.name().to_owned()),
        ready: ready_of(status).map(|it| it.status == Truth::True),
        backup: taken.max(),
    }
}

fn ready_of(status: &Value) -> Option<Ready> {
    let conditions = status["conditions"].as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready")?;
    Ready::deserialize(ready).ok()
}

fn is_controlled(pod: &Pod, by: &Identity) -> bool {
    pod.owner_references().iter().any(|it| it.uid == *by.uid && it.controller == Some(true))
}

/// Where an agent is, once its program runs.
fn address(pod: &Pod) -> Option<&String> {
    let status = pod.status.as_ref()?;
    let runs = status.container_statuses.iter().flatten().any(|it| it.started == Some(true));
    status.pod_ip.as_ref().filter(|_| runs)
}

/// What the agent in a pod says.
async fn ask(pod: &Pod) -> Option<Value> {
    let ip = address(pod)?;
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
    let endpoint = Endpoint::plain(&format!("{host}:{PORT}"));
    let answer = tokio::time::timeout(ASK_MAX, get(&endpoint, "/report")).await.ok()?.ok()?;
    let (200, body) = answer else { return None };
    serde_json::from_slice(&body).ok()
}
