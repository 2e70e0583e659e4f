//! Empties namespaces that are being deleted, by the pure plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use controllers::namespace::{self, Content, Plan, Snapshot};
use endstate::{Cache, CancellationToken, ObjectKey};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, PostParams};

use super::{Universe, api, rest};

/// How many objects of one resource are counted when emptiness is to be proven.
const COUNTED_MAX: u32 = 500;

pub(super) async fn run(
    universe: Arc<Universe>,
    namespaces: Cache<Namespace>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = namespaces.synced() => {}
    }
    universe.is_whole(&stop).await;
    loop {
        let name = tokio::select! {
            name = universe.namespaces.next() => name,
            () = stop.cancelled() => return,
        };
        let Some(namespace) = namespaces.get(&ObjectKey::cluster(Arc::clone(&name))) else {
            continue;
        };
        if namespace.metadata.deletion_timestamp.is_none() {
            continue;
        }
        if let Err(error) = step(&universe, &namespace).await {
            tracing::debug!(%name, %error, "a namespace could not be emptied");
            tokio::spawn(again(Arc::clone(&universe), name, stop.clone()));
        }
    }
}

async fn again(universe: Arc<Universe>, name: Arc<str>, stop: CancellationToken) {
    rest(&stop).await;
    universe.look_at_namespace(&name);
}

async fn step(universe: &Universe, namespace: &Namespace) -> Result<(), kube::Error> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let content = universe.graph().content(name);
    let mut plan = planned(namespace, &content, Proof::Seen);
    if plan.prove {
        let content = count(universe, name).await?;
        plan = planned(namespace, &content, Proof::Proven);
    }
    execute(universe, namespace, plan).await
}

/// Where what is known of a namespace's content comes from.
#[derive(Clone, Copy, PartialEq)]
enum Proof {
    Seen,
    Proven,
}

fn planned(namespace: &Namespace, content: &[Content], proof: Proof) -> Plan {
    namespace::plan(&Snapshot {
        namespace,
        content,
        is_proven: proof == Proof::Proven,
        discovery_failure: None,
        now: Timestamp::now(),
    })
}

/// What the API says is left, events too.
async fn count(universe: &Universe, namespace: &str) -> Result<Vec<Content>, kube::Error> {
    let kinds = universe.kinds().clone();
    let mut content = Vec::new();
    for (resource, kind) in kinds.iter().filter(|(_, kind)| kind.namespaced) {
        let params = ListParams::default().limit(COUNTED_MAX);
        let list = match api(&universe.client, kind, Some(namespace)).list_metadata(&params).await {
            Ok(list) => list.items,
            // No longer served: nothing is left of it.
            Err(kube::Error::Api(status)) if status.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        if list.is_empty() {
            continue;
        }
        let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
        for finalizer in list.iter().flat_map(|it| it.metadata.finalizers.iter().flatten()) {
            *finalizers.entry(finalizer.clone()).or_default() += 1;
        }
        let deleting = list.iter().filter(|it| it.metadata.deletion_timestamp.is_some()).count();
        content.push(Content {
            resource: resource.to_string(),
            objects: list.len(),
            deleting,
            finalizers,
        });
    }
    Ok(content)
}

async fn execute(
    universe: &Universe,
    namespace: &Namespace,
    plan: Plan,
) -> Result<(), kube::Error> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let namespaces: Api<Namespace> = Api::all(universe.client.clone());
    if let Some(status) = &plan.status {
        match namespaces.replace_status(name, &PostParams::default(), status).await {
            // It changed: the change wakes this again.
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            done => drop(done?),
        }
    }
    for resource in &plan.delete {
        let Some(kind) = universe.kind(resource) else { continue };
        let api: Api<kube::core::DynamicObject> =
            Api::namespaced_with(universe.client.clone(), name, &kind.api);
        api.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
        if !super::feed::is_tracked(resource) {
            // No event tells that these are gone.
            universe.look_at_namespace(name);
        }
    }
    if plan.finalize {
        finalize(universe, namespace).await?;
    }
    Ok(())
}

async fn finalize(universe: &Universe, namespace: &Namespace) -> Result<(), kube::Error> {
    let mut finished = namespace.clone();
    if let Some(finalizers) = finished.spec.as_mut().and_then(|it| it.finalizers.as_mut()) {
        finalizers.retain(|it| it != namespace::FINALIZER);
    }
    // The status was written since it was read, so only the uid guards this.
    finished.metadata.resource_version = None;
    let name = finished.metadata.name.clone().unwrap_or_default();
    let body = serde_json::to_vec(&finished).map_err(kube::Error::SerdeError)?;
    let url = <Namespace as kube::Resource>::url_path(&(), None);
    let request = kube::core::Request::new(url);
    let request = request.replace_subresource("finalize", &name, &PostParams::default(), body);
    let request = request.map_err(kube::Error::BuildRequest)?;
    match universe.client.request::<Namespace>(request).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        done => done.map(drop),
    }
}
