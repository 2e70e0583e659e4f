//! The objects that belong to a cluster by `spec.cluster`: seen, tended as a plan says, and let go.
//!
//! Invariants: nothing is decided here; a status is written only if it differs; an object waits for the operator only
//! while its cluster is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endstate_core::{
    Beside, Facts, MemberName, Operations, Progress, Ready, Refused, State, Tended, Truth, Uid,
    Verdict,
};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operand::Form;
use crate::{Cache, Context, Engine, Error, ObjectKey, Scope, finalizer};

/// The condition of an object that is kept up.
const READY: &str = "Ready";
/// The conditions of one that is carried out once.
const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";

/// What keeps an object until the application has let go of it.
const FINALIZER: &str = "endstate.dev/cluster";

/// How the planner is told what an object asks for, by its kind and its spec.
type Asked = fn(&str, &Value) -> Facts;

/// The caches of the kinds, what was refused, and what was just done.
#[derive(Clone)]
pub(super) struct Besides {
    caches: Vec<Cache<DynamicObject>>,
    /// What an object asks for, by its kind and its spec.
    asked: Asked,
    form: Form,
    /// By uid. Losing it in a restart costs one try.
    refused: Arc<Mutex<HashMap<String, Refused>>>,
    /// The members of whom the application did what an operation asked for, by uid, until its status says so. Losing it
    /// in a restart costs doing the last again.
    answered: Arc<Mutex<HashMap<Uid, Vec<MemberName>>>>,
}

impl Besides {
    pub(super) fn open(
        engine: &mut Engine,
        kinds: &[ApiResource],
        (form, asked): (Form, Asked),
    ) -> Self {
        let caches = kinds.iter().map(|it| engine.cache_of(it.clone(), Scope::all())).collect();
        Self { caches, asked, form, refused: Arc::default(), answered: Arc::default() }
    }

    pub(super) fn caches(&self) -> &[Cache<DynamicObject>] {
        &self.caches
    }

    /// The objects that name a cluster, by kind and name.
    pub(super) fn of(&self, cluster: &ObjectKey) -> Vec<Beside> {
        self.naming(cluster).map(|(cache, it)| self.seen(&cache.kind().kind, &it)).collect()
    }

    fn naming<'a>(
        &'a self,
        cluster: &'a ObjectKey,
    ) -> impl Iterator<Item = (&'a Cache<DynamicObject>, Arc<DynamicObject>)> {
        let namespace = cluster.namespace().unwrap_or_default();
        let all = self.caches.iter().flat_map(move |cache| {
            cache.in_namespace(namespace).into_iter().map(move |it| (cache, it))
        });
        all.filter(move |(_, it)| cluster_of(self.form, it).as_ref() == Some(cluster))
    }

    fn seen(&self, kind: &str, object: &DynamicObject) -> Beside {
        let uid = object.uid().unwrap_or_default();
        let spec = (self.asked)(kind, &object.data["spec"]);
        let status = (self.form.kept)(&object.data["status"]);
        let cluster =
            cluster_of(self.form, object).map(|it| it.name().to_owned()).unwrap_or_default();
        let mut seen = Beside::new(kind, object.name_any(), spec).of_cluster(cluster);
        seen.refused = self.refused().get(&uid).cloned();
        seen.uid = uid.as_str().into();
        seen.resource_version = object.resource_version().unwrap_or_default().as_str().into();
        seen.generation = object.metadata.generation.unwrap_or_default();
        seen.created = object.creation_timestamp().map(|it| it.0).unwrap_or_default();
        seen.progress = Progress::deserialize(status).unwrap_or_default();
        seen.answered = self.answered().get(&seen.uid).cloned().unwrap_or_default();
        seen.deleting = finalizer::deleting(object);
        seen.held = finalizer::has(object, FINALIZER);
        seen.ready = ready(status);
        seen
    }

    fn answered(&self) -> MutexGuard<'_, HashMap<Uid, Vec<MemberName>>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that the application did what an operation asked for of a member.
    pub(super) fn note_answer(&self, operation: Uid, member: &MemberName) {
        self.answered().entry(operation).or_default().push(member.clone());
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<String, Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, object: &Beside, refused: Refused) {
        let mut all = self.refused();
        let before = all.get(object.uid.as_str()).filter(|it| it.generation == refused.generation);
        let mut refused = refused;
        refused.times += before.map_or(0, |it| it.times);
        all.insert(object.uid.to_string(), refused);
    }

    /// Objects whose cluster is not there say so, and wait for nobody.
    pub(super) async fn leave(
        &self,
        cluster: &ObjectKey,
        operations: Option<Operations>,
        ctx: &Context,
    ) -> Result<(), Error> {
        let why = format!("there is no cluster {} in this namespace", cluster.name());
        for (cache, object) in self.naming(cluster) {
            let seen = self.seen(&cache.kind().kind, &object);
            let operation = operations.and_then(|it| it.without_cluster(&seen, ctx.now()));
            let tended = operation
                .unwrap_or_else(|| seen.tended(Verdict::waits("ClusterNotFound", why.clone())));
            self.settle((&seen, &tended), ctx).await?;
        }
        Ok(())
    }

    /// Forgets what its status says by now.
    fn forget_answers(&self, seen: &Beside, told: Option<&Progress>) {
        let mut all = self.answered();
        if told.is_none_or(|it| it.state.is_over()) {
            all.remove(&seen.uid);
        }
        if let (Some(answers), Some(told)) = (all.get_mut(&seen.uid), told) {
            answers.retain(|it| !told.is_done(it));
        }
    }

    /// Forgets that something was refused.
    pub(super) fn forget(&self, object: &Beside) {
        self.refused().remove(object.uid.as_str());
    }

    fn find(&self, object: &Beside) -> Option<(&Cache<DynamicObject>, Arc<DynamicObject>)> {
        let mut caches = self.caches.iter().filter(|it| it.kind().kind == object.kind);
        caches.find_map(|cache| {
            let all = cache.list();
            let found = all.into_iter().find(|it| it.uid().as_deref() == Some(object.uid.as_str()));
            Some((cache, found?))
        })
    }

    /// Sees to it that the object waits for the operator. Whether it does.
    pub(super) async fn hold(&self, seen: &Beside, ctx: &Context) -> Result<bool, Error> {
        let Some((cache, object)) = self.find(seen) else { return Ok(false) };
        let held = finalizer::has(&*object, FINALIZER);
        let Some(wanted) = finalizer::with(&*object, FINALIZER) else { return Ok(held) };
        ctx.of(cache.kind().clone()).update(&*object, &wanted).await.map(|_| true)
    }

    /// Writes the status if it differs, and lets an object go that has nothing to wait for.
    pub(super) async fn settle(
        &self,
        (seen, tended): (&Beside, &Tended),
        ctx: &Context,
    ) -> Result<(), Error> {
        let Some((cache, object)) = self.find(seen) else { return Ok(()) };
        let writer = ctx.of(cache.kind().clone());
        let told = Ready::of(&tended.verdict, seen.ready.as_ref(), seen.generation, ctx.now());
        let mut object = object;
        let moved = tended.progress.as_ref().is_some_and(|it| *it != seen.progress);
        if seen.ready.as_ref() != Some(&told) || moved {
            let mut wanted = DynamicObject::clone(&object);
            let status = match &tended.progress {
                Some(progress) => status_of_operation(&seen.spec, progress, &told),
                None => status(&told),
            };
            wanted.data["status"] = (self.form.shown)(&object.data["spec"], status);
            object = writer.update_status(&*object, &wanted).await?;
            self.forget_answers(seen, tended.progress.as_ref());
        }
        if !tended.held
            && let Some(free) = finalizer::without(&*object, FINALIZER)
        {
            self.refused().remove(seen.uid.as_str());
            writer.update(&*object, &free).await?;
        }
        Ok(())
    }
}

/// The cluster that an object names.
pub(super) fn cluster_of(form: Form, object: &DynamicObject) -> Option<ObjectKey> {
    let name = (form.cluster)(&object.data["spec"])?;
    Some(ObjectKey::new(object.metadata.namespace.as_deref(), name))
}

/// A condition as the API has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    r#type: String,
    #[serde(flatten)]
    ready: Ready,
}

fn ready(status: &Value) -> Option<Ready> {
    let conditions = status["conditions"].as_array()?;
    let mut conditions = conditions.iter().filter_map(|it| Typed::deserialize(it).ok());
    conditions.find(|it| [READY, COMPLETE].contains(&&*it.r#type)).map(|it| it.ready)
}

fn status(ready: &Ready) -> Value {
    let mut condition = json!(ready);
    condition["type"] = READY.into();
    json!({ "observedGeneration": ready.observed_generation, "conditions": [condition] })
}

/// The status of an operation. Conditions are as a Job's; while it is not over, `Complete` says why.
fn status_of_operation(asked: &Facts, progress: &Progress, complete: &Ready) -> Value {
    let mut status = json!(progress);
    let asked = asked.read::<serde_json::Map<String, Value>>().unwrap_or_default();
    let mut fields = asked.keys();
    status["operation"] = fields.find(|it| *it != "cluster").cloned().into();
    status["observedGeneration"] = complete.observed_generation.into();
    let failed = (progress.state == State::Failed)
        .then(|| (FAILED, Ready { status: Truth::True, ..complete.clone() }));
    let conditions = [Some((COMPLETE, complete.clone())), failed].into_iter().flatten();
    let conditions = conditions.map(|(kind, told)| {
        let mut condition = json!(told);
        condition["type"] = kind.into();
        condition
    });
    status["conditions"] = conditions.collect();
    status
}
