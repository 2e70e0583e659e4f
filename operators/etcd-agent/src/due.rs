//! What is to be done next with the backups of a cluster. Pure.

use std::collections::BTreeSet;

use endstate_archive::{Entry, EntryName, Keep, Target, chain, expired};
use jiff::{SignedDuration, Timestamp};

use crate::delta::After;
use crate::task::When;

/// How soon the next trial is after one that found other data, or could not be made.
const DOUBT_SECONDS: u64 = 600;
/// How old a full backup may be that is tried without deltas.
const FRESH_SECONDS: u64 = 60;

/// What is known.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The time.
    pub now: Timestamp,
    /// What is kept of the cluster for the object that asks for it.
    pub entries: &'a [Entry],
    /// When it was looked last whether anything was written.
    pub looked: Option<Timestamp>,
    /// When the last trial was.
    pub tried: Option<Timestamp>,
    /// Whether that found other data than the cluster's, or could not be made, and is to be made again soon.
    pub doubts: bool,
    /// Whether the last step was a delta.
    pub after_delta: bool,
    /// Full backups that were restored on trial.
    pub proven: &'a BTreeSet<EntryName>,
    /// Whether what was written since cannot be backed up alone.
    pub is_cut: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Back all data up.
    Full,
    /// Back up what was written since.
    Delta(After),
    /// Restore what is kept, and compare.
    Trial,
    /// Remove these.
    Remove(Vec<Entry>),
    /// Nothing before this moment.
    Rest(Timestamp),
    /// Nothing ever.
    Complete,
}

/// Says what is to be done. What was written since comes before what can wait.
pub fn due(when: &When, seen: &Seen<'_>) -> Step {
    let Some(every) = when.full else { return once(seen) };
    // What a wrong clock wrote is not newer than now.
    let past = seen.entries.iter().filter(|it| it.kind.is_full() && it.taken <= seen.now);
    let next_full = past.map(|it| it.taken).max().map(|it| after(it, every));
    if seen.is_cut || next_full.is_none_or(|it| it <= seen.now) {
        return Step::Full;
    }
    let (last, next_delta) = match (when.delta, end(seen.entries)) {
        (None, _) => (None, None),
        (Some(_), None) => return Step::Full,
        (Some(every), Some(last)) => {
            let taken = last.taken.min(seen.now);
            let next = after(seen.looked.map_or(taken, |it| it.max(taken)), every);
            (Some(last), Some(next))
        }
    };
    let delta = last.filter(|_| next_delta.is_some_and(|it| it <= seen.now));
    let (can_wait, next_trial) = can_wait(when, seen, next_full);
    match (delta, can_wait) {
        (Some(last), None) => return Step::Delta(last),
        // One after the other: deltas may be due all the time.
        (Some(last), Some(_)) if !seen.after_delta => return Step::Delta(last),
        (_, Some(step)) => return step,
        (None, None) => {}
    }
    let nexts = [next_full, next_trial, next_delta];
    Step::Rest(nexts.into_iter().flatten().min().unwrap_or(seen.now))
}

/// What is due beside backups, and when a trial is.
fn can_wait(
    when: &When,
    seen: &Seen<'_>,
    next_full: Option<Timestamp>,
) -> (Option<Step>, Option<Timestamp>) {
    let old = old(when, seen);
    let every = |every: u64| if seen.doubts { every.min(DOUBT_SECONDS) } else { every };
    let next = when.trial.map(|it| seen.tried.map_or(seen.now, |tried| after(tried, every(it))));
    if !old.is_empty() {
        return (Some(Step::Remove(old)), next);
    }
    let due = next.is_some_and(|it| it <= seen.now);
    // Compared is what is kept last, and that may be compacted in the cluster by now.
    let fresh = when.delta.is_some() || next_full.is_some_and(|it| is_fresh(it, when, seen.now));
    let step = if fresh { Step::Trial } else { Step::Full };
    (due.then_some(step), next)
}

/// Whether a full backup was taken just now, by when the next is due.
fn is_fresh(next: Timestamp, when: &When, now: Timestamp) -> bool {
    let taken = after(now, when.full.unwrap_or_default()).duration_since(next);
    taken < seconds(FRESH_SECONDS)
}

/// What is asked for once is there, or is made now.
fn once(seen: &Seen<'_>) -> Step {
    let made = seen.entries.iter().any(|it| it.kind.is_full());
    if made { Step::Complete } else { Step::Full }
}

/// What need not be kept any longer.
fn old(when: &When, seen: &Seen<'_>) -> Vec<Entry> {
    let keep = Keep { last: when.last, days: when.days };
    // A clock that is ahead makes nothing older than it is.
    let newest = seen.entries.iter().map(|it| it.taken).max().unwrap_or(seen.now);
    expired(seen.entries, &keep, seen.proven, seen.now.min(newest)).into_iter().cloned().collect()
}

/// The end of what is kept.
fn end(entries: &[Entry]) -> Option<After> {
    let chain = chain(entries, Target::Latest).ok()?;
    let last = chain.deltas.last().copied().unwrap_or(chain.full);
    Some(After::of(last))
}

fn after(moment: Timestamp, wait: u64) -> Timestamp {
    moment.checked_add(seconds(wait)).unwrap_or(Timestamp::MAX)
}

fn seconds(it: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(it).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number")
    }

    /// As it is read from an archive.
    fn entry(kind: &str, (first, last): (u64, u64), taken: i64, by: &str) -> Entry {
        let name = format!("a/{kind}-{first:020}-{last:020}-20260101T000000Z-{taken:016x}");
        let mut entry = serde_json::json!({
            "format": 1, "name": name, "kind": kind, "taken": at(taken), "by": by, "bytes": 1, "stored": 1,
            "sha256": "0".repeat(64), "compression": "none", "encryption": "none",
        });
        match kind {
            "full" => entry["revision"] = last.into(),
            _ => {
                (entry["first"], entry["last"]) = (first.into(), last.into());
                entry["from"] = serde_json::json!(at(0));
            }
        }
        serde_json::from_value(entry).expect("it is an entry")
    }

    fn when() -> When {
        When { full: Some(3_600), delta: Some(60), trial: Some(600), ..When::default() }
    }

    fn seen<'a>(now: i64, entries: &'a [Entry], proven: &'a BTreeSet<EntryName>) -> Seen<'a> {
        let (looked, tried) = (None, None);
        let (doubts, after_delta, is_cut) = (false, false, false);
        Seen { now: at(now), entries, looked, tried, doubts, after_delta, proven, is_cut }
    }

    #[test]
    fn what_is_asked_for_once_is_made_once() {
        let none = BTreeSet::new();
        let made = [entry("full", (9, 9), 0, "me")];
        let once = When::default();
        assert_eq!(due(&once, &seen(0, &[], &none)), Step::Full);
        assert_eq!(due(&once, &seen(0, &made, &none)), Step::Complete);
    }

    #[test]
    fn each_has_its_time_and_between_them_is_rest() {
        let none = BTreeSet::new();
        let entries = [entry("full", (5, 5), 0, "me"), entry("delta", (6, 9), 2 * MINUTE, "me")];
        let now = |second| Seen { tried: Some(at(0)), ..seen(second, &entries, &none) };
        assert_eq!(due(&when(), &seen(0, &[], &none)), Step::Full);
        assert_eq!(due(&when(), &now(3_600)), Step::Full);
        assert_eq!(due(&when(), &now(2 * MINUTE)), Step::Rest(at(3 * MINUTE)));
        let after = After { revision: 9, taken: at(2 * MINUTE), mark: None };
        assert_eq!(due(&when(), &now(3 * MINUTE)), Step::Delta(after.clone()));
        // Nothing was written when it was looked.
        let looked = Seen { looked: Some(at(3 * MINUTE)), ..now(3 * MINUTE) };
        assert_eq!(due(&when(), &looked), Step::Rest(at(4 * MINUTE)));
        assert_eq!(
            due(&when(), &now(600)),
            Step::Delta(after),
            "what was written since comes first"
        );
        assert_eq!(due(&when(), &Seen { after_delta: true, ..now(600) }), Step::Trial);
        let looked = Seen { looked: Some(at(600)), ..now(600) };
        assert_eq!(due(&when(), &looked), Step::Trial);
        assert_eq!(
            due(&when(), &seen(2 * MINUTE, &entries, &none)),
            Step::Trial,
            "none was made yet"
        );
        // What differed, or could not be tried, is tried again soon.
        let daily = When { trial: Some(86_400), ..when() };
        let looked = Seen { looked: Some(at(700)), ..now(700) };
        assert_eq!(due(&daily, &looked), Step::Rest(at(760)));
        assert_eq!(due(&daily, &Seen { doubts: true, ..looked }), Step::Trial);
        // Without deltas what is tried is made first, since the cluster may not have its history any more.
        let alone = When { delta: None, ..when() };
        assert_eq!(due(&alone, &now(600)), Step::Full);
        assert_eq!(due(&alone, &Seen { tried: None, ..now(30) }), Step::Trial);
        // An entry from the future does not put anything off.
        let future = [entry("full", (5, 5), 1_000_000, "me")];
        assert_eq!(due(&when(), &seen(0, &future, &none)), Step::Full);
        let cut = Seen { is_cut: true, ..now(3 * MINUTE) };
        assert_eq!(due(&when(), &cut), Step::Full);
    }

    #[test]
    fn what_was_tried_stays() {
        let none = BTreeSet::new();
        let entries = [entry("full", (5, 5), 0, "me"), entry("full", (7, 7), 2, "me")];
        let when = When { last: Some(1), ..when() };
        let Step::Remove(old) = due(&when, &seen(3, &entries, &none)) else {
            panic!("nothing goes")
        };
        assert_eq!(old, [entries[0].clone()]);
        let proven = BTreeSet::from([entries[0].name.clone()]);
        assert_ne!(due(&when, &seen(3, &entries, &proven)), Step::Remove(old), "it is proven");
    }
}
