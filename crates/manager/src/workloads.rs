//! ReplicaSets and Deployments.

use std::sync::Arc;

use controllers::labels::Selector;
use controllers::{Plan, deployment, replicaset};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine) {
    let (pods, sets, deployments) =
        (engine.cache::<Pod>(), engine.cache::<ReplicaSet>(), engine.cache::<Deployment>());
    let of_sets = sets.clone();
    engine
        .add("replicaset", Shell::new(ReplicaSets { pods: pods.clone() }, &sets))
        .watches(&sets)
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
        .owned(&sets)
        .maps(&sets, move |set| {
            orphan_of(&set.metadata, &of_deployments, |it| it.spec.as_ref().map(|it| &it.selector))
        })
        .maps(&pods, move |pod| deployment_of(pod, &sets));
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
