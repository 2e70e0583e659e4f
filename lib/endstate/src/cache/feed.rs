//! The task that feeds a cache from its watch.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::Cache;
use crate::Object;

/// How long to rest after a bug in a subscriber ended the feed.
const REST_AFTER_PANIC: Duration = Duration::from_secs(1);

/// Follows the watch until shutdown. Errors are retried by the watcher with its own back-off; a panic (a bug) restarts
/// the watch, which lists anew and so leaves nothing unseen.
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

async fn follow<K: Object>(cache: &Cache<K>, client: Client) {
    let api: Api<K> = Api::all_with(client, cache.kind());
    let config = watcher::Config {
        label_selector: cache.scope().label_selector(),
        field_selector: cache.scope().field_selector(),
        ..watcher::Config::default()
    };
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => take(cache, event),
            Err(error) => {
                tracing::warn!(kind = %K::kind(cache.kind()), %error, "a watch failed, it is retried");
            }
        }
    }
}

fn take<K: Object>(cache: &Cache<K>, event: watcher::Event<K>) {
    match event {
        watcher::Event::Init => cache.change(|state| {
            state.begin();
            None
        }),
        watcher::Event::InitApply(object) => cache.change(|state| state.listed(pruned(object))),
        watcher::Event::InitDone => {
            cache.change(|state| state.complete());
            cache.shared.synced.send_replace(true);
        }
        watcher::Event::Apply(object) => cache.change(|state| state.applied(pruned(object))),
        watcher::Event::Delete(object) => cache.change(|state| state.deleted(&object)),
    }
}

/// Nobody reads `managedFields` from a cache, and they are about half of an object's metadata.
pub(crate) fn pruned<K: Object>(mut object: K) -> Arc<K> {
    object.meta_mut().managed_fields = None;
    Arc::new(object)
}
