//! The pods behind a service.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

use crate::output;

/// How long a service may take to have a ready pod, as `kubectl port-forward` waits.
const READY_MAX: Duration = Duration::from_secs(60);

/// The name of the service, if a target is one.
pub(crate) fn named(target: &str) -> Option<&str> {
    let (kind, name) = target.split_once('/')?;
    matches!(kind, "service" | "services" | "svc").then_some(name)
}

/// Waits for a service that has just been made.
pub(crate) async fn wait(client: &Client, namespace: &str, service: &str) -> Result<()> {
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    let now = endpoints.get_opt(service).await?;
    if !has_ready_pod(now.as_ref()) {
        output::note(format_args!("waiting for a ready pod of service {service}"));
    }
    let ready = await_condition(endpoints, service, |it: Option<&Endpoints>| has_ready_pod(it));
    let outcome = tokio::time::timeout(READY_MAX, ready).await;
    outcome.with_context(|| {
        format!("service {service} has no ready pod; `endstate get pods -o wide` shows why")
    })??;
    Ok(())
}

/// The endpoints of a service that are ready now.
pub(crate) async fn ready(
    client: &Client,
    namespace: &str,
    service: &str,
) -> Result<EndpointSubset> {
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    let endpoints = endpoints.get_opt(service).await?;
    let subset = endpoints.iter().flat_map(subsets).find(|it| is_ready(it)).cloned();
    subset.with_context(|| format!("service {service} has no ready pod"))
}

/// One of the pods in a subset.
pub(crate) fn pod(subset: &EndpointSubset, service: &str) -> Result<String> {
    let pods = subset.addresses.iter().flatten();
    let pod = pods.filter_map(|it| it.target_ref.as_ref()?.name.clone()).next();
    pod.with_context(|| format!("service {service} has endpoints that are not pods"))
}

fn has_ready_pod(endpoints: Option<&Endpoints>) -> bool {
    endpoints.into_iter().flat_map(subsets).any(is_ready)
}

fn subsets(endpoints: &Endpoints) -> impl Iterator<Item = &EndpointSubset> {
    endpoints.subsets.iter().flatten()
}

fn is_ready(subset: &EndpointSubset) -> bool {
    subset.addresses.as_ref().is_some_and(|it| !it.is_empty())
}
