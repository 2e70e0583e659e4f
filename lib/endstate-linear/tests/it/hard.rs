//! Histories that are known to be hard, budgets that run out, and what is no history.

use endstate_linear::kv::{Action, Condition, Entry, Input, KeyValue, Outcome, Output, Revision};
use endstate_linear::{
    Budget, Client, History, Limit, Malformed, Operation, Undecided, Verdict, check,
};

use super::store::KvOperation;

/// Far less than any search that tries all sets of unknown operations.
const SMALL: Budget = Budget { steps: 1_000_000, states: 50_000 };

/// An operation on key `a` whose outcome is unknown.
fn unknown(client: u32, called: u64, action: Action) -> KvOperation {
    Operation::new(Client(client), called, Input::new("a", action))
}

/// A write of key `a`, done from `called` to `called + 9`.
fn put(client: u32, called: u64, value: &str) -> KvOperation {
    unknown(client, called, Action::put(value)).answered(called + 9, Output::new(Outcome::Written))
}

/// A read of key `a`, done from `called` to `called + 9`.
fn get(client: u32, called: u64, value: &str) -> KvOperation {
    let read = Outcome::Read(Some(Entry::new(value)));
    unknown(client, called, Action::Get).answered(called + 9, Output::new(read))
}

fn verdict(operations: Vec<KvOperation>, budget: Budget) -> Verdict {
    check(&KeyValue, &History::new(operations).expect("a history"), budget)
}

#[track_caller]
fn assert_linearizable(operations: Vec<KvOperation>) {
    let verdict = verdict(operations, SMALL);
    assert!(verdict.is_linearizable(), "{verdict}");
}

/// Expects a violation at the last operation.
#[track_caller]
fn assert_refused(operations: Vec<KvOperation>) {
    let last = operations.len() - 1;
    match verdict(operations, SMALL) {
        Verdict::Violation(it) => assert_eq!(it.refused[0].index, last, "{it}"),
        other => panic!("{other}"),
    }
}

/// Sixty writes that nobody knows of, each of a value of its own.
fn sixty_unknown() -> Vec<KvOperation> {
    (0..60).map(|it| unknown(it, it.into(), Action::put(&format!("u{it}")))).collect()
}

#[test]
fn unknown_writes_are_seen_in_any_order_and_each_once() {
    let mut operations = sixty_unknown();
    for (place, seen) in (100..).step_by(20).zip([59, 3, 31, 0, 58, 30, 2]) {
        operations.push(put(100, place, &format!("p{place}")));
        operations.push(get(100, place + 10, &format!("u{seen}")));
    }
    assert_linearizable(operations.clone());
    assert_refused([operations, vec![get(100, 500, "u31")]].concat());
}

#[test]
fn of_many_unknown_writes_none_explains_what_nobody_wrote() {
    let mut operations = sixty_unknown();
    operations.extend((0..20).map(|it| put(200 + it, 100, &format!("p{it}"))).take(6));
    assert_refused([operations, vec![get(100, 200, "ghost")]].concat());
}

#[test]
fn unknown_writes_of_one_value_stand_for_each_other() {
    let mut operations: Vec<_> =
        (0..20).map(|it| unknown(it, it.into(), Action::put("x"))).collect();
    for round in 0..20 {
        operations.push(put(100, 100 + 20 * round, &round.to_string()));
        operations.push(get(100, 110 + 20 * round, "x"));
    }
    assert_linearizable(operations.clone());
    assert_refused([operations, vec![put(100, 600, "y"), get(100, 620, "x")]].concat());
}

#[test]
fn unknown_swaps_follow_each_other() {
    let swap = |client: u32, from: &str, to: &str| {
        unknown(client, 20, Action::put_if(Condition::Value(from.to_owned()), to))
    };
    let swaps = [swap(4, "c", "d"), swap(2, "a", "b"), swap(3, "b", "c")];
    let start = [&[put(1, 0, "a")], &swaps[..]].concat();
    assert_linearizable([&start[..], &[get(1, 30, "d")]].concat());
    assert_linearizable([&start[..], &[get(1, 30, "b"), get(1, 40, "d")]].concat());
    assert_refused([&start[..], &[get(1, 30, "c"), get(1, 40, "b")]].concat());
    assert_refused([&start[..1], &swaps[..2], &[get(1, 30, "d")]].concat());
}

/// Clients that write at the same time, then one that reads.
fn all_at_once(count: u32, last: &str) -> Vec<KvOperation> {
    let mut operations: Vec<_> = (0..count).map(|it| put(it, 0, &it.to_string())).collect();
    operations.push(get(1_000, 20, last));
    operations
}

#[test]
fn any_of_many_writes_may_be_the_last() {
    for last in [0, 5, 11] {
        assert_linearizable(all_at_once(12, &last.to_string()));
    }
    assert_refused(all_at_once(12, "ghost"));
}

/// The same with answers that tell in which order they were written: the one numbered 90 is the last.
fn all_at_once_in_order(last: &str) -> Vec<KvOperation> {
    let mut operations = all_at_once(97, last);
    for (number, operation) in operations[..97].iter_mut().enumerate() {
        let place = u64::try_from(number).expect("small") * 14 % 97;
        let answer = operation.answer.as_mut().expect("all are answered");
        answer.output.revision = Some(Revision(place + 1));
    }
    operations
}

#[test]
fn revisions_spare_the_search() {
    assert_linearizable(all_at_once_in_order("90"));
    assert_refused(all_at_once_in_order("89"));
}

#[test]
fn a_budget_ends_a_search() {
    let run_out = |budget| match verdict(all_at_once(16, "ghost"), budget) {
        Verdict::Undecided(it) => it,
        other => panic!("{other}"),
    };
    let of_states = run_out(Budget { states: 1_000, ..Budget::USUAL });
    let Undecided { steps, .. } = of_states;
    let expected = Undecided {
        part: "a".to_owned(),
        answered: 17,
        linearized: 16,
        limit: Limit::States,
        steps,
        states: 1_001,
    };
    assert_eq!(of_states, expected);
    let of_steps = run_out(Budget { steps: 1_000, ..Budget::USUAL });
    assert_eq!((of_steps.limit, of_steps.steps), (Limit::Steps, 1_001));
    let text = "a: undecided, 16 of 17 answers explained when the steps ran out (1001 steps, ";
    assert!(of_steps.to_string().starts_with(text), "{of_steps}");
    let whole = verdict(all_at_once(16, "ghost"), Budget::USUAL);
    assert!(matches!(whole, Verdict::Violation(_)), "{whole}");
}

#[test]
fn a_part_that_is_undecided_hides_no_violation() {
    let budget = Budget { states: 1_000, ..Budget::USUAL };
    let mut operations = all_at_once(16, "ghost");
    let mut other = get(200, 0, "ghost");
    other.input.key = "b".to_owned();
    operations.push(other);
    match verdict(operations, budget) {
        Verdict::Violation(it) => assert_eq!((it.part.as_str(), it.refused[0].index), ("b", 17)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_violation_is_cut_at_the_first_answer_that_no_order_gets_past() {
    let mut operations: Vec<_> = (0..500).map(|it| put(1, 10 * it, &it.to_string())).collect();
    operations[300] = get(1, 3_000, "7");
    let Verdict::Violation(violation) = verdict(operations, SMALL) else { panic!("a stale read") };
    assert_eq!((violation.returned, violation.linearized.len()), (3_009, 300));
    let text = violation.to_string();
    assert!(text.contains("(288 before)") && text.lines().count() < 20, "{text}");
    assert!(text.ends_with("  [3000, 3009] client 1: get a -> \"7\"\n"), "{text}");
}

#[test]
fn what_was_not_answered_needs_no_order() {
    assert_linearizable(vec![]);
    assert_linearizable(vec![unknown(1, 0, Action::Get), unknown(2, 0, Action::put("1"))]);
}

#[test]
fn at_equal_times_operations_are_concurrent() {
    let first = put(1, 0, "1");
    assert_linearizable(vec![first.clone(), put(2, 9, "2"), get(3, 20, "1")]);
    assert_refused(vec![first, put(2, 10, "2"), get(3, 20, "1")]);
}

#[test]
fn what_no_client_can_have_done_is_refused() {
    let early = unknown(1, 10, Action::Get).answered(9, Output::new(Outcome::Read(None)));
    let error = History::new(vec![put(1, 0, "1"), early]).expect_err("returned too early");
    assert_eq!(error, Malformed::ReturnBeforeCall { index: 1 });
    assert_eq!(error.to_string(), "operation 1 returned before it was called");

    let error = History::new(vec![put(1, 5, "1"), put(2, 0, "2"), put(1, 0, "3")]);
    let error = error.expect_err("two at a time");
    assert_eq!(error, Malformed::TwoAtATime { client: Client(1), first: 2, second: 0 });
    assert_eq!(error.to_string(), "client 1 called operation 0 before operation 2 returned");
    let gave_up = History::new(vec![put(1, 0, "1"), unknown(1, 5, Action::Get)]);
    assert!(gave_up.is_err(), "an unknown outcome is no excuse");
}

#[test]
fn a_client_goes_on_after_what_it_gave_up_and_at_once_after_an_answer() {
    let operations = vec![unknown(1, 0, Action::put("1")), put(1, 5, "2"), get(1, 14, "1")];
    assert_linearizable(operations);
}
