//! From a request to its handler.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use machinery::error::ApiError;
use machinery::selector::FieldSelector;

use crate::ApiServer;
use crate::authn::{Authenticator, Identity};
use crate::authz::{Action, On};
use crate::call::{Call, Parts};
use crate::negotiate::{Form, Format, Shape, negotiate};
use crate::query::Query;
use crate::request::{self, Route, Target, Verb};
use crate::respond::{self, Response};
use crate::server::Request;
use crate::write::Endpoint;
use crate::{delete, discovery, impersonate, patch, read, streams, subresources, watch, write};

/// Answers a request: who asks, may they, what is it about.
pub(crate) async fn answer(server: &ApiServer, request: Request) -> Response {
    match try_answer(server, request).await {
        Ok(response) => response,
        Err(error) => respond::failure(Format::Json, &error),
    }
}

async fn try_answer(server: &ApiServer, request: Request) -> Result<Response, ApiError> {
    let Some(route) = request::route(request.uri.path()) else {
        return Ok(respond::no_such_path());
    };
    let query = Query::parse(request.uri.query().unwrap_or("")).map_err(ApiError::bad_request)?;
    let authenticator = Authenticator {
        store: server.store(),
        key: server.pki().token_key(),
        now: jiff::Timestamp::now(),
    };
    let identity = authenticator.identify(&request.headers, request.connection.as_deref()).await?;
    let identity = impersonate::assume(server.authorizer(), &request.headers, identity)?;
    match route {
        Route::Other(segments) => {
            let verb = request.method.as_str().to_ascii_lowercase();
            let path = format!("/{}", segments.join("/"));
            server.authorizer().authorize(&identity, &Action::Path { verb: &verb, path: &path })?;
            if request.method != Method::GET && request.method != Method::HEAD {
                let text = format!("the server does not allow {} on this path", request.method);
                return Err(ApiError::new(405, machinery::error::Reason::MethodNotAllowed, text));
            }
            let asked = discovery::Asked { headers: &request.headers, query: &query };
            discovery::answer(server, &segments, &asked).await
        }
        Route::Resource(target) => resource(server, Ask { request, target, query, identity }).await,
    }
}

struct Ask {
    request: Request,
    target: Target,
    query: Query,
    identity: Identity,
}

async fn resource(server: &ApiServer, ask: Ask) -> Result<Response, ApiError> {
    let Ask { request, target, query, identity } = ask;
    let registry = server.registry();
    let resource = registry.resource(&target.group, &target.version, &target.plural);
    let Some(verb) = request::verb(&request.method, &target, &query) else {
        let text = "the server does not allow this method on the requested resource";
        return Err(ApiError::new(405, machinery::error::Reason::MethodNotAllowed, text));
    };
    let selected = selected_name(&query);
    let on = attributes(verb, &target, &selected);
    let asked = Judged { identity: &identity, headers: &request.headers, query: &query };
    authorize(server, &asked, on)?;
    let Some(resource) = resource.filter(|resource| is_in_scope(resource, &target)) else {
        return Ok(respond::no_such_path());
    };
    let form = form(&request.headers, &query, &target)?;
    let Request { headers, body, upgrade, .. } = request;
    let outgoing = body.outgoing(server);
    let (body, _held) = body.read(server).await?;
    let parts = Parts {
        server: server.clone(),
        registry,
        resource,
        target,
        verb,
        identity,
        headers,
        query,
        form,
        outgoing,
    };
    let call = Arc::new(Call::new(parts));
    let result = Box::pin(handle(&call, Input { body, upgrade })).await;
    Ok(call.finish(result))
}

struct Judged<'a> {
    identity: &'a Identity,
    headers: &'a HeaderMap,
    query: &'a Query,
}

/// Refuses what is not allowed. A node may be allowed the metadata of objects alone, as if that were a subresource: it
/// has to know when a secret of a pod changes, and not to read those of others.
fn authorize(server: &ApiServer, asked: &Judged<'_>, on: On<'_>) -> Result<(), ApiError> {
    let authorizer = server.authorizer();
    let collection = matches!(on.verb, "list" | "watch") && on.subresource.is_empty();
    if asked.identity.is_node() && collection && shows_metadata(asked) {
        let part = On { subresource: "metadata", ..on };
        if authorizer.decide(asked.identity, &Action::Resource(part)).allowed {
            return Ok(());
        }
    }
    authorizer.authorize(asked.identity, &Action::Resource(on))
}

fn shows_metadata(asked: &Judged<'_>) -> bool {
    negotiate(asked.headers, asked.query).is_ok_and(|form| form.shape == Shape::Metadata)
}

/// What a request is judged by. A namespace is in itself: a role in it can give its own namespace to be read.
fn attributes<'a>(verb: Verb, target: &'a Target, selected: &'a str) -> On<'a> {
    let word = |part: &'a Option<String>| part.as_deref().unwrap_or("");
    let subresource = word(&target.subresource);
    let is_namespace = target.group.is_empty() && target.plural == "namespaces";
    let name = match (&target.name, verb) {
        (None, Verb::List | Verb::Watch) => selected,
        (name, _) => word(name),
    };
    // A command that is run by a GET that becomes a stream is run all the same.
    let verb = match subresource {
        "exec" | "attach" | "portforward" => Verb::Create,
        _ => verb,
    };
    On {
        verb: verb.as_str(),
        group: &target.group,
        resource: &target.plural,
        subresource,
        namespace: word(if is_namespace { &target.name } else { &target.namespace }),
        name,
    }
}

/// The one name that a list or watch can show, by its field selector; empty if there are more.
fn selected_name(query: &Query) -> String {
    let fields = FieldSelector::parse(query.get("fieldSelector").unwrap_or("")).unwrap_or_default();
    let name = fields.requirement("metadata.name").unwrap_or("");
    let is_segment = !matches!(name, "." | "..") && !name.contains(['/', '%']);
    if is_segment { name.to_owned() } else { String::new() }
}

/// Logs and streams are not objects; what a client accepts there is no matter of form.
fn form(headers: &HeaderMap, query: &Query, target: &Target) -> Result<Form, ApiError> {
    match target.subresource.as_deref() {
        Some("log" | "exec" | "attach" | "portforward" | "proxy") => {
            Ok(Form { format: Format::Json, shape: Shape::Object })
        }
        _ => negotiate(headers, query),
    }
}

/// A namespaced object is only found in a namespace, and a cluster-wide one never in one.
fn is_in_scope(resource: &registry::Resource, target: &Target) -> bool {
    match (&target.namespace, &target.name) {
        (Some(_), _) => resource.namespaced,
        (None, Some(_)) => !resource.namespaced,
        (None, None) => true,
    }
}

struct Input {
    body: Bytes,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
}

async fn handle(call: &Arc<Call>, input: Input) -> Result<Response, ApiError> {
    let Input { body, upgrade } = input;
    let Some(name) = call.target.subresource.as_deref() else { return main(call, &body).await };
    let Some(subresource) = call.resource.subresource(name) else {
        return Ok(respond::no_such_path());
    };
    if let Some(refusal) = subresources::unserved(name, call.verb) {
        return Err(refusal);
    }
    // Who may do one thing to a subresource gets nothing that another verb gives.
    if !subresource.verbs.contains(&call.verb.as_str()) {
        return Err(call.method_not_allowed());
    }
    match name {
        "status" => status(call, &body).await,
        "log" | "exec" | "attach" | "portforward" => streams::answer(call, upgrade).await,
        name => subresources::answer(call, name, &body).await,
    }
}

async fn main(call: &Arc<Call>, body: &Bytes) -> Result<Response, ApiError> {
    if !call.resource.stored {
        return match call.verb {
            Verb::Create => subresources::review(call, body).await,
            _ => Err(call.method_not_allowed()),
        };
    }
    let needs_namespace = matches!(call.verb, Verb::Create | Verb::DeleteCollection);
    if needs_namespace && call.resource.namespaced && call.target.namespace.is_none() {
        return Err(call.method_not_allowed());
    }
    if !call.resource.verbs.contains(&call.verb.as_str()) {
        return Err(call.method_not_allowed());
    }
    match call.verb {
        Verb::Get => read::get(call).await,
        Verb::List => read::list(call).await,
        Verb::Watch => watch::watch(call.clone()).await,
        Verb::Create => write::create(call, body).await,
        Verb::Update if call.target.name.is_none() => Err(call.method_not_allowed()),
        Verb::Patch if call.target.name.is_none() => Err(call.method_not_allowed()),
        Verb::Update => write::update(call, body, Endpoint::Main).await,
        Verb::Patch => patch::patch(call, body, Endpoint::Main).await,
        Verb::Delete => delete::delete(call, body).await,
        Verb::DeleteCollection => delete::delete_collection(call, body).await,
    }
}

async fn status(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    match call.verb {
        Verb::Get => read::get(call).await,
        Verb::Update => write::update(call, body, Endpoint::Status).await,
        Verb::Patch => patch::patch(call, body, Endpoint::Status).await,
        _ => Err(call.method_not_allowed()),
    }
}
