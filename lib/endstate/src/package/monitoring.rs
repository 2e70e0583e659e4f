//! What Prometheus and Grafana are given of an operator, as data: what to scrape, alerts, a dashboard.
//!
//! An application adds its own alerts and panels to those that every operator has.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::alerts::{Alert, Panel, Severity};
use super::manifests::{HEALTH_PORT, NAMESPACE};
use super::{Package, installed_name};
use crate::operator::{APP_LABEL, CLUSTER_LABEL};

/// By what a panel, and an alert, tell clusters apart.
const BY: &str = "namespace, cluster";

/// The alerts of an operator.
#[must_use]
pub fn alerts(package: &dyn Package) -> Vec<Alert> {
    common(package).into_iter().chain(package.monitoring().alerts).collect()
}

/// The panels of an operator's dashboard.
#[must_use]
pub fn panels(package: &dyn Package) -> Vec<Panel> {
    life().into_iter().chain(package.monitoring().panels).collect()
}

/// The objects to apply beside [`manifests`](super::manifests) where the Prometheus operator is installed: what it
/// scrapes, alerts, and a dashboard in a ConfigMap with the label by which Grafana's sidecar finds it.
///
/// ```
/// # use endstate::package::{Package, monitoring};
/// fn print(package: &dyn Package) {
///     for object in monitoring(package) {
///         println!("{}", serde_json::to_string(&object).unwrap());
///     }
/// }
/// ```
#[must_use]
pub fn monitoring(package: &dyn Package) -> Vec<DynamicObject> {
    let name = installed_name(package);
    let members = package.monitoring().port.map(|port| members(package, port));
    let rest = [operator_service(&name), operator(&name), rules(package), dashboard(package)];
    let objects = rest.into_iter().chain(members);
    let object = |it| serde_json::from_value(it).expect("every object has a kind and a name");
    objects.map(object).collect()
}

fn metadata(name: &str) -> Value {
    let labels = json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "endstate" });
    json!({ "name": name, "namespace": NAMESPACE, "labels": labels })
}

fn operator_service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {
            "selector": { "app.kubernetes.io/name": name },
            "ports": [{ "name": "health", "port": HEALTH_PORT, "targetPort": "health" }],
        },
    })
}

/// The operator's labels are the clusters' own, so they stay.
fn operator(name: &str) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(name),
        "spec": {
            "selector": { "matchLabels": { "app.kubernetes.io/name": name } },
            "endpoints": [{ "port": "health", "path": "/metrics", "interval": "15s", "honorLabels": true }],
        },
    })
}

/// Members of all namespaces. The cluster is known by a label of their service, the member is its pod.
fn members(package: &dyn Package, port: &str) -> Value {
    let relabel = |from: &str, to: &str| json!({ "sourceLabels": [from], "targetLabel": to });
    let cluster =
        format!("__meta_kubernetes_service_label_{}", CLUSTER_LABEL.replace(['.', '/'], "_"));
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(&format!("{}-members", installed_name(package))),
        "spec": {
            "namespaceSelector": { "any": true },
            "selector": { "matchLabels": { APP_LABEL: package.name() } },
            "endpoints": [{
                "port": port,
                "path": "/metrics",
                "interval": "15s",
                "relabelings": [relabel(&cluster, "cluster"), relabel("__meta_kubernetes_pod_name", "member")],
            }],
        },
    })
}

fn rules(package: &dyn Package) -> Value {
    let name = installed_name(package);
    let rules: Vec<_> = alerts(package).iter().map(Alert::rule).collect();
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(&name),
        "spec": { "groups": [{ "name": name, "rules": rules }] },
    })
}

fn dashboard(package: &dyn Package) -> Value {
    let name = installed_name(package);
    let panels = panels(package);
    let panels: Vec<_> = panels.iter().enumerate().map(|(index, it)| it.at(index)).collect();
    let variable = |name: &str, of: &str| {
        json!({
            "name": name, "type": "query", "refresh": 2, "includeAll": true, "multi": true,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "query": { "query": format!("label_values(endstate_cluster_voters{of}, {name})"), "refId": name },
        })
    };
    let source = json!({ "name": "datasource", "type": "datasource", "query": "prometheus" });
    let variables =
        [source, variable("namespace", ""), variable("cluster", "{namespace=~\"$namespace\"}")];
    let dashboard = json!({
        "uid": name,
        "title": format!("Endstate: {}", package.about()),
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": { "from": "now-3h", "to": "now" },
        "templating": { "list": variables },
        "panels": panels,
    });
    let mut metadata = metadata(&format!("{name}-dashboard"));
    metadata["labels"]["grafana_dashboard"] = "1".into();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": { format!("{name}.json"): dashboard.to_string() },
    })
}

/// What may go wrong with any cluster, and with an operator.
fn common(package: &dyn Package) -> Vec<Alert> {
    use Severity::{Critical, Warning};
    let condition = |name: &str, value: u8| {
        format!("endstate_cluster_condition{{condition=\"{name}\"}} == {value}")
    };
    let job = installed_name(package);
    vec![
        Alert::new("EndstateClusterUnavailable", condition("Available", 0), Critical)
            .after_minutes(2)
            .says("clients do not reach a quorum of {{ $labels.namespace }}/{{ $labels.cluster }}"),
        Alert::new("EndstateClusterQuorumLost", condition("QuorumLost", 1), Critical)
            .after_minutes(1)
            .says("{{ $labels.namespace }}/{{ $labels.cluster }} has lost its quorum"),
        Alert::new("EndstateClusterDegraded", condition("Degraded", 1), Warning)
            .after_minutes(10)
            .says("a member of {{ $labels.namespace }}/{{ $labels.cluster }} is missing or not healthy"),
        Alert::new("EndstateClusterNeedsPerson", "endstate_cluster_needs_person == 1", Warning)
            .after_minutes(5)
            .says("{{ $labels.namespace }}/{{ $labels.cluster }} waits for a person: {{ $labels.reason }}"),
        Alert::new("EndstateClusterSpecRefused", condition("SpecAccepted", 0), Warning)
            .after_minutes(5)
            .says("the spec of {{ $labels.namespace }}/{{ $labels.cluster }} is refused"),
        Alert::new("EndstateClusterStuck", condition("Progressing", 1), Warning)
            .after_minutes(30)
            .says("{{ $labels.namespace }}/{{ $labels.cluster }} has been changing for half an hour"),
        Alert::new(
            "EndstateCertificateEnds",
            "endstate_cluster_certificate_expiry_timestamp_seconds - time() < 7 * 86400",
            Warning,
        )
        .after_minutes(60)
        .says("the certificate in {{ $labels.namespace }}/{{ $labels.secret }} ends within a week"),
        Alert::new("EndstateOperatorDown", format!("absent(up{{job=\"{job}\"}} == 1)"), Critical)
            .after_minutes(5)
            .says("no operator runs: what fails is not repaired"),
        Alert::new("EndstatePlanRejected", "increase(endstate_plans_rejected_total[10m]) > 0", Critical)
            .says("a plan broke the rules of safety and was not carried out: this is a bug, please report it"),
        Alert::new(
            "EndstateReconcilesFail",
            "sum by (controller) (rate(endstate_reconciles_total{result=~\"error|panic|deadline\"}[10m])) > 0.1",
            Warning,
        )
        .after_minutes(15)
        .says("reconciles of {{ $labels.controller }} fail: the API refuses or does not answer"),
    ]
}

/// A metric of the clusters that the dashboard shows.
fn shown(metric: &str) -> String {
    format!("{metric}{{namespace=~\"$namespace\", cluster=~\"$cluster\"}}")
}

/// The life of clusters: what is there, what goes on, and what it waits for.
fn life() -> Vec<Panel> {
    let by_reason = |metric: &str| format!("sum by ({BY}, reason) ({})", shown(metric));
    let actions = shown("endstate_cluster_actions_total");
    vec![
        Panel::new("Voters: ready, listed, wanted", "short")
            .line("{{cluster}} ready", shown("endstate_cluster_voters_ready"))
            .line("{{cluster}} listed", shown("endstate_cluster_voters"))
            .line("{{cluster}} wanted", shown("endstate_cluster_voters_wanted")),
        Panel::new("Conditions", "short")
            .line("{{cluster}} {{condition}}", shown("endstate_cluster_condition")),
        Panel::new("What is waited for", "short")
            .line("{{cluster}} {{reason}}", by_reason("endstate_cluster_waiting")),
        Panel::new("What was done", "short").line(
            "{{cluster}} {{action}}",
            format!("sum by ({BY}, action) (increase({actions}[$__rate_interval]))"),
        ),
        Panel::new("Leaders", "short").line(
            "{{cluster}} changes",
            format!(
                "increase({}[$__rate_interval])",
                shown("endstate_cluster_leader_changes_total")
            ),
        ),
        Panel::new("Data of members", "bytes")
            .line("{{member}}", shown("endstate_cluster_member_data_bytes")),
        Panel::new("Entries that members lack", "short")
            .line("{{member}}", shown("endstate_cluster_member_lag")),
        Panel::new("Certificates: left", "s").line(
            "{{secret}}",
            format!("{} - time()", shown("endstate_cluster_certificate_expiry_timestamp_seconds")),
        ),
    ]
}
