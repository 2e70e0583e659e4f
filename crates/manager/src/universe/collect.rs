//! Collects garbage: judges one object after the other, by the pure plan.

use std::sync::Arc;

use controllers::Propagation;
use controllers::garbage::{self, Action, Checked, Object, Owner, Presence, Uid};
use endstate::CancellationToken;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::{Kind, Universe, api, rest};
use crate::execute::policy;

pub(super) async fn run(universe: Arc<Universe>, stop: CancellationToken) {
    universe.is_whole(&stop).await;
    loop {
        let uid = tokio::select! {
            uid = universe.objects.next() => uid,
            () = stop.cancelled() => return,
        };
        if let Err(error) = judge(&universe, &uid).await {
            // A conflict means that the object changed: its event is on the way, and this is only a precaution.
            tracing::debug!(%uid, %error, "an object could not be collected");
            tokio::spawn(again(Arc::clone(&universe), uid, stop.clone()));
        }
    }
}

async fn again(universe: Arc<Universe>, uid: Uid, stop: CancellationToken) {
    rest(&stop).await;
    universe.judge([uid]);
}

async fn judge(universe: &Universe, uid: &Uid) -> Result<(), kube::Error> {
    let mut checked = Checked::new();
    loop {
        let (plan, namespace) = {
            let graph = universe.graph();
            let namespace = graph.get(uid).and_then(|it| it.object.namespace.clone());
            (garbage::plan(&graph, uid, &checked), namespace)
        };
        for action in plan.actions {
            act(universe, action).await?;
        }
        universe.judge(plan.visit);
        if plan.check.is_empty() {
            return Ok(());
        }
        for owner in plan.check {
            let presence = presence(universe, &owner, namespace.as_deref()).await?;
            checked.insert(owner.uid, presence);
        }
    }
}

/// Asks the API, since the graph may be behind: only it can say that an owner is gone.
async fn presence(
    universe: &Universe,
    owner: &Owner,
    namespace: Option<&str>,
) -> Result<Presence, kube::Error> {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let is_it = |kind: &&Kind| kind.api.group == group && kind.api.kind == owner.kind;
    let Some(kind) = universe.kinds().values().find(is_it).cloned() else {
        return Ok(Presence::Unknown);
    };
    if kind.namespaced && namespace.is_none() {
        return Ok(Presence::Unknown);
    }
    let found = api(&universe.client, &kind, namespace).get_metadata_opt(&owner.name).await?;
    let same = found.is_some_and(|it| it.metadata.uid.as_deref() == Some(&*owner.uid));
    Ok(if same { Presence::Exists } else { Presence::Absent })
}

async fn act(universe: &Universe, action: Action) -> Result<(), kube::Error> {
    let done = match action {
        Action::Delete { object, policy } => delete(universe, &object, policy).await,
        Action::SetOwners { object, owners } => {
            let owners: Vec<_> = owners.iter().map(reference).collect();
            change(universe, &object, json!({"ownerReferences": owners})).await
        }
        Action::SetFinalizers { object, finalizers } => {
            change(universe, &object, json!({"finalizers": finalizers})).await
        }
    };
    match done {
        // Somebody else was faster.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        done => done,
    }
}

async fn delete(
    universe: &Universe,
    object: &Object,
    propagation: Propagation,
) -> Result<(), kube::Error> {
    let Some(kind) = universe.kind(&object.resource) else { return Ok(()) };
    let params = DeleteParams {
        propagation_policy: Some(policy(propagation)),
        preconditions: Some(Preconditions {
            uid: Some(object.uid.to_string()),
            resource_version: Some(object.resource_version.to_string()),
        }),
        ..DeleteParams::default()
    };
    let api: kube::Api<kube::core::DynamicObject> = match object.namespace.as_deref() {
        Some(namespace) => {
            kube::Api::namespaced_with(universe.client.clone(), namespace, &kind.api)
        }
        None => kube::Api::all_with(universe.client.clone(), &kind.api),
    };
    api.delete(&object.name, &params).await.map(drop)
}

/// Changes metadata, if the object is still as it was seen.
async fn change(
    universe: &Universe,
    object: &Object,
    mut metadata: Value,
) -> Result<(), kube::Error> {
    let Some(kind) = universe.kind(&object.resource) else { return Ok(()) };
    metadata["uid"] = json!(&*object.uid);
    metadata["resourceVersion"] = json!(&*object.resource_version);
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let params = PatchParams {
        field_manager: Some(crate::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = api(&universe.client, &kind, object.namespace.as_deref());
    api.patch_metadata(&object.name, &params, &patch).await.map(drop)
}

fn reference(owner: &Owner) -> Value {
    let mut reference = json!({
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": &*owner.uid,
        "blockOwnerDeletion": owner.blocks,
    });
    if let Some(is_controller) = owner.is_controller {
        reference["controller"] = json!(is_controller);
    }
    reference
}
