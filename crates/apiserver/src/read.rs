//! get and list.
//!
//! What a list found goes out object by object: see [`crate::list`].

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use machinery::error::ApiError;
use serde_json::{Map, Value};
use store::{Key, ListOptions, Object, Revision};
use tokio::time::Instant;

use crate::call::Call;
use crate::options::{Match, ReadOptions, Token};
use crate::respond::Response;
use crate::{errors, list};

/// How long a read waits for a revision that is not there yet.
const FUTURE_WAIT: Duration = Duration::from_secs(3);
const FUTURE_POLL: Duration = Duration::from_millis(20);
/// How many objects are looked at in one step of a list with both a limit and a selector.
const SCAN_CHUNK: usize = 1000;

/// One object.
pub(crate) async fn get(call: &Call) -> Result<Response, ApiError> {
    call.outgoing.room()?;
    if let Some(text) = call.query.get("resourceVersion") {
        wait_for(call, crate::options::revision(text)?).await?;
    }
    let object = call.get(call.name()).await?;
    call.answer(StatusCode::OK, &object)
}

/// Waits until reads see a revision.
pub(crate) async fn wait_for(call: &Call, revision: u64) -> Result<(), ApiError> {
    let deadline = Instant::now() + FUTURE_WAIT;
    loop {
        let current = call.store().revision().0;
        if current >= revision {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(ApiError::timeout_future_revision(revision, current));
        }
        tokio::time::sleep(FUTURE_POLL).await;
    }
}

/// What a list found.
pub(crate) struct Found {
    pub(crate) revision: Revision,
    pub(crate) objects: Vec<Arc<Object>>,
    next: Option<Token>,
    remaining: Option<usize>,
}

/// A collection.
pub(crate) async fn list(call: &Call) -> Result<Response, ApiError> {
    call.outgoing.room()?;
    let options = ReadOptions::parse(&call.query, &call.resource)?;
    options.check_list()?;
    let found = find(call, &options).await?;
    let metadata = list_metadata(&found);
    list::answer(call, call.form, found.objects, &metadata)
}

/// The objects of the path that the options mean.
pub(crate) async fn find(call: &Call, options: &ReadOptions) -> Result<Found, ApiError> {
    let at = position(call, options).await?;
    let limit = options.limit.filter(|_| options.next.is_some() || options.revision != Some(0));
    if let (None, None, Some(name)) = (at, &options.next, options.selector.name())
        && let Some(found) = find_named(call, options, name).await?
    {
        return Ok(found);
    }
    let after = options.next.as_ref().map(|token| after(call, token)).transpose()?;
    let request = ListOptions { at, after, limit };
    let fresh = options.next.as_ref();
    match limit {
        Some(limit) if !options.selector.is_everything() => {
            scan(call, options, Scan { request, limit }).await
        }
        _ => {
            let page = list_page(call, request, fresh).await?;
            let more = page.remaining > 0 && limit.is_some();
            let everything = options.selector.is_everything();
            let next =
                page.objects.last().filter(|_| more).map(|last| token(call, page.revision, last));
            let remaining = (more && everything).then_some(page.remaining);
            let mut objects = page.objects;
            if !everything {
                objects.retain(|object| options.selector.matches(object.index()));
            }
            Ok(Found { revision: page.revision, objects, next: next.transpose()?, remaining })
        }
    }
}

/// The revision that a list shows; `None` for the newest.
async fn position(call: &Call, options: &ReadOptions) -> Result<Option<Revision>, ApiError> {
    if let Some(token) = &options.next {
        return Ok(token.revision());
    }
    let Some(revision) = options.revision.filter(|revision| *revision > 0) else { return Ok(None) };
    wait_for(call, revision).await?;
    // A limit without a match asks for exactly that revision, as it did before matches existed.
    let exact = match options.revision_match {
        Some(wanted) => wanted == Match::Exact,
        None => options.limit.is_some(),
    };
    Ok(exact.then_some(Revision(revision)))
}

/// A list that can hold one object only needs no scan. The revision is read first: a watch from it misses nothing.
async fn find_named(
    call: &Call,
    options: &ReadOptions,
    name: &str,
) -> Result<Option<Found>, ApiError> {
    let Some(key) = crate::call::key(&call.resource, call.target.namespace.as_deref(), name) else {
        return Ok(None);
    };
    let revision = call.store().revision();
    let object = call.store().get(&key).await.map_err(errors::store)?;
    let objects: Vec<_> =
        object.into_iter().filter(|object| options.selector.matches(object.index())).collect();
    let seen = objects.iter().map(|object| object.revision()).max().unwrap_or(revision);
    Ok(Some(Found { revision: revision.max(seen), objects, next: None, remaining: None }))
}

async fn list_page(
    call: &Call,
    request: ListOptions,
    token: Option<&Token>,
) -> Result<store::Page, ApiError> {
    call.store().list(&call.prefix()?, request).await.map_err(|error| match (&error, token) {
        (store::Error::Compacted { .. }, Some(token)) => {
            let mut expired = ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter, or use the continue token in this response to retrieve the \
                 remainder of the results. Continuing with the provided token results in an inconsistent list - \
                 objects that were created, modified, or deleted between the time the first chunk was returned and \
                 now may show up in the list.",
            );
            expired.continue_token = Some(Token::new(None, token.last()).encode());
            expired
        }
        _ => errors::store(error),
    })
}

struct Scan {
    request: ListOptions,
    limit: usize,
}

/// Collects matching objects chunk by chunk until there are enough.
async fn scan(call: &Call, options: &ReadOptions, scan: Scan) -> Result<Found, ApiError> {
    let Scan { mut request, limit } = scan;
    request.limit = Some(SCAN_CHUNK.max(limit));
    let mut objects = Vec::new();
    loop {
        let page = list_page(call, request.clone(), options.next.as_ref()).await?;
        let revision = page.revision;
        let mut rest = page.objects.iter();
        for object in rest.by_ref() {
            if options.selector.matches(object.index()) {
                objects.push(object.clone());
            }
            if objects.len() == limit {
                break;
            }
        }
        let more = page.remaining > 0 || rest.next().is_some();
        let full = objects.len() == limit;
        if full || !more {
            let last = objects.last().filter(|_| full && more);
            let next = last.map(|last| token(call, revision, last)).transpose()?;
            return Ok(Found { revision, objects, next, remaining: None });
        }
        request.at = Some(revision);
        request.after = page.objects.last().map(|last| last.key().clone());
    }
}

fn token(call: &Call, revision: Revision, last: &Object) -> Result<Token, ApiError> {
    let prefix = call.prefix()?;
    let relative = last.key().as_str().strip_prefix(prefix.as_str());
    Ok(Token::new(Some(revision), relative.unwrap_or_default()))
}

/// The key after which a token goes on: below the prefix of this request, whatever the token says.
fn after(call: &Call, token: &Token) -> Result<Key, ApiError> {
    let prefix = call.prefix()?;
    let segments: Vec<&str> = prefix
        .as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .chain(token.last().split('/'))
        .collect();
    Key::new(&segments).ok_or_else(|| ApiError::bad_request("invalid continue token"))
}

fn list_metadata(found: &Found) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), found.revision.to_string().into());
    if let Some(next) = &found.next {
        metadata.insert("continue".into(), next.encode().into());
    }
    if let Some(remaining) = found.remaining {
        metadata.insert("remainingItemCount".into(), remaining.into());
    }
    Value::Object(metadata)
}
