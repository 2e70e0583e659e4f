//! `eviction`: a deletion that asks the pod's disruption budget first.
//!
//! Invariant: a disruption is taken from the budget, guarded, before the pod is deleted; so two evictions never
//! spend the same one.

use std::sync::Arc;

use bytes::Bytes;
use machinery::error::{ApiError, Cause};
use machinery::selector::LabelSelector;
use serde_json::Value;
use store::{ListOptions, Prefix};

use super::{created, request_body};
use crate::call::Call;
use crate::delete::{self, DeleteOptions};
use crate::receive::Received;
use crate::request::Target;
use crate::respond::Response;
use crate::write::{self, Change, Endpoint, Tracked};
use crate::{encode, errors, time};

const GROUP: &str = "policy";
const PLURAL: &str = "poddisruptionbudgets";
const RETRY_SECONDS: u32 = 10;

pub(super) async fn evict(call: &Arc<Call>, body: &Bytes) -> Result<Response, ApiError> {
    let eviction = request_body(call, body, "Eviction")?;
    let name = call.name();
    if eviction["metadata"]["name"].as_str().is_some_and(|it| !it.is_empty() && it != name) {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options: DeleteOptions = match &eviction["deleteOptions"] {
        Value::Null => DeleteOptions::default(),
        options => serde_json::from_value(options.clone())
            .map_err(|error| ApiError::bad_request(format!("deleteOptions: {error}")))?,
    };
    options.dry_run.extend(call.query.all("dryRun").map(str::to_owned));
    crate::call::dry_run(options.dry_run.iter().map(String::as_str))?;
    let pod = encode::parse(&*call.get(name).await?)?;
    if needs_budget(&pod) {
        let budgets = budgets(call, &pod).await?;
        match budgets.as_slice() {
            [] => {}
            [budget] => {
                spend(call, budget, Spend { pod: &pod, dry_run: !options.dry_run.is_empty() })
                    .await?
            }
            _ => {
                return Err(ApiError::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ));
            }
        }
    }
    delete::delete_named(call, name, &options).await?;
    Ok(created(call))
}

/// A pod that does not run, or is going already, disrupts nothing by going.
fn needs_budget(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str().unwrap_or("");
    !matches!(phase, "Succeeded" | "Failed" | "Pending")
        && pod["metadata"].get("deletionTimestamp").is_none()
}

/// The budgets that a pod falls under.
async fn budgets(call: &Call, pod: &Value) -> Result<Vec<Value>, ApiError> {
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let Some(prefix) = Prefix::new(&[GROUP, PLURAL, namespace]) else { return Ok(Vec::new()) };
    let page = call.store().list(&prefix, ListOptions::default()).await.map_err(errors::store)?;
    let mut budgets = Vec::new();
    for object in &page.objects {
        let budget = encode::parse(object)?;
        let selector = LabelSelector::from_value(&budget["spec"]["selector"])?;
        if selector.matches_labels(&pod["metadata"]["labels"]) {
            budgets.push(budget);
        }
    }
    Ok(budgets)
}

struct Spend<'a> {
    pod: &'a Value,
    dry_run: bool,
}

/// Takes one disruption from a budget, or says why there is none.
async fn spend(call: &Call, budget: &Value, spend: Spend<'_>) -> Result<(), ApiError> {
    if is_free(budget, spend.pod) {
        return Ok(());
    }
    check(budget)?;
    if spend.dry_run {
        return Ok(());
    }
    let resource =
        call.registry.resource(GROUP, "v1", PLURAL).ok_or_else(ApiError::no_such_resource)?;
    let name = budget["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let target = Target {
        group: GROUP.to_owned(),
        version: "v1".to_owned(),
        plural: PLURAL.to_owned(),
        namespace: call.target.namespace.clone(),
        ..Target::default()
    };
    let elsewhere = call.elsewhere(resource, target);
    let pod = spend.pod["metadata"]["name"].as_str().unwrap_or("");
    let make = |live: &Value| {
        check(live)?;
        let mut object = live.clone();
        let allowed = object["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        object["status"]["disruptionsAllowed"] = (allowed - 1).into();
        object["status"]["disruptedPods"][pod] = time::seconds(call.now).into();
        Ok(Received { object, duplicates: Vec::new() })
    };
    let change =
        Change { name: &name, endpoint: Endpoint::Status, tracked: Tracked::NotYet, make: &make };
    write::modify(&elsewhere, change).await.map(drop)
}

/// Whether a pod that is not ready may go without being counted.
fn is_free(budget: &Value, pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions
        .is_some_and(|list| list.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"));
    let number = |key: &str| budget["status"][key].as_i64().unwrap_or(0);
    let healthy =
        number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
    let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
    !ready && (always || healthy)
}

fn check(budget: &Value) -> Result<(), ApiError> {
    let name = budget["metadata"]["name"].as_str().unwrap_or("");
    let number = |part: &Value, key: &str| part[key].as_i64().unwrap_or(0);
    let status = &budget["status"];
    let refuse = |message: &str, cause: String| {
        let error = ApiError::too_many_requests(message, RETRY_SECONDS);
        Err(error.with_causes([Cause::new("DisruptionBudget", cause, "")]))
    };
    if number(status, "observedGeneration") < number(&budget["metadata"], "generation") {
        return refuse(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            format!("The disruption budget {name} is still being processed by the server."),
        );
    }
    if number(status, "disruptionsAllowed") <= 0 {
        return refuse(
            "Cannot evict pod as it would violate the pod's disruption budget.",
            format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                number(status, "desiredHealthy"),
                number(status, "currentHealthy")
            ),
        );
    }
    Ok(())
}
