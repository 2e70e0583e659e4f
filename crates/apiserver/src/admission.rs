//! What a write needs to know of other objects: its namespace, its definition, free addresses.
//!
//! Rules that look at one object alone are the registry's. Invariant: a service address or node port is chosen and
//! stored under one lock, so that no two services get the same.

mod accounts;
mod addresses;
mod runtime_class;
mod security;
mod storage;

use machinery::error::{ApiError, Cause, Reason};
use registry::Resource;
use serde_json::Value;
use store::Key;
use tokio::sync::MutexGuard;

use crate::call::Call;
use crate::errors;
use crate::write::Endpoint;

/// Namespaces that stay.
const PROTECTED: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Checks and completes a new object.
pub(crate) async fn create(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if call.resource.namespaced {
        check_namespace(call, object).await?;
    }
    if call.server.shared().lifecycle.is_terminating(&call.resource) {
        let text = "create not allowed while custom resource definition is terminating";
        return Err(ApiError::new(405, Reason::MethodNotAllowed, text));
    }
    runtime_class::check(call, object).await?;
    storage::default_class(call, object).await?;
    let account = accounts::of(call, object).await?;
    registry::admission::create(&call.resource, object, account.as_ref());
    Ok(())
}

/// Checks a valid object that is about to be stored. `old` is the state before; `None` of a new object.
pub(crate) async fn validate(
    call: &Call,
    old: Option<&Value>,
    object: &Value,
    endpoint: Endpoint,
) -> Result<(), ApiError> {
    if let Some(old) = old {
        storage::check_growth(call, old, object).await?;
    }
    security::check(call, old, object, endpoint).await
}

/// Refuses the deletion of what every cluster has.
pub(crate) fn delete(call: &Call, name: &str) -> Result<(), ApiError> {
    let namespace = call.resource.kind == "Namespace" && call.resource.group.is_empty();
    match namespace && PROTECTED.contains(&name) {
        true => {
            Err(ApiError::forbidden("", "namespaces", name, "this namespace may not be deleted"))
        }
        false => Ok(()),
    }
}

/// Nothing new is made in a namespace that is missing or on its way out.
async fn check_namespace(call: &Call, object: &Value) -> Result<(), ApiError> {
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let missing = || ApiError::not_found("", "namespaces", namespace);
    let key = Key::new(&["core", "namespaces", namespace]).ok_or_else(missing)?;
    let found = call.store().get(&key).await.map_err(errors::store)?.ok_or_else(missing)?;
    let phase = found.index().fields.iter().find(|(name, _)| &**name == "status.phase");
    if phase.is_none_or(|(_, phase)| &**phase != "Terminating") {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let error = ApiError::forbidden(&call.resource.group, &call.resource.plural, name, &why);
    let cause = format!("namespace {namespace} is being terminated");
    Err(error.with_causes([Cause::new("NamespaceTerminating", cause, "metadata.namespace")]))
}

/// Gives a service its addresses and ports. What is returned must be kept until the service is stored.
pub(crate) async fn allocate<'a>(
    call: &'a Call,
    old: Option<&Value>,
    object: &mut Value,
) -> Result<Option<MutexGuard<'a, ()>>, ApiError> {
    if !is_service(&call.resource) {
        return Ok(None);
    }
    let guard = call.server.shared().addresses.lock().await;
    addresses::allocate(call, old, object).await?;
    Ok(Some(guard))
}

fn is_service(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.kind == "Service"
}
