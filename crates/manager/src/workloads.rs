//! What makes pods: ReplicaSets, Deployments, StatefulSets, Jobs.

use std::sync::Arc;

use controllers::labels::Selector;
use controllers::{Plan, deployment, job, replicaset, statefulset};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine) {
    let (pods, sets, deployments) =
        (engine.cache::<Pod>(), engine.cache::<ReplicaSet>(), engine.cache::<Deployment>());
    let of_sets = sets.clone();
    engine
        .add("replicaset", Shell::new(ReplicaSets { pods: pods.clone() }, &sets))
        .watches(&sets)
        .reports_as("replicaset-controller")
        .owned(&pods)
        .maps(&pods, move |pod| {
            orphan_of(&pod.metadata, &of_sets, |set| set.spec.as_ref().map(|it| &it.selector))
        });
    let of_deployments = deployments.clone();
    engine
        .add(
            "deployment",
            Shell::new(Deployments { sets: sets.clone(), pods: pods.clone() }, &deployments),
        )
        .watches(&deployments)
        .reports_as("deployment-controller")
        .owned(&sets)
        .maps(&sets, move |set| {
            orphan_of(&set.metadata, &of_deployments, |it| it.spec.as_ref().map(|it| &it.selector))
        })
        .maps(&pods, move |pod| deployment_of(pod, &sets));
    add_stateful_sets(engine, &pods);
    add_jobs(engine, &pods);
}

fn add_stateful_sets(engine: &mut Engine, pods: &Cache<Pod>) {
    let sets = engine.cache::<StatefulSet>();
    let stateful =
        StatefulSets { pods: pods.clone(), claims: engine.cache(), revisions: engine.cache() };
    let (claims, revisions) = (stateful.claims.clone(), stateful.revisions.clone());
    let (orphans, of_claim) = (sets.clone(), sets.clone());
    engine
        .add("statefulset", Shell::new(stateful, &sets))
        .watches(&sets)
        .reports_as("statefulset-controller")
        .owned(pods)
        .owned(&revisions)
        // A number whose claim is being deleted waits for its end.
        .maps(&claims, move |claim| {
            let Some((namespace, name)) =
                claim.metadata.namespace.as_ref().zip(claim.metadata.name.as_ref())
            else {
                return Vec::new();
            };
            let sets = of_claim.in_namespace(namespace);
            sets.iter()
                .filter(|it| statefulset::is_claim_of(it, name))
                .map(|it| ObjectKey::of(&**it))
                .collect()
        })
        .maps(pods, move |pod| {
            orphan_of(&pod.metadata, &orphans, |set| set.spec.as_ref().map(|it| &it.selector))
        });
}

fn add_jobs(engine: &mut Engine, pods: &Cache<Pod>) {
    let jobs = engine.cache::<Job>();
    let orphans = jobs.clone();
    engine
        .add("job", Shell::new(Jobs { pods: pods.clone() }, &jobs))
        .watches(&jobs)
        .reports_as("job-controller")
        .owned(pods)
        .maps(pods, move |pod| {
            orphan_of(&pod.metadata, &orphans, |it| {
                it.spec.as_ref().and_then(|it| it.selector.as_ref())
            })
        });
}

/// Those that may want to adopt an object that nobody controls.
fn orphan_of<K>(
    meta: &ObjectMeta,
    owners: &Cache<K>,
    selector: impl Fn(&K) -> Option<&LabelSelector>,
) -> Vec<ObjectKey>
where
    K: endstate::Object<DynamicType: Default>,
{
    if controllers::owners::controller(meta).is_some() {
        return Vec::new();
    }
    let in_namespace = owners.in_namespace(meta.namespace.as_deref().unwrap_or_default());
    let selects =
        |owner: &&Arc<K>| selector(owner).is_some_and(|it| Selector::new(it).matches_meta(meta));
    in_namespace.iter().filter(selects).map(|it| ObjectKey::of(&**it)).collect()
}

/// A deployment is woken by its pods too: Recreate waits until the old ones are gone.
fn deployment_of(pod: &Pod, sets: &Cache<ReplicaSet>) -> Vec<ObjectKey> {
    let namespace = pod.metadata.namespace.as_deref();
    let set = controllers::owners::controller(&pod.metadata).filter(|it| it.kind == "ReplicaSet");
    let set = set.and_then(|it| sets.get(&ObjectKey::new(namespace, &it.name)));
    let owner = set.as_ref().and_then(|it| controllers::owners::controller(&it.metadata));
    owner.map(|it| ObjectKey::new(namespace, &it.name)).into_iter().collect()
}

struct ReplicaSets {
    pods: Cache<Pod>,
}

impl Controller for ReplicaSets {
    type Kind = ReplicaSet;

    fn plan(&self, look: &Look<'_, ReplicaSet>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        replicaset::plan(&replicaset::Snapshot {
            set: look.object,
            pods: &self.pods.in_namespace(namespace),
            last_failure: look.last_failure,
            now: look.now,
        })
    }
}

struct Deployments {
    sets: Cache<ReplicaSet>,
    pods: Cache<Pod>,
}

impl Controller for Deployments {
    type Kind = Deployment;

    fn plan(&self, look: &Look<'_, Deployment>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        let sets = self.sets.in_namespace(namespace);
        let uid = |set: &Arc<ReplicaSet>| set.metadata.uid.clone().unwrap_or_default();
        let pods: Vec<_> = sets.iter().flat_map(|set| self.pods.owned_by(&uid(set))).collect();
        let now = look.now;
        deployment::plan(&deployment::Snapshot {
            deployment: look.object,
            sets: &sets,
            pods: &pods,
            now,
        })
    }
}

struct StatefulSets {
    pods: Cache<Pod>,
    claims: Cache<PersistentVolumeClaim>,
    revisions: Cache<ControllerRevision>,
}

impl Controller for StatefulSets {
    type Kind = StatefulSet;

    fn plan(&self, look: &Look<'_, StatefulSet>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        statefulset::plan(&statefulset::Snapshot {
            set: look.object,
            pods: &self.pods.in_namespace(namespace),
            claims: &self.claims.in_namespace(namespace),
            revisions: &self.revisions.in_namespace(namespace),
            now: look.now,
        })
    }
}

struct Jobs {
    pods: Cache<Pod>,
}

impl Controller for Jobs {
    type Kind = Job;

    fn plan(&self, look: &Look<'_, Job>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        let pods = self.pods.in_namespace(namespace);
        job::plan(&job::Snapshot { job: look.object, pods: &pods, now: look.now })
    }

    fn plan_absent(&self, key: &ObjectKey) -> Plan {
        let pods = self.pods.in_namespace(key.namespace().unwrap_or_default());
        job::release_orphans(key.name(), None, &pods)
    }
}
