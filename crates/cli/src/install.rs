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
    let monitoring = args.monitoring.then(|| package::monitoring(operator));
    let manifests: Vec<Value> = package::manifests(operator, &args.image)
        .into_iter()
        .chain(monitoring.into_iter().flatten())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use endstate::Metrics;

    use super::*;

    const RUNBOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runbooks.md");

    /// The metrics of an expression: words before a selector, a range, or nothing, that are no functions, no labels and
    /// no words of the language.
    fn metrics(expression: &str) -> BTreeSet<String> {
        let mut text = expression.to_owned();
        for (open, close) in [("{", "}"), ("by (", ")"), ("[", "]")] {
            while let Some(from) = text.find(open) {
                let to = from + text[from..].find(close).unwrap();
                text.replace_range(from..=to, " ");
            }
        }
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let named = |it: &&str| it.contains('_') && *it != "histogram_quantile";
        words.filter(named).map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_of_the_operator_that_is_shown_is_told() {
        let told = Metrics::default().text();
        let is_told = |it: &str| {
            // Those of the engine are told when there is something to count.
            let counted = ["endstate_plans_rejected_total", "endstate_reconciles_total"];
            let family = it.strip_suffix("_total").unwrap_or(it);
            counted.contains(&it) || told.contains(&format!("# TYPE {family} "))
        };
        for package in PACKAGES {
            let alerts = package::alerts(*package).into_iter().map(|it| it.expression);
            let lines = package::panels(*package).into_iter().flat_map(|it| it.lines);
            let mut used = BTreeSet::new();
            for expression in alerts.chain(lines.map(|it| it.1)) {
                let found = metrics(&expression);
                assert!(!found.is_empty() || expression.contains("up{"), "{expression}");
                used.extend(found);
            }
            let own: Vec<_> = used.iter().filter(|it| it.starts_with("endstate_")).collect();
            assert!(own.len() > 8, "{own:?}");
            for metric in own {
                assert!(is_told(metric), "{metric} is not in\n{told}");
            }
        }
    }

    #[test]
    fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
        let text = std::fs::read_to_string(RUNBOOKS).unwrap();
        let chapters: BTreeSet<_> = text.lines().filter_map(|it| it.strip_prefix("## ")).collect();
        let alerts = PACKAGES.iter().flat_map(|it| package::alerts(*it));
        let alerts: BTreeSet<_> = alerts.map(|it| it.name).collect();
        assert_eq!(chapters, alerts);
    }

    #[test]
    fn what_is_monitored_is_whole() {
        for package in PACKAGES {
            let objects = package::monitoring(*package);
            let kinds: Vec<_> =
                objects.iter().map(|it| &*it.types.as_ref().unwrap().kind).collect();
            assert_eq!(kinds[..4], ["Service", "ServiceMonitor", "PrometheusRule", "ConfigMap"]);
            for alert in package::alerts(*package) {
                assert!(!alert.summary.is_empty(), "{} says nothing", alert.name);
            }
            let data = objects[3].data["data"].as_object().unwrap();
            let dashboard: Value =
                serde_json::from_str(data.values().next().unwrap().as_str().unwrap()).unwrap();
            let panels = dashboard["panels"].as_array().unwrap();
            assert!(panels.iter().all(|it| !it["targets"].as_array().unwrap().is_empty()));
        }
    }
}
