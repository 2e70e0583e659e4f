//! The generic operator: one reconciler for every application that is an [`App`], a [`Driver`] and an [`Operand`].
//!
//! Each look is *observe → snapshot → plan → lint → execute*. This module does the I/O and decides nothing: what is
//! safe is the planner's to say, and a plan that the linter rejects is not carried out but reported.
//!
//! Invariants: the status (with the intent in it) is written before the actions, on the condition that the object is
//! still the one that was planned for, so a stale plan or a second operator loses that write and does nothing; a status
//! that cannot be read stops the object, because "nothing recorded" would mean "start anew"; nothing is written when
//! nothing differs; there is no timer but the one that a plan asks for.

mod astray;
mod declared;
mod execute;
mod marks;
mod objects;
mod observe;
mod pods;
mod refusals;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use endstate_core::{
    App, ClusterObjects, Identity, Launch, MemberName, Plan, Snapshot, Start, Status, Surroundings,
    client_service, peer_service,
};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use kube::api::ApiResource;
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::Driver;
use crate::{Cache, Context, Engine, Error, Next, ObjectKey, Reconciler, Scope};
use astray::Gone;
pub use declared::Declared;
pub use objects::{
    CLUSTER_LABEL, Claim, Conflict, Generated, MEMBER_LABEL, Objects, Owner, Ownership,
    RETAINED_LABEL, Secrets, UID_LABEL, Wanted, claim_of, conflicts,
};
pub use pods::member_pod;
use refusals::Refusals;

/// The label by which an operator watches its pods; its value is [`App::name`]. What exists is never decided by it: see
/// the record, and the owner.
pub const APP_LABEL: &str = "endstate.dev/app";

pub use endstate_core::{LABEL_GROUP as GROUP_LABEL, LABEL_ROLE as ROLE_LABEL};

/// The annotation on the pod of a member that has answered; its value is the member's id. Whatever starts the member in
/// that pod must never start it empty again: the node may lose the pod's directories while the pod goes on. It is on
/// the pods of a quorum before it is recorded that a cluster exists (and so before clients are led to it), and on that
/// of a member without a vote before it gets one.
pub const STARTED_ANNOTATION: &str = "endstate.dev/started";

/// What an application adds to its [`App`] and [`Driver`]: how its objects look in the API. A whole one is on the front
/// page of this crate.
///
/// ```
/// # use endstate::operator::{ObjectsOf, Operand, SpecOf, Wanted};
/// # use endstate::Error;
/// # use k8s_openapi::api::core::v1::PersistentVolumeClaim;
/// # use kube::api::ApiResource;
/// /// The same application, whose `Launch::storage` says that its data outlives pods: claims are watched, too.
/// struct OnVolumes<O>(O);
///
/// impl<O: Operand> Operand for OnVolumes<O> {
///     # type App = O::App;
///     # type Driver = O::Driver;
///     # type Kind = O::Kind;
///     # fn app(&self) -> &O::App { self.0.app() }
///     # fn driver(&self) -> &O::Driver { self.0.driver() }
///     # fn objects(&self, of: &ObjectsOf<'_, SpecOf<Self>>) -> Result<Vec<Wanted>, Error> { self.0.objects(of) }
///     fn kinds(&self) -> Vec<ApiResource> {
///         let claims = ApiResource::erase::<PersistentVolumeClaim>(&());
///         self.0.kinds().into_iter().chain([claims]).collect()
///     }
/// }
/// ```
pub trait Operand: Send + Sync + 'static {
    /// What is safe.
    type App: App<Spec: Send + Sync + std::fmt::Debug> + Send + Sync + 'static;
    /// How members are asked.
    type Driver: Driver<Spec = SpecOf<Self>>;
    /// The kind that declares a cluster.
    type Kind: Resource<DynamicType = (), Scope: 'static>
        + HasSpec<Spec: DeserializeOwned + Into<SpecOf<Self>>>
        + Clone
        + std::fmt::Debug
        + Send
        + Sync;

    /// What is safe.
    fn app(&self) -> &Self::App;

    /// How members are asked.
    fn driver(&self) -> &Self::Driver;

    /// The name of the container that runs the member itself. By default the application's.
    fn container(&self) -> &'static str {
        self.app().name()
    }

    /// Reads the spec of an object.
    fn spec(&self, spec: &Value) -> Result<SpecOf<Self>, serde_json::Error> {
        <Self::Kind as HasSpec>::Spec::deserialize(spec).map(Into::into)
    }

    /// Reads the status of an object; `Null` when it has none yet. By default the whole of it.
    fn status(&self, status: &Value) -> Result<Status<SpecOf<Self>>, serde_json::Error> {
        match status {
            Value::Null => Ok(Status::default()),
            status => Status::deserialize(status),
        }
    }

    /// The status to publish, in the shape of the kind. By default as it is.
    fn publish(&self, _: &Identity, status: &Status<SpecOf<Self>>) -> Value {
        serde_json::json!(status)
    }

    /// The labels by which services, budgets and people find the pods of a cluster. They are restored on pods that lost
    /// them.
    fn labels(&self, object: &Identity) -> BTreeMap<String, String> {
        ClusterObjects::new(self.app().name(), object).labels()
    }

    /// The kinds of objects that a cluster needs besides its pods and those of [`ObjectsOf::quorum`]. By default none.
    fn kinds(&self) -> Vec<ApiResource> {
        vec![]
    }

    /// Whatever a cluster needs besides its pods and their volumes: services, a disruption budget, configuration.
    /// Applied in full, and what is no longer among them is deleted. The claims of members' volumes are made beside
    /// them, as [`Launch::storage`] says; their kind must be one of [`Operand::kinds`].
    fn objects(&self, of: &ObjectsOf<'_, SpecOf<Self>>) -> Result<Vec<Wanted>, Error>;

    /// The secrets whose contents the driver needs. By default none.
    fn secrets(&self, _: &Identity, _: &SpecOf<Self>) -> Vec<String> {
        vec![]
    }
}

/// What [`Operand::objects`] is asked about.
///
/// ```
/// # use endstate::operator::ObjectsOf;
/// fn client_service_is_due<S>(of: &ObjectsOf<'_, S>) -> bool {
///     of.surroundings.clients
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ObjectsOf<'a, S> {
    /// The cluster object.
    pub object: &'a Identity,
    /// The spec that is worked towards.
    pub spec: &'a S,
    /// What the plan says about the surroundings.
    pub surroundings: &'a Surroundings,
}

impl<'a, S> ObjectsOf<'a, S> {
    /// The objects around this cluster.
    pub fn new(object: &'a Identity, spec: &'a S, surroundings: &'a Surroundings) -> Self {
        Self { object, spec, surroundings }
    }

    /// The two services and the disruption budget of a quorum. Members find each other by the first service; clients
    /// use the second, once there is a cluster, at the first of the ports; the budget keeps a quorum from being
    /// evicted.
    pub fn quorum(&self, application: &str, ports: &[(&str, u16)]) -> Result<Vec<Wanted>, Error> {
        let name = &self.object.name;
        let objects = ClusterObjects::new(application, self.object);
        let mut bodies = vec![
            objects.peer_service(&peer_service(name), ports),
            objects.disruption_budget(name, self.surroundings.min_available),
        ];
        if self.surroundings.clients {
            bodies.push(objects.client_service(&client_service(name), &ports[..1]));
        }
        bodies.into_iter().map(|it| Wanted::new(it, Ownership::Owned)).collect()
    }
}

/// The spec type of an operand.
///
/// ```
/// # use endstate::operator::{Operand, SpecOf};
/// fn parse<O: Operand>(operand: &O, spec: &serde_json::Value) -> Option<SpecOf<O>> {
///     operand.spec(spec).ok()
/// }
/// ```
pub type SpecOf<O> = <<O as Operand>::App as App>::Spec;

/// What a member's pod is made from.
///
/// ```
/// # use endstate::operator::PodRequest;
/// fn pod_name(request: &PodRequest<'_>) -> String {
///     request.member.to_string() // a name is used once, so it says which incarnation this is
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PodRequest<'a> {
    /// The object that declares the cluster.
    pub object: &'a Identity,
    /// The member's name, and the pod's.
    pub member: &'a MemberName,
    /// How its process starts on an empty data directory.
    pub start: &'a Start,
    /// What to run.
    pub launch: &'a Launch,
}

impl<'a> PodRequest<'a> {
    /// The pod of this member of a cluster, which starts so.
    pub fn new(
        object: &'a Identity,
        (member, start): (&'a MemberName, &'a Start),
        launch: &'a Launch,
    ) -> Self {
        Self { object, member, start, launch }
    }
}

/// The reconciler of one operand. Made by [`add`].
pub struct Operator<O: Operand> {
    operand: O,
    launcher_image: String,
    objects: Cache<Declared<O::Kind>>,
    pods: Cache<Pod>,
    around: Objects,
    nodes: Cache<Node>,
    refusals: Mutex<Refusals>,
    gone: Mutex<Gone>,
}

/// Adds an operand's reconciler to an engine. The pods of members bring the launcher from `launcher_image`, which holds
/// the `endstate` executable at `/endstate`. It wakes for its objects, for the pods that they control, and for the
/// objects of [`Operand::kinds`] that belong to them.
///
/// ```
/// # use endstate::operator::{Operand, add};
/// fn run<O: Operand>(engine: &mut endstate::Engine, operand: O) {
///     let health = add(engine, "clusters", operand, "endstate:0.1.0");
///     assert!(!health.is_ready(), "its caches fill once the engine runs");
/// }
/// ```
pub fn add<O: Operand>(
    engine: &mut Engine,
    name: &str,
    operand: O,
    launcher_image: &str,
) -> Health {
    let ours = || Scope::all().label(APP_LABEL, operand.app().name());
    let objects = engine.cache::<Declared<O::Kind>>();
    let pods = engine.cache_of::<Pod>((), ours());
    let around = Objects::open(engine, operand.app().name(), &kinds(&operand));
    let nodes = engine.cache::<Node>();
    let health = Health::of(&objects, &pods);
    let operator = Operator {
        operand,
        launcher_image: launcher_image.to_owned(),
        objects: objects.clone(),
        pods: pods.clone(),
        around: around.clone(),
        nodes: nodes.clone(),
        refusals: Mutex::default(),
        gone: Mutex::default(),
    };
    let registration = engine.add(name, operator).watches(&objects).owned(&pods).reads(&nodes);
    let woken = around.caches().iter().fold(registration, |registration, cache| {
        registration.owned(cache).maps(cache, objects::cluster_of)
    });
    woken.concurrency(CONCURRENCY);
    health
}

/// The kinds of objects around a cluster.
fn kinds(operand: &impl Operand) -> Vec<ApiResource> {
    let mut kinds = operand.kinds();
    kinds.push(ApiResource::erase::<Service>(&()));
    kinds.push(ApiResource::erase::<PodDisruptionBudget>(&()));
    kinds
}

/// How many clusters are in work at once; each has at most one connection per member open.
const CONCURRENCY: usize = 16;

/// Whether an operator sees the world.
///
/// ```
/// # use endstate::operator::Health;
/// fn answer(health: &Health) -> u16 {
///     if health.is_ready() { 200 } else { 503 }
/// }
/// ```
pub struct Health(Box<dyn Fn() -> bool + Send + Sync>);

impl Health {
    fn of<K: crate::Object, P: crate::Object>(objects: &Cache<K>, pods: &Cache<P>) -> Self {
        let (objects, pods) = (objects.clone(), pods.clone());
        Self(Box::new(move || objects.is_synced() && pods.is_synced()))
    }

    /// Whether its caches are complete.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Health").field(&self.is_ready()).finish()
    }
}

impl<O: Operand> Reconciler for Operator<O>
where
    SpecOf<O>: DeserializeOwned + Serialize,
{
    type Kind = Declared<O::Kind>;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(object) = self.objects.get(&key) else {
            self.refusals().forget(&key);
            self.forget_gone(&key);
            return Ok(Next::Settled);
        };
        let look = self.observe(&object, ctx).await?;
        let plan = endstate_core::plan(self.operand.app(), &look.snapshot);
        let violations = endstate_core::lint(&look.snapshot, &plan);
        if !violations.is_empty() {
            return self.stop(&object, &look.snapshot, &violations, ctx).await;
        }
        self.execute(&object, &look, plan, ctx).await
    }
}

impl<O: Operand> Operator<O> {
    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
