//! What is wrong with a spec, and what a change of one means.

use serde::{Deserialize, Serialize};

use crate::objects::client_service;

/// The longest label in DNS, which a service's name must fit.
const LABEL_MAX: usize = 63;

/// Something wrong with a spec.
///
/// ```
/// use endstate_core::Problem;
/// let problem = Problem::refused("spec.size", "must be at most 7");
/// assert_eq!(problem.to_string(), "spec.size: must be at most 7");
/// let warning = Problem::warning("spec.size", "must be at most 7");
/// assert!(problem != warning && problem.cmp(&warning).is_ne(), "the order tells what is equal");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The field, as a path.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Whether the spec is worked towards all the same.
    pub severity: Severity,
}

impl Problem {
    /// A problem with which the spec is not worked towards.
    pub fn refused(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), severity: Severity::Refused }
    }

    /// A problem that is reported only.
    pub fn warning(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), severity: Severity::Warning }
    }

    /// A field that is set, accepted and without effect.
    ///
    /// ```
    /// use endstate_core::{Problem, Severity};
    /// assert_eq!(Problem::unused("spec.old").severity, Severity::Warning);
    /// ```
    pub fn unused(field: impl Into<String>) -> Self {
        Self::warning(field, "has no effect: remove it")
    }

    /// What is wrong with the name of a cluster, after which [`peer_service`](crate::peer_service) and
    /// [`client_service`] are named.
    ///
    /// ```
    /// use endstate_core::Problem;
    /// assert_eq!(Problem::of_name("demo"), None);
    /// assert!(Problem::of_name("1.demo").is_some() && Problem::of_name(&"d".repeat(57)).is_some());
    /// ```
    pub fn of_name(name: &str) -> Option<Self> {
        let service = client_service(name);
        let message = if service.len() > LABEL_MAX {
            let most = LABEL_MAX - (service.len() - name.len());
            format!("must be at most {most} characters long, because services are named after it")
        } else if name.contains('.') || !name.starts_with(|it: char| it.is_ascii_lowercase()) {
            "must begin with a letter and contain no dot, because services are named after it"
                .into()
        } else {
            return None;
        };
        Some(Self::refused("metadata.name", message))
    }

    /// What is wrong with a change of a count of passwords, such as `spec.credential`. Members know one password and
    /// their operator two, the newest and the one before, so it may only go up by one.
    ///
    /// ```
    /// use endstate_core::Problem;
    /// assert_eq!(Problem::of_count("spec.credential", 1, 2), None);
    /// assert!(Problem::of_count("spec.credential", 1, 3).is_some());
    /// ```
    pub fn of_count(field: &str, old: u32, new: u32) -> Option<Self> {
        let why = "may only go up by one: a member knows one password, the operator the newest two";
        let good = matches!(new.checked_sub(old), Some(0 | 1));
        (!good).then(|| Self::refused(field, why))
    }

    /// What is wrong with the number of members that vote, of which there may be so many.
    ///
    /// ```
    /// use endstate_core::{Problem, Severity};
    /// assert_eq!(Problem::of_size(3, 7), None);
    /// assert_eq!(Problem::of_size(4, 7).unwrap().severity, Severity::Warning);
    /// assert_eq!(Problem::of_size(9, 7).unwrap().severity, Severity::Refused);
    /// ```
    pub fn of_size(size: i32, max: i32) -> Option<Self> {
        let field = "spec.size";
        match size {
            ..0 => Some(Self::refused(field, "must be at least 0")),
            0 => None,
            _ if size > max => Some(Self::refused(field, format!("must be at most {max}"))),
            _ if size % 2 == 1 => None,
            _ => Some(Self::warning(
                field,
                format!(
                    "{size} members tolerate no more failures than {}; use an odd size",
                    size - 1
                ),
            )),
        }
    }
}

/// Whether a spec with a problem is worked towards.
///
/// ```
/// assert_ne!(endstate_core::Severity::Refused, endstate_core::Severity::Warning);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Severity {
    /// The spec is not worked towards.
    Refused,
    /// It is reported, and worked towards.
    Warning,
}

/// What a changed spec means for a member that runs.
///
/// ```
/// use endstate_core::Change;
/// assert!(Change::Restart > Change::Live && Change::Recreate > Change::Restart);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// The member does not see it.
    Nothing,
    /// Labels and annotations of the running pod change.
    Live,
    /// The process restarts in place, on its data, from another image. Only for changes that
    /// [`App::runs`](crate::App::runs) can tell from what a member says.
    Restart,
    /// The pod has to be another. A member whose data is on a claim gets another pod on the same data; of one whose
    /// data goes with its pod a successor joins before it leaves.
    Recreate,
    /// The data has to be on another volume: a successor joins before the member leaves.
    Move,
}

impl Change {
    /// What a change of several parts means: what the one that takes most means.
    ///
    /// ```
    /// use endstate_core::Change;
    /// assert_eq!(Change::of([Change::Live, Change::Recreate, Change::Nothing]), Change::Recreate);
    /// ```
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().max().unwrap_or(Self::Nothing)
    }

    /// Whether it takes another member in the place of one whose data outlives its pod, or does not: on another volume,
    /// or because its data goes with its pod.
    pub(crate) fn takes_another(&self, durable: bool) -> bool {
        match self {
            Self::Move => true,
            Self::Recreate => !durable,
            Self::Nothing | Self::Live | Self::Restart => false,
        }
    }
}
