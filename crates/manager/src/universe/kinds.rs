//! Which kinds are served, as definitions come and go; each has a feeding task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use endstate::CancellationToken;
use kube::Client;
use kube::core::ApiResource;
use kube::core::discovery::v2::{APIGroupDiscoveryList, APIResourceDiscovery};
use tokio::sync::Notify;

use super::{ALL_KINDS, Kind, ResourceName, Universe, feed, rest};

/// When to look again after a definition changed: what is served follows it a moment later.
const LOOK_AGAIN: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(3)];

/// Keeps the feeding tasks those of the served kinds.
pub(super) async fn follow(universe: Arc<Universe>, changed: Arc<Notify>, stop: CancellationToken) {
    let mut feeds: BTreeMap<ResourceName, CancellationToken> = BTreeMap::new();
    let mut looks = LOOK_AGAIN.into_iter();
    loop {
        match served(&universe.client).await {
            Ok(kinds) => {
                update(&universe, &mut feeds, kinds, &stop);
                // The kinds themselves are known now; each said that it is missing.
                universe.is_there(ALL_KINDS);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot discover the served kinds");
                rest(&stop).await;
                changed.notify_one();
            }
        }
        let next = looks.next();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = changed.notified() => looks = LOOK_AGAIN.into_iter(),
            () = tokio::time::sleep(next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}

fn update(
    universe: &Arc<Universe>,
    feeds: &mut BTreeMap<ResourceName, CancellationToken>,
    served: BTreeMap<ResourceName, Kind>,
    stop: &CancellationToken,
) {
    feeds.retain(|name, feed| {
        let stays = served.contains_key(name);
        if !stays {
            feed.cancel();
        }
        stays
    });
    for (name, kind) in &served {
        if feeds.contains_key(name) || !feed::is_tracked(name) {
            continue;
        }
        let feed = stop.child_token();
        universe.is_missing(name);
        tokio::spawn(feed::keep(
            Arc::clone(universe),
            Arc::clone(name),
            kind.clone(),
            feed.clone(),
        ));
        feeds.insert(Arc::clone(name), feed);
    }
    *universe.kinds() = served;
}

/// Every kind whose objects can be listed and deleted, in the group's preferred version.
async fn served(client: &Client) -> Result<BTreeMap<ResourceName, Kind>, kube::Error> {
    let lists = [
        client.list_core_api_versions_aggregated().await?,
        client.list_api_groups_aggregated().await?,
    ];
    Ok(lists.into_iter().flat_map(kinds_of).collect())
}

fn kinds_of(list: APIGroupDiscoveryList) -> Vec<(ResourceName, Kind)> {
    let mut kinds: BTreeMap<ResourceName, Kind> = BTreeMap::new();
    for group in list.items {
        let name = group.metadata.and_then(|it| it.name).unwrap_or_default();
        for version in group.versions {
            let version_name = version.version.unwrap_or_default();
            for (resource, kind) in
                version.resources.into_iter().filter_map(|it| kind_of(&name, &version_name, it))
            {
                // Versions come in order of preference.
                kinds.entry(resource).or_insert(kind);
            }
        }
    }
    kinds.into_iter().collect()
}

fn kind_of(group: &str, version: &str, it: APIResourceDiscovery) -> Option<(ResourceName, Kind)> {
    let needed = ["list", "watch", "delete"];
    if !needed.iter().all(|verb| it.verbs.iter().any(|own| own == verb)) {
        return None;
    }
    let api_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let plural = it.resource?;
    let name =
        if group.is_empty() { plural.as_str().into() } else { format!("{plural}.{group}").into() };
    let api = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: it.response_kind?.kind?,
        plural,
    };
    Some((name, Kind { api, namespaced: it.scope.as_deref() == Some("Namespaced") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_does_not_wait_for_a_failing_discovery() {
        let refuse = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("refused"))
        });
        let universe = Arc::new(Universe::new(Client::new(refuse, "default")));
        let (stop, start) = (CancellationToken::new(), tokio::time::Instant::now());
        stop.cancel();
        follow(universe, Arc::default(), stop).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
