//! The objects that belong to a cluster by `spec.cluster`: seen, tended as a plan says, and let go.
//!
//! Invariants: nothing is decided here; a status is written only if it differs; an object waits for the operator only
//! while its cluster is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endstate_core::{Beside, Facts, Ready, Refused, Tended, Verdict};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Cache, Context, Engine, Error, ObjectKey, Scope, finalizer};

/// What keeps an object until the application has let go of it.
const FINALIZER: &str = "endstate.dev/cluster";

/// The caches of the kinds, and what was refused.
#[derive(Clone)]
pub(super) struct Besides {
    caches: Vec<Cache<DynamicObject>>,
    /// By uid. Losing it in a restart costs one try.
    refused: Arc<Mutex<HashMap<String, Refused>>>,
}

impl Besides {
    pub(super) fn open(engine: &mut Engine, kinds: &[ApiResource]) -> Self {
        let caches = kinds.iter().map(|it| engine.cache_of(it.clone(), Scope::all())).collect();
        Self { caches, refused: Arc::default() }
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
        all.filter(move |(_, it)| cluster_of(it).as_ref() == Some(cluster))
    }

    fn seen(&self, kind: &str, object: &DynamicObject) -> Beside {
        let uid = object.uid().unwrap_or_default();
        let spec = Facts::of(&object.data["spec"]);
        let cluster = cluster_of(object).map(|it| it.name().to_owned()).unwrap_or_default();
        let mut seen = Beside::new(kind, object.name_any(), spec).of_cluster(cluster);
        seen.refused = self.refused().get(&uid).cloned();
        seen.uid = uid.as_str().into();
        seen.resource_version = object.resource_version().unwrap_or_default().as_str().into();
        seen.generation = object.metadata.generation.unwrap_or_default();
        seen.deleting = finalizer::deleting(object);
        seen.held = finalizer::has(object, FINALIZER);
        seen.ready = ready(object);
        seen
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
    pub(super) async fn leave(&self, cluster: &ObjectKey, ctx: &Context) -> Result<(), Error> {
        let why = format!("there is no cluster {} in this namespace", cluster.name());
        for (cache, object) in self.naming(cluster) {
            let seen = self.seen(&cache.kind().kind, &object);
            let tended = seen.tended(Verdict::waits("ClusterNotFound", why.clone()));
            self.settle((&seen, &tended), ctx).await?;
        }
        Ok(())
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
        if seen.ready.as_ref() != Some(&told) {
            let mut wanted = DynamicObject::clone(&object);
            wanted.data["status"] = status(&told);
            object = writer.update_status(&*object, &wanted).await?;
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
pub(super) fn cluster_of(object: &DynamicObject) -> Option<ObjectKey> {
    let name = object.data["spec"]["cluster"].as_str()?;
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

fn ready(object: &DynamicObject) -> Option<Ready> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let mut conditions = conditions.iter().filter_map(|it| Typed::deserialize(it).ok());
    conditions.find(|it| it.r#type == "Ready").map(|it| it.ready)
}

fn status(ready: &Ready) -> Value {
    let mut condition = json!(ready);
    condition["type"] = "Ready".into();
    json!({ "observedGeneration": ready.observed_generation, "conditions": [condition] })
}
