//! A change of pods that only a subresource makes, `binding`, and one that none makes.

use bytes::Bytes;
use machinery::error::{ApiError, FieldError};
use serde_json::{Value, json};

use super::{created, request_body};
use crate::call::Call;
use crate::receive::Received;
use crate::respond::Response;
use crate::time;
use crate::write::{self, Change, Endpoint, Tracked};

pub(super) async fn bind(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let binding = request_body(call, body, "Binding")?;
    let target = &binding["target"];
    let node = target["name"].as_str().unwrap_or("");
    if node.is_empty() || !matches!(target["kind"].as_str(), None | Some("" | "Node")) {
        let error = match node.is_empty() {
            true => FieldError::required("target.name", ""),
            false => FieldError::not_supported(
                "target.kind",
                target["kind"].as_str().unwrap_or(""),
                &["Node", "<empty>"],
            ),
        };
        return Err(ApiError::invalid("", "Binding", call.name(), vec![error]));
    }
    let make = |live: &Value| bound(call, live, node, &binding);
    let endpoint = Endpoint::Raw("binding");
    let change = Change { name: call.name(), endpoint, tracked: Tracked::NotYet, make: &make };
    write::modify(call, change).await?;
    Ok(created(call))
}

fn bound(call: &Call, live: &Value, node: &str, binding: &Value) -> Result<Received, ApiError> {
    let name = call.name();
    let conflict = |why: String| ApiError::conflict("", "pods/binding", name, &why);
    if live["metadata"].get("deletionTimestamp").is_some() {
        return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
    }
    if let Some(current) = live["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
        return Err(conflict(format!("pod {name} is already assigned to node {current:?}")));
    }
    if live["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
    }
    let mut object = live.clone();
    for key in ["uid", "resourceVersion"] {
        if binding["metadata"][key].as_str().is_some_and(|it| !it.is_empty()) {
            object["metadata"][key] = binding["metadata"][key].clone();
        }
    }
    object["spec"]["nodeName"] = node.into();
    let annotations = binding["metadata"]["annotations"].as_object();
    for (key, value) in annotations.into_iter().flatten() {
        object["metadata"]["annotations"][key] = value.clone();
    }
    set_scheduled(&mut object, &time::seconds(call.now));
    Ok(Received { object, duplicates: Vec::new() })
}

fn set_scheduled(pod: &mut Value, now: &str) {
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let conditions = &mut pod["status"]["conditions"];
    match conditions.as_array_mut() {
        None => *conditions = json!([scheduled]),
        Some(list) => match list.iter_mut().find(|it| it["type"] == "PodScheduled") {
            Some(condition) => *condition = scheduled,
            None => list.push(scheduled),
        },
    }
}

/// What a server without ephemeral containers answers, by which `kubectl debug` knows that it is one: no node would run
/// them, and one that is accepted and never starts is worse than none.
pub(super) fn no_ephemeral_containers() -> ApiError {
    let mut error = ApiError::no_such_resource();
    error.message = "the nodes of this cluster do not run ephemeral containers".to_owned();
    error
}
