//! Field management: every write says which fields its manager owns.

use http::header::USER_AGENT;
use machinery::error::{ApiError, FieldError};
use machinery::ownership::{self, Apply, MANAGER_LENGTH_MAX, Scope, Update, manager_name};
use serde_json::Value;

use crate::call::Call;
use crate::write::Endpoint;

/// The name of who writes: the parameter, else the user agent up to its first slash.
fn manager(call: &Call) -> Result<String, ApiError> {
    let name = call.query.get("fieldManager").unwrap_or("");
    let why = if name.chars().count() > MANAGER_LENGTH_MAX {
        format!("may not be longer than {MANAGER_LENGTH_MAX}")
    } else if name.chars().any(char::is_control) {
        "should only contain printable characters".to_owned()
    } else {
        let agent = call.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        return Ok(manager_name(name, agent.unwrap_or("")));
    };
    let error = FieldError::invalid("fieldManager", name, why);
    Err(ApiError::invalid("meta.k8s.io", "WriteOptions", "", vec![error]))
}

fn scope(call: &Call, endpoint: Endpoint) -> Scope {
    match endpoint {
        Endpoint::Status => Scope::OnlyStatus,
        Endpoint::Main if call.resource.has_status() => Scope::WithoutStatus,
        _ => Scope::All,
    }
}

/// Records who owns the fields of a new state.
pub(crate) fn track(
    call: &Call,
    live: Option<&Value>,
    new: &mut Value,
    endpoint: Endpoint,
) -> Result<(), ApiError> {
    ownership::update(Update {
        live,
        new,
        manager: &manager(call)?,
        subresource: endpoint.subresource(),
        scope: scope(call, endpoint),
        now: call.now,
        schema: call.resource.schema(),
    });
    Ok(())
}

/// The state that an applied intent leads to.
pub(crate) fn apply(
    call: &Call,
    live: Option<&Value>,
    patch: Value,
    endpoint: Endpoint,
) -> Result<Value, ApiError> {
    ownership::apply(Apply {
        live,
        patch,
        manager: &manager(call)?,
        force: call.query.flag("force"),
        subresource: endpoint.subresource(),
        scope: scope(call, endpoint),
        now: call.now,
        schema: call.resource.schema(),
    })
}
