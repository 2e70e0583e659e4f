//! What is wrong with a spec, and what a change of one means.

use serde::{Deserialize, Serialize};

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
    /// It cannot be done.
    Refuse(Problem),
}
