//! Changes of pods that only subresources make: `binding`, `ephemeralcontainers`, `resize`.

use bytes::Bytes;
use machinery::error::{ApiError, FieldError};
use serde_json::{Value, json};

use super::{created, request_body};
use crate::call::Call;
use crate::patch;
use crate::receive::Received;
use crate::request::Verb;
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

/// The part of a pod that a subresource changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    EphemeralContainers,
    Resources,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::EphemeralContainers => "ephemeralcontainers",
            Part::Resources => "resize",
        }
    }

    /// The old pod with this part of the new one.
    pub(crate) fn take(self, new: &Value, old: &Value) -> Value {
        let mut pod = old.clone();
        for key in ["managedFields", "resourceVersion"] {
            pod["metadata"][key] = new["metadata"][key].clone();
        }
        match self {
            Part::EphemeralContainers => {
                pod["spec"]["ephemeralContainers"] = new["spec"]["ephemeralContainers"].clone();
            }
            Part::Resources => {
                for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
                    let named = |it: &&Value| it["name"] == container["name"];
                    let new = new["spec"]["containers"].as_array();
                    if let Some(new) = new.into_iter().flatten().find(named) {
                        container["resources"] = new["resources"].clone();
                    }
                }
            }
        }
        pod
    }
}

/// PUT and PATCH on a subresource that is a part of the pod.
pub(super) async fn part(call: &Call, verb: Verb, body: &Bytes) -> Result<Response, ApiError> {
    let part = match call.target.subresource.as_deref() {
        Some("resize") => Part::Resources,
        _ => Part::EphemeralContainers,
    };
    match verb {
        Verb::Update => write::update(call, body, Endpoint::Part(part)).await,
        Verb::Patch => patch::patch(call, body, Endpoint::Part(part)).await,
        _ => Err(call.method_not_allowed()),
    }
}
