//! The rules of revisions, over all keys at once.

use std::collections::BTreeMap;

use super::action::{Action, Entry, Input, Output, Revision};
use super::problem::{Contradiction, Rule};
use super::writes::{Write, is_write, writes};
use crate::history::{History, Operation};
use crate::verdict::Shown;

type KvHistory = History<Input, Output>;

/// The first answer that contradicts another by its revision.
pub(super) fn contradiction(history: &KvHistory) -> Option<Contradiction> {
    let (rule, indices) = falling(history)
        .or_else(|| shared(history))
        .or_else(|| entries(history).find_map(|(index, entry)| newer(history, index, entry)))
        .or_else(|| rewritten(history))?;
    let operations = indices.iter().map(|it| Shown::of(*it, &history.operations()[*it])).collect();
    Some(Contradiction { rule, operations })
}

/// A rule that does not hold, and the places of the operations that show it.
type Broken = (Rule, Vec<usize>);

/// An answer whose revision is too low for its call, by an answer that was there before. Both are gone through in the
/// order of time, with the highest revision that was told so far.
fn falling(history: &KvHistory) -> Option<Broken> {
    let operations = history.operations();
    let mut answers: Vec<_> = operations.iter().enumerate().filter_map(told).collect();
    answers.sort();
    let mut calls: Vec<usize> = (0..operations.len()).collect();
    calls.sort_by_key(|it| operations[*it].called);
    let mut answers = answers.into_iter().peekable();
    let mut highest = (Revision(0), None);
    for index in calls {
        let operation = &operations[index];
        while let Some((_, revision, earlier)) = answers.next_if(|(it, ..)| *it < operation.called)
        {
            highest = highest.max((revision, Some(earlier)));
        }
        if let (revision, Some(earlier)) = highest
            && let Some(rule) = too_low(operation, revision)
        {
            return Some((rule, vec![earlier, index]));
        }
    }
    None
}

/// When an answer was there, the highest revision that it tells, and its place.
fn told((index, operation): (usize, &Operation<Input, Output>)) -> Option<(u64, Revision, usize)> {
    let answer = operation.answer.as_ref()?;
    let modified = answer.output.entry().and_then(|it| it.modified);
    Some((answer.returned, answer.output.revision.max(modified)?, index))
}

/// The rule that an answer breaks if this revision was there before its call.
fn too_low(operation: &Operation<Input, Output>, before: Revision) -> Option<Rule> {
    let revision = operation.output()?.revision?;
    match operation.input.action {
        Action::GetSerializable => None,
        _ if revision < before => Some(Rule::Monotonic),
        _ if revision == before && is_write(operation) => Some(Rule::New),
        _ => None,
    }
}

/// Two writes with one revision.
fn shared(history: &KvHistory) -> Option<Broken> {
    let mut by_revision = BTreeMap::new();
    writes(history).find_map(|it| {
        let earlier = by_revision.insert(it.revision?, it.index)?;
        Some((Rule::Unique, vec![earlier, it.index]))
    })
}

/// Every entry that was read.
fn entries(history: &KvHistory) -> impl Iterator<Item = (usize, &Entry)> {
    let operations = history.operations().iter().enumerate();
    operations.filter_map(|(index, it)| Some((index, it.output()?.entry()?)))
}

/// An entry that is newer than its answer.
fn newer(history: &KvHistory, index: usize, entry: &Entry) -> Option<Broken> {
    let revision = history.operations()[index].output()?.revision?;
    (entry.modified? > revision).then(|| (Rule::NotFromLater, vec![index]))
}

/// An entry that is not what the write at its revision wrote.
fn rewritten(history: &KvHistory) -> Option<Broken> {
    let told = writes(history).filter_map(|it| Some((it.revision?, it)));
    let by_revision: BTreeMap<Revision, Write<'_>> = told.collect();
    entries(history).find_map(|(index, entry)| {
        let write = by_revision.get(&entry.modified?)?;
        let key = &history.operations()[index].input.key;
        let is_written = write.key == key && write.value == Some(&entry.value);
        (!is_written).then(|| (Rule::AsWritten, vec![write.index, index]))
    })
}
