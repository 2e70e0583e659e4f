//! What a watcher was told, against what clients were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use super::action::{Input, Output, Revision};
use super::writes::writes;
use crate::history::History;
use crate::verdict::Shown;

/// A change that a watcher was told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// The revision of the write.
    pub revision: Revision,
    /// Of which key.
    pub key: String,
    /// What was written; `None` is a delete.
    pub value: Option<String>,
}

/// Whether a watcher was told everything once and in order. It has watched all keys of a history from before the first
/// operation until it was told all that the last one saw, and may have resumed as often as it liked.
///
/// Each event is a write of the history, no two have one revision and none is lower than the one before. Every write
/// whose answer tells its revision is an event, and so is the write of every entry that somebody read: those of unknown
/// outcome are known by it. Values are taken to be written once each.
///
/// ```
/// use endstate_linear::kv::{Action, Event, Input, Outcome, Output, Revision, watched};
/// use endstate_linear::{Client, History, Operation};
///
/// let put = |value: &str| Input::new("a", Action::put(value));
/// let written = |revision| Output::new(Outcome::Written).at(Revision(revision));
/// let history = History::new(vec![
///     Operation::new(Client(1), 0, put("1")).answered(10, written(7)),
///     Operation::new(Client(1), 20, put("2")).answered(30, written(8)),
/// ])?;
/// let event = |revision, value: &str| Event {
///     revision: Revision(revision),
///     key: "a".to_owned(),
///     value: Some(value.to_owned()),
/// };
/// assert_eq!(watched(&history, &[event(7, "1"), event(8, "2")]), Ok(()));
/// let missing = watched(&history, &[event(7, "1")]).expect_err("a write is missing");
/// assert_eq!(
///     missing.to_string(),
///     r#"no event tells of revision 8: [20, 30] client 1: put a = "2" -> written, revision 8"#
/// );
/// # Ok::<(), endstate_linear::Malformed>(())
/// ```
///
/// # Errors
///
/// The first thing that the watcher should not have been told, or was not.
pub fn watched(history: &History<Input, Output>, events: &[Event]) -> Result<(), Untrue> {
    ordered(events)?;
    let told: BTreeMap<Revision, &Event> = events.iter().map(|it| (it.revision, it)).collect();
    complete(history, &told)?;
    explained(history, events)
}

fn ordered(events: &[Event]) -> Result<(), Untrue> {
    let fallen = events.windows(2).find(|it| it[1].revision <= it[0].revision);
    fallen.map_or(Ok(()), |it| Err(Untrue::Disordered(it[0].clone(), it[1].clone())))
}

/// Every write that is known to have taken effect is an event.
fn complete(
    history: &History<Input, Output>,
    told: &BTreeMap<Revision, &Event>,
) -> Result<(), Untrue> {
    let shown = |index: usize| Shown::of(index, &history.operations()[index]);
    let is_told = |revision, key: &str, value: Option<&str>| {
        told.get(&revision).is_some_and(|it| it.key == key && it.value.as_deref() == value)
    };
    for write in writes(history) {
        if let Some(revision) = write.revision
            && !is_told(revision, write.key, write.value)
        {
            return Err(Untrue::Missing(revision, shown(write.index)));
        }
    }
    for (index, operation) in history.operations().iter().enumerate() {
        if let Some(entry) = operation.output().and_then(Output::entry)
            && let Some(revision) = entry.modified
            && !is_told(revision, &operation.input.key, Some(&entry.value))
        {
            return Err(Untrue::Missing(revision, shown(index)));
        }
    }
    Ok(())
}

/// Every event is a write that somebody asked for.
fn explained(history: &History<Input, Output>, events: &[Event]) -> Result<(), Untrue> {
    let (mut known, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for write in writes(history) {
        match write.revision {
            Some(revision) => known.insert(revision),
            None => unknown.insert((write.key, write.value)),
        };
    }
    for event in events.iter().filter(|it| !known.contains(&it.revision)) {
        // Each took effect once at most.
        if !unknown.remove(&(event.key.as_str(), event.value.as_deref())) {
            return Err(Untrue::Invented(event.clone()));
        }
    }
    Ok(())
}

/// What a watcher was told, or was not, and should not have been, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// Two events, of which the second has no higher revision than the one before.
    Disordered(Event, Event),
    /// No event tells of a write at this revision, which this operation shows.
    Missing(Revision, Shown),
    /// An event that tells of a write that nobody made, or of one twice.
    Invented(Event),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, key, value } = self;
        match value {
            Some(value) => write!(f, "{key} = {value:?} at {revision}"),
            None => write!(f, "no {key} at {revision}"),
        }
    }
}

impl fmt::Display for Untrue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disordered(before, after) => {
                write!(f, "an event is followed by no later one: {before}, {after}")
            }
            Self::Missing(revision, shown) => {
                write!(f, "no event tells of revision {revision}: {shown}")
            }
            Self::Invented(event) => write!(f, "an event tells of what nobody wrote: {event}"),
        }
    }
}

impl Error for Untrue {}
