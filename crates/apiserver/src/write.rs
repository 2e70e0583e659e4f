//! create, update and patch: one path for all kinds.
//!
//! Invariants: every change is a function of the state it is made on, and is stored only if that state is still
//! the stored one, else it is made again; a write that changes nothing is not stored; what the server owns (uid,
//! times, generation, managed fields) never comes from the client.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use machinery::error::{ApiError, FieldError, MODIFIED};
use machinery::names;
use serde_json::Value;
use store::{Object, Write};

use crate::authz::{Action, Grant, On};
use crate::call::Call;
use crate::receive::{self, Received};
use crate::request::Verb;
use crate::respond::Response;
use crate::{admission, authz, encode, errors, fields, own, time};

/// How often a change is made again because others changed the object in between.
const CONFLICTS_MAX: usize = 100;
/// How many generated names are tried.
const GENERATED_NAMES_MAX: usize = 8;

/// Which part of an object a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Main,
    Status,
    /// `finalize` of namespaces: `spec.finalizers` alone.
    Finalize,
    /// A subresource that changes fields of the main object by its rules, by its name in managed fields.
    Through(&'static str),
    /// A subresource that changes what the main endpoint may not, and has checked it.
    Raw(&'static str),
    /// `resize` of pods: the resources of containers alone.
    Resize,
}

impl Endpoint {
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
            Self::Through(name) | Self::Raw(name) => name,
            Self::Resize => "resize",
        }
    }
}

/// A change of one object.
pub(crate) struct Change<'a> {
    pub(crate) name: &'a str,
    pub(crate) endpoint: Endpoint,
    /// Whether the change tracks its managed fields itself (server-side apply).
    pub(crate) tracked: Tracked,
    /// The new state from the live one.
    pub(crate) make: &'a (dyn Fn(&Value) -> Result<Received, ApiError> + Send + Sync),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracked {
    Already,
    NotYet,
}

/// POST on a collection, or on the name of a custom resource.
pub(crate) async fn create(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    if call.target.name.is_some() && !call.resource.is_crd() {
        return Err(call.method_not_allowed());
    }
    let received = receive::object(call, body)?;
    if call.target.name.is_some() {
        // By which it was judged whether this may be made.
        check_name(call, &received.object)?;
    }
    let object = insert(call, received, Tracked::NotYet).await?;
    call.answer(StatusCode::CREATED, &object)
}

/// Stores a new object.
pub(crate) async fn insert(
    call: &Call,
    received: Received,
    tracked: Tracked,
) -> Result<Arc<Object>, ApiError> {
    if call.verb != Verb::Create {
        may_create(call)?;
    }
    let Received { mut object, duplicates } = received;
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|it| !it.is_empty()) {
        return Err(ApiError::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if let Some(warning) = call.server.no_effect(&call.resource) {
        call.warn(warning);
    }
    wipe_system_metadata(&mut object);
    if tracked == Tracked::NotYet {
        call.resource.drop_useless_nulls(&mut object);
    }
    receive::tidy_fields(call, &mut object, &duplicates)?;
    receive::tidy_metadata(call, &mut object);
    object["metadata"]["uid"] = call.server.uid()?.into();
    object["metadata"]["creationTimestamp"] = time::seconds(call.now).into();
    let base = object["metadata"]["generateName"].as_str().unwrap_or("").to_owned();
    let named = object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
    let attempts = if named || base.is_empty() { 1 } else { GENERATED_NAMES_MAX };
    for attempt in 1..=attempts {
        let mut candidate = match attempt == attempts {
            true => object.take(),
            false => object.clone(),
        };
        if attempts > 1 {
            candidate["metadata"]["name"] = names::generate(&base, call.server.random()?).into();
        }
        complete(call, &mut candidate).await?;
        if tracked == Tracked::NotYet {
            fields::track(call, None, &mut candidate, Endpoint::Main)?;
        }
        match store_new(call, &mut candidate).await {
            Err(error) if is_exists(&error) && attempt < attempts => {}
            Err(error) if is_exists(&error) => {
                return Err(explain_exists(call, error).await);
            }
            result => return result,
        }
    }
    Err(ApiError::internal("no name could be generated"))
}

/// A PUT or an applied intent that makes an object needs the right to make it too.
fn may_create(call: &Call) -> Result<(), ApiError> {
    let target = &call.target;
    let on = On {
        verb: Verb::Create.as_str(),
        group: &target.group,
        resource: &target.plural,
        namespace: target.namespace.as_deref().unwrap_or(""),
        name: call.name(),
        ..On::default()
    };
    call.server.authorizer().authorize(&call.identity, &Action::Resource(on))
}

/// Fills in what the server adds to a new object. Its name and uid are known by now: what is added can depend on
/// them (the selector of a job is its uid).
async fn complete(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    call.resource.defaults(object);
    admission::create(call, object).await?;
    call.resource.prepare_create(object);
    Ok(())
}

fn is_exists(error: &ApiError) -> bool {
    error.reason == machinery::error::Reason::AlreadyExists
}

/// A name that is taken by an object on its way out is another trouble than one that is simply taken.
async fn explain_exists(call: &Call, mut error: ApiError) -> ApiError {
    let name = error.details.as_ref().map(|details| details.name.clone()).unwrap_or_default();
    if let Ok(existing) = call.get(&name).await
        && let Ok(existing) = encode::parse(&existing)
        && existing["metadata"].get("deletionTimestamp").is_some()
    {
        error.message = format!("object is being deleted: {}", error.message);
    }
    error
}

async fn store_new(call: &Call, object: &mut Value) -> Result<Arc<Object>, ApiError> {
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    authz::check_escalation(call, &Grant { old: None, new: object })?;
    let errors = call.resource.validate_create(object);
    if !errors.is_empty() {
        return Err(call.invalid(&name, errors));
    }
    call.resource.warnings(object, None).into_iter().for_each(|it| call.warn(it));
    admission::validate(call, None, object, Endpoint::Main).await?;
    let key = call.key(&name)?;
    let _allocated = admission::allocate(call, None, object).await?;
    if call.dry_run()? {
        if call.store().get(&key).await.map_err(errors::store)?.is_some() {
            return Err(errors::write(store::Error::Exists(key), &call.resource, &name));
        }
        return Ok(call.unstored(key, object));
    }
    let mut writes = vec![Write::Create { key, draft: call.draft(object) }];
    if call.resource.group.is_empty() && call.resource.kind == "Namespace" {
        writes.extend(first_account(call, &name).await?);
    }
    let commit = call.store().commit(writes).await;
    let stored = only(commit.map_err(|error| errors::write(error, &call.resource, &name))?)?;
    call.follow_up().await;
    Ok(stored)
}

/// A namespace is made with its `default` account, so that no pod finds it without. What an earlier namespace of that
/// name has left is used again.
async fn first_account(call: &Call, namespace: &str) -> Result<Option<Write>, ApiError> {
    let account = own::default_account(namespace);
    let of_account = own::call(&call.server, "serviceaccounts", &account)?;
    let key = of_account.key("default")?;
    match call.store().get(&key).await.map_err(errors::store)? {
        Some(_) => Ok(None),
        None => own::create(&of_account, account).await.map(Some),
    }
}

fn wipe_system_metadata(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
        ] {
            metadata.remove(key);
        }
    }
}

/// PUT on an object or on its status.
pub(crate) async fn update(
    call: &Call,
    body: &Bytes,
    endpoint: Endpoint,
) -> Result<Response, ApiError> {
    let Received { object, duplicates } = receive::object(call, body)?;
    check_name(call, &object)?;
    let conditional =
        object["metadata"]["resourceVersion"].as_str().is_some_and(|it| !it.is_empty());
    if !conditional && !call.resource.unconditional_update() {
        let text = "must be specified for an update";
        let error = FieldError::invalid("metadata.resourceVersion", 0, text);
        // Upstream shows the zero in hexadecimal.
        let mut error = call.invalid(call.name(), vec![error]);
        error.message = error.message.replace("Invalid value: 0:", "Invalid value: 0x0:");
        return Err(error);
    }
    let make = |_: &Value| Ok(Received { object: object.clone(), duplicates: duplicates.clone() });
    let change = Change { name: call.name(), endpoint, tracked: Tracked::NotYet, make: &make };
    match modify(call, change).await {
        Err(error) if error.code == 404 && creates(call, endpoint) => {
            let received = Received { object, duplicates };
            let stored = insert(call, received, Tracked::NotYet).await?;
            call.answer(StatusCode::CREATED, &stored)
        }
        result => call.answer(StatusCode::OK, &*result?),
    }
}

fn creates(call: &Call, endpoint: Endpoint) -> bool {
    endpoint == Endpoint::Main && call.resource.create_on_update()
}

fn check_name(call: &Call, object: &Value) -> Result<(), ApiError> {
    match object["metadata"]["name"].as_str().unwrap_or("") {
        name if name == call.name() => Ok(()),
        name => Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name()
        ))),
    }
}

/// Changes one object: makes the new state on the live one, checks it, stores it if nobody else was faster, and
/// starts again if somebody was.
pub(crate) async fn modify(call: &Call, change: Change<'_>) -> Result<Arc<Object>, ApiError> {
    for _ in 0..CONFLICTS_MAX {
        let live = call.get(change.name).await?;
        match attempt(call, &change, &live).await? {
            Attempt::Done(object) => return Ok(object),
            Attempt::Overtaken => tokio::task::yield_now().await,
        }
    }
    Err(ApiError::conflict(&call.resource.group, &call.resource.plural, change.name, MODIFIED))
}

enum Attempt {
    Done(Arc<Object>),
    Overtaken,
}

async fn attempt(
    call: &Call,
    change: &Change<'_>,
    live: &Arc<Object>,
) -> Result<Attempt, ApiError> {
    let old = call.parse(live)?;
    let Received { object: mut new, duplicates } = (change.make)(&old)?;
    receive::check_metadata(call, &mut new)?;
    check_preconditions(call, &new, &old)?;
    if change.tracked == Tracked::NotYet {
        call.resource.drop_useless_nulls(&mut new);
    }
    receive::tidy_fields(call, &mut new, &duplicates)?;
    receive::tidy_metadata(call, &mut new);
    call.resource.defaults(&mut new);
    prepare(call, change.endpoint, &mut new, &old);
    if change.tracked == Tracked::NotYet {
        fields::track(call, Some(&old), &mut new, change.endpoint)?;
    }
    let errors = match change.endpoint {
        Endpoint::Raw(_) => Vec::new(),
        Endpoint::Resize => call.resource.validate_resize(&new, &old),
        _ => call.resource.validate_update(&new, &old),
    };
    if !errors.is_empty() {
        return Err(call.invalid(change.name, errors));
    }
    call.resource.warnings(&new, Some(&old)).into_iter().for_each(|it| call.warn(it));
    admission::validate(call, Some(&old), &new, change.endpoint).await?;
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    if is_finished(call, &new) {
        return remove(call, live, &new).await;
    }
    if new == old {
        return Ok(Attempt::Done(live.clone()));
    }
    authz::check_escalation(call, &Grant { old: Some(&old), new: &new })?;
    let _allocated = admission::allocate(call, Some(&old), &mut new).await?;
    let key = live.key().clone();
    if call.dry_run()? {
        return Ok(Attempt::Done(call.unstored(key, &new)));
    }
    let draft = call.draft(&new);
    let write = Write::Update { key, draft, expected: live.revision() };
    let stored = unless_overtaken(call, write, change.name).await?;
    if let Attempt::Done(_) = stored {
        call.follow_up().await;
    }
    Ok(stored)
}

fn prepare(call: &Call, endpoint: Endpoint, new: &mut Value, old: &Value) {
    match endpoint {
        Endpoint::Main | Endpoint::Through(_) => call.resource.prepare_update(new, old),
        Endpoint::Status => call.resource.prepare_status(new, old),
        Endpoint::Raw(_) => {}
        Endpoint::Resize => call.resource.prepare_resize(new, old),
        Endpoint::Finalize => call.resource.prepare_finalize(new, old),
    }
}

/// The uid and the resourceVersion that a request holds are those of the state it was made on.
fn check_preconditions(call: &Call, new: &Value, old: &Value) -> Result<(), ApiError> {
    let conflict = |why: &str| {
        let name = old["metadata"]["name"].as_str().unwrap_or("");
        ApiError::conflict(&call.resource.group, &call.resource.plural, name, why)
    };
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let text = |it: &Value| it.as_str().unwrap_or("").to_owned();
    let (uid, version) = (text(&new["uid"]), text(&new["resourceVersion"]));
    if !uid.is_empty() && new["uid"] != old["uid"] {
        let current = text(&old["uid"]);
        return Err(conflict(&format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
        )));
    }
    if !version.is_empty() && version != "0" && new["resourceVersion"] != old["resourceVersion"] {
        return Err(conflict(MODIFIED));
    }
    Ok(())
}

/// Whether nothing keeps an object any more that is being deleted.
pub(crate) fn is_finished(call: &Call, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let deleting = metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null());
    let namespace_kept = call.resource.kind == "Namespace"
        && call.resource.group.is_empty()
        && !none(&object["spec"]["finalizers"]);
    let graceful = call.resource.graceful_delete()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) != 0;
    deleting && none(&metadata["finalizers"]) && !namespace_kept && !graceful
}

/// The last update of an object that was waiting for it: it goes.
async fn remove(call: &Call, live: &Arc<Object>, new: &Value) -> Result<Attempt, ApiError> {
    let last = call.unstored(live.key().clone(), new);
    if call.dry_run()? {
        return Ok(Attempt::Done(last));
    }
    let write = Write::Delete { key: live.key().clone(), expected: live.revision() };
    let name = new["metadata"]["name"].as_str().unwrap_or("");
    match unless_overtaken(call, write, name).await? {
        Attempt::Overtaken => Ok(Attempt::Overtaken),
        Attempt::Done(_) => {
            call.follow_up().await;
            Ok(Attempt::Done(last))
        }
    }
}

async fn unless_overtaken(call: &Call, write: Write, name: &str) -> Result<Attempt, ApiError> {
    match call.store().commit(vec![write]).await {
        Ok(commit) => Ok(Attempt::Done(only(commit)?)),
        Err(store::Error::Conflict { .. } | store::Error::NotFound(_)) => Ok(Attempt::Overtaken),
        Err(error) => Err(errors::write(error, &call.resource, name)),
    }
}

fn only(commit: store::Commit) -> Result<Arc<Object>, ApiError> {
    commit.objects.into_iter().next().ok_or_else(|| ApiError::internal("the store lost a write"))
}
