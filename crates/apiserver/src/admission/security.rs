//! Pod Security: the labels of a namespace act on what is made in it.
//!
//! Invariant: pods are judged as they will be stored, after everything that completes them. What is to be noted
//! (`audit`) goes to the server's log: there is no other record of requests.

use std::collections::BTreeMap;

use machinery::error::ApiError;
use registry::pod_security::{self, Evaluation, LABELS, Policy, Standard, Subject};
use serde_json::Value;
use store::{Key, ListOptions, Object, Prefix};

use crate::call::Call;
use crate::write::Endpoint;
use crate::{encode, errors};

/// How many pods of a namespace are looked at when its labels become stricter.
const PODS_MAX: usize = 3000;
/// After how many pods others get their turn.
const PODS_AT_ONCE: usize = 50;

/// Checks a write that would be stored. `old` is the state before; `None` of a new object.
pub(super) async fn check(
    call: &Call,
    old: Option<&Value>,
    new: &Value,
    endpoint: Endpoint,
) -> Result<(), ApiError> {
    if call.resource.group.is_empty() && call.resource.kind == "Namespace" {
        return match endpoint {
            Endpoint::Main => namespace(call, old, new).await,
            _ => Ok(()),
        };
    }
    let Some(path) = pod_security::template_path(&call.resource) else { return Ok(()) };
    let is_pod = path.is_empty();
    let judged = match endpoint {
        Endpoint::Main => true,
        Endpoint::Through(name) => is_pod && name == "ephemeralcontainers",
        _ => false,
    };
    let significant = !is_pod || old.is_none_or(|old| pod_security::is_significant(new, old));
    if !judged || !significant {
        return Ok(());
    }
    let Some(policy) = policy(call).await? else { return Ok(()) };
    let subject = pod_security::subject(new, path)
        .map_err(|error| ApiError::bad_request(format!("failed to decode object: {error}")))?;
    let Some(subject) = subject else { return Ok(()) };
    let name = new["metadata"]["name"].as_str().unwrap_or("");
    let enforced = if is_pod { Some(policy.enforce) } else { None };
    judge(call, name, &subject, (enforced, policy))
}

/// What the namespace of the path asks for; `None` if that is nothing.
async fn policy(call: &Call) -> Result<Option<Policy>, ApiError> {
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let Some(key) = Key::new(&["core", "namespaces", namespace]) else { return Ok(None) };
    // A namespace that went meanwhile takes its pods along.
    let Some(found) = call.store().get(&key).await.map_err(errors::store)? else { return Ok(None) };
    let labels = found.index().labels.iter().filter(|(key, _)| key.starts_with(LABELS));
    let (policy, _) = Policy::of_labels(labels.map(|(key, value)| (&**key, &**value)));
    Ok((!policy.is_privileged()).then_some(policy))
}

fn judge(
    call: &Call,
    name: &str,
    subject: &Subject,
    (enforced, policy): (Option<Standard>, Policy),
) -> Result<(), ApiError> {
    let note = |evaluation: Evaluation| {
        if !evaluation.passes() {
            let (namespace, standard) = (call.target.namespace.as_deref(), policy.audit);
            let (resource, details) = (&call.resource.plural, evaluation.details());
            tracing::info!(namespace, resource, name, %standard, details, "violates audited PodSecurity");
        }
    };
    note(Evaluation::of(subject, policy.audit));
    if let Some(standard) = enforced {
        let found = Evaluation::of(subject, standard);
        if !found.passes() {
            let why = format!("violates PodSecurity \"{standard}\": {}", found.details());
            return Err(ApiError::forbidden("", "pods", name, &why));
        }
    }
    let found = Evaluation::of(subject, policy.warn);
    if !found.passes() {
        let details = found.details();
        call.warn(format!("would violate PodSecurity \"{}\": {details}", policy.warn));
    }
    Ok(())
}

/// Labels must be readable, and who makes them stricter hears which pods would be refused now.
async fn namespace(call: &Call, old: Option<&Value>, new: &Value) -> Result<(), ApiError> {
    let name = new["metadata"]["name"].as_str().unwrap_or("");
    let faults = pod_security::label_errors(new, old);
    if !faults.is_empty() {
        return Err(call.invalid(name, faults));
    }
    let Some(standard) = old.and_then(|old| pod_security::stricter(new, old)) else {
        return Ok(());
    };
    let Some(prefix) = Prefix::new(&["core", "pods", name]) else { return Ok(()) };
    let options = ListOptions { limit: Some(PODS_MAX), ..ListOptions::default() };
    let page = call.store().list(&prefix, options).await.map_err(errors::store)?;
    let mut found = Violators::default();
    for (index, pod) in page.objects.iter().enumerate() {
        found.look_at(pod, standard);
        if index % PODS_AT_ONCE == PODS_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    let (checked, all) = (page.objects.len(), page.objects.len() + page.remaining);
    if checked < all {
        call.warn(format!(
            "new PodSecurity enforce level only checked against the first {checked} of {all} existing pods"
        ));
    }
    if !found.0.is_empty() {
        call.warn(format!(
            "existing pods in namespace \"{name}\" violate the new PodSecurity enforce level \"{standard}\""
        ));
    }
    found.lines().into_iter().for_each(|line| call.warn(line));
    Ok(())
}

/// Pods that fall short, by why: the first one's name, and how many they are.
#[derive(Default)]
struct Violators(BTreeMap<String, (String, usize)>);

impl Violators {
    fn look_at(&mut self, pod: &Object, standard: Standard) {
        let Ok(value) = encode::parse(pod) else { return };
        let Ok(Some(subject)) = pod_security::subject(&value, "") else { return };
        let found = Evaluation::of(&subject, standard);
        if !found.passes() {
            let name = value["metadata"]["name"].as_str().unwrap_or("");
            // Pods come in the order of their names.
            self.0.entry(found.reasons()).or_insert((name.to_owned(), 0)).1 += 1;
        }
    }

    fn lines(self) -> Vec<String> {
        let line = |(reasons, (name, count)): (String, (String, usize))| match count {
            1 => format!("{name}: {reasons}"),
            2 => format!("{name} (and 1 other pod): {reasons}"),
            _ => format!("{name} (and {} other pods): {reasons}", count - 1),
        };
        let mut lines: Vec<String> = self.0.into_iter().map(line).collect();
        lines.sort_unstable();
        lines
    }
}
