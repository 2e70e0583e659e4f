//! Chains: cases by hand, and against brute force.

use endstate_archive::{Chain, Entry, Kind, NoChain, Point, Stop, Target, chain};
use proptest::prelude::*;

use crate::world::{at, delta, entry, full};

/// What a chain is: the index of the full entry, those of the deltas, and where to stop.
type Found = Result<(usize, Vec<usize>, Option<Stop>), NoChain>;

fn found(entries: &[Entry], target: Target) -> Found {
    let index = |it: &Entry| entries.iter().position(|other| other.name == it.name);
    chain(entries, target).map(|it| {
        let deltas = it.deltas.iter().filter_map(|it| index(it)).collect();
        (index(it.full).expect("one of them"), deltas, it.stop)
    })
}

fn point(revision: u64, taken: i64) -> Point {
    Point { revision, taken: at(taken) }
}

/// 10 at 100 (full), to 20 at 200, to 30 at 300, 30 at 310 (full), to 40 at 400.
fn history() -> Vec<Entry> {
    vec![
        full(10, 100),
        delta(11, 20, 100, 200),
        delta(21, 30, 200, 300),
        full(30, 310),
        delta(31, 40, 310, 400),
    ]
}

#[test]
fn by_revision() {
    let history = history();
    let cases: [(u64, Found); 8] = [
        (9, Err(NoChain::BeforeFirst { earliest: point(10, 100) })),
        (10, Ok((0, vec![], None))),
        (11, Ok((0, vec![1], Some(Stop::Revision(11))))),
        (20, Ok((0, vec![1], None))),
        (29, Ok((0, vec![1, 2], Some(Stop::Revision(29))))),
        (30, Ok((3, vec![], None))),
        (40, Ok((3, vec![4], None))),
        (41, Err(NoChain::Beyond { newest: point(40, 400) })),
    ];
    for (revision, expected) in cases {
        assert_eq!(found(&history, Target::Revision(revision)), expected, "{revision}");
    }
    assert_eq!(found(&history, Target::Latest), Ok((3, vec![4], None)));
}

#[test]
fn by_time() {
    let history = history();
    let cases: [(i64, Found); 9] = [
        (99, Err(NoChain::BeforeFirst { earliest: point(10, 100) })),
        (100, Ok((0, vec![], None))),
        (150, Ok((0, vec![1], Some(Stop::Time(at(150)))))),
        (200, Ok((0, vec![1], None))),
        // Nothing was committed between the delta and the full entry of the same revision.
        (305, Ok((0, vec![1, 2], None))),
        (310, Ok((3, vec![], None))),
        (399, Ok((3, vec![4], Some(Stop::Time(at(399)))))),
        (400, Ok((3, vec![4], None))),
        (401, Err(NoChain::Beyond { newest: point(40, 400) })),
    ];
    for (time, expected) in cases {
        assert_eq!(found(&history, Target::Time(at(time))), expected, "{time}");
    }
}

#[test]
fn a_gap_is_told_and_not_skipped() {
    let mut history = history();
    history.remove(1);
    let gap = Err(NoChain::Gap { after: 10, next: 21 });
    assert_eq!(found(&history, Target::Revision(15)), gap);
    assert_eq!(found(&history, Target::Time(at(250))), gap);
    assert_eq!(found(&history, Target::Latest), Ok((2, vec![3], None)));
    history.push(delta(50, 60, 500, 600));
    assert_eq!(found(&history, Target::Latest), Err(NoChain::Gap { after: 40, next: 50 }));
}

#[test]
fn deltas_may_overlap_and_may_be_empty() {
    let history = vec![
        full(10, 100),
        delta(5, 15, 50, 150),
        delta(12, 18, 120, 180),
        delta(19, 18, 180, 250),
    ];
    assert_eq!(found(&history, Target::Latest), Ok((0, vec![1, 2], None)));
    assert_eq!(found(&history, Target::Revision(18)), Ok((0, vec![1, 2], None)));
    // The last says that nothing happened until 250.
    assert_eq!(found(&history, Target::Time(at(250))), Ok((0, vec![1, 2, 3], None)));
    assert!(matches!(found(&history, Target::Time(at(251))), Err(NoChain::Beyond { .. })));
}

#[test]
fn between_an_entry_and_a_later_delta_nothing_happened() {
    let history = vec![full(10, 100), delta(11, 20, 200, 300)];
    assert_eq!(found(&history, Target::Time(at(150))), Ok((0, vec![], None)));
    assert_eq!(found(&history, Target::Time(at(200))), Ok((0, vec![], None)));
    assert_eq!(found(&history, Target::Time(at(201))), Ok((0, vec![1], Some(Stop::Time(at(201))))));
}

#[test]
fn without_a_full_entry_or_with_two_lineages_there_is_none() {
    assert_eq!(found(&[], Target::Latest), Err(NoChain::Empty));
    assert_eq!(found(&[delta(1, 2, 1, 2)], Target::Latest), Err(NoChain::Empty));
    let two = [full(1, 1), entry("other", Kind::Full { revision: 1 }, 1)];
    assert!(matches!(chain(&two, Target::Latest), Err(NoChain::Lineages(it)) if it.len() == 2));
}

/// A history of commits, one every other second: revision `n` is committed at second `2n`, so that entries which end
/// with it are taken then or a second later.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let second = |revision: u64| 2 * i64::try_from(revision).expect("small");
    let full = (0_u64..40, 0_i64..2).prop_map(move |(it, late)| full(it, second(it) + late));
    let delta =
        (1_u64..40, 0_u64..12, 0_i64..2, 0_i64..2).prop_map(move |(first, length, from, late)| {
            let last = first + length - 1;
            delta(first, last, second(first - 1) + from, second(last) + late)
        });
    prop::collection::vec(prop_oneof![1 => full, 3 => delta], 0..12)
}

/// Whether a state can be put together at all: by taking whatever goes on, over and over.
fn reachable(entries: &[Entry], revision: u64) -> bool {
    let fulls = entries.iter().filter(|it| it.kind.is_full()).map(|it| it.kind.last());
    let mut reached: Vec<u64> = fulls.filter(|it| *it <= revision).collect();
    let deltas = || entries.iter().filter(|it| !it.kind.is_full());
    for _ in 0..entries.len() {
        let on = deltas().filter(|it| {
            reached.iter().any(|at| it.kind.first() <= at + 1 && *at <= it.kind.last())
        });
        let on: Vec<_> = on.map(|it| it.kind.last()).collect();
        reached.extend(on);
    }
    let full = entries.iter().any(|it| it.kind.is_full() && it.kind.last() <= revision);
    full && reached.iter().any(|it| *it >= revision)
}

/// Each revision from the full entry's on, once the deltas are applied.
fn applied(chain: &Chain<'_>) -> u64 {
    chain.deltas.iter().fold(chain.full.kind.last(), |at, delta| {
        assert!(delta.kind.first() <= at + 1, "a gap before {}", delta.name);
        assert!(delta.kind.last() >= at, "{} goes back", delta.name);
        delta.kind.last()
    })
}

proptest! {
    #[test]
    fn a_revision_is_reached_if_it_can_be(entries in entries(), revision in 0_u64..60) {
        match chain(&entries, Target::Revision(revision)) {
            Ok(chain) => {
                let at = applied(&chain);
                prop_assert!(chain.full.kind.last() <= revision && at >= revision);
                let stop = (at > revision).then_some(Stop::Revision(revision));
                prop_assert_eq!(chain.stop, stop);
            }
            Err(no) => prop_assert!(!reachable(&entries, revision), "{}", no),
        }
    }

    #[test]
    fn the_latest_is_the_newest_of_all(entries in entries()) {
        if let Ok(chain) = chain(&entries, Target::Latest) {
            let newest = entries.iter().map(|it| it.kind.last()).max();
            prop_assert_eq!(Some(applied(&chain)), newest);
            prop_assert_eq!(chain.stop, None);
        }
    }

    /// The state is exactly that of the moment, or else the reader is told to stop at it.
    #[test]
    fn a_moment_is_in_the_chain(entries in entries(), second in 0_i64..120) {
        let revision = u64::try_from(second / 2).expect("positive");
        if let Ok(chain) = chain(&entries, Target::Time(at(second))) {
            let reached = applied(&chain);
            match chain.stop {
                None => prop_assert_eq!(reached, revision),
                Some(stop) => {
                    prop_assert_eq!(stop, Stop::Time(at(second)));
                    prop_assert!(reached >= revision);
                    let last = chain.deltas.last().expect("only a delta is stopped in");
                    prop_assert!(last.taken > at(second));
                }
            }
        }
    }
}
