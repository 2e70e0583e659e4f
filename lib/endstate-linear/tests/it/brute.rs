//! Small random histories: the checker says what the definition says.

use std::cell::Cell;
use std::fmt;

use endstate_linear::kv::{Action, Condition, Entry, Input, KeyValue, Outcome, Output, Revision};
use endstate_linear::{Budget, Client, History, Model, Operation, Verdict, check};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::orders;

/// Two registers and two values, so that many answers are explained by more than one order.
struct Registers;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Do {
    Read,
    Write(u8),
    Swap(u8, u8),
}

/// A register and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Ask(u8, Do);

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Model for Registers {
    type Part = u8;
    type State = u8;
    type Input = Ask;
    /// The value read, or whether something was written.
    type Output = u8;

    fn part(&self, input: &Ask) -> Option<u8> {
        Some(input.0)
    }

    fn init(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, Ask(_, action): &Ask, output: Option<&u8>) -> Option<u8> {
        let (after, answer) = match action {
            Do::Read => (*state, *state),
            Do::Write(it) => (*it, 1),
            Do::Swap(from, to) if from == state => (*to, 1),
            Do::Swap(..) => (*state, 0),
        };
        output.is_none_or(|it| *it == answer).then_some(after)
    }
}

/// A log: nothing that is appended is ever hidden, and two appends have a result of their own in each order.
struct Log;

impl Model for Log {
    type Part = String;
    type State = String;
    type Input = String;
    /// The log after the append.
    type Output = String;

    fn part(&self, _: &String) -> Option<String> {
        Some("log".to_owned())
    }

    fn init(&self) -> String {
        String::new()
    }

    fn step(&self, log: &String, added: &String, output: Option<&String>) -> Option<String> {
        let log = format!("{log}{added}");
        output.is_none_or(|it| *it == log).then_some(log)
    }
}

/// Some operations of three clients, with these inputs and outputs; some of unknown outcome.
fn history<I: fmt::Debug, O: fmt::Debug>(
    asked: impl Strategy<Value = (I, O)>,
) -> impl Strategy<Value = History<I, O>> {
    let operation = (0..3_usize, 0..4_u64, 0..6_u64, prop::bool::weighted(0.3), asked);
    prop::collection::vec(operation, 1..7).prop_map(|drawn| {
        let mut now = [0; 3];
        let operations = drawn.into_iter().map(|(client, wait, takes, is_unknown, asked)| {
            let called = now[client] + wait;
            now[client] = called + takes;
            let name = Client(u32::try_from(client).expect("small"));
            let operation = Operation::new(name, called, asked.0);
            if is_unknown { operation } else { operation.answered(now[client], asked.1) }
        });
        History::new(operations.collect()).expect("one thing after another")
    })
}

/// Checks many histories, and that enough of them are linearizable and enough are not.
fn compare<M: Model>(model: &M, asked: impl Strategy<Value = (M::Input, M::Output)>)
where
    M::Input: Clone + fmt::Debug,
    M::Output: Clone + fmt::Debug,
{
    let counts = [const { Cell::new(0) }; 2];
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&history(asked), |history| {
        let verdict = check(model, &history, Budget::USUAL);
        let expected = orders::is_linearizable(model, &history);
        prop_assert_eq!(verdict.is_linearizable(), expected, "{}", verdict);
        match verdict {
            Verdict::Undecided(it) => prop_assert!(false, "{}", it),
            Verdict::Violation(it) => orders::assert_true(model, &history, &it),
            Verdict::Linearizable => {}
        }
        let count = &counts[usize::from(expected)];
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|it| panic!("{it}"));
    assert!(counts.iter().all(|it| it.get() > 400), "{counts:?}: of one kind there are few");
}

#[test]
fn registers_are_as_the_definition_says() {
    let value = 0..3_u8;
    let action = prop_oneof![
        3 => Just(Do::Read),
        2 => value.clone().prop_map(Do::Write),
        1 => (value.clone(), value.clone()).prop_map(|(from, to)| Do::Swap(from, to)),
    ];
    // Most writes are answered as they may be: else hardly any history would be linearizable.
    let asked = (0..2_u8, action, value, prop::bool::weighted(0.1)).prop_map(
        |(register, action, output, is_wild)| {
            let output = match action {
                Do::Write(_) if !is_wild => 1,
                Do::Swap(..) => output % 2,
                _ => output,
            };
            (Ask(register, action), output)
        },
    );
    compare(&Registers, asked);
}

#[test]
fn logs_are_as_the_definition_says() {
    const LOGS: [&str; 9] = ["a", "b", "ab", "ba", "aa", "aab", "aba", "bab", "abab"];
    let asked = prop::sample::select(&LOGS[..]).prop_map(|log| {
        let last = log.chars().last().expect("a letter");
        (last.to_string(), log.to_owned())
    });
    compare(&Log, asked);
}

#[test]
fn keys_are_as_the_definition_says() {
    let value = || prop::sample::select(&["1", "2"][..]);
    let revision = || (1..5_u64).prop_map(Revision);
    let told = || prop::option::weighted(0.4, revision());
    let condition = prop_oneof![
        Just(Condition::Absent),
        value().prop_map(|it| Condition::Value(it.to_owned())),
        revision().prop_map(Condition::ModifiedAt),
    ];
    let entry =
        (value(), told()).prop_map(|(value, modified)| Entry { value: value.to_owned(), modified });
    let written = (value(), prop::bool::ANY);
    let read = prop::option::weighted(0.7, entry).prop_map(|it| (Action::Get, Outcome::Read(it)));
    let put = value().prop_map(|it| (Action::put(it), Outcome::Written));
    let delete = prop::bool::ANY.prop_map(|found| {
        (Action::Delete, if found { Outcome::Deleted } else { Outcome::NotFound })
    });
    let put_if = (condition, written).prop_map(|(condition, (value, holds))| {
        let outcome = if holds { Outcome::Written } else { Outcome::Refused };
        (Action::put_if(condition, value), outcome)
    });
    let asked = prop_oneof![3 => read, 3 => put, 1 => delete, 2 => put_if];
    let asked = (prop::sample::select(&["a", "b"][..]), asked, told());
    let asked = asked.prop_map(|(key, (action, outcome), revision)| {
        (Input::new(key, action), Output { outcome, revision })
    });
    compare(&KeyValue, asked);
}
