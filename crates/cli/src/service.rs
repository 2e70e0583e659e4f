//! The pods behind a service.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};

use crate::output;

/// How long a service may take to have a ready pod, as `kubectl port-forward` waits.
const READY_MAX: Duration = Duration::from_secs(60);

/// Slices carry the name of their service. The older `Endpoints` hold the same, and servers warn of who reads them.
const SERVICE: &str = "kubernetes.io/service-name";

/// The name of the service, if a target is one.
pub(crate) fn named(target: &str) -> Option<&str> {
    let (kind, name) = target.split_once('/')?;
    matches!(kind, "service" | "services" | "svc").then_some(name)
}

/// Waits for a service that has just been made.
pub(crate) async fn wait(client: &Client, namespace: &str, service: &str) -> Result<()> {
    if ready(client, namespace, service).await.is_ok() {
        return Ok(());
    }
    output::note(format_args!("waiting for a ready pod of service {service}"));
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_service = watcher::Config::default().labels(&format!("{SERVICE}={service}"));
    let changes = watcher(slices, of_service).default_backoff().applied_objects();
    let has_ready = changes.try_skip_while(|it| std::future::ready(Ok(ready_pod(it).is_none())));
    let mut has_ready = std::pin::pin!(has_ready);
    let outcome = tokio::time::timeout(READY_MAX, has_ready.try_next()).await;
    outcome.with_context(|| {
        format!("service {service} has no ready pod; `endstate get pods -o wide` shows why")
    })??;
    Ok(())
}

/// Endpoints of a service of which one is ready now.
pub(crate) async fn ready(
    client: &Client,
    namespace: &str,
    service: &str,
) -> Result<EndpointSlice> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_service = ListParams::default().labels(&format!("{SERVICE}={service}"));
    let slice =
        slices.list(&of_service).await?.items.into_iter().find(|it| ready_pod(it).is_some());
    slice.with_context(|| format!("service {service} has no ready pod"))
}

/// One of the pods in a slice that are ready.
pub(crate) fn pod(slice: &EndpointSlice, service: &str) -> Result<String> {
    let pods = slice.endpoints.iter().filter(|it| is_ready(it));
    let pod = pods.filter_map(|it| it.target_ref.as_ref()?.name.clone()).next();
    pod.with_context(|| format!("service {service} has endpoints that are not pods"))
}

fn ready_pod(slice: &EndpointSlice) -> Option<&Endpoint> {
    slice.endpoints.iter().find(|it| is_ready(it))
}

/// What nothing is said of counts as ready.
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true)
}
