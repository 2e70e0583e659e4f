//! The generic operator: one reconciler for every application that is an [`App`],
//! a [`Driver`](crate::driver::Driver) and an [`Operand`].
//!
//! Each look is *observe → snapshot → plan → lint → execute*. This module does the I/O and decides nothing: what is
//! safe is the planner's to say, and a plan that the linter rejects is not carried out but reported.
//!
//! Invariants: the status (with the intent in it) is written before the actions, on the condition that the object is
//! still the one that was planned for, so a stale plan or a second operator loses that write and does nothing; a status
//! that cannot be read stops the object, because "nothing recorded" would mean "start anew"; nothing is written when
//! nothing differs; there is no timer but the one that a plan asks for.

mod astray;
mod beside;
mod declared;
mod evictions;
mod execute;
mod explain;
mod gone;
mod labels;
mod lines;
mod marks;
mod objects;
mod observe;
mod operand;
mod places;
mod platform;
mod pods;
mod reconciler;
mod refusals;
mod rest;
mod tend;
mod trial;

use std::sync::Mutex;

use endstate_core::App;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Resource;
use kube::api::ApiResource;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::engine::controller_key;
use crate::{Cache, Engine, ObjectKey, Scope};
use beside::Besides;
pub use declared::Declared;
use evictions::Evictions;
pub use explain::Explanation;
pub(crate) use explain::Questions;
pub use labels::{APP_LABEL, GROUP_LABEL, ROLE_LABEL, STARTED_ANNOTATION};
use lines::Lines;
pub use objects::{
    AUTHORITIES, CERTIFICATE, CLUSTER_LABEL, Claim, Conflict, Generated, KEY, MEMBER_LABEL,
    Objects, Owner, Ownership, RETAINED_LABEL, Secrets, UID_LABEL, Wanted, claim_of, conflicts,
    requests,
};
pub use operand::{Form, ObjectsOf, Operand, PodRequest, SpecOf};
pub use pods::member_pod;
pub use reconciler::Operator;

/// Adds an operand's reconciler to an engine. The pods of members bring the launcher from `launcher_image`, which holds
/// the `endstate` executable at `/endstate`. It wakes for its objects, for the pods that they control, and for the
/// objects of [`Operand::kinds`] and [`Operand::beside`] that belong to them.
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
    let nodes = engine.cache_of::<Node>((), Scope::all().optional());
    let classes = engine.cache::<StorageClass>();
    let form = O::form();
    let beside = Besides::open(engine, &operand.beside(), (form, O::asked));
    let evictions = Evictions::open(engine, &O::Kind::group(&()));
    let (questions, lines) = (Questions::default(), Lines::default());
    let operator = Operator {
        operand,
        launcher_image: launcher_image.to_owned(),
        objects: objects.clone(),
        pods: pods.clone(),
        around: around.clone(),
        nodes: nodes.clone(),
        classes: classes.clone(),
        beside: beside.clone(),
        evictions: evictions.clone(),
        refusals: Mutex::default(),
        gone: Mutex::default(),
        questions: questions.clone(),
        lines: lines.clone(),
    };
    let registration = engine.add(name, operator).watches(&objects).owned(&pods).reads(&classes);
    let everybody = objects.clone();
    let registration = registration.changes(&nodes, move |old, new| {
        let moved = places::moved(old, new);
        let all = moved.then(|| everybody.list()).into_iter().flatten();
        all.map(|it| ObjectKey::of(&*it)).collect()
    });
    let woken = around.caches().iter().fold(registration, |registration, cache| {
        registration.owned(cache).maps(cache, objects::cluster_of)
    });
    let woken = beside.caches().iter().fold(woken, |registration, cache| {
        registration.maps(cache, move |it| beside::cluster_of(form, it).into_iter().collect())
    });
    let members = pods.clone();
    let woken = woken.maps(evictions.cache(), move |it| {
        let pod = evictions::pod_of(it).and_then(|it| members.get(&it));
        pod.and_then(|it| controller_key::<Declared<O::Kind>, Pod>(&it)).into_iter().collect()
    });
    let woken = woken.concurrency(CONCURRENCY);
    lines.tell(woken.waker());
    let asked = Asked { group: O::Kind::group(&()).into_owned(), questions, wake: woken.waker() };
    Health::of(&objects, &pods, asked)
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
pub struct Health {
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    knows: Box<dyn Fn(&ObjectKey) -> bool + Send + Sync>,
    asked: Asked,
}

/// Who answers what people ask about the objects of a kind.
struct Asked {
    group: String,
    questions: Questions,
    wake: Box<dyn Fn(ObjectKey) + Send + Sync>,
}

impl Health {
    fn of<K: crate::Object, P: crate::Object>(
        objects: &Cache<K>,
        pods: &Cache<P>,
        asked: Asked,
    ) -> Self {
        let (known, objects, pods) = (objects.clone(), objects.clone(), pods.clone());
        Self {
            ready: Box::new(move || objects.is_synced() && pods.is_synced()),
            knows: Box::new(move |key| known.get(key).is_some()),
            asked,
        }
    }

    /// Whether its caches are complete.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        (self.ready)()
    }

    /// What it would do next with an object of its group, by this spec if there is one; `None` if it has no such
    /// object.
    pub(crate) fn explain(
        &self,
        group: &str,
        key: &ObjectKey,
        spec: Option<Value>,
    ) -> Option<oneshot::Receiver<Result<Explanation, String>>> {
        let known = group == self.asked.group && (self.knows)(key);
        known.then(|| {
            let answer = self.asked.questions.ask(key.clone(), spec);
            (self.asked.wake)(key.clone());
            answer
        })
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Health").field(&self.is_ready()).finish()
    }
}
