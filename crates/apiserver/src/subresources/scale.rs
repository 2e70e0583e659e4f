//! `scale`: the number of replicas of any kind that has one.

use bytes::Bytes;
use http::StatusCode;
use machinery::error::{ApiError, FieldError};
use machinery::selector::LabelSelector;
use registry::Scale;
use serde_json::{Map, Value, json};

use super::{paths, request_body};
use crate::call::Call;
use crate::patch::{self, Patch};
use crate::receive::Received;
use crate::request::Verb;
use crate::respond::{self, Response};
use crate::write::{self, Change, Endpoint, Tracked};

pub(super) async fn answer(call: &Call, verb: Verb, body: &Bytes) -> Result<Response, ApiError> {
    let Some(scale) = call.resource.scale() else { return Err(call.method_not_allowed()) };
    let object = match verb {
        Verb::Get => call.get(call.name()).await?,
        Verb::Update => {
            let wanted = request_body(call, body, "Scale")?;
            change(call, &scale, &|_| Ok(wanted.clone())).await?
        }
        Verb::Patch => {
            let (patch, _) = patch::receive(call, body)?;
            let patch = match patch {
                // A scale has no lists: both merge alike, and an applied scale is one too.
                Patch::Strategic(part) | Patch::Apply(part) => Patch::Merge(part),
                patch => patch,
            };
            change(call, &scale, &|live| patch::patched(call, &patch, &shown(live, &scale))).await?
        }
        _ => return Err(call.method_not_allowed()),
    };
    let object = call.parse(&object)?;
    Ok(respond::value(StatusCode::OK, call.form.format, &shown(&object, &scale)))
}

/// Changes the number of replicas to that of the scale that is made of the live object.
async fn change(
    call: &Call,
    scale: &Scale,
    wanted: &(dyn Fn(&Value) -> Result<Value, ApiError> + Send + Sync),
) -> Result<std::sync::Arc<store::Object>, ApiError> {
    let make = |live: &Value| {
        let wanted = wanted(live)?;
        let replicas = replicas(call, &wanted)?;
        let mut object = live.clone();
        paths::set(&mut object, &scale.spec_replicas, replicas.into());
        for key in ["uid", "resourceVersion"] {
            if wanted["metadata"][key].as_str().is_some_and(|it| !it.is_empty()) {
                object["metadata"][key] = wanted["metadata"][key].clone();
            }
        }
        Ok(Received { object, duplicates: Vec::new() })
    };
    let endpoint = Endpoint::Through("scale");
    let change = Change { name: call.name(), endpoint, tracked: Tracked::NotYet, make: &make };
    write::modify(call, change).await
}

fn replicas(call: &Call, scale: &Value) -> Result<i64, ApiError> {
    let refuse = |error| Err(ApiError::invalid("autoscaling", "Scale", call.name(), vec![error]));
    match &scale["spec"]["replicas"] {
        Value::Null => Ok(0),
        value => match value.as_i64() {
            Some(number) if (0..=i64::from(i32::MAX)).contains(&number) => Ok(number),
            Some(number) => refuse(FieldError::invalid(
                "spec.replicas",
                number,
                "must be greater than or equal to 0",
            )),
            None => {
                refuse(FieldError::invalid("spec.replicas", value.clone(), "must be an integer"))
            }
        },
    }
}

/// The scale of an object.
fn shown(object: &Value, scale: &Scale) -> Value {
    let kept = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: Map<String, Value> = kept
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), object["metadata"].get(*key)?.clone())))
        .collect();
    let number = |path: &str| paths::get(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut status = json!({"replicas": number(&scale.status_replicas)});
    let selector = scale.label_selector.as_deref().and_then(|path| paths::get(object, path));
    match selector {
        Some(Value::String(text)) => status["selector"] = text.clone().into(),
        Some(selector @ Value::Object(map)) => {
            let typed = map.contains_key("matchLabels") || map.contains_key("matchExpressions");
            let parsed = match typed {
                true => LabelSelector::from_value(selector),
                false => LabelSelector::from_map(selector),
            };
            if let Ok(parsed) = parsed {
                status["selector"] = parsed.to_string().into();
            }
        }
        _ => {}
    }
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": {"replicas": number(&scale.spec_replicas)},
        "status": status,
    })
}
