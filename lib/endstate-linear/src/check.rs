//! The check: part by part, up to the first that no order explains.

use crate::history::History;
use crate::model::Model;
use crate::part::{Part, parts};
use crate::search::{End, Search};
use crate::verdict::{Budget, Shown, Undecided, Verdict, Violation};

/// Whether the operations of a history can be put into one order that explains every answer: each takes effect at one
/// moment between its call and its return, as if the clients had taken turns.
///
/// All parts are checked, each within the budget, up to the first violation. A check is deterministic: its verdict
/// depends on nothing but what it is given.
///
/// ```
/// use endstate_linear::{Budget, Client, History, Model, Operation, Verdict, check};
/// # struct Counter;
/// # impl Model for Counter {
/// #     type Part = &'static str;
/// #     type State = u64;
/// #     type Input = u64;
/// #     type Output = u64;
/// #     fn part(&self, _: &u64) -> Option<&'static str> {
/// #         Some("the counter")
/// #     }
/// #     fn init(&self) -> u64 {
/// #         0
/// #     }
/// #     fn step(&self, sum: &u64, added: &u64, answer: Option<&u64>) -> Option<u64> {
/// #         let sum = sum + added;
/// #         answer.is_none_or(|it| *it == sum).then_some(sum)
/// #     }
/// # }
///
/// // The counter of `Model`: two clients add at the same time, a third reads afterwards.
/// let operations = |sum| {
///     vec![
///         Operation::new(Client(1), 10, 1).answered(20, 3),
///         Operation::new(Client(2), 15, 2).answered(25, 2),
///         Operation::new(Client(3), 30, 0).answered(35, sum),
///     ]
/// };
/// let history = History::new(operations(3))?;
/// assert_eq!(check(&Counter, &history, Budget::USUAL), Verdict::Linearizable);
///
/// let history = History::new(operations(2))?;
/// let verdict = check(&Counter, &history, Budget::USUAL);
/// assert_eq!(
///     verdict.to_string(),
///     "the counter: no order of its 3 operations explains their answers
/// the longest that gets to the answer at 35:
///   [15, 25] client 2: 2 -> 2
///   [10, 20] client 1: 1 -> 3
///   => 3
/// none of these can be next:
///   [30, 35] client 3: 0 -> 2
/// "
/// );
/// # Ok::<(), endstate_linear::Malformed>(())
/// ```
pub fn check<M: Model>(
    model: &M,
    history: &History<M::Input, M::Output>,
    budget: Budget,
) -> Verdict {
    let mut undecided = None;
    for (name, part) in parts(model, history) {
        let mut search = Search::new(model, &part);
        match search.run(budget) {
            End::Linearizable => {}
            End::NoOrder => return Verdict::Violation(violation(&name, &part, &search)),
            End::RanOut(limit) => {
                undecided.get_or_insert_with(|| Undecided {
                    part: name.to_string(),
                    answered: part.answered,
                    linearized: search.furthest.answered,
                    limit,
                    steps: search.steps,
                    states: search.states(),
                });
            }
        }
    }
    undecided.map_or(Verdict::Linearizable, Verdict::Undecided)
}

/// What a person is shown of a search that found no order.
fn violation<M: Model>(name: &M::Part, part: &Part<'_, M>, search: &Search<'_, M>) -> Violation {
    let furthest = &search.furthest;
    let shown = |it: &usize| {
        let asked = &part.operations[*it];
        Shown::of(asked.index, asked.operation)
    };
    let mut is_left = vec![true; part.operations.len()];
    furthest.order.iter().for_each(|it| is_left[*it] = false);
    let in_time = |it: &usize| part.operations[*it].operation.called <= furthest.horizon;
    let left = |numbers: std::ops::Range<usize>| numbers.filter(|it| is_left[*it]).filter(in_time);
    Violation {
        part: name.to_string(),
        operations: part.operations.len(),
        returned: furthest.horizon,
        linearized: furthest.order.iter().map(shown).collect(),
        state: search.replay(&furthest.order).to_string(),
        refused: left(0..part.answered).map(|it| shown(&it)).collect(),
        unknown: left(part.answered..part.operations.len()).map(|it| shown(&it)).collect(),
    }
}
