//! The writes of a history.

use super::action::{Action, Input, Outcome, Output, Revision};
use crate::history::{History, Operation};

/// A write that took effect, or may have.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) index: usize,
    pub(super) key: &'a str,
    /// What it left; `None` is a delete.
    pub(super) value: Option<&'a str>,
    pub(super) called: u64,
    /// Its own, if its answer tells that.
    pub(super) revision: Option<Revision>,
}

/// Every write of a history.
pub(super) fn writes(history: &History<Input, Output>) -> impl Iterator<Item = Write<'_>> {
    history.operations().iter().enumerate().filter_map(|(index, operation)| {
        let value = left(operation)?;
        let Operation { called, input, .. } = operation;
        let revision = operation.output().and_then(|it| it.revision);
        Some(Write { index, key: &input.key, value, called: *called, revision })
    })
}

/// Whether an operation took effect as a write, which its answer says.
pub(super) fn is_write(operation: &Operation<Input, Output>) -> bool {
    operation.answer.is_some() && left(operation).is_some()
}

/// What an operation left, if it may have been a write.
fn left(operation: &Operation<Input, Output>) -> Option<Option<&str>> {
    match (&operation.input.action, operation.output().map(|it| &it.outcome)) {
        (Action::Put(it) | Action::PutIf(_, it), None | Some(Outcome::Written)) => Some(Some(it)),
        (Action::Delete, None | Some(Outcome::Deleted)) => Some(None),
        _ => None,
    }
}
