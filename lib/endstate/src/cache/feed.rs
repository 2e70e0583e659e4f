//! The task that feeds a cache: it lists, then follows the watch from the version of the list.
//!
//! Not `kube::runtime::watcher`: it keeps the version of lists and the bookmarks to itself, and they are what tells how
//! far the watch has come.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::Cache;
use super::state::Outdated;
use crate::Object;

/// How long to rest after a bug in a subscriber ended the feed.
const REST_AFTER_PANIC: Duration = Duration::from_secs(1);
/// How many objects a page of a list has, as client-go's.
const PAGE_MAX: u32 = 500;
/// Servers end a watch after 290 s, as it is asked for; one that is silent for longer is dead.
const SILENCE_MAX: Duration = Duration::from_secs(295);

/// Follows the watch until shutdown. Errors are retried with a back-off; a panic (a bug) restarts the watch, which
/// lists anew and so leaves nothing unseen.
pub(crate) async fn feed<K: Object>(cache: Cache<K>, client: Client, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let followed = AssertUnwindSafe(follow(&cache, client.clone())).catch_unwind();
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = followed => {}
        }
        tracing::error!(kind = %K::kind(cache.kind()), "a watch ended, it starts anew");
        tokio::time::sleep(REST_AFTER_PANIC).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the list failed")]
    List(#[source] kube::Error),
    #[error("the list has no resource version")]
    NoVersion,
    #[error("the list is older than what was seen before")]
    Outdated(#[from] Outdated),
    #[error("the watch failed")]
    Watch(#[source] kube::Error),
    #[error("the server ended the watch")]
    Ended(#[source] Box<Status>),
    #[error("the server ended the watch before it showed anything")]
    Silent,
}

impl Failure {
    /// Whether the API does not allow it, or has no such kind.
    fn is_refused(&self) -> bool {
        matches!(self, Self::List(kube::Error::Api(status)) if [403, 404].contains(&status.code))
    }

    /// Whether the API has no such kind.
    fn is_absent(&self) -> bool {
        matches!(self, Self::List(kube::Error::Api(status)) if status.code == 404)
    }

    /// Whether the API answered with an error: because a webhook that converts objects of the kind is down, say.
    fn is_failed_list(&self) -> bool {
        matches!(self, Self::List(kube::Error::Api(_)))
    }

    /// Whether the version, or the kind, is no longer served, or not to us: only a new list helps, or tells.
    fn is_expired(&self) -> bool {
        match self {
            Self::Watch(kube::Error::Api(status)) => [403, 404, 410].contains(&status.code),
            Self::Ended(status) => status.code == 410,
            _ => false,
        }
    }
}

async fn follow<K: Object>(cache: &Cache<K>, client: Client) {
    let api: Api<K> = Api::all_with(client, cache.kind());
    let mut backoff = DefaultBackoff::default();
    let mut version = None;
    loop {
        let done = match &mut version {
            None => list(cache, &api).await.map(|it| version = Some(it)),
            Some(version) => watch(cache, &api, version).await,
        };
        let Err(failure) = done else {
            backoff.reset();
            continue;
        };
        if failure.is_expired() {
            version = None;
        }
        // Who never saw it goes on without; who saw it goes on with that.
        let unseen = !cache.is_synced() || cache.is_refused();
        if (failure.is_refused() || unseen && failure.is_failed_list())
            && let Some(is_new) = cache.refused()
        {
            if is_new && failure.is_absent() {
                tracing::info!(kind = %K::kind(cache.kind()), "the API has no such kind: what depends on it is not done");
            } else if is_new {
                let error: &dyn std::error::Error = &failure;
                tracing::warn!(kind = %K::kind(cache.kind()), error, "it cannot be listed: what depends on it is not done");
            }
        } else if !matches!(failure, Failure::Silent) {
            let error: &dyn std::error::Error = &failure;
            tracing::warn!(kind = %K::kind(cache.kind()), error, "a watch failed, it is retried");
        }
        tokio::time::sleep(backoff.next().unwrap_or(REST_AFTER_PANIC)).await;
    }
}

/// Takes in all that there is; gives its version.
async fn list<K: Object>(cache: &Cache<K>, api: &Api<K>) -> Result<String, Failure> {
    let mut params = ListParams {
        label_selector: cache.scope().label_selector(),
        field_selector: cache.scope().field_selector(),
        limit: Some(PAGE_MAX),
        ..ListParams::default()
    };
    let mut objects = Vec::new();
    // Of the first page: should a later page be newer, the watch shows again what came between.
    let mut version = None;
    loop {
        let page = api.list(&params).await.map_err(Failure::List)?;
        objects.extend(page.items.into_iter().map(|it| cache.kept(it)));
        version = version.or(page.metadata.resource_version.filter(|it| !it.is_empty()));
        params.continue_token = page.metadata.continue_.filter(|it| !it.is_empty());
        if params.continue_token.is_none() {
            break;
        }
    }
    let version = version.ok_or(Failure::NoVersion)?;
    cache.listed(objects, version.parse().ok())?;
    Ok(version)
}

/// Takes in what the server shows from a version on, until it ends the stream; moves the version along.
async fn watch<K: Object>(
    cache: &Cache<K>,
    api: &Api<K>,
    version: &mut String,
) -> Result<(), Failure> {
    let params = WatchParams {
        label_selector: cache.scope().label_selector(),
        field_selector: cache.scope().field_selector(),
        ..WatchParams::default()
    };
    let events = api.watch(&params, version).await.map_err(Failure::Watch)?;
    let mut events = std::pin::pin!(events);
    let mut done = Err(Failure::Silent);
    while let Ok(Some(event)) = tokio::time::timeout(SILENCE_MAX, events.next()).await {
        match event.map_err(Failure::Watch)? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                moved(version, &object);
                cache.change(|state| state.applied(cache.kept(object)));
            }
            WatchEvent::Deleted(object) => {
                moved(version, &object);
                cache.change(|state| state.deleted(&object));
            }
            WatchEvent::Bookmark(mark) => {
                version.clone_from(&mark.metadata.resource_version);
                let passed = version.parse().unwrap_or_default();
                cache.change(|state| state.passed(passed));
            }
            WatchEvent::Error(status) => return Err(Failure::Ended(status)),
        }
        done = Ok(());
    }
    done
}

fn moved<K: Object>(version: &mut String, object: &K) {
    if let Some(seen) = &object.meta().resource_version {
        version.clone_from(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16) -> kube::Error {
        kube::Error::Api(Status::failure("no", "Any").with_code(code).boxed())
    }

    #[test]
    fn what_may_not_be_watched_any_more_is_listed_anew() {
        let expired = |code| Failure::Watch(answer(code)).is_expired();
        assert_eq!(
            [403, 404, 410, 429, 500, 503].map(expired),
            [true, true, true, false, false, false]
        );
        assert!(!Failure::List(answer(403)).is_expired() && !Failure::Silent.is_expired());
    }

    #[test]
    fn a_list_that_is_answered_by_an_error_is_not_there_yet() {
        let failed = |code| Failure::List(answer(code));
        assert_eq!([403, 404, 500, 503].map(|it| failed(it).is_failed_list()), [true; 4]);
        assert_eq!(
            [403, 404, 500, 503].map(|it| failed(it).is_refused()),
            [true, true, false, false]
        );
        assert!(
            !Failure::Watch(answer(500)).is_failed_list() && !Failure::NoVersion.is_failed_list()
        );
    }
}
