//! Linearizability by its definition: all orders of all sets of operations that may have taken effect.

use std::collections::BTreeMap;

use endstate_linear::{History, Model, Operation, Violation};

type HistoryOf<M> = History<<M as Model>::Input, <M as Model>::Output>;
type OperationOf<M> = Operation<<M as Model>::Input, <M as Model>::Output>;

/// Whether an order explains all answers, over all parts at once.
pub(crate) fn is_linearizable<M: Model>(model: &M, history: &HistoryOf<M>) -> bool {
    any_order(model, history.operations(), &mut vec![])
}

/// Whether some operations more make a beginning a whole order.
fn any_order<M: Model>(model: &M, operations: &[OperationOf<M>], order: &mut Vec<usize>) -> bool {
    let is_whole =
        (0..operations.len()).all(|it| operations[it].answer.is_none() || order.contains(&it));
    if is_whole && explains(model, operations, order) {
        return true;
    }
    for next in 0..operations.len() {
        if order.contains(&next) {
            continue;
        }
        order.push(next);
        if any_order(model, operations, order) {
            return true;
        }
        order.pop();
    }
    false
}

/// Whether an order has nothing before what had returned when it was called, and every answer is as it must be.
fn explains<M: Model>(model: &M, operations: &[OperationOf<M>], order: &[usize]) -> bool {
    is_in_time(operations, order) && replay(model, operations, order).is_some()
}

fn is_in_time<I, O>(operations: &[Operation<I, O>], order: &[usize]) -> bool {
    order.iter().enumerate().all(|(place, earlier)| {
        let called = operations[*earlier].called;
        order[place..].iter().all(|it| operations[*it].returned().is_none_or(|it| it >= called))
    })
}

/// The states of all parts after an order.
fn replay<M: Model>(
    model: &M,
    operations: &[OperationOf<M>],
    order: &[usize],
) -> Option<BTreeMap<M::Part, M::State>> {
    let mut states = BTreeMap::new();
    for operation in order.iter().map(|it| &operations[*it]) {
        if let Some(part) = model.part(&operation.input) {
            let state = states.entry(part).or_insert_with(|| model.init());
            *state = model.step(state, &operation.input, operation.output())?;
        }
    }
    Some(states)
}

/// Panics unless a violation is what it says: an order that goes as far as it can.
pub(crate) fn assert_true<M: Model>(model: &M, history: &HistoryOf<M>, violation: &Violation) {
    let operations = history.operations();
    let is_of_part = |it: &&usize| {
        model.part(&operations[**it].input).is_some_and(|it| it.to_string() == violation.part)
    };
    let all: Vec<usize> = (0..operations.len()).collect();
    let part: Vec<usize> = all.iter().filter(is_of_part).copied().collect();
    let order: Vec<usize> = violation.linearized.iter().map(|it| it.index).collect();
    assert_eq!(violation.operations, part.len());
    assert!(order.iter().all(|it| part.contains(it)), "{violation}");
    assert!(is_in_time(operations, &order), "{violation}");
    let states = replay(model, operations, &order).expect("every answer is explained");
    let state = states.into_values().next().unwrap_or_else(|| model.init());
    assert_eq!(violation.state, state.to_string());

    let returned = |it: &usize| operations[*it].returned();
    let before = part.iter().filter(|it| returned(it).is_some_and(|it| it < violation.returned));
    assert!(before.clone().all(|it| order.contains(it)), "{violation}");
    let refused: Vec<usize> = violation.refused.iter().map(|it| it.index).collect();
    assert!(refused.iter().any(|it| returned(it) == Some(violation.returned)), "{violation}");
    let is_left =
        |it: &&usize| !order.contains(*it) && operations[**it].called <= violation.returned;
    let left = part.iter().filter(is_left).copied();
    let unknown = violation.unknown.iter().map(|it| it.index);
    let mut shown: Vec<usize> = refused.iter().copied().chain(unknown).collect();
    shown.sort_unstable();
    assert_eq!(shown, left.collect::<Vec<_>>(), "{violation}");
    let rank = |it: &usize| model.rank(&operations[*it].input, operations[*it].output()?);
    let lowest = refused.iter().filter_map(rank).min();
    let can_be_next = |it: &&usize| {
        let operation = &operations[**it];
        rank(it) <= lowest && model.step(&state, &operation.input, operation.output()).is_some()
    };
    assert_eq!(refused.iter().find(can_be_next), None, "{violation}");
}
