//! A pod names a runtime class that there is, and no overhead of its own.

use machinery::error::ApiError;
use serde_json::{Map, Value};
use store::Key;

use crate::call::Call;
use crate::{encode, errors};

/// Checks a new pod, and gives it the overhead of its class.
pub(super) async fn check(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if !call.resource.group.is_empty() || call.resource.kind != "Pod" {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let refuse =
        |why: &str| Err(ApiError::forbidden("", "pods", &name, &format!("pod rejected: {why}")));
    let class = object["spec"]["runtimeClassName"].as_str().filter(|class| !class.is_empty());
    let fixed = match class {
        None => None,
        Some(class) => match find(call, class).await? {
            Some(found) => found["overhead"]["podFixed"].as_object().cloned(),
            None => return refuse(&format!("RuntimeClass {class:?} not found")),
        },
    };
    let own = object["spec"]["overhead"].as_object().filter(|own| !own.is_empty());
    match (fixed.filter(|fixed| !fixed.is_empty()), own) {
        (Some(fixed), Some(own)) if !same(&fixed, own) => {
            refuse("Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        }
        (Some(fixed), None) => {
            object["spec"]["overhead"] = fixed.into();
            Ok(())
        }
        (None, Some(_)) => {
            refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead")
        }
        _ => Ok(()),
    }
}

async fn find(call: &Call, class: &str) -> Result<Option<Value>, ApiError> {
    let Some(key) = Key::new(&["node.k8s.io", "runtimeclasses", class]) else { return Ok(None) };
    let found = call.store().get(&key).await.map_err(errors::store)?;
    found.map(|found| encode::parse(&found)).transpose()
}

/// Whether two lists of amounts are equal, however they are written.
fn same(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let amount = |value: &Value| machinery::quantity::Quantity::from_value(value).ok();
    one.len() == other.len()
        && one.iter().all(|(name, value)| {
            let other = other.get(name);
            other.is_some_and(|other| other == value || amount(other) == amount(value))
        })
}
