//! The service account that a pod runs as: there is none for a name alone.

use std::time::Duration;

use machinery::error::{ApiError, quote};
use serde_json::Value;
use store::Key;

use crate::call::Call;
use crate::{encode, errors};

/// The account that every namespace has. One that was removed is made again in a moment, and is waited for.
const DEFAULT: &str = "default";
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// The account of a new object, which must be there.
pub(super) async fn of(call: &Call, object: &Value) -> Result<Option<Value>, ApiError> {
    let pod = object["metadata"]["name"].as_str().unwrap_or("");
    let refuse = |why: &str| ApiError::forbidden("", "pods", pod, why);
    let name = registry::admission::account_name(&call.resource, object).map_err(refuse)?;
    let Some(name) = name else { return Ok(None) };
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let attempts = if name == DEFAULT { ATTEMPTS } else { 1 };
    for attempt in 1..=attempts {
        if let Some(account) = find(call, namespace, name).await? {
            return Ok(Some(account));
        }
        if attempt < attempts {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let why = format!(
        "error looking up service account {namespace}/{name}: serviceaccount {} not found",
        quote(name)
    );
    Err(refuse(&why))
}

async fn find(call: &Call, namespace: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let Some(key) = Key::new(&["core", "serviceaccounts", namespace, name]) else {
        return Ok(None);
    };
    let account = call.store().get(&key).await.map_err(errors::store)?;
    account.map(|account| encode::parse(&account)).transpose()
}
