//! Histories of a store that is right are accepted.

use endstate_linear::kv::{self, Action, Entry, Input, Outcome, Output, Problem};
use endstate_linear::{Budget, Client, History, Operation, Verdict};
use proptest::prelude::*;

use super::store::{self, ALL, KvHistory, Setting, fixed_draws};

fn assert_right(history: &KvHistory) -> Result<(), TestCaseError> {
    let verdict = kv::check(history, Budget::USUAL);
    prop_assert_eq!(&verdict, &Verdict::Linearizable, "{}", verdict);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_a_store_answers_is_linearizable(
        draws in store::draws(1..80),
        setting in (1..6_u32, 1..4_u8, 0..80_u8, prop::bool::ANY),
        told in any::<u64>(),
    ) {
        let (clients, keys, unknown, unique) = setting;
        let setting = Setting { clients, keys, unknown, unique, kinds: ALL };
        let history = store::history(&draws, setting);
        assert_right(&history)?;
        assert_right(&store::without_revisions(&history))?;
        let bit = |it: usize| told >> (it % 64) & 1 == 1;
        assert_right(&store::telling(&history, |it| [bit(2 * it), bit(2 * it + 1)]))?;
    }
}

#[test]
fn a_hundred_thousand_operations_are_checked_in_seconds() {
    let setting = Setting { clients: 16, keys: 100, unknown: 3, unique: true, kinds: ALL };
    let history = store::history(&fixed_draws(100_000), setting);
    assert_eq!(kv::check(&history, Budget::USUAL), Verdict::Linearizable);
    let silent = store::without_revisions(&history);
    assert_eq!(kv::check(&silent, Budget::USUAL), Verdict::Linearizable);

    let mut operations = silent.operations().to_vec();
    let ghost = Output::new(Outcome::Read(Some(Entry::new("ghost"))));
    let input = Input::new("key-50", Action::Get);
    let last = operations.iter().filter_map(Operation::returned).max().expect("many answers");
    operations.push(Operation::new(Client(99), last + 1, input).answered(last + 2, ghost));
    let history = History::new(operations).expect("one more client");
    let verdict = kv::check(&history, Budget::USUAL);
    assert!(matches!(verdict, Verdict::Violation(Problem::Order(_))), "{verdict}");
}

#[test]
fn a_single_key_is_checked_in_seconds() {
    let setting = Setting { clients: 8, keys: 1, unknown: 0, unique: true, kinds: ALL };
    let history = store::history(&fixed_draws(20_000), setting);
    assert_eq!(kv::check(&history, Budget::USUAL), Verdict::Linearizable);
}
