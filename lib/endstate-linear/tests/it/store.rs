//! A store that is right, and clients of it whose requests take their time.

use std::collections::BTreeMap;

use endstate_linear::kv::{Action, Condition, Entry, Input, Outcome, Output, Revision};
use endstate_linear::{Client, History, Operation};
use proptest::prelude::*;

pub(crate) type KvHistory = History<Input, Output>;
pub(crate) type KvOperation = Operation<Input, Output>;

/// How a request goes. Numbers are reduced to what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    client: u32,
    /// How long the client is idle, how long the request is under way, and how long the answer.
    times: [u8; 3],
    key: u8,
    kind: u8,
    /// Which value is written or expected, or how old a serializable read is.
    choice: u8,
    fate: u8,
}

/// What clients do at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) clients: u32,
    pub(crate) keys: u8,
    /// Of 256 requests, how many are never answered.
    pub(crate) unknown: u8,
    /// Whether each write has a value of its own.
    pub(crate) unique: bool,
    /// How many kinds of [`action`] there are.
    pub(crate) kinds: u8,
}

/// Reads, and writes without a condition.
pub(crate) const PUTS: u8 = 6;
/// Conditions on values as well.
pub(crate) const SWAPS: u8 = 9;
/// Deletes, conditions on revisions and serializable reads as well.
pub(crate) const ALL: u8 = 14;

pub(crate) fn draws(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Draw>> {
    let draw = (any::<u32>(), any::<[u8; 3]>(), any::<[u8; 4]>()).prop_map(
        |(client, times, [key, kind, choice, fate])| Draw {
            client,
            times,
            key,
            kind,
            choice,
            fate,
        },
    );
    prop::collection::vec(draw, count)
}

/// As many draws of a sequence that is always the same.
pub(crate) fn fixed_draws(count: usize) -> Vec<Draw> {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32).to_le_bytes()
    };
    let draw = |_| {
        let ([a, b, c, d, ..], [key, kind, choice, fate, ..]) = (next(), next());
        Draw { client: a.into(), times: [b, c, d], key, kind, choice, fate }
    };
    (0..count).map(draw).collect()
}

/// When the request of a draw is made, takes effect and is answered.
struct Planned {
    draw: Draw,
    called: u64,
    effect: Option<u64>,
    returned: Option<u64>,
}

/// What clients were answered by a store that is right.
pub(crate) fn history(draws: &[Draw], setting: Setting) -> KvHistory {
    let mut planned = plan(draws, setting);
    planned.sort_by_key(|it| (it.effect.unwrap_or(it.called), it.called));
    let mut store = Store::default();
    let operations = planned.iter().enumerate().map(|(number, planned)| {
        let input = store.input(planned.draw, setting, number);
        let client = Client(planned.draw.client % setting.clients);
        let operation = Operation::new(client, planned.called, input.clone());
        let output = planned.effect.map(|_| store.answer(&input, planned.draw.choice));
        match (planned.returned, output) {
            (Some(returned), Some(output)) => operation.answered(returned, output),
            _ => operation,
        }
    });
    History::new(operations.collect()).expect("each client does one thing after another")
}

fn plan(draws: &[Draw], setting: Setting) -> Vec<Planned> {
    let mut now: BTreeMap<u32, u64> = BTreeMap::new();
    let planned = draws.iter().map(|draw| {
        let now = now.entry(draw.client % setting.clients).or_default();
        let [idle, way, back] = draw.times.map(|it| u64::from(it) % 20);
        let called = *now + idle + 1;
        let effect = called + way;
        *now = effect + back;
        let (effect, returned) = match draw.fate {
            it if it >= setting.unknown => (Some(effect), Some(*now)),
            it if it % 3 == 0 => (None, None),
            // Whoever asked has given up long before.
            it if it % 3 == 1 => (Some(called + way * 20), None),
            _ => (Some(effect), None),
        };
        Planned { draw: *draw, called, effect, returned }
    });
    planned.collect()
}

/// All that was ever written.
#[derive(Default)]
struct Store {
    revision: u64,
    keys: BTreeMap<String, Vec<(u64, Option<String>)>>,
}

impl Store {
    /// What a client asks for.
    fn input(&self, draw: Draw, setting: Setting, number: usize) -> Input {
        let key = format!("key-{}", draw.key % setting.keys);
        let value = if setting.unique { number.to_string() } else { (draw.choice % 3).to_string() };
        let (modified, current) = self.at(&key, self.revision);
        let off_by_one = Revision(modified + 1);
        let expected = current.clone().unwrap_or_default();
        let put_if = |it| Action::put_if(it, &value);
        let action = match draw.kind % setting.kinds {
            0..=2 => Action::Get,
            3..=5 => Action::put(&value),
            6 => put_if(Condition::Value(expected)),
            7 => put_if(Condition::Value((draw.choice % 3).to_string())),
            8 => put_if(Condition::Absent),
            9 => Action::Delete,
            10 => put_if(Condition::ModifiedAt(Revision(modified))),
            11 => put_if(Condition::ModifiedAt(off_by_one)),
            _ => Action::GetSerializable,
        };
        Input { key, action }
    }

    /// When a key was last written up to a revision, and what it held then.
    fn at(&self, key: &str, revision: u64) -> (u64, Option<String>) {
        let writes = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let until = writes.partition_point(|(it, _)| *it <= revision);
        writes[..until].last().cloned().unwrap_or_default()
    }

    fn answer(&mut self, input: &Input, age: u8) -> Output {
        let Input { key, action } = input;
        let (modified, value) = self.at(key, self.revision);
        let outcome = match action {
            Action::Get => self.read(key, self.revision),
            Action::GetSerializable => {
                let revision = self.revision.saturating_sub(u64::from(age) / 8);
                return Output::new(self.read(key, revision)).at(Revision(revision));
            }
            Action::Delete if value.is_none() => Outcome::NotFound,
            Action::Delete => {
                self.write(key, None);
                Outcome::Deleted
            }
            Action::PutIf(condition, _) if !holds(condition, modified, value.as_ref()) => {
                Outcome::Refused
            }
            Action::Put(value) | Action::PutIf(_, value) => {
                self.write(key, Some(value.clone()));
                Outcome::Written
            }
        };
        Output::new(outcome).at(Revision(self.revision))
    }

    fn read(&self, key: &str, revision: u64) -> Outcome {
        let (modified, value) = self.at(key, revision);
        Outcome::Read(value.map(|it| Entry::new(&it).modified_at(Revision(modified))))
    }

    fn write(&mut self, key: &str, value: Option<String>) {
        self.revision += 1;
        self.keys.entry(key.to_owned()).or_default().push((self.revision, value));
    }
}

fn holds(condition: &Condition, modified: u64, value: Option<&String>) -> bool {
    match condition {
        Condition::Absent => value.is_none(),
        Condition::Value(it) => value == Some(it),
        Condition::ModifiedAt(it) => value.is_some() && it.0 == modified,
    }
}

/// The same history, of a store that tells no revisions.
pub(crate) fn without_revisions(history: &KvHistory) -> KvHistory {
    telling(history, |_| [false; 2])
}

/// The same history, where this says of each operation whether the store's revision and an entry's is told. Conditions
/// on revisions stay.
pub(crate) fn telling(history: &KvHistory, told: impl Fn(usize) -> [bool; 2]) -> KvHistory {
    let mut operations = history.operations().to_vec();
    for (index, operation) in operations.iter_mut().enumerate() {
        let [store, entry] = told(index);
        let Some(answer) = &mut operation.answer else { continue };
        answer.output.revision = answer.output.revision.filter(|_| store);
        if let Outcome::Read(Some(it)) = &mut answer.output.outcome {
            it.modified = it.modified.filter(|_| entry);
        }
    }
    History::new(operations).expect("times are the same")
}
