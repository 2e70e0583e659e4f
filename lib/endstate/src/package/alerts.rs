//! Alerts and panels, as data. Every alert has a chapter of its name in `docs/runbooks.md`, which says what to do.

use serde_json::{Value, json};

/// Where the runbooks of alerts are.
const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks.md#");

/// What an application adds to what is told of every operator.
///
/// ```
/// use endstate::package::{Alert, Monitoring, Panel, Severity};
/// let alert = Alert::new("ToySilent", "toy_up == 0", Severity::Critical)
///     .after_minutes(1)
///     .says("a toy of {{ $labels.cluster }} is silent");
/// let panel = Panel::new("Answers", "reqps").line("{{cluster}}", "rate(toy_answers_total[5m])");
/// let monitoring = Monitoring { port: Some("metrics"), alerts: vec![alert], panels: vec![panel] };
/// assert_eq!(monitoring.alerts[0].name, "ToySilent");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Monitoring {
    /// The port of the service of members at which Prometheus finds what members tell; `None` if they tell nothing.
    pub port: Option<&'static str>,
    /// Alerts of its own.
    pub alerts: Vec<Alert>,
    /// Panels of its own.
    pub panels: Vec<Panel>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// Its name, and the chapter of the runbooks.
    pub name: &'static str,
    /// When it fires, in PromQL.
    pub expression: String,
    /// For how many minutes that has to be so. 0 by default.
    pub minutes: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub summary: &'static str,
}

impl Alert {
    /// An alert that fires at once.
    pub fn new(name: &'static str, expression: impl Into<String>, severity: Severity) -> Self {
        Self { name, expression: expression.into(), minutes: 0, severity, summary: "" }
    }

    /// The same, after so many minutes.
    #[must_use]
    pub fn after_minutes(self, minutes: u32) -> Self {
        Self { minutes, ..self }
    }

    /// The same, saying this. Labels are written as `{{ $labels.cluster }}`.
    #[must_use]
    pub fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    pub(super) fn rule(&self) -> Value {
        json!({
            "alert": self.name,
            "expr": self.expression,
            "for": format!("{}m", self.minutes),
            "labels": { "severity": self.severity.word() },
            "annotations": {
                "summary": self.summary,
                "runbook_url": format!("{RUNBOOKS}{}", self.name.to_lowercase()),
            },
        })
    }
}

/// How bad it is when an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Clients are not served, or soon will not be: somebody has to look now.
    Critical,
    /// Somebody has to look, not now.
    Warning,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// What the slowest of a hundred takes, by a histogram of Prometheus' over five minutes, for each member, in PromQL.
///
/// ```
/// let slowest = endstate::package::slowest("sync_seconds");
/// assert!(slowest.starts_with("histogram_quantile(0.99, ") && slowest.contains("sync_seconds_bucket[5m]"));
/// ```
#[must_use]
pub fn slowest(histogram: &str) -> String {
    format!(
        "histogram_quantile(0.99, sum by (namespace, cluster, member, le) (rate({histogram}_bucket[5m])))"
    )
}

/// A panel of the dashboard: lines over time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panel {
    /// Its title.
    pub title: &'static str,
    /// The unit of its values, by Grafana's name, such as `bytes` or `s`.
    pub unit: &'static str,
    /// Its lines: how each is called, and what it shows, in PromQL.
    pub lines: Vec<(&'static str, String)>,
}

impl Panel {
    /// A panel without lines.
    pub fn new(title: &'static str, unit: &'static str) -> Self {
        Self { title, unit, lines: vec![] }
    }

    /// The same, with one more line. Labels are written as `{{member}}`.
    #[must_use]
    pub fn line(mut self, name: &'static str, expression: impl Into<String>) -> Self {
        self.lines.push((name, expression.into()));
        self
    }

    pub(super) fn at(&self, index: usize) -> Value {
        let target = |(at, (name, expression)): (usize, &(&str, String))| {
            let id = char::from(b'A' + u8::try_from(at).expect("few lines")).to_string();
            json!({ "refId": id, "expr": expression, "legendFormat": name })
        };
        let targets: Vec<_> = self.lines.iter().enumerate().map(target).collect();
        json!({
            "id": index + 1,
            "type": "timeseries",
            "title": self.title,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "fieldConfig": { "defaults": { "unit": self.unit }, "overrides": [] },
            "gridPos": { "h": 8, "w": 12, "x": index % 2 * 12, "y": index / 2 * 8 },
            "targets": targets,
        })
    }
}
