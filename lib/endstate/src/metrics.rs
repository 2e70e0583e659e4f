//! What an operator counts, for Prometheus.
//!
//! Every [`Engine`](crate::Engine) counts; who serves it is another's choice, see [`crate::health`]. Labels are names
//! that the program itself gives, and of clusters those of their objects, so their number is bounded.

mod agents;
mod clusters;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use agents::Agents;
pub(crate) use agents::Figures as AgentFigures;
use clusters::Clusters;

/// Upper bounds, in seconds, of how long a reconcile takes.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0, 120.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// The counters of one engine. Cheap to clone.
///
/// ```
/// let engine = |client| endstate::Engine::new(client, endstate::Options::new("labeller"));
/// # let _ = |client| {
/// println!("{}", engine(client).metrics().text());
/// # };
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Labels<2>, Counter>,
    durations: Family<Labels<1>, Histogram>,
    queued: Family<Labels<1>, Gauge>,
    requests: Family<Labels<3>, Counter>,
    calls: Counter,
    rejected: Family<Labels<1>, Counter>,
    clusters: Arc<Clusters>,
    agents: Arc<Agents>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("endstate");
        let (reconciles, queued) = (Family::default(), Family::default());
        let (requests, rejected) = (Family::default(), Family::default());
        let durations =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register("reconciles", "Reconciles that ended, by result", reconciles.clone());
        let help = "How long reconciles took";
        registry.register_with_unit("reconcile_duration", help, Unit::Seconds, durations.clone());
        registry.register("queue_depth", "Objects to be looked at, or being so", queued.clone());
        let help = "Requests of reconciles to the API, by result: ok, the HTTP status of a refusal, or why there was no answer";
        registry.register("requests", help, requests.clone());
        let (help, calls) =
            ("Writes to the API, and requests that change an application", Counter::default());
        registry.register("calls", help, calls.clone());
        let help = "Plans that the linter rejected: each is a bug";
        registry.register("plans_rejected", help, rejected.clone());
        let clusters = Arc::new(Clusters::default());
        registry.register_collector(Box::new(Arc::clone(&clusters)));
        let agents = Arc::new(Agents::default());
        registry.register_collector(Box::new(Arc::clone(&agents)));
        let registry = Arc::new(registry);
        Self {
            registry,
            reconciles,
            durations,
            queued,
            requests,
            calls,
            rejected,
            clusters,
            agents,
        }
    }
}

impl Metrics {
    /// All of them, in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }

    pub(crate) fn reconciled(&self, controller: &str, result: &str, took: Duration) {
        let labels = [("controller", controller.to_owned()), ("result", result.to_owned())];
        self.reconciles.get_or_create(&labels).inc();
        self.durations.get_or_create(&by_controller(controller)).observe(took.as_secs_f64());
    }

    pub(crate) fn queued(&self, controller: &str, depth: usize) {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.queued.get_or_create(&by_controller(controller)).set(depth);
    }

    pub(crate) fn requested(&self, verb: &str, kind: &str, result: String) {
        let (verb, kind) = (("verb", verb.to_owned()), ("kind", kind.to_owned()));
        self.requests.get_or_create(&[verb, kind, ("result", result)]).inc();
    }

    pub(crate) fn called(&self) {
        self.calls.inc();
    }

    /// What is told of each cluster.
    pub(crate) fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// What is told of each object that has an agent.
    pub(crate) fn agents(&self) -> &Agents {
        &self.agents
    }

    pub(crate) fn rejected(&self, application: &str) {
        self.rejected.get_or_create(&[("application", application.to_owned())]).inc();
    }
}

fn by_controller(controller: &str) -> Labels<1> {
    [("controller", controller.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_as_its_status_has_it_until_it_is_gone() {
        use endstate_core::{Condition, ConditionType, Identity, MemberRow, Plan, Status, Truth};
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let condition = |kind, status| Condition {
            kind,
            status,
            reason: "r".into(),
            message: "m".into(),
            observed_generation: None,
            last_transition_time: at,
        };
        let row =
            MemberRow { healthy: true, data_size: Some(7), ..MemberRow::new("demo-a", "member") };
        let mut plan = Plan::<u32>::idle(Status {
            size: 3,
            ready: 2,
            leader: Some("demo-a".into()),
            members: vec![row],
            conditions: vec![
                condition(ConditionType::Available, Truth::True),
                condition(ConditionType::QuorumLost, Truth::Unknown),
            ],
            ..Status::default()
        });
        plan.waits = vec![endstate_core::Waiting::ForUnpause { withheld: vec![] }];
        let snapshot = endstate_core::Snapshot::new(at, Identity::new("ns", "demo", "u"), 3_u32);
        let metrics = Metrics::default();
        let cluster = ("toys.example.com".to_owned(), crate::ObjectKey::namespaced("ns", "demo"));
        metrics.clusters().note(cluster.clone(), &snapshot, &plan);
        plan.status.leader = Some("demo-b".into());
        metrics.clusters().note(cluster.clone(), &snapshot, &plan);
        let text = metrics.text();
        let of = r#"group="toys.example.com",namespace="ns",cluster="demo""#;
        for line in [
            format!("endstate_cluster_voters_ready{{{of}}} 2.0"),
            format!("endstate_cluster_condition{{{of},condition=\"Available\"}} 1.0"),
            format!("endstate_cluster_needs_person{{{of},reason=\"Paused\"}} 1.0"),
            format!("endstate_cluster_member_data_bytes{{{of},member=\"demo-a\"}} 7.0"),
            format!("endstate_cluster_leader_changes_total{{{of}}} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("condition=\"QuorumLost\""), "nobody knows");
        metrics.clusters().forget(&cluster);
        assert!(!metrics.text().contains("demo"));
    }

    #[test]
    fn an_object_with_an_agent_is_told_until_it_is_gone() {
        let (metrics, object) = (Metrics::default(), crate::ObjectKey::namespaced("ns", "daily"));
        let backup = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let figures = AgentFigures { cluster: "demo".into(), ready: Some(false), backup };
        let of = |group: &str| ("toy-backup", group.to_owned(), object.clone());
        let other = AgentFigures { ready: Some(true), ..figures.clone() };
        metrics.agents().note(of("toys.example.com"), figures);
        metrics.agents().note(of("old.example.com"), other);
        let labels = r#"agent="toy-backup",group="toys.example.com",namespace="ns",cluster="demo",object="daily""#;
        let text = metrics.text();
        for line in [
            format!("endstate_agent_ready{{{labels}}} 0.0"),
            format!("endstate_backup_timestamp_seconds{{{labels}}} 1767225600.0"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        metrics.agents().forget(&of("toys.example.com"));
        metrics.agents().forget(&of("old.example.com"));
        assert!(!metrics.text().contains("daily"));
    }

    #[test]
    fn what_is_counted_is_told_by_its_labels() {
        let metrics = Metrics::default();
        metrics.reconciled("pods", "settled", Duration::from_millis(3));
        metrics.reconciled("pods", "settled", Duration::from_secs(3));
        metrics.queued("pods", 7);
        metrics.requested("apply", "Pod", "409".to_owned());
        metrics.rejected("toy");
        let text = metrics.text();
        for line in [
            r#"endstate_reconciles_total{controller="pods",result="settled"} 2"#,
            r#"endstate_reconcile_duration_seconds_bucket{le="0.005",controller="pods"} 1"#,
            r#"endstate_reconcile_duration_seconds_count{controller="pods"} 2"#,
            r#"endstate_queue_depth{controller="pods"} 7"#,
            r#"endstate_requests_total{verb="apply",kind="Pod",result="409"} 1"#,
            r#"endstate_plans_rejected_total{application="toy"} 1"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
