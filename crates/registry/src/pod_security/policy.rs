//! What the labels of a namespace ask for.

use std::fmt;

use machinery::error::FieldError;
use serde_json::Value;

use super::LABELS;
use crate::value::map;

/// How much is demanded; more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    const ALL: [Self; 3] = [Self::Privileged, Self::Baseline, Self::Restricted];

    fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or("must be one of privileged, baseline, restricted")
    }
}

/// Whose checks are meant: those that Kubernetes 1.x came with, or the newest there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Minor(u32),
    Latest,
}

impl Version {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").filter(|minor| {
            let plain = minor.bytes().all(|byte| byte.is_ascii_digit());
            plain && (minor.len() == 1 || !minor.starts_with('0'))
        });
        let minor = minor.and_then(|minor| minor.parse().ok());
        minor.map(Version::Minor).ok_or("must be \"latest\" or \"v1.x\"")
    }
}

/// A level as it was at a version: shown as `restricted:latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    pub level: Level,
    pub version: Version,
}

impl Standard {
    const NONE: Self = Self { level: Level::Privileged, version: Version::Latest };
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Version::Latest => write!(f, "{}:latest", self.level.as_str()),
            Version::Minor(minor) => write!(f, "{}:v1.{minor}", self.level.as_str()),
        }
    }
}

/// What a namespace asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Pods that fall short are refused.
    pub enforce: Standard,
    /// Pods and workloads that fall short are noted for the operators of the cluster.
    pub audit: Standard,
    /// Who makes pods and workloads that fall short is warned.
    pub warn: Standard,
}

impl Policy {
    /// Whether nothing is asked for.
    pub fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|it| it.level == Level::Privileged)
    }

    /// The policy of a namespace's labels, and what is wrong with them. A value that cannot be read counts as the
    /// strictest where pods are refused, and as nothing where they are only talked about.
    pub fn of_labels<'a>(
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<FieldError>) {
        let mut values = Values::default();
        for (key, value) in labels {
            match key.strip_prefix(LABELS) {
                Some("enforce") => values.enforce.level = Some(value),
                Some("enforce-version") => values.enforce.version = Some(value),
                Some("audit") => values.audit.level = Some(value),
                Some("audit-version") => values.audit.version = Some(value),
                Some("warn") => values.warn.level = Some(value),
                Some("warn-version") => values.warn.version = Some(value),
                _ => {}
            }
        }
        values.policy()
    }

    /// The same of a whole namespace.
    pub(crate) fn of_object(namespace: &Value) -> (Self, Vec<FieldError>) {
        let labels = map(namespace, "metadata.labels").into_iter().flatten();
        Self::of_labels(
            labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())),
        )
    }
}

#[derive(Default)]
struct Values<'a> {
    enforce: Pair<'a>,
    audit: Pair<'a>,
    warn: Pair<'a>,
}

#[derive(Default)]
struct Pair<'a> {
    level: Option<&'a str>,
    version: Option<&'a str>,
}

impl Values<'_> {
    fn policy(&self) -> (Policy, Vec<FieldError>) {
        let mut errors = Vec::new();
        let enforce = self.enforce.read("enforce", Level::Restricted, &mut errors);
        let valid =
            errors.is_empty() || self.enforce.level.is_some_and(|it| Level::parse(it).is_ok());
        let audit = self.audit.read("audit", Level::Privileged, &mut errors);
        let mut warn = self.warn.read("warn", Level::Privileged, &mut errors);
        // Who is refused pods is warned about workloads that make them, unless the namespace says otherwise.
        if self.warn.level.is_none() && self.enforce.level.is_some() && valid {
            warn.level = enforce.level;
            if self.warn.version.is_none() && enforce.level > Level::Privileged {
                warn.version = enforce.version;
            }
        }
        (Policy { enforce, audit, warn }, errors)
    }
}

impl Pair<'_> {
    fn read(&self, mode: &str, unreadable: Level, errors: &mut Vec<FieldError>) -> Standard {
        let mut standard = Standard::NONE;
        let mut note = |label: String, value: &str, why: &str| {
            errors.push(FieldError::invalid(format!("metadata.labels[{label}]"), value, why));
        };
        if let Some(text) = self.level {
            standard.level = Level::parse(text).unwrap_or_else(|why| {
                note(format!("{LABELS}{mode}"), text, why);
                unreadable
            });
        }
        if let Some(text) = self.version {
            standard.version = Version::parse(text).unwrap_or_else(|why| {
                note(format!("{LABELS}{mode}-version"), text, why);
                Version::Latest
            });
        }
        standard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_make_a_policy() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "privileged:latest privileged:latest privileged:latest"),
            (&[("enforce", "baseline")], "baseline:latest privileged:latest baseline:latest"),
            (
                &[("enforce", "restricted"), ("enforce-version", "v1.24")],
                "restricted:v1.24 privileged:latest restricted:v1.24",
            ),
            (
                &[
                    ("enforce", "restricted"),
                    ("enforce-version", "v1.24"),
                    ("warn-version", "v1.9"),
                ],
                "restricted:v1.24 privileged:latest restricted:v1.9",
            ),
            (
                &[("enforce", "restricted"), ("warn", "privileged"), ("audit", "baseline")],
                "restricted:latest baseline:latest privileged:latest",
            ),
            (&[("enforce", "x")], "restricted:latest privileged:latest privileged:latest"),
            (
                &[("warn", "x"), ("audit", "y")],
                "privileged:latest privileged:latest privileged:latest",
            ),
            (
                &[("enforce", "baseline"), ("enforce-version", "v1.01")],
                "baseline:latest privileged:latest baseline:latest",
            ),
        ];
        for (labels, expected) in cases {
            let named: Vec<(String, &str)> =
                labels.iter().map(|(key, value)| (format!("{LABELS}{key}"), *value)).collect();
            let (policy, _) =
                Policy::of_labels(named.iter().map(|(key, value)| (key.as_str(), *value)));
            let Policy { enforce, audit, warn } = policy;
            assert_eq!(format!("{enforce} {audit} {warn}"), *expected, "{labels:?}");
        }
    }

    #[test]
    fn versions_are_latest_or_a_minor_of_1() {
        assert_eq!(Version::parse("latest"), Ok(Version::Latest));
        assert_eq!(Version::parse("v1.0"), Ok(Version::Minor(0)));
        assert_eq!(Version::parse("v1.30"), Ok(Version::Minor(30)));
        for bad in ["", "v1", "v1.", "v1.00", "v2.3", "1.30", "v1.3.0", "v1.-1", "v1.99999999999"] {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
    }
}
