//! What is derived from services, namespaces and budgets: addresses, accounts, allowed disruptions.

use std::sync::Arc;

use controllers::labels::Selector;
use controllers::{Plan, disruption, endpoints, service_account};
use endstate::{Cache, Engine, Object, ObjectKey};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine, root_ca: &str) {
    add_endpoints(engine);
    add_accounts(engine, root_ca);
    add_budgets(engine);
}

fn add_endpoints(engine: &mut Engine) {
    let services = engine.cache::<Service>();
    let addresses =
        Addresses { pods: engine.cache(), endpoints: engine.cache(), slices: engine.cache() };
    let (pods, endpoints, slices) =
        (addresses.pods.clone(), addresses.endpoints.clone(), addresses.slices.clone());
    let selecting = services.clone();
    engine
        .add("endpoints", Shell::new(addresses, &services))
        .watches(&services)
        .reports_as("endpoint-slice-controller")
        .maps(&pods, move |pod| selected_by(pod, &selecting))
        .maps(&endpoints, |it| vec![ObjectKey::of(it)])
        .maps(&slices, |it| service_of(&it.metadata).into_iter().collect());
}

fn selected_by(pod: &Pod, services: &Cache<Service>) -> Vec<ObjectKey> {
    let labels = pod.metadata.labels.as_ref();
    let selects = |service: &&Arc<Service>| {
        let selector = service.spec.as_ref().and_then(|it| it.selector.as_ref());
        selector.is_some_and(|it| {
            it.iter().all(|(key, value)| labels.and_then(|it| it.get(key)) == Some(value))
        })
    };
    let in_namespace = services.in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default());
    in_namespace.iter().filter(selects).map(|it| ObjectKey::of(&**it)).collect()
}

fn service_of(meta: &ObjectMeta) -> Option<ObjectKey> {
    let service = controllers::labels::label(meta, endpoints::SERVICE_NAME)?;
    Some(ObjectKey::new(meta.namespace.as_deref(), service))
}

struct Addresses {
    pods: Cache<Pod>,
    endpoints: Cache<Endpoints>,
    slices: Cache<EndpointSlice>,
}

impl Controller for Addresses {
    type Kind = Service;

    fn plan(&self, look: &Look<'_, Service>) -> Plan {
        let key = ObjectKey::of(&**look.object);
        let namespace = key.namespace().unwrap_or_default();
        let selector =
            look.object.spec.as_ref().and_then(|it| it.selector.clone()).unwrap_or_default();
        endpoints::plan(&endpoints::Snapshot {
            service: look.object,
            pods: &self.pods.matching(namespace, &selector),
            endpoints: self.endpoints.get(&key).as_ref(),
            slices: &self.slices.labelled(namespace, endpoints::SERVICE_NAME, key.name()),
        })
    }
}

fn add_accounts(engine: &mut Engine, root_ca: &str) {
    let namespaces = engine.cache::<Namespace>();
    let accounts = Accounts {
        accounts: engine.cache_of((), endstate::Scope::all().name("default")),
        certificates: engine.cache_of((), endstate::Scope::all().name(service_account::ROOT_CA)),
        root_ca: (!root_ca.is_empty()).then(|| root_ca.to_owned()),
    };
    let (defaults, certificates) = (accounts.accounts.clone(), accounts.certificates.clone());
    engine
        .add("serviceaccount", Shell::new(accounts, &namespaces))
        .watches(&namespaces)
        .reports_as("serviceaccount-controller")
        .maps(&defaults, |it| namespace_of(&it.metadata))
        .maps(&certificates, |it| namespace_of(&it.metadata));
}

fn namespace_of(meta: &ObjectMeta) -> Vec<ObjectKey> {
    meta.namespace.as_deref().map(ObjectKey::cluster).into_iter().collect()
}

struct Accounts {
    accounts: Cache<ServiceAccount>,
    certificates: Cache<ConfigMap>,
    root_ca: Option<String>,
}

impl Controller for Accounts {
    type Kind = Namespace;

    fn plan(&self, look: &Look<'_, Namespace>) -> Plan {
        let namespace = look.object.metadata.name.as_deref().unwrap_or_default();
        let account = self.accounts.get(&ObjectKey::namespaced(namespace, "default"));
        let certificate =
            self.certificates.get(&ObjectKey::namespaced(namespace, service_account::ROOT_CA));
        service_account::plan(&service_account::Snapshot {
            namespace: look.object,
            account: account.as_ref(),
            certificate: certificate.as_ref(),
            root_ca: self.root_ca.as_deref(),
        })
    }
}

fn add_budgets(engine: &mut Engine) {
    let budgets = engine.cache::<PodDisruptionBudget>();
    let shell = Budgets {
        pods: engine.cache(),
        deployments: engine.cache(),
        replica_sets: engine.cache(),
        stateful_sets: engine.cache(),
    };
    let (pods, mine) = (shell.pods.clone(), budgets.clone());
    let (deployments, stateful_sets) = (shell.deployments.clone(), shell.stateful_sets.clone());
    let (of_deployments, of_sets) = (budgets.clone(), budgets.clone());
    engine
        .add("disruption", Shell::new(shell, &budgets))
        .watches(&budgets)
        // As upstream's, which has no name of its own.
        .reports_as("controllermanager")
        .maps(&pods, move |pod| budgets_of(pod, &mine))
        // A size that is given in percent is one of what the controllers want.
        .maps(&deployments, move |it| budgets_in(&it.metadata, &of_deployments))
        .maps(&stateful_sets, move |it| budgets_in(&it.metadata, &of_sets));
}

fn budgets_in(meta: &ObjectMeta, budgets: &Cache<PodDisruptionBudget>) -> Vec<ObjectKey> {
    let in_namespace = budgets.in_namespace(meta.namespace.as_deref().unwrap_or_default());
    in_namespace.iter().map(|it| ObjectKey::of(&**it)).collect()
}

fn budgets_of(pod: &Pod, budgets: &Cache<PodDisruptionBudget>) -> Vec<ObjectKey> {
    let in_namespace = budgets.in_namespace(pod.metadata.namespace.as_deref().unwrap_or_default());
    let selects = |budget: &&Arc<PodDisruptionBudget>| {
        let selector = budget.spec.as_ref().and_then(|it| it.selector.as_ref());
        selector.is_some_and(|it| Selector::new(it).matches_meta(&pod.metadata))
    };
    in_namespace.iter().filter(selects).map(|it| ObjectKey::of(&**it)).collect()
}

struct Budgets {
    pods: Cache<Pod>,
    deployments: Cache<Deployment>,
    replica_sets: Cache<ReplicaSet>,
    stateful_sets: Cache<StatefulSet>,
}

impl Controller for Budgets {
    type Kind = PodDisruptionBudget;

    fn plan(&self, look: &Look<'_, PodDisruptionBudget>) -> Plan {
        let namespace = look.object.metadata.namespace.as_deref().unwrap_or_default();
        disruption::plan(&disruption::Snapshot {
            budget: look.object,
            pods: &self.pods.in_namespace(namespace),
            sizes: &|uid| self.size(namespace, uid),
            now: look.now,
        })
    }
}

impl Budgets {
    /// How many pods a controller wants. Sets of a deployment stand for that: during a rollout none of them has its
    /// size.
    fn size(&self, namespace: &str, uid: &str) -> Option<i32> {
        if let Some(set) = by_uid(&self.stateful_sets, namespace, uid) {
            return set.spec.as_ref()?.replicas;
        }
        let set = by_uid(&self.replica_sets, namespace, uid)?;
        let owner =
            controllers::owners::controller(&set.metadata).filter(|it| it.kind == "Deployment");
        let Some(owner) = owner else { return set.spec.as_ref()?.replicas };
        let deployment = self.deployments.get(&ObjectKey::namespaced(namespace, &*owner.name))?;
        deployment.spec.as_ref()?.replicas
    }
}

fn by_uid<K: Object<DynamicType: Default>>(
    cache: &Cache<K>,
    namespace: &str,
    uid: &str,
) -> Option<Arc<K>> {
    cache.in_namespace(namespace).into_iter().find(|it| it.meta().uid.as_deref() == Some(uid))
}
