//! Whether a member may start: the rule, and what it is decided on.

use endstate_core::Evidence;

/// What the data directories hold.
///
/// ```
/// assert_ne!(endstate::launcher::Data::Blank, endstate::launcher::Data::Present);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// No file that matches: the application would start as a new member.
    Blank,
    /// The application would start as the member it was.
    Present,
    /// Of several directories one has no file that matches, and another has: nobody knows what the application would
    /// do.
    Partial,
    /// The application would start as another member, which may run elsewhere.
    Foreign,
}

/// Whether the member was started before, by one witness.
///
/// ```
/// assert_ne!(endstate::launcher::Marker::Absent, endstate::launcher::Marker::Present);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Never, as far as it knows.
    Absent,
    /// At least once.
    Present,
}

/// Every witness of an earlier start.
///
/// ```
/// use endstate::launcher::{Data, Decision, Marker, Marks, decide};
/// use endstate_core::Evidence;
/// let marks = Marks { file: Marker::Absent, pod: Marker::Present, record: Marker::Absent };
/// assert_eq!(decide(Data::Blank, marks), Decision::Refuse(Evidence::DataLost));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The marker file in the pod's own directory.
    pub file: Marker,
    /// The operator's mark on the pod.
    pub pod: Marker,
    /// The operator's record.
    pub record: Marker,
}

/// What to do with one start.
///
/// ```
/// assert_ne!(endstate::launcher::Decision::Start, endstate::launcher::Decision::FirstStart);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write the marker and the file that permits it, then execute.
    FirstStart,
    /// Write the marker, then execute.
    MarkAndStart,
    /// Execute.
    Start,
    /// Say this of the data, and end.
    Refuse(Evidence),
}

/// The rule, as a table: by the data and every witness of an earlier start.
///
/// ```
/// use endstate::launcher::{Data, Decision, Marker::Absent, Marks, decide};
/// let never = Marks { file: Absent, pod: Absent, record: Absent };
/// assert_eq!(decide(Data::Blank, never), Decision::FirstStart);
/// ```
#[must_use]
pub fn decide(data: Data, marks: Marks) -> Decision {
    use Marker::{Absent, Present};
    match (data, marks) {
        (Data::Blank, Marks { file: Absent, pod: Absent, record: Absent }) => Decision::FirstStart,
        (Data::Blank | Data::Partial, _) => Decision::Refuse(Evidence::DataLost),
        (Data::Foreign, _) => Decision::Refuse(Evidence::DataForeign),
        (Data::Present, Marks { file: Absent, .. }) => Decision::MarkAndStart,
        (Data::Present, Marks { file: Present, .. }) => Decision::Start,
    }
}
