//! `endstate install`: an operator's definitions, rights and Deployment, the same on any Kubernetes.

use std::time::Duration;

use anyhow::{Context, Result};
use endstate::package::{self, NAMESPACE};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::PatchParams;
use kube::runtime::wait::await_condition;
use serde_json::Value;

use crate::apply::apply_all;
use crate::args::{Global, Install};
use crate::catalogue::PACKAGES;
use crate::connect::{Connection, connect};
use crate::output;

pub(crate) async fn run(global: &Global, args: Install) -> Result<()> {
    let Some(operator) = args.operator else { return output::text(&listed()) };
    let name = package::installed_name(operator);
    let manifests: Vec<Value> = package::manifests(operator, &args.image)
        .into_iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()?;
    if args.print {
        return print(&manifests);
    }
    let Connection { client, namespace } = connect(global).await?;
    let params = PatchParams::apply("endstate").force();
    for (what, outcome) in apply_all(&client, &namespace, manifests, &params).await? {
        let verb = outcome.with_context(|| format!("cannot install {what}"))?;
        output::line(format_args!("{what} {verb}"))?;
    }
    let deployments = Api::namespaced(client, NAMESPACE);
    let ready = await_condition(deployments, &name, is_available);
    let timeout = Duration::from_secs(args.timeout);
    tokio::time::timeout(timeout, ready).await.with_context(|| {
        format!(
            "the operator is not ready after {} s; see `endstate get pods -n {NAMESPACE}`",
            timeout.as_secs(),
        )
    })??;
    output::line(format_args!("operator {} is ready", operator.name()))
}

/// The operators that there are, a line each.
fn listed() -> String {
    let width = PACKAGES.iter().map(|it| it.name().len()).max().unwrap_or(0);
    PACKAGES.iter().map(|it| format!("{:<width$}  {}\n", it.name(), it.about())).collect()
}

fn print(manifests: &[Value]) -> Result<()> {
    for manifest in manifests {
        output::text(&format!("---\n{}", serde_saphyr::to_string(manifest)?))?;
    }
    Ok(())
}

fn is_available(deployment: Option<&Deployment>) -> bool {
    let Some(deployment) = deployment else { return false };
    let status = deployment.status.clone().unwrap_or_default();
    let current = status.observed_generation == deployment.metadata.generation;
    let wanted = deployment.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1);
    current && status.updated_replicas == Some(wanted) && status.available_replicas == Some(wanted)
}
