//! Reads that one member answers by itself.

use std::collections::BTreeMap;

use super::action::{Action, Entry, Input, Outcome, Output, Revision};
use super::problem::{Contradiction, Rule};
use super::writes::{Write, writes};
use crate::history::{Answer, History};
use crate::verdict::Shown;

/// The first serializable read that the writes of its key do not explain. What is wrong with revisions alone is found
/// before.
pub(super) fn contradiction(history: &History<Input, Output>) -> Option<Contradiction> {
    let mut keys: BTreeMap<&str, Writes<'_>> = BTreeMap::new();
    for write in writes(history) {
        keys.entry(write.key).or_default().add(write);
    }
    history.operations().iter().enumerate().find_map(|(index, operation)| {
        let answer = operation.answer.as_ref()?;
        if operation.input.action != Action::GetSerializable {
            return None;
        }
        let rule = keys.entry(&operation.input.key).or_default().broken(answer)?;
        Some(Contradiction { rule, operations: vec![Shown::of(index, operation)] })
    })
}

/// The writes of a key.
#[derive(Default)]
struct Writes<'a> {
    /// What was left at each revision that was told.
    told: BTreeMap<Revision, Option<&'a str>>,
    /// The first call of a write that left this.
    called: BTreeMap<Option<&'a str>, u64>,
    /// The same of those of which no revision was told, and which may have taken effect at any.
    silent: BTreeMap<Option<&'a str>, u64>,
}

impl<'a> Writes<'a> {
    fn add(&mut self, write: Write<'a>) {
        note(&mut self.called, &write);
        match write.revision {
            Some(it) => {
                self.told.insert(it, write.value);
            }
            None => note(&mut self.silent, &write),
        }
    }

    /// The rule that an answer breaks.
    fn broken(&self, answer: &Answer<Output>) -> Option<Rule> {
        let Answer { returned, output } = answer;
        let Outcome::Read(entry) = &output.outcome else { return Some(Rule::Written) };
        let value = entry.as_ref().map(|it| it.value.as_str());
        let is_called =
            |calls: &BTreeMap<_, u64>| calls.get(&value).is_some_and(|it| it <= returned);
        if value.is_some() && !is_called(&self.called) {
            return Some(Rule::Written);
        }
        if is_called(&self.silent) {
            return self.hidden(entry.as_ref()?, output.revision?);
        }
        let modified = entry.as_ref().and_then(|it| it.modified);
        let (last, left) = self.last(output.revision.or(modified)?);
        let is_there = left == value && modified.is_none_or(|it| it == last);
        (!is_there).then_some(Rule::AtItsRevision)
    }

    /// What is wrong with an entry that a write may have left of which no revision was told: that a later one is there.
    fn hidden(&self, entry: &Entry, revision: Revision) -> Option<Rule> {
        let (last, _) = self.last(revision);
        (last > entry.modified?).then_some(Rule::AtItsRevision)
    }

    /// The last write that was told up to a revision, and what it left.
    fn last(&self, revision: Revision) -> (Revision, Option<&'a str>) {
        let last = self.told.range(..=revision).next_back();
        last.map_or((Revision(0), None), |(revision, left)| (*revision, *left))
    }
}

fn note<'a>(calls: &mut BTreeMap<Option<&'a str>, u64>, write: &Write<'a>) {
    let first = calls.entry(write.value).or_insert(write.called);
    *first = write.called.min(*first);
}
