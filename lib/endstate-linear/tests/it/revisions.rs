//! Answers that contradict each other by their revisions, and serializable reads.

use endstate_linear::kv::{
    self, Action, Contradiction, Entry, Input, Outcome, Output, Problem, Revision, Rule,
};
use endstate_linear::{Budget, Client, History, Operation, Verdict};

use super::mutated::{answering, assert_refused, is_earlier, put, reads};
use super::store::{ALL, KvOperation, PUTS, Setting};

const SETTING: Setting = Setting { clients: 4, keys: 3, unknown: 10, unique: true, kinds: PUTS };

fn rule(problem: &Problem) -> Option<Rule> {
    match problem {
        Problem::Revisions(it) => Some(it.rule),
        Problem::Order(_) => None,
    }
}

fn revision(operation: &KvOperation) -> Option<u64> {
    Some(operation.output()?.revision?.0)
}

/// The highest revision that was there before an operation began.
fn before(operations: &[KvOperation], index: usize) -> Option<u64> {
    let earlier = operations.iter().filter(|it| is_earlier(it, &operations[index]));
    earlier.filter_map(revision).max().filter(|it| *it > 0)
}

fn at(operations: &[KvOperation], index: usize, revision: u64) -> Vec<KvOperation> {
    answering(operations, index, |it| it.revision = Some(Revision(revision)))
}

/// The places of writes that were answered.
fn writes(operations: &[KvOperation]) -> impl Iterator<Item = usize> {
    (0..operations.len())
        .filter(|it| put(&operations[*it]).is_some() && operations[*it].answer.is_some())
}

#[test]
fn revisions_do_not_fall() {
    let lies = |operations: &[KvOperation]| {
        let lower = |it| Some(at(operations, it, before(operations, it)? - 1));
        reads(operations).filter_map(lower).collect()
    };
    assert_refused(SETTING, lies, |_, problem| rule(problem) == Some(Rule::Monotonic));
}

#[test]
fn a_write_has_a_new_revision() {
    let lies = |operations: &[KvOperation]| {
        let old = |it| Some(at(operations, it, before(operations, it)?));
        writes(operations).filter_map(old).collect()
    };
    assert_refused(SETTING, lies, |_, problem| rule(problem) == Some(Rule::New));
}

#[test]
fn an_entry_is_what_was_written() {
    let lies = |operations: &[KvOperation]| {
        let known = |it: &Entry| {
            writes(operations)
                .any(|write| it.modified.map(|it| it.0) == revision(&operations[write]))
        };
        let changed = |index: usize| {
            let entry = operations[index].output()?.entry().filter(|it| known(it))?;
            let entry = Entry { value: "ghost".to_owned(), ..entry.clone() };
            let read = Outcome::Read(Some(entry));
            Some(answering(operations, index, |it| it.outcome = read))
        };
        reads(operations).filter_map(changed).collect()
    };
    assert_refused(SETTING, lies, |_, problem| rule(problem) == Some(Rule::AsWritten));
}

fn serializable_reads(operations: &[KvOperation]) -> impl Iterator<Item = usize> {
    let is_read =
        |it: &KvOperation| it.input.action == Action::GetSerializable && it.answer.is_some();
    (0..operations.len()).filter(move |it| is_read(&operations[*it]))
}

#[test]
fn a_serializable_read_is_not_of_the_future() {
    let setting = Setting { kinds: ALL, ..SETTING };
    let lies = |operations: &[KvOperation]| {
        let future = |index: usize| {
            let read = &operations[index];
            let is_later = |it: &usize| {
                operations[*it].input.key == read.input.key && is_earlier(read, &operations[*it])
            };
            let value = put(&operations[writes(operations).find(is_later)?])?;
            let entry = Outcome::Read(Some(Entry::new(value)));
            Some(answering(operations, index, |it| it.outcome = entry))
        };
        serializable_reads(operations).filter_map(future).collect()
    };
    assert_refused(setting, lies, |_, problem| rule(problem) == Some(Rule::Written));
}

#[test]
fn a_serializable_read_is_of_its_revision() {
    let setting = Setting { kinds: ALL, ..SETTING };
    let lies = |operations: &[KvOperation]| {
        let overwritten = |index: usize| {
            let read = &operations[index];
            let entry = read.output()?.entry()?;
            let is_older = |it: &usize| {
                operations[*it].input.key == read.input.key
                    && revision(&operations[*it]) < entry.modified.map(|it| it.0)
            };
            let is_told = |it: &usize| revision(&operations[*it]) == entry.modified.map(|it| it.0);
            writes(operations).find(is_told)?;
            let older = &operations[writes(operations).find(is_older)?];
            let modified = Revision(revision(older)?);
            let entry = Outcome::Read(Some(Entry::new(put(older)?).modified_at(modified)));
            Some(answering(operations, index, |it| it.outcome = entry))
        };
        serializable_reads(operations).filter_map(overwritten).collect()
    };
    assert_refused(setting, lies, |_, problem| rule(problem) == Some(Rule::AtItsRevision));
}

/// An operation on key `a` from `times.0` to `times.1`, of a client of its own.
fn asked(client: u32, times: (u64, u64), action: Action, output: Output) -> KvOperation {
    Operation::new(Client(client), times.0, Input::new("a", action)).answered(times.1, output)
}

fn read(value: &str, modified: u64) -> Output {
    Output::new(Outcome::Read(Some(Entry::new(value).modified_at(Revision(modified)))))
}

fn written(revision: u64) -> Output {
    Output::new(Outcome::Written).at(Revision(revision))
}

fn verdict(operations: Vec<KvOperation>) -> Verdict<Problem> {
    kv::check(&History::new(operations).expect("a history"), Budget::USUAL)
}

#[track_caller]
fn assert_broken(operations: Vec<KvOperation>, expected: Rule) {
    let count = operations.len();
    match verdict(operations) {
        Verdict::Violation(Problem::Revisions(Contradiction { rule, operations })) => {
            assert_eq!(rule, expected);
            assert!(operations.iter().all(|it| it.index < count));
        }
        other => panic!("{expected:?}: {other}"),
    }
}

#[test]
fn writes_at_the_same_time_have_revisions_of_their_own() {
    let puts = |revisions: [u64; 2]| {
        let put =
            |client, value, revision| asked(client, (0, 9), Action::put(value), written(revision));
        vec![put(1, "1", revisions[0]), put(2, "2", revisions[1])]
    };
    assert_eq!(verdict(puts([3, 5])), Verdict::Linearizable);
    assert_broken(puts([3, 3]), Rule::Unique);
}

#[test]
fn an_entry_is_not_newer_than_its_answer() {
    let put = asked(1, (0, 9), Action::put("1"), written(5));
    let get = |at| asked(2, (0, 9), Action::Get, read("1", 5).at(Revision(at)));
    assert_eq!(verdict(vec![put.clone(), get(5)]), Verdict::Linearizable);
    assert_broken(vec![put, get(4)], Rule::NotFromLater);
}

#[test]
fn a_serializable_read_may_be_stale() {
    let put = |times, value, at| asked(1, times, Action::put(value), written(at));
    let writes = || vec![put((0, 9), "1", 3), put((10, 19), "2", 5)];
    let get = |output: Output, at| {
        let mut operations = writes();
        operations.push(asked(2, (30, 39), Action::GetSerializable, output.at(Revision(at))));
        operations
    };
    let absent = || Output::new(Outcome::Read(None));
    for (output, revision) in [(absent(), 2), (read("1", 3), 4), (read("2", 5), 9)] {
        assert_eq!(verdict(get(output, revision)), Verdict::Linearizable, "at {revision}");
    }
    assert_broken(get(absent(), 3), Rule::AtItsRevision);
    assert_broken(get(read("1", 3), 5), Rule::AtItsRevision);
    assert_broken(get(read("2", 4), 6), Rule::AtItsRevision);
    assert_broken(get(Output::new(Outcome::Refused), 6), Rule::Written);
}

#[test]
fn a_serializable_read_may_tell_of_an_unknown_write() {
    let operations = |entry: Option<Entry>, at: u64| {
        let output = Output::new(Outcome::Read(entry)).at(Revision(at));
        vec![
            asked(1, (0, 9), Action::put("1"), written(3)),
            Operation::new(Client(2), 20, Input::new("a", Action::put("2"))),
            Operation::new(Client(3), 20, Input::new("a", Action::Delete)),
            asked(4, (30, 39), Action::GetSerializable, output),
        ]
    };
    let entry = |value, modified| Some(Entry::new(value).modified_at(Revision(modified)));
    for found in [entry("1", 3), entry("2", 4), None] {
        assert_eq!(verdict(operations(found, 5)), Verdict::Linearizable);
    }
    assert_broken(operations(entry("2", 2), 5), Rule::AtItsRevision);
    assert_broken(operations(entry("1", 2), 5), Rule::AtItsRevision);
}

#[test]
fn an_answer_tells_those_after_it_what_a_serializable_read_saw() {
    let stale =
        asked(1, (0, 9), Action::GetSerializable, Output::new(Outcome::Read(None)).at(Revision(7)));
    let get =
        |at| asked(2, (10, 19), Action::Get, Output::new(Outcome::Read(None)).at(Revision(at)));
    assert_eq!(verdict(vec![stale.clone(), get(7)]), Verdict::Linearizable);
    assert_broken(vec![stale, get(6)], Rule::Monotonic);
}
