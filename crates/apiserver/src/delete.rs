//! delete and deletecollection: preconditions, grace, finalizers, propagation.
//!
//! Invariants: an object with finalizers, or with time to end, is marked and stays; it is removed by the request
//! that leaves nothing to wait for. A mark is never taken back, and grace never gets longer.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use machinery::Propagation;
use machinery::error::{ApiError, FieldError, success};
use registry::DeleteResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Object, Write};

use crate::call::Call;
use crate::negotiate::{Form, Shape};
use crate::options::ReadOptions;
use crate::respond::{self, Response};
use crate::{admission, decode, encode, errors, list, read, time, write};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const DEFAULT_GRACE_SECONDS: i64 = 30;
const CONFLICTS_MAX: usize = 100;
/// The finalizer behind which a CRD's objects are deleted.
pub(crate) const CRD_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// `DeleteOptions`, from the body or the query.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) preconditions: Option<Preconditions>,
    pub(crate) propagation_policy: Option<String>,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) dry_run: Vec<String>,
}

/// What the object must be for the deletion to be meant for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl DeleteOptions {
    pub(crate) fn parse(call: &Call, body: &Bytes) -> Result<Self, ApiError> {
        let mut options = if body.is_empty() {
            Self::default()
        } else {
            let media = decode::media(&call.headers)?;
            let decoded = decode::object(media, body, "DeleteOptions")?;
            serde_json::from_value(decoded.value).map_err(|error| {
                ApiError::bad_request(format!("the body is no DeleteOptions: {error}"))
            })?
        };
        let query = &call.query;
        if let Some(text) = query.get("gracePeriodSeconds") {
            options.grace_period_seconds = Some(text.parse().map_err(|_| {
                ApiError::bad_request(format!("gracePeriodSeconds: {text:?} is not a number"))
            })?);
        }
        if let Some(policy) = query.get("propagationPolicy") {
            options.propagation_policy = Some(policy.to_owned());
        }
        if let Some(text) = query.get("orphanDependents") {
            options.orphan_dependents = crate::query::parse_bool(text);
        }
        options.dry_run.extend(query.all("dryRun").map(str::to_owned));
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<(), ApiError> {
        crate::call::dry_run(self.dry_run.iter().map(String::as_str))?;
        let error = match (&self.propagation_policy, self.orphan_dependents) {
            (Some(policy), Some(_)) => FieldError::invalid(
                "propagationPolicy",
                policy.as_str(),
                "orphanDependents and deletionPropagation cannot be both set",
            ),
            (Some(policy), None) if Propagation::parse(policy).is_none() => {
                let supported = ["Background", "Foreground", "Orphan"];
                FieldError::not_supported("propagationPolicy", policy.as_str(), &supported)
            }
            _ => return Ok(()),
        };
        Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", vec![error]))
    }

    fn propagation(&self) -> Option<Propagation> {
        match (&self.propagation_policy, self.orphan_dependents) {
            (Some(policy), _) => Propagation::parse(policy),
            (None, Some(true)) => Some(Propagation::Orphan),
            (None, Some(false)) => Some(Propagation::Background),
            (None, None) => None,
        }
    }
}

/// What became of an object.
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Object>),
    /// It is marked, and waits.
    Marked(Arc<Object>),
}

/// DELETE on an object.
pub(crate) async fn delete(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let options = DeleteOptions::parse(call, body)?;
    let deleted = delete_named(call, call.name(), &options).await?;
    match &deleted {
        Deleted::Gone(object) if call.resource.delete_response() == DeleteResponse::Status => {
            let uid = encode::parse(object)?["metadata"]["uid"].as_str().unwrap_or("").to_owned();
            let status = success(&call.resource.group, &call.resource.plural, call.name(), &uid);
            Ok(respond::value(StatusCode::OK, call.form.format, &status))
        }
        Deleted::Gone(object) | Deleted::Marked(object) => call.answer(StatusCode::OK, object),
    }
}

/// DELETE on a collection: each object that the selectors mean, one after the other.
pub(crate) async fn delete_collection(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let options = DeleteOptions::parse(call, body)?;
    let read_options = ReadOptions::parse(&call.query, &call.resource)?;
    read_options.check_list()?;
    let found = read::find(call, &read_options).await?;
    let mut deleted = Vec::with_capacity(found.objects.len());
    for object in &found.objects {
        let value = encode::parse(object)?;
        let one = in_namespace_of(call, &value);
        let name = value["metadata"]["name"].as_str().unwrap_or("");
        match delete_named(&one, name, &options).await {
            Ok(Deleted::Gone(object) | Deleted::Marked(object)) => deleted.push(object),
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = json!({"resourceVersion": call.store().revision().to_string()});
    let form = Form { shape: Shape::Object, ..call.form };
    list::answer(call, form, deleted, &metadata)
}

fn in_namespace_of(call: &Call, object: &Value) -> Call {
    let mut target = call.target.clone();
    target.namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    call.elsewhere(call.resource.clone(), target)
}

/// Deletes or marks one object of the call's collection.
pub(crate) async fn delete_named(
    call: &Call,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, ApiError> {
    admission::delete(call, name)?;
    for _ in 0..CONFLICTS_MAX {
        let live = call.get(name).await?;
        let old = call.parse(&live)?;
        check_preconditions(call, options, &old)?;
        let next = after_delete(call, options, &old)?;
        let dry = !options.dry_run.is_empty();
        let key = live.key().clone();
        let committed = match next {
            Next::Unchanged => return Ok(Deleted::Marked(live)),
            Next::Remove if dry => return Ok(Deleted::Gone(live)),
            Next::Mark(new) if dry => {
                return Ok(Deleted::Marked(call.unstored(key, &new)));
            }
            Next::Remove => {
                let write = Write::Delete { key, expected: live.revision() };
                let commit = call.store().commit(vec![write]).await;
                commit.map(|_| Deleted::Gone(live.clone()))
            }
            Next::Mark(new) => {
                let draft = call.draft(&new);
                let write = Write::Update { key, draft, expected: live.revision() };
                let commit = call.store().commit(vec![write]).await;
                commit.map(|it| {
                    it.objects
                        .first()
                        .cloned()
                        .map_or(Deleted::Marked(live.clone()), Deleted::Marked)
                })
            }
        };
        match committed {
            Ok(deleted) => {
                call.follow_up().await;
                return Ok(deleted);
            }
            Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => {
                tokio::task::yield_now().await;
            }
            Err(error) => return Err(errors::write(error, &call.resource, name)),
        }
    }
    Err(ApiError::server_timeout(&call.resource.group, &call.resource.plural, "delete"))
}

fn check_preconditions(call: &Call, options: &DeleteOptions, old: &Value) -> Result<(), ApiError> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    let differs = |wanted: &Option<String>, key: &str| {
        let current = old["metadata"][key].as_str().unwrap_or("").to_owned();
        wanted
            .clone()
            .filter(|wanted| !wanted.is_empty() && *wanted != current)
            .map(|it| (it, current))
    };
    let (what, (wanted, current)) = match differs(&wanted.uid, "uid") {
        Some(pair) => ("UID", pair),
        None => match differs(&wanted.resource_version, "resourceVersion") {
            Some(pair) => ("ResourceVersion", pair),
            None => return Ok(()),
        },
    };
    let name = old["metadata"]["name"].as_str().unwrap_or("");
    let why = format!(
        "the {what} in the precondition ({wanted}) does not match the {what} in record ({current}). The object might \
         have been deleted and then recreated"
    );
    Err(ApiError::conflict(&call.resource.group, &call.resource.plural, name, &why))
}

/// What a deletion does to an object.
enum Next {
    Unchanged,
    Mark(Value),
    Remove,
}

fn after_delete(call: &Call, options: &DeleteOptions, old: &Value) -> Result<Next, ApiError> {
    let grace = grace_seconds(call, options, old);
    let mut new = old.clone();
    adjust_finalizers(call, options, &mut new);
    let already = old["metadata"].get("deletionTimestamp").is_some_and(|time| !time.is_null());
    if already {
        shorten(&mut new, grace);
    } else {
        mark(&mut new, grace, call.now);
        mark_kind(call, &mut new);
    }
    if write::is_finished(call, &new) {
        return Ok(Next::Remove);
    }
    if !already {
        let generation = old["metadata"]["generation"].as_i64();
        if let Some(generation) = generation {
            new["metadata"]["generation"] = (generation + 1).into();
        }
    }
    Ok(if new == *old { Next::Unchanged } else { Next::Mark(new) })
}

fn grace_seconds(call: &Call, options: &DeleteOptions, old: &Value) -> i64 {
    if !call.resource.graceful_delete() {
        return 0;
    }
    let unscheduled = old["spec"]["nodeName"].as_str().unwrap_or("").is_empty();
    let ended = matches!(old["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if unscheduled || ended {
        return 0;
    }
    let wanted = options.grace_period_seconds;
    let grace = wanted.or_else(|| old["spec"]["terminationGracePeriodSeconds"].as_i64());
    match grace.unwrap_or(DEFAULT_GRACE_SECONDS) {
        negative if negative < 0 => 1,
        grace => grace,
    }
}

fn mark(new: &mut Value, grace: i64, now: Timestamp) {
    let end = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
    new["metadata"]["deletionTimestamp"] = time::seconds(end).into();
    new["metadata"]["deletionGracePeriodSeconds"] = grace.into();
}

/// What a deletion says besides, for the two kinds whose content goes with them.
fn mark_kind(call: &Call, new: &mut Value) {
    match (call.resource.group.as_str(), call.resource.kind.as_str()) {
        ("", "Namespace") => new["status"]["phase"] = "Terminating".into(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => add_finalizer(new, CRD_CLEANUP),
        _ => {}
    }
}

/// A second deletion can only leave less time.
fn shorten(new: &mut Value, grace: i64) {
    let metadata = &mut new["metadata"];
    let old_grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    if grace >= old_grace {
        return;
    }
    metadata["deletionGracePeriodSeconds"] = grace.into();
    let old_end = metadata["deletionTimestamp"].as_str().and_then(|text| text.parse().ok());
    if let Some(old_end) = old_end {
        let less = SignedDuration::from_secs(old_grace - grace);
        let end = Timestamp::checked_sub(old_end, less).unwrap_or(old_end);
        metadata["deletionTimestamp"] = time::seconds(end).into();
    }
}

/// The two finalizers by which the garbage collector is told what to do with dependents.
fn adjust_finalizers(call: &Call, options: &DeleteOptions, new: &mut Value) {
    let has = |name: &str| {
        new["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|list| list.iter().any(|it| it == name))
    };
    let existing = if has(ORPHAN) {
        Some(Propagation::Orphan)
    } else if has(FOREGROUND) {
        Some(Propagation::Foreground)
    } else {
        None
    };
    let wanted = options.propagation().or(existing);
    let wanted = wanted.unwrap_or_else(|| call.resource.default_propagation());
    if let Some(list) = new["metadata"].get_mut("finalizers").and_then(Value::as_array_mut) {
        list.retain(|it| it != ORPHAN && it != FOREGROUND);
        if list.is_empty()
            && let Some(metadata) = new["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
    }
    match wanted {
        Propagation::Background => {}
        Propagation::Foreground => add_finalizer(new, FOREGROUND),
        Propagation::Orphan => add_finalizer(new, ORPHAN),
    }
}

fn add_finalizer(object: &mut Value, name: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(list) if list.iter().any(|it| it == name) => {}
        Some(list) => list.push(name.into()),
        None => *finalizers = json!([name]),
    }
}
