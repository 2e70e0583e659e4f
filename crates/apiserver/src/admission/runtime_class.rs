//! A pod names a runtime class that there is, and no overhead of its own.

use machinery::error::ApiError;
use serde_json::{Map, Value};
use store::Key;

use crate::call::Call;
use crate::{encode, errors};

/// Checks a new pod, and gives it the overhead of its class and what the class says of nodes.
pub(super) async fn check(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if !call.resource.group.is_empty() || call.resource.kind != "Pod" {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let refuse = |why: String| ApiError::forbidden("", "pods", &name, &why);
    let class = object["spec"]["runtimeClassName"].as_str().filter(|class| !class.is_empty());
    let class = match class {
        None => Value::Null,
        Some(class) => find(call, class)
            .await?
            .ok_or_else(|| refuse(format!("pod rejected: RuntimeClass {class:?} not found")))?,
    };
    overhead(&class, object).map_err(|why| refuse(format!("pod rejected: {why}")))?;
    scheduling(&class["scheduling"], object).map_err(refuse)
}

fn overhead(class: &Value, object: &mut Value) -> Result<(), &'static str> {
    let fixed = class["overhead"]["podFixed"].as_object().filter(|fixed| !fixed.is_empty());
    let own = object["spec"]["overhead"].as_object().filter(|own| !own.is_empty());
    match (fixed, own) {
        (Some(fixed), Some(own)) if !same(fixed, own) => {
            Err("Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        }
        (Some(fixed), None) => {
            object["spec"]["overhead"] = fixed.clone().into();
            Ok(())
        }
        (None, Some(_)) => {
            Err("Pod Overhead set without corresponding RuntimeClass defined Overhead")
        }
        _ => Ok(()),
    }
}

fn scheduling(rules: &Value, object: &mut Value) -> Result<(), String> {
    for (key, value) in rules["nodeSelector"].as_object().into_iter().flatten() {
        let own = object["spec"]["nodeSelector"].get(key).filter(|own| *own != value);
        if let (Some(own), Some(value)) = (own.and_then(Value::as_str), value.as_str()) {
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own}"
            ));
        }
        object["spec"]["nodeSelector"][key] = value.clone();
    }
    for toleration in rules["tolerations"].as_array().into_iter().flatten() {
        match object["spec"]["tolerations"].as_array_mut() {
            Some(list) if list.contains(toleration) => {}
            Some(list) => list.push(toleration.clone()),
            None => object["spec"]["tolerations"] = Value::Array(vec![toleration.clone()]),
        }
    }
    Ok(())
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
