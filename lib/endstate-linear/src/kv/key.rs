//! The model of one key.

use std::fmt;

use super::action::{Action, Condition, Entry, Input, Outcome, Output, Revision};
use crate::model::Model;

/// One key of a key-value store, as the [`Model`] of its linearizable operations. Serializable reads are left out.
#[derive(Clone, Copy, Debug)]
pub struct KeyValue;

impl Model for KeyValue {
    type Part = String;
    type State = KeyState;
    type Input = Input;
    type Output = Output;

    fn part(&self, input: &Input) -> Option<String> {
        (input.action != Action::GetSerializable).then(|| input.key.clone())
    }

    fn init(&self) -> KeyState {
        KeyState { value: None, written: Written::At(Revision(0)), seen: Revision(0) }
    }

    fn step(&self, state: &KeyState, input: &Input, output: Option<&Output>) -> Option<KeyState> {
        match output {
            Some(it) => answered(state, &input.action, it),
            None => Some(taken_effect(state, &input.action)),
        }
    }

    fn rank(&self, _: &Input, output: &Output) -> Option<u64> {
        output.revision.map(|it| it.0)
    }
}

/// A key, and what is known of the store's revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyState {
    value: Option<String>,
    /// When it was last written or deleted.
    written: Written,
    /// The highest revision that was told.
    seen: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Written {
    At(Revision),
    /// At one that was not told yet and is higher than this.
    ///
    /// A write after it is told to be after the same revision: then it hides what was before, which spares the search
    /// all orders of writes that nobody saw.
    After(Revision),
}

/// The state after an operation with this answer.
fn answered(state: &KeyState, action: &Action, output: &Output) -> Option<KeyState> {
    let revision = output.revision;
    match (action, &output.outcome) {
        (Action::Get, Outcome::Read(entry)) => state.shows(entry.as_ref())?.at(revision),
        (Action::GetSerializable, _) => Some(state.clone()),
        (Action::Put(value), Outcome::Written) => state.write(Some(value), revision),
        (Action::Delete, Outcome::Deleted) if state.value.is_some() => state.write(None, revision),
        (Action::Delete, Outcome::NotFound) if state.value.is_none() => state.at(revision),
        (Action::PutIf(condition, value), Outcome::Written) => {
            state.meets(condition)?.write(Some(value), revision)
        }
        (Action::PutIf(condition, _), Outcome::Refused) if !state.must_meet(condition) => {
            state.at(revision)
        }
        _ => None,
    }
}

/// The state after an operation of which nothing was told.
fn taken_effect(state: &KeyState, action: &Action) -> KeyState {
    let after = match action {
        Action::Get | Action::GetSerializable => None,
        Action::Put(value) => state.write(Some(value), None),
        Action::Delete => state.value.as_ref().and_then(|_| state.write(None, None)),
        Action::PutIf(condition, value) => {
            state.meets(condition).and_then(|it| it.write(Some(value), None))
        }
    };
    after.unwrap_or_else(|| state.clone())
}

impl KeyState {
    /// The state after a write of this value, or of none.
    fn write(&self, value: Option<&String>, revision: Option<Revision>) -> Option<Self> {
        let (written, seen) = match revision {
            Some(it) if it > self.revision() => (Written::At(it), it),
            Some(_) => return None,
            None => (Written::After(self.seen), self.seen),
        };
        Some(Self { value: value.cloned(), written, seen })
    }

    /// The same with the store's revision, which nothing has raised but what is known.
    fn at(&self, revision: Option<Revision>) -> Option<Self> {
        let seen = revision.unwrap_or(self.seen);
        let is_possible = revision.is_none_or(|it| it >= self.revision());
        is_possible.then(|| Self { seen, ..self.clone() })
    }

    /// The lowest that the store's revision can be.
    fn revision(&self) -> Revision {
        match self.written {
            Written::At(_) => self.seen,
            Written::After(Revision(it)) => self.seen.max(Revision(it + 1)),
        }
    }

    /// The same if it can be read so, with what that tells.
    fn shows(&self, entry: Option<&Entry>) -> Option<Self> {
        if self.value.as_ref() != entry.map(|it| &it.value) {
            return None;
        }
        match entry.and_then(|it| it.modified) {
            Some(it) => self.written_at(it),
            None => Some(self.clone()),
        }
    }

    /// The same if a condition can hold, with what that tells.
    fn meets(&self, condition: &Condition) -> Option<Self> {
        match condition {
            Condition::ModifiedAt(it) if self.value.is_some() => self.written_at(*it),
            _ => self.must_meet(condition).then(|| self.clone()),
        }
    }

    fn must_meet(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Absent => self.value.is_none(),
            Condition::Value(it) => self.value.as_ref() == Some(it),
            Condition::ModifiedAt(it) => self.value.is_some() && self.written == Written::At(*it),
        }
    }

    /// The same if it can have been written at this revision.
    fn written_at(&self, revision: Revision) -> Option<Self> {
        let is_possible = match self.written {
            Written::At(it) => it == revision,
            Written::After(it) => it < revision,
        };
        let seen = self.seen.max(revision);
        is_possible.then(|| Self { written: Written::At(revision), seen, ..self.clone() })
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(it) => write!(f, "{it:?}")?,
            None => write!(f, "absent")?,
        }
        match &self.written {
            Written::At(it) if self.value.is_some() => write!(f, " modified at {it}")?,
            Written::After(it) if self.value.is_some() && it.0 > 0 => {
                write!(f, " modified after {it}")?
            }
            _ => {}
        }
        match self.revision() {
            Revision(0) => Ok(()),
            it if self.seen.0 > 0 => write!(f, ", revision {it} or later"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states after each of these operations on one key, as text; an operation that is impossible is left out.
    fn states(operations: &[(Action, Option<Output>)]) -> Vec<String> {
        let mut state = KeyValue.init();
        let mut texts = vec![];
        for (action, output) in operations {
            match KeyValue.step(&state, &Input::new("a", action.clone()), output.as_ref()) {
                Some(it) => {
                    texts.push(it.to_string());
                    state = it;
                }
                None => texts.push("impossible".to_owned()),
            }
        }
        texts
    }

    fn told(outcome: Outcome, revision: u64) -> Option<Output> {
        Some(Output::new(outcome).at(Revision(revision)))
    }

    fn read(value: &str, modified: u64, revision: u64) -> Option<Output> {
        let entry = Entry::new(value).modified_at(Revision(modified));
        told(Outcome::Read(Some(entry)), revision)
    }

    fn put_at(modified: u64) -> Action {
        Action::put_if(Condition::ModifiedAt(Revision(modified)), "2")
    }

    #[test]
    fn revisions_of_writes_are_those_of_reads() {
        let operations = [
            (Action::Get, told(Outcome::Read(None), 3)),
            (Action::put("1"), told(Outcome::Written, 3)),
            (Action::put("1"), told(Outcome::Written, 4)),
            (Action::Get, read("1", 4, 6)),
            (Action::Get, read("1", 4, 5)),
            (Action::Get, read("1", 3, 6)),
            (Action::Delete, told(Outcome::NotFound, 7)),
            (Action::Delete, told(Outcome::Deleted, 6)),
            (Action::Delete, told(Outcome::Deleted, 7)),
            (Action::Delete, told(Outcome::NotFound, 7)),
        ];
        let expected = [
            "absent, revision 3 or later",
            "impossible",
            r#""1" modified at 4, revision 4 or later"#,
            r#""1" modified at 4, revision 6 or later"#,
            "impossible",
            "impossible",
            "impossible",
            "impossible",
            "absent, revision 7 or later",
            "absent, revision 7 or later",
        ];
        assert_eq!(states(&operations), expected);
    }

    #[test]
    fn a_write_that_told_nothing_is_dated_by_who_sees_it() {
        let unseen = [(Action::Get, told(Outcome::Read(None), 3)), (Action::put("1"), None)];
        let after = |action: Action, output| {
            let operations = [&unseen[..], &[(action, output)]].concat();
            states(&operations).pop().expect("three states")
        };
        assert_eq!(states(&unseen)[1], r#""1" modified after 3, revision 4 or later"#);
        assert_eq!(
            after(Action::Get, read("1", 5, 6)),
            r#""1" modified at 5, revision 6 or later"#
        );
        assert_eq!(after(Action::Get, read("1", 3, 6)), "impossible");
        assert_eq!(after(Action::Get, read("1", 7, 6)), "impossible");
        assert_eq!(after(put_at(5), None), r#""2" modified after 5, revision 6 or later"#);
        assert_eq!(after(put_at(3), told(Outcome::Written, 9)), "impossible");
        assert_eq!(after(put_at(5), told(Outcome::Written, 5)), "impossible");
        let refused = after(put_at(5), told(Outcome::Refused, 6));
        assert_eq!(refused, r#""1" modified after 3, revision 6 or later"#);
    }

    #[test]
    fn a_condition_decides() {
        let put_if = |condition| Action::put_if(condition, "2");
        let value = |it: &str| Condition::Value(it.to_owned());
        let written = || told(Outcome::Written, 9);
        let refused = || told(Outcome::Refused, 9);
        let cases = [
            (put_if(Condition::Absent), written(), false),
            (put_if(Condition::Absent), refused(), true),
            (put_if(value("1")), written(), true),
            (put_if(value("1")), refused(), false),
            (put_if(value("0")), written(), false),
            (put_if(value("0")), refused(), true),
            (put_at(4), written(), true),
            (put_at(4), refused(), false),
            (put_at(5), written(), false),
            (put_at(5), refused(), true),
            (put_at(4), told(Outcome::NotFound, 9), false),
        ];
        for (action, output, is_possible) in cases {
            let case = format!("{action:?} {output:?}");
            let operations = [(Action::put("1"), told(Outcome::Written, 4)), (action, output)];
            assert_eq!(states(&operations)[1] != "impossible", is_possible, "{case}");
        }
    }

    #[test]
    fn what_would_have_changed_nothing_changes_nothing() {
        let unmet = Action::put_if(Condition::Value("0".to_owned()), "2");
        let operations =
            [(Action::Delete, None), (unmet, None), (put_at(0), None), (Action::Get, None)];
        assert_eq!(states(&operations), ["absent"; 4]);
    }
}
