//! Histories of a store that lies once are refused.

use std::cell::Cell;

use endstate_linear::kv::{self, Action, Condition, Entry, Outcome, Output, Problem};
use endstate_linear::{Budget, History, Verdict};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::store::{self, KvHistory, KvOperation, PUTS, SWAPS, Setting, without_revisions};

const SETTING: Setting = Setting { clients: 4, keys: 2, unknown: 50, unique: true, kinds: PUTS };

/// Makes one lie in histories of a store that is right, and checks that the problem is what it should be: of so many
/// lies at least.
pub(crate) fn assert_refused(
    setting: Setting,
    lies: impl Fn(&[KvOperation]) -> Vec<Vec<KvOperation>>,
    is_expected: impl Fn(&KvHistory, &Problem) -> bool,
) {
    let count = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&store::draws(20..60), |draws| {
        let history = store::history(&draws, setting);
        for lie in lies(history.operations()).into_iter().take(5) {
            let lie = History::new(lie).expect("times are the same");
            let verdict = kv::check(&lie, Budget::USUAL);
            let Verdict::Violation(problem) = verdict else {
                return Err(TestCaseError::fail(format!("{verdict}")));
            };
            prop_assert!(is_expected(&lie, &problem), "{}", problem);
            count.set(count.get() + 1);
        }
        Ok(())
    });
    result.unwrap_or_else(|it| panic!("{it}"));
    assert!(count.get() > 80, "only {} lies", count.get());
}

/// A lie is found by values alone, too.
fn assert_out_of_order(setting: Setting, lies: impl Fn(&[KvOperation]) -> Vec<Vec<KvOperation>>) {
    assert_refused(setting, lies, |lie, _| {
        let verdict = kv::check(&without_revisions(lie), Budget::USUAL);
        matches!(verdict, Verdict::Violation(Problem::Order(_)))
    });
}

/// The same operations with another answer to one of them.
pub(crate) fn answering(
    operations: &[KvOperation],
    index: usize,
    change: impl FnOnce(&mut Output),
) -> Vec<KvOperation> {
    let mut operations = operations.to_vec();
    change(&mut operations[index].answer.as_mut().expect("an answer").output);
    operations
}

fn reading(operations: &[KvOperation], index: usize, value: Option<&str>) -> Vec<KvOperation> {
    answering(operations, index, |it| it.outcome = Outcome::Read(value.map(Entry::new)))
}

/// Whether the first was over before the second began, on the same key.
fn is_before(first: &KvOperation, second: &KvOperation) -> bool {
    first.input.key == second.input.key && is_earlier(first, second)
}

/// Whether the first was over before the second began.
pub(crate) fn is_earlier(first: &KvOperation, second: &KvOperation) -> bool {
    first.returned().is_some_and(|it| it < second.called)
}

/// The places of reads that were answered.
pub(crate) fn reads(operations: &[KvOperation]) -> impl Iterator<Item = usize> {
    let is_read = |it: &KvOperation| it.input.action == Action::Get && it.answer.is_some();
    (0..operations.len()).filter(move |it| is_read(&operations[*it]))
}

/// What an operation was to write without a condition.
pub(crate) fn put(operation: &KvOperation) -> Option<&str> {
    match &operation.input.action {
        Action::Put(value) => Some(value),
        _ => None,
    }
}

fn answered_puts(operations: &[KvOperation]) -> impl Iterator<Item = (&KvOperation, &str)> {
    let answered = operations.iter().filter(|it| it.answer.is_some());
    answered.filter_map(|it| Some((it, put(it)?)))
}

#[test]
fn a_stale_read_is_refused() {
    assert_out_of_order(SETTING, |operations| {
        let stale = |read: usize| {
            let is_over = |it: &KvOperation| is_before(it, &operations[read]);
            let mut over = answered_puts(operations).filter(|(it, _)| is_over(it));
            let overwritten = |it: &KvOperation| {
                answered_puts(operations).any(|(later, _)| is_before(it, later) && is_over(later))
            };
            let (_, value) = over.find(|(it, _)| overwritten(it))?;
            Some(reading(operations, read, Some(value)))
        };
        reads(operations).filter_map(stale).collect()
    });
}

#[test]
fn a_lost_write_is_refused() {
    assert_out_of_order(SETTING, |operations| {
        let is_after_write = |read: &usize| {
            answered_puts(operations).any(|(it, _)| is_before(it, &operations[*read]))
        };
        let lost = reads(operations).filter(is_after_write);
        lost.map(|it| reading(operations, it, None)).collect()
    });
}

#[test]
fn a_lost_update_is_refused() {
    let expected = |it: &KvOperation, outcome| match (&it.input.action, it.output()) {
        (Action::PutIf(Condition::Value(value), _), Some(it)) if it.outcome == outcome => {
            Some(value.clone())
        }
        _ => None,
    };
    let setting = Setting { clients: 8, keys: 1, kinds: SWAPS, ..SETTING };
    assert_out_of_order(setting, |operations| {
        let swapped: Vec<_> =
            operations.iter().filter_map(|it| expected(it, Outcome::Written)).collect();
        let is_second = |it: &usize| {
            expected(&operations[*it], Outcome::Refused).is_some_and(|it| swapped.contains(&it))
        };
        let seconds = (0..operations.len()).filter(is_second);
        let swap = |it| answering(operations, it, |output| output.outcome = Outcome::Written);
        seconds.map(swap).collect()
    });
}

#[test]
fn a_value_that_nobody_wrote_is_refused() {
    assert_out_of_order(SETTING, |operations| {
        reads(operations).map(|it| reading(operations, it, Some("ghost"))).collect()
    });
}

#[test]
fn an_unknown_write_that_was_seen_stays() {
    let value = |it: &KvOperation| Some(it.output()?.entry()?.value.clone());
    assert_out_of_order(SETTING, |operations| {
        let unknown = operations.iter().filter(|it| it.answer.is_none());
        let seen = unknown.flat_map(|write| {
            let sees = |it: &&KvOperation| {
                it.input.key == write.input.key && put(write) == value(it).as_deref()
            };
            let earlier = answered_puts(operations).find(|(it, _)| is_before(it, write));
            let unseen = move |(_, value): (&KvOperation, &str)| {
                let reader = operations.iter().find(sees)?;
                let later = reads(operations).find(|it| is_before(reader, &operations[*it]))?;
                Some(reading(operations, later, Some(value)))
            };
            put(write).and(earlier).and_then(unseen)
        });
        seen.collect()
    });
}
