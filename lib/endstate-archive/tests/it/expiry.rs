//! What is kept and what is not.

use std::collections::BTreeSet;

use endstate_archive::{Entry, Keep, Kind, Target, chain, expired};
use proptest::prelude::*;

use crate::world::{at, delta, entry, full};

const DAY: i64 = 24 * 60 * 60;

/// The indices of those that are gone.
fn gone(entries: &[Entry], keep: Keep, tried: &[&Entry], now: i64) -> Vec<usize> {
    let tried: BTreeSet<_> = tried.iter().map(|it| it.name.clone()).collect();
    let expired = expired(entries, &keep, &tried, at(now));
    let is_gone = |it: &Entry| expired.iter().any(|gone| gone.name == it.name);
    (0..entries.len()).filter(|it| is_gone(&entries[*it])).collect()
}

fn last(count: u32) -> Keep {
    Keep { last: Some(count), days: None }
}

/// A full entry a day, and a delta after each.
fn daily(days: u64) -> Vec<Entry> {
    let day = |it: u64| {
        let (now, first) = (i64::try_from(it).expect("small") * DAY, it * 10);
        [full(first, now), delta(first + 1, first + 10, now, now + DAY)]
    };
    (1..=days).flat_map(day).collect()
}

#[test]
fn the_last_so_many_and_what_goes_on_from_them() {
    let entries = daily(4);
    assert_eq!(gone(&entries, last(2), &[], 5 * DAY), [0, 1, 2, 3]);
    assert_eq!(gone(&entries, last(9), &[], 5 * DAY), [0; 0]);
    assert_eq!(gone(&entries, Keep::default(), &[], 900 * DAY), [0; 0]);
}

#[test]
fn the_newest_stays_however_old() {
    let entries = daily(3);
    assert_eq!(gone(&entries, last(0), &[], 5 * DAY), [0, 1, 2, 3]);
    let keep = Keep { last: None, days: Some(1) };
    assert_eq!(gone(&entries, keep, &[], 900 * DAY), [0, 1, 2, 3]);
}

#[test]
fn the_newest_that_was_tried_stays() {
    let entries = daily(4);
    let tried = [&entries[0], &entries[2]];
    assert_eq!(gone(&entries, last(1), &tried, 5 * DAY), [0, 1, 4, 5]);
}

#[test]
fn any_moment_of_the_days_can_be_restored() {
    let entries = daily(6);
    let keep = Keep { last: None, days: Some(2) };
    // At noon of day 7 the two days begin at noon of day 5: its full entry of the morning is needed.
    let now = 7 * DAY + DAY / 2;
    assert_eq!(gone(&entries, keep, &[], now), [0, 1, 2, 3, 4, 5, 6, 7]);
    let kept: Vec<_> = entries[8..].to_vec();
    for moment in (now - 2 * DAY..7 * DAY).step_by(3_600) {
        assert!(chain(&kept, Target::Time(at(moment))).is_ok(), "{moment}");
    }
}

#[test]
fn a_delta_that_leads_over_a_kept_full_entry_stays() {
    let entries = vec![full(10, 1), delta(11, 30, 1, 3), full(20, 2), delta(31, 40, 3, 4)];
    assert_eq!(gone(&entries, last(1), &[], 5), [0]);
}

#[test]
fn a_delta_that_nothing_leads_to_stays_until_a_full_entry_is_later() {
    let early = delta(1, 5, 1, 2);
    assert_eq!(gone(std::slice::from_ref(&early), last(1), &[], 9), [0; 0]);
    assert_eq!(gone(&[early, full(9, 3)], last(1), &[], 9), [0]);
}

#[test]
fn lineages_are_counted_apart() {
    let other = |revision, taken| entry("other", Kind::Full { revision }, taken);
    let entries = vec![full(1, 1), full(2, 2), other(1, 1), other(2, 2)];
    assert_eq!(gone(&entries, last(1), &[], 9), [0, 2]);
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let full = (1_u64..50, 1_i64..50).prop_map(|(revision, taken)| full(revision, taken * DAY));
    let delta = (1_u64..50, 1_u64..9, 1_i64..50).prop_map(|(first, length, taken)| {
        delta(first, first + length, taken * DAY, taken * DAY + 60)
    });
    prop::collection::vec(prop_oneof![full, delta], 0..16)
}

fn keeps() -> impl Strategy<Value = Keep> {
    let number = || prop::option::of(0_u32..5);
    (number(), number()).prop_map(|(last, days)| Keep { last, days })
}

proptest! {
    /// Whatever is kept of full entries, all that could be put together from them still can.
    #[test]
    fn what_a_kept_full_entry_leads_to_is_kept(entries in entries(), keep in keeps(), now in 1_i64..60) {
        let gone: BTreeSet<_> = gone(&entries, keep, &[], now * DAY).into_iter().collect();
        let kept: Vec<_> =
            (0..entries.len()).filter(|it| !gone.contains(it)).map(|it| entries[it].clone()).collect();
        let newest = entries.iter().filter(|it| it.kind.is_full()).max_by_key(|it| (it.kind.last(), it.taken));
        prop_assert!(newest.is_none_or(|it| kept.contains(it)));
        prop_assert_eq!(chain(&entries, Target::Latest), chain(&kept, Target::Latest));
        for full in kept.iter().filter(|it| it.kind.is_full()) {
            // Until the next full entry, kept or not.
            let fulls = entries.iter().filter(|it| it.kind.is_full()).map(|it| it.kind.last());
            let until = fulls.filter(|it| *it > full.kind.last()).min().unwrap_or(60);
            for revision in full.kind.last()..until {
                let (before, after) =
                    (chain(&entries, Target::Revision(revision)), chain(&kept, Target::Revision(revision)));
                prop_assert_eq!(before.is_ok(), after.is_ok(), "{}", revision);
            }
        }
    }
}
