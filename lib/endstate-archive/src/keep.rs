//! Which entries are kept. Pure: no I/O and no clock.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::name::{EntryName, Lineage};

/// Which full entries are kept: those that any of the rules keeps. Without a rule all are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keep {
    /// The newest so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// What it takes to restore any moment of the last so many days: the newest one before them as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// The entries that need not be kept any longer, of each lineage.
///
/// It never names the newest full entry, nor the newest of those that were `tried` by a restore, nor a delta that goes
/// on from a full entry that is kept. Deltas go with the full entry that they go on from.
///
/// ```
/// use std::collections::BTreeSet;
///
/// use endstate_archive::{Entry, Keep, expired};
/// use jiff::Timestamp;
///
/// fn names(entries: &[Entry], now: Timestamp) -> Vec<String> {
///     let keep = Keep { last: Some(7), days: Some(30) };
///     expired(entries, &keep, &BTreeSet::new(), now).iter().map(|it| it.name.to_string()).collect()
/// }
/// # assert!(names(&[], Timestamp::UNIX_EPOCH).is_empty());
/// ```
pub fn expired<'a>(
    entries: &'a [Entry],
    keep: &Keep,
    tried: &BTreeSet<EntryName>,
    now: Timestamp,
) -> Vec<&'a Entry> {
    let mut lineages: BTreeMap<&Lineage, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        lineages.entry(entry.lineage()).or_default().push(entry);
    }
    lineages.into_values().flat_map(|it| expired_of_lineage(it, keep, tried, now)).collect()
}

fn expired_of_lineage<'a>(
    entries: Vec<&'a Entry>,
    keep: &Keep,
    tried: &BTreeSet<EntryName>,
    now: Timestamp,
) -> Vec<&'a Entry> {
    let (mut fulls, deltas): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|it| it.kind.is_full());
    fulls.sort_by_key(|it| std::cmp::Reverse(age(it)));
    let kept = kept(&fulls, keep, tried, now);
    let (kept, gone): (Vec<&Entry>, Vec<&Entry>) =
        fulls.iter().partition(|it| kept.contains(&it.name));
    let needed = |delta: &&Entry| match bases(delta, &fulls) {
        // Nothing leads to it; it may be that its full entry is still being written, unless a later one is there.
        bases if bases.is_empty() => !kept.iter().any(|it| it.kind.last() >= delta.kind.last()),
        bases => bases.iter().any(|it| kept.iter().any(|kept| kept.name == it.name)),
    };
    gone.into_iter().chain(deltas.into_iter().filter(|it| !needed(it))).collect()
}

/// The full entries of those, newest first, that are kept.
fn kept<'a>(
    fulls: &[&'a Entry],
    keep: &Keep,
    tried: &BTreeSet<EntryName>,
    now: Timestamp,
) -> BTreeSet<&'a EntryName> {
    let newest = fulls.first();
    let newest_tried = fulls.iter().find(|it| tried.contains(&it.name));
    // Beyond what timestamps can tell, everything is young enough.
    let since = keep.days.map(|it| {
        let days = SignedDuration::from_hours(i64::from(it) * 24);
        now.checked_sub(days).unwrap_or(Timestamp::MIN)
    });
    let before = since.and_then(|since| fulls.iter().find(|it| it.taken <= since));
    let by_rule = |index: usize, full: &Entry| {
        let of_last = keep.last.is_some_and(|it| usize::try_from(it).is_ok_and(|it| index < it));
        let of_days = since.is_some_and(|it| full.taken > it);
        of_last || of_days || *keep == Keep::default()
    };
    let ruled =
        fulls.iter().enumerate().filter(|(index, it)| by_rule(*index, it)).map(|(_, it)| it);
    let held = [newest, newest_tried, before].into_iter().flatten();
    ruled.chain(held).map(|it| &it.name).collect()
}

/// The full entries that a delta goes on from: the newest before it, and any within it that it leads on from.
fn bases<'a>(delta: &Entry, fulls: &[&'a Entry]) -> Vec<&'a Entry> {
    let first = delta.kind.first();
    let before = fulls.iter().map(|it| it.kind.last()).filter(|it| *it < first).max();
    let within = |full: &Entry| first <= full.kind.last() && age(full) < age(delta);
    fulls.iter().filter(|it| Some(it.kind.last()) == before || within(it)).copied().collect()
}

fn age(entry: &Entry) -> (u64, Timestamp) {
    (entry.kind.last(), entry.taken)
}
