//! Operations: objects beside a cluster that are carried out once, as a Job is.
//!
//! An application names the kind ([`App::operations`](crate::App::operations)); each object asks for one thing. Whose
//! turn it is, how far it is, and what is due for it is decided here and in the planner; an application brings no more
//! than its own steps. An operation is started in its status before anything is asked for, one at a time for each
//! cluster, the oldest first; and once its status says that it is over nobody looks at it again, whatever the cluster
//! becomes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::beside::{Beside, Tended, Verdict};
use crate::facts::Facts;
use crate::id::MemberName;
use crate::progress::{Progress, State, seconds};
use crate::status::Truth;

/// The kind of an application's operations, and what they can ask for.
///
/// ```
/// use endstate_core::{Beside, Facts, Operation, Operations};
/// use serde_json::json;
/// let operations = Operations::new("ToyTask", &["Compact"]);
/// let read = |spec| operations.of(&Beside::new("ToyTask", "one", Facts::of(&spec)));
/// let to = Some("example-x7k2p".into());
/// assert_eq!(read(json!({"moveLeader": {"to": "example-x7k2p"}})), Some(Operation::MoveLeader { to }));
/// let step = "Compact".to_owned();
/// assert_eq!(read(json!({"compact": {}})), Some(Operation::OnMembers { step, members: vec![] }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operations {
    /// The kind of the objects.
    pub kind: &'static str,
    /// Other kinds whose objects ask for the same in words of their own: what they ask for is read as what one of
    /// [`Operations::kind`] asks for.
    pub fronts: &'static [&'static str],
    /// The application's own steps that can be asked for, by name: `Compact` is asked for as `spec.compact`, of all
    /// members or of those under `members`. Each is asked of the member itself, and may block it. A driver that is
    /// asked for it twice does it twice, which must do no harm.
    pub steps: &'static [&'static str],
    /// Whether a cluster can begin anew with other data ([`Operation::Restore`]).
    pub restores: bool,
    /// How many entries a member may lack of what its leader has when it is asked for one of the steps; `None` if that
    /// plays no role.
    pub entries_behind_max: Option<u64>,
}

/// What an operation asks for.
///
/// ```
/// use endstate_core::Operation;
/// let operation = Operation::ReplaceMember { member: "example-x7k2p".into() };
/// assert_eq!(operation.to_string(), "another member takes the place of example-x7k2p");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// Another voter leads.
    MoveLeader {
        /// Which; any other that works if nobody is named.
        to: Option<MemberName>,
    },
    /// Another member joins in place of this one, which leaves then.
    ReplaceMember {
        /// Which.
        member: MemberName,
    },
    /// A step of the application's own, of one member after the other, who leads last.
    OnMembers {
        /// Which.
        step: String,
        /// The members; all if none is named.
        members: Vec<MemberName>,
    },
    /// The cluster begins anew with the data of a backup: its members make room for others, and their volumes are kept.
    Restore {
        /// What the data is made of, as the application reads it ([`LaunchOf::source`](crate::LaunchOf::source)).
        source: Facts,
    },
    /// None that is known here.
    Unknown,
}

/// What is below the field that names the operation.
#[derive(Deserialize)]
struct Asked {
    to: Option<MemberName>,
    member: Option<MemberName>,
    #[serde(default)]
    members: Vec<MemberName>,
}

impl Operations {
    /// Operations of this kind, with these steps of the application's own.
    pub const fn new(kind: &'static str, steps: &'static [&'static str]) -> Self {
        Self { kind, fronts: &[], steps, restores: false, entries_behind_max: None }
    }

    /// The same, where a cluster can begin anew with other data: that is asked for as `spec.restore`.
    #[must_use]
    pub const fn restoring(self) -> Self {
        Self { restores: true, ..self }
    }

    /// The same, with steps for which no member is asked that lacks more than so many entries of what its leader has.
    #[must_use]
    pub const fn of_caught_up(self, entries_behind_max: u64) -> Self {
        Self { entries_behind_max: Some(entries_behind_max), ..self }
    }

    /// The same, which objects of these kinds ask for, too.
    ///
    /// ```
    /// let operations = endstate_core::Operations::new("ToyTask", &[]).fronts(&["ToyRestore"]);
    /// assert!(operations.has("ToyRestore") && !operations.has("ToyUser"));
    /// ```
    #[must_use]
    pub const fn fronts(self, fronts: &'static [&'static str]) -> Self {
        Self { fronts, ..self }
    }

    /// Whether objects of this kind ask for operations.
    pub fn has(&self, kind: &str) -> bool {
        kind == self.kind || self.fronts.contains(&kind)
    }

    /// What an object asks for; `None` if it is of another kind.
    pub fn of(&self, object: &Beside) -> Option<Operation> {
        if !self.has(&object.kind) {
            return None;
        }
        let fields = object.spec.read::<BTreeMap<String, Value>>().unwrap_or_default();
        let asked = |field: &str| Asked::deserialize(fields.get(field)?).ok();
        let step = || {
            let mut steps = self.steps.iter();
            steps.find_map(|it| Some((*it, asked(&field_of(it))?.members)))
        };
        if let Some(asked) = asked("moveLeader") {
            return Some(Operation::MoveLeader { to: asked.to });
        }
        if let Some(member) = asked("replaceMember").and_then(|it| it.member) {
            return Some(Operation::ReplaceMember { member });
        }
        if let Some(source) = fields.get("restore").filter(|_| self.restores) {
            return Some(Operation::Restore { source: Facts::of(source) });
        }
        let step =
            step().map(|(it, members)| Operation::OnMembers { step: it.to_owned(), members });
        Some(step.unwrap_or(Operation::Unknown))
    }

    /// The operation whose turn it is: the one that was started, or else the oldest.
    pub(crate) fn current<'b>(&self, beside: &'b [Beside]) -> Option<(&'b Beside, Operation)> {
        self.first(beside, |it| !matches!(it, Operation::Restore { .. }))
    }

    /// The same of those that have a cluster begin anew: they wait for no other, which may need what is lost.
    pub(crate) fn restore<'b>(&self, beside: &'b [Beside]) -> Option<(&'b Beside, Facts)> {
        match self.first(beside, |it| matches!(it, Operation::Restore { .. }))? {
            (object, Operation::Restore { source }) => Some((object, source)),
            _ => None,
        }
    }

    fn first<'b>(
        &self,
        beside: &'b [Beside],
        counts: impl Fn(&Operation) -> bool,
    ) -> Option<(&'b Beside, Operation)> {
        let pending = beside.iter().filter(|it| !it.progress.state.is_over() && !it.deleting);
        let operations = pending.filter_map(|it| Some((it, self.of(it)?)));
        let operations = operations.filter(|it| counts(&it.1));
        operations.min_by_key(|(it, _)| (!it.progress.is_started(), it.created, &it.name))
    }

    /// What becomes of an operation whose cluster is not there, or goes. One that was started is not carried on by the
    /// next cluster of that name.
    ///
    /// ```
    /// use endstate_core::{Beside, Facts, Operations};
    /// let object = Beside::new("ToyTask", "one", Facts::default());
    /// let operations = Operations::new("ToyTask", &[]);
    /// let tended = operations.without_cluster(&object, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    /// assert_eq!(tended.verdict.reason, "ClusterNotFound");
    /// ```
    pub fn without_cluster(&self, object: &Beside, now: Timestamp) -> Option<Tended> {
        self.of(object)?;
        Some(match object.progress.state {
            state if state.is_over() => object.as_it_was(),
            State::Running => {
                object.over(State::Failed, ("ClusterDeleted", "its cluster was deleted"), now)
            }
            _ => {
                let why = format!("there is no cluster {} in this namespace", object.cluster);
                object.tended(Verdict::waits("ClusterNotFound", why)).at(Progress::default())
            }
        })
    }
}

/// `Compact` is asked for by the field `compact`.
fn field_of(step: &str) -> String {
    let mut letters = step.chars();
    let first = letters.next().map(|it| it.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

impl Beside {
    /// What becomes of an operation that is over: nothing.
    pub(crate) fn as_it_was(&self) -> Tended {
        let complete = self.progress.state == State::Complete;
        let untold = || match complete {
            true => Verdict::ready("Complete", "it is complete"),
            false => Verdict::waits("Failed", "it failed"),
        };
        let told = self.ready.as_ref().filter(|it| (it.status == Truth::True) == complete);
        let told =
            told.map(|it| Verdict { status: it.status, ..Verdict::ready(&it.reason, &it.message) });
        self.tended(told.unwrap_or_else(untold)).at(self.progress.clone())
    }

    /// An operation that is over from now on.
    pub(crate) fn over(
        &self,
        state: State,
        (reason, message): (&str, impl Into<String>),
        now: Timestamp,
    ) -> Tended {
        let verdict = match state {
            State::Complete => Verdict::ready(reason, message),
            _ => Verdict::waits(reason, message),
        };
        let now = seconds(now);
        let mut progress = Progress { state, completion_time: Some(now), ..self.progress.clone() };
        progress.start_time.get_or_insert(now);
        // Another may be waiting.
        self.tended(verdict).at(progress).soon()
    }
}
