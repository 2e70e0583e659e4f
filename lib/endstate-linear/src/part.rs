//! A history, taken apart.

use std::collections::{BTreeMap, HashMap};

use crate::history::{History, Operation};
use crate::model::Model;

/// The operations of one part of a history: those with an answer first, each kind in the order of calls. What is said
/// of an operation by number means its place in this list.
pub(crate) struct Part<'a, M: Model> {
    pub(crate) operations: Vec<Asked<'a, M>>,
    /// How many have an answer.
    pub(crate) answered: usize,
}

/// An operation of a part.
pub(crate) struct Asked<'a, M: Model> {
    /// Its place in the history.
    pub(crate) index: usize,
    pub(crate) operation: &'a Operation<M::Input, M::Output>,
    /// The last one before it that asked for the same, where the outcomes of both are unknown. Either may stand for the
    /// other once both were called, so only orders are tried that have this one first.
    pub(crate) twin: Option<usize>,
    /// See [`Model::rank`].
    pub(crate) rank: Option<u64>,
}

/// Every part of a history, in order.
pub(crate) fn parts<'a, M: Model>(
    model: &M,
    history: &'a History<M::Input, M::Output>,
) -> impl Iterator<Item = (M::Part, Part<'a, M>)> {
    let mut parts: BTreeMap<M::Part, Vec<Asked<'a, M>>> = BTreeMap::new();
    for (index, operation) in history.operations().iter().enumerate() {
        if let Some(part) = model.part(&operation.input) {
            let rank = operation.output().and_then(|it| model.rank(&operation.input, it));
            parts.entry(part).or_default().push(Asked { index, operation, twin: None, rank });
        }
    }
    parts.into_iter().map(|(part, operations)| (part, Part::new(operations)))
}

impl<'a, M: Model> Part<'a, M> {
    fn new(mut operations: Vec<Asked<'a, M>>) -> Self {
        operations.sort_by_key(|it| (it.operation.answer.is_none(), it.operation.called));
        let answered = operations.iter().filter(|it| it.operation.answer.is_some()).count();
        let mut last: HashMap<&M::Input, usize> = HashMap::new();
        for (number, asked) in operations.iter_mut().enumerate().skip(answered) {
            asked.twin = last.insert(&asked.operation.input, number);
        }
        Self { operations, answered }
    }
}
