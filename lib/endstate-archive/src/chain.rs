//! Which entries lead to a state, and how far to read the last of them. Pure: no I/O and no clock.
//!
//! # What a moment means
//!
//! An entry says at which moment it was [taken](Entry::taken), by its writer's clock: all that was committed until
//! then is in it or before it, and nothing later. A delta says besides from which moment on its revisions were
//! committed. So the state at a moment is known exactly if an entry was taken then, or if nothing was committed around
//! it; otherwise it is somewhere in the delta whose interval holds the moment, which is the last of the chain, and
//! [`Stop::Time`] says that its reader has to stop in the middle. A writer that wants to be more exact than its deltas
//! are long notes times in their data; whoever reads one without such notes has the choice between all of the delta
//! and nothing of it.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::entry::{Entry, Kind};
use crate::name::Lineage;

/// Which state is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest that there is.
    Latest,
    /// The one right after a revision was committed.
    Revision(u64),
    /// The one at a moment: see the [module](self).
    Time(Timestamp),
}

/// The entries that lead to a state, each to be applied after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<'a> {
    /// All of the data at a revision at or before the target.
    pub full: &'a Entry,
    /// What happened since, in order. One may begin with revisions that those before it hold already: skip them.
    pub deltas: Vec<&'a Entry>,
    /// Where to stop within the last delta; `None` if all of it is wanted.
    pub stop: Option<Stop>,
}

/// Where to stop within the last delta of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This revision is the last.
    Revision(u64),
    /// What was committed after this moment is not wanted.
    Time(Timestamp),
}

/// A state that an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its revision.
    pub revision: u64,
    /// When it was taken.
    pub taken: Timestamp,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {} of {}", self.revision, self.taken)
    }
}

impl From<&Entry> for Point {
    fn from(entry: &Entry) -> Self {
        Self { revision: entry.kind.last(), taken: entry.taken }
    }
}

/// Why no entries lead to a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChain {
    /// No entry holds all of the data.
    #[error("there is no full entry: take one")]
    Empty,
    /// The entries are of several histories.
    #[error("the entries are of several lineages, whose revisions cannot be compared: choose one")]
    Lineages(Vec<Lineage>),
    /// The target is older than all that is kept.
    #[error("the oldest state that is kept is {earliest}: choose it or a later one")]
    BeforeFirst {
        /// The oldest full entry.
        earliest: Point,
    },
    /// Deltas are missing on the way.
    #[error(
        "revisions after {after} are missing, and the next that is kept is {next}: choose {after} or one from the next full entry on"
    )]
    Gap {
        /// The last revision that can be restored before the gap.
        after: u64,
        /// The first that is kept after it.
        next: u64,
    },
    /// The target is newer than all that is kept.
    #[error("the newest state that is kept is {newest}: choose it or an earlier one")]
    Beyond {
        /// The newest.
        newest: Point,
    },
}

/// Finds the entries of one lineage that lead to a state.
///
/// ```
/// use endstate_archive::{Entry, Target, chain};
///
/// fn told(entries: &[Entry]) -> String {
///     match chain(entries, Target::Revision(1_000)) {
///         Ok(chain) => format!("{} and {} deltas", chain.full.name, chain.deltas.len()),
///         Err(no) => no.to_string(),
///     }
/// }
/// assert_eq!(told(&[]), "there is no full entry: take one");
/// ```
pub fn chain(entries: &[Entry], target: Target) -> Result<Chain<'_>, NoChain> {
    let lineages: BTreeSet<_> = entries.iter().map(Entry::lineage).collect();
    if lineages.len() > 1 {
        return Err(NoChain::Lineages(lineages.into_iter().cloned().collect()));
    }
    let fulls = || entries.iter().filter(|it| it.kind.is_full());
    let earliest = fulls().min_by_key(|it| age(it)).ok_or(NoChain::Empty)?;
    // A gap after the newest full one is one after each older, too: the newest is all that has to be tried.
    let full = fulls().filter(|it| is_before(it, target)).max_by_key(|it| age(it));
    let full = full.ok_or(NoChain::BeforeFirst { earliest: earliest.into() })?;
    let walk = Walk::new(entries, full);
    let (deltas, stop) = match target {
        Target::Latest => walk.until_latest(),
        Target::Revision(revision) => walk.until_revision(revision),
        Target::Time(time) => walk.until_time(time),
    }?;
    Ok(Chain { full, deltas, stop })
}

fn age(entry: &Entry) -> (u64, Timestamp) {
    (entry.kind.last(), entry.taken)
}

fn is_before(full: &Entry, target: Target) -> bool {
    match target {
        Target::Latest => true,
        Target::Revision(revision) => full.kind.last() <= revision,
        Target::Time(time) => full.taken <= time,
    }
}

type Way<'a> = Result<(Vec<&'a Entry>, Option<Stop>), NoChain>;

/// From a full entry on, delta by delta.
struct Walk<'a> {
    entries: &'a [Entry],
    at: Point,
    deltas: Vec<&'a Entry>,
    /// Deltas that were not looked at yet, by where they begin, the last of them first.
    ahead: Vec<&'a Entry>,
    /// Of those that were, the one that leads farthest.
    farthest: Option<&'a Entry>,
}

impl<'a> Walk<'a> {
    fn new(entries: &'a [Entry], full: &Entry) -> Self {
        let mut ahead: Vec<_> = entries.iter().filter(|it| !it.kind.is_full()).collect();
        ahead.sort_by_key(|it| std::cmp::Reverse(it.kind.first()));
        Self { entries, at: Point::from(full), deltas: Vec::new(), ahead, farthest: None }
    }

    fn until_latest(mut self) -> Way<'a> {
        while self.go_far() {}
        match self.gap() {
            Some(gap) => Err(gap),
            None => Ok((self.deltas, None)),
        }
    }

    fn until_revision(mut self, revision: u64) -> Way<'a> {
        while self.at.revision < revision {
            if !self.go_far() {
                return Err(self.gap().unwrap_or_else(|| self.beyond()));
            }
        }
        let stop = (self.at.revision > revision).then_some(Stop::Revision(revision));
        Ok((self.deltas, stop))
    }

    fn until_time(mut self, time: Timestamp) -> Way<'a> {
        while self.at.taken < time {
            let next: Vec<_> = self.next().filter(|(_, it)| it.taken > self.at.taken).collect();
            let whole =
                next.iter().filter(|(_, it)| it.taken <= time).max_by_key(|(_, it)| age(it));
            let around =
                next.iter().filter(|(from, _)| *from < time).min_by_key(|(_, it)| it.taken);
            match (whole.or(around), next.is_empty()) {
                (Some((_, delta)), _) => self.take(delta),
                // All that was committed since was committed after the moment.
                (None, false) => return Ok((self.deltas, None)),
                (None, true) if self.is_still_at(time) => return Ok((self.deltas, None)),
                (None, true) => return Err(self.gap().unwrap_or_else(|| self.beyond())),
            }
        }
        let stop = (self.at.taken > time).then_some(Stop::Time(time));
        Ok((self.deltas, stop))
    }

    /// Deltas that go on from here, with the moments from which on they do.
    fn next(&self) -> impl Iterator<Item = (Timestamp, &'a Entry)> {
        let at = self.at.revision;
        self.entries.iter().filter_map(move |it| match it.kind {
            Kind::Delta { first, last, from } if first <= at.saturating_add(1) && last >= at => {
                Some((from, it))
            }
            _ => None,
        })
    }

    fn take(&mut self, delta: &'a Entry) {
        self.at = Point::from(delta);
        self.deltas.push(delta);
    }

    /// Takes the delta that leads farthest, if one leads on at all.
    fn go_far(&mut self) -> bool {
        let next = self.at.revision.saturating_add(1);
        while let Some(delta) = self.ahead.pop_if(|it| it.kind.first() <= next) {
            let farther = self.farthest.is_none_or(|it| age(delta) > age(it));
            self.farthest = if farther { Some(delta) } else { self.farthest };
        }
        match self.farthest.filter(|it| it.kind.last() > self.at.revision) {
            Some(delta) => {
                self.take(delta);
                true
            }
            None => false,
        }
    }

    /// Whether the state was the same at a later moment.
    fn is_still_at(&self, time: Timestamp) -> bool {
        self.entries.iter().any(|it| it.kind.last() == self.at.revision && it.taken >= time)
    }

    /// If later revisions are kept, the gap before them.
    fn gap(&self) -> Option<NoChain> {
        let after = self.at.revision;
        let later = self.entries.iter().filter(|it| it.kind.last() > after);
        let next = later.map(|it| it.kind.first()).min()?;
        Some(NoChain::Gap { after, next })
    }

    fn beyond(&self) -> NoChain {
        let newest = self.entries.iter().max_by_key(|it| age(it)).map_or(self.at, Point::from);
        NoChain::Beyond { newest }
    }
}
