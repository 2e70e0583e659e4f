//! Every interleaving of a small world: writes of ours and of others, the answers to ours, watch events, bookmarks,
//! losses and lists (each at any revision, also one that lags), over one key and over two.
//!
//! A world is a log of what the server did, how far the watch has shown it, and which answers are under way. Every
//! state that can be reached is visited once and held against the properties in [`World::check`]. Answers, events,
//! bookmarks, losses and lists have no limit of their own: states that are the same are not visited again.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;

type Key = usize;
/// The revision in which the object was created.
type Uid = u64;

/// What the server did in one revision: the object as it is then.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
struct Entry {
    key: Key,
    uid: Uid,
    is_there: bool,
    /// Whether the cache's selector matches.
    is_in_scope: bool,
}

/// What is under way to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Answer {
    Wrote(u64),
    /// A delete of the object as it was in that revision.
    Erased(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    We,
    Others,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Create(Key, Who),
    Update(Key, Who),
    Rescope(Key),
    Delete(Key, Who),
    /// We delete what is gone.
    DeleteAgain(Key),
    Answer(Answer),
    Show,
    Bookmark,
    Lose,
    List(u64),
}

/// What may happen.
#[derive(Clone, Copy)]
struct Limits {
    keys: usize,
    writes: usize,
    /// How many of the writes take an object out of the scope or back in.
    rescopes: usize,
    /// How often we delete what is gone.
    again: usize,
}

#[derive(Clone)]
struct World {
    limits: Limits,
    log: Vec<Entry>,
    answers: Vec<Answer>,
    /// The answers that came.
    answered: Vec<Answer>,
    /// How many deletes of what was gone were sent.
    again: usize,
    rescopes: usize,
    /// What the watch has shown; `None` while there is no watch.
    cursor: Option<u64>,
    /// The most that any watch has shown.
    told: u64,
    state: State<ConfigMap>,
    /// The newest version ever at hand, by key.
    newest: BTreeMap<Key, u64>,
    /// What a subscriber that follows the changes knows.
    mirror: BTreeMap<ObjectKey, (Uid, u64)>,
}

fn object_key(key: Key) -> ObjectKey {
    ObjectKey::namespaced("ns", ["a", "b"][key])
}

fn shown(object: &ConfigMap) -> (Uid, u64) {
    (uid(object).parse().unwrap(), revision(object).unwrap())
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            log: Vec::new(),
            answers: Vec::new(),
            answered: Vec::new(),
            again: 0,
            rescopes: 0,
            cursor: None,
            told: 0,
            state: State::default(),
            newest: BTreeMap::new(),
            mirror: BTreeMap::new(),
        }
    }

    fn now(&self) -> u64 {
        self.log.len() as u64
    }

    fn entry(&self, revision: u64) -> Entry {
        self.log[usize::try_from(revision).unwrap() - 1]
    }

    fn object(&self, revision: u64) -> Arc<ConfigMap> {
        let Entry { key, uid, .. } = self.entry(revision);
        let metadata = ObjectMeta {
            namespace: Some("ns".into()),
            name: Some(object_key(key).name().into()),
            uid: Some(uid.to_string()),
            resource_version: Some(revision.to_string()),
            ..ObjectMeta::default()
        };
        Arc::new(ConfigMap { metadata, ..ConfigMap::default() })
    }

    /// The revision that made a key as it was at a revision.
    fn last(&self, key: Key, at: u64) -> Option<u64> {
        (1..=at).rev().find(|it| self.entry(*it).key == key)
    }

    /// The objects that the selector matched at a revision.
    fn matched(&self, at: u64) -> Vec<Arc<ConfigMap>> {
        let last = (0..self.limits.keys).filter_map(|key| self.last(key, at));
        let matched = last.filter(|it| self.entry(*it).is_there && self.entry(*it).is_in_scope);
        matched.map(|it| self.object(it)).collect()
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves: Vec<_> = self.answers.iter().map(|it| Move::Answer(*it)).collect();
        if self.log.len() < self.limits.writes {
            (0..self.limits.keys).for_each(|key| moves.extend(self.writes(key)));
        }
        match self.cursor {
            Some(cursor) if cursor < self.now() => moves.extend([Move::Show, Move::Bookmark]),
            Some(_) => moves.push(Move::Bookmark),
            None => moves.extend((0..=self.now()).map(Move::List)),
        }
        if self.cursor.is_some() {
            moves.push(Move::Lose);
        }
        moves
    }

    fn writes(&self, key: Key) -> Vec<Move> {
        let last = self.last(key, self.now()).map(|it| self.entry(it));
        let mut moves = Vec::new();
        for who in [Who::We, Who::Others] {
            match last {
                Some(Entry { is_there: true, .. }) => {
                    moves.extend([Move::Update(key, who), Move::Delete(key, who)]);
                }
                _ => moves.push(Move::Create(key, who)),
            }
        }
        match last {
            Some(Entry { is_there: true, .. }) if self.rescopes < self.limits.rescopes => {
                moves.push(Move::Rescope(key))
            }
            Some(Entry { is_there: false, .. }) if self.again < self.limits.again => {
                moves.push(Move::DeleteAgain(key))
            }
            _ => {}
        }
        moves
    }

    fn write(&mut self, key: Key, who: Who, change: impl FnOnce(Option<Entry>, u64) -> Entry) {
        let before = self.last(key, self.now());
        let entry = change(before.map(|it| self.entry(it)), self.now() + 1);
        self.log.push(entry);
        if who == Who::We {
            let observed = before.filter(|_| !entry.is_there);
            self.answers.push(observed.map_or(Answer::Wrote(self.now()), Answer::Erased));
        }
    }

    fn step(&mut self, step: Move) {
        match step {
            Move::Create(key, who) => {
                self.write(key, who, |_, uid| Entry { key, uid, is_there: true, is_in_scope: true })
            }
            Move::Update(key, who) => self.write(key, who, |it, _| it.unwrap()),
            Move::Rescope(key) => {
                self.rescopes += 1;
                self.write(key, Who::Others, |it, _| {
                    let it = it.unwrap();
                    Entry { is_in_scope: !it.is_in_scope, ..it }
                });
            }
            Move::Delete(key, who) => {
                self.write(key, who, |it, _| Entry { is_there: false, ..it.unwrap() });
            }
            Move::DeleteAgain(key) => {
                let gone = self.last(key, self.now()).unwrap();
                self.again += 1;
                self.answers.push(Answer::Erased(self.last(key, gone - 1).unwrap()));
            }
            Move::Answer(answer) => self.answer(answer),
            Move::Show => self.show(),
            Move::Bookmark => {
                let changes = self.state.passed(self.cursor.unwrap());
                self.follow(changes);
            }
            Move::Lose => self.cursor = None,
            Move::List(at) => self.list(at),
        }
        for (key, newest) in
            (0..self.limits.keys).map(|key| (key, self.state.get(&object_key(key))))
        {
            if let Some(object) = newest {
                let (before, now) = (self.newest.get(&key), shown(object).1);
                assert!(before.is_none_or(|it| *it <= now), "a version went back");
                self.newest.insert(key, now);
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        let place = self.answers.iter().position(|it| *it == answer).unwrap();
        self.answers.remove(place);
        self.answered.push(answer);
        let change = match answer {
            Answer::Wrote(revision) if !self.entry(revision).is_in_scope => {
                self.state.left(&self.object(revision), None)
            }
            Answer::Wrote(revision) => self.state.wrote(self.object(revision), None),
            Answer::Erased(observed) => self.state.erased(&self.object(observed), None),
        };
        self.follow(change);
    }

    /// The watch shows the next revision, if its selector lets it.
    fn show(&mut self) {
        let next = self.cursor.unwrap() + 1;
        let entry = self.entry(next);
        let before = self.last(entry.key, next - 1).map(|it| self.entry(it));
        let was_matched = before.is_some_and(|it| it.is_there && it.is_in_scope);
        let changes = match entry.is_there && entry.is_in_scope {
            true => self.state.applied(self.object(next)),
            false if was_matched => self.state.deleted(&*self.object(next)),
            false => Vec::new(),
        };
        self.cursor = Some(next);
        self.told = self.told.max(next);
        self.follow(changes);
    }

    fn list(&mut self, at: u64) {
        let lags = at < self.state.newest;
        let listed = self.state.listed(self.matched(at), Some(at));
        assert_eq!(listed.is_err(), lags);
        let Ok(changes) = listed else { return };
        self.cursor = Some(at);
        self.told = self.told.max(at);
        self.follow(changes);
    }

    fn follow(&mut self, changes: impl IntoIterator<Item = Change<ConfigMap>>) {
        for change in changes {
            let key = ObjectKey::of(&**change.states().next().expect("a change has a state"));
            let old = change.old.as_deref().map(shown);
            assert_eq!(self.mirror.get(&key), old.as_ref(), "a change of what was not so");
            match change.new.as_deref().map(shown) {
                Some(new) => self.mirror.insert(key, new),
                None => self.mirror.remove(&key),
            };
        }
    }

    /// The revision that ended an object.
    fn end(&self, uid: Uid) -> Option<u64> {
        (1..=self.now()).find(|it| self.entry(*it).uid == uid && !self.entry(*it).is_there)
    }

    /// Whether we were told that an object is gone; also by an answer about its successor.
    fn is_dead(&self, uid: Uid) -> bool {
        let key = self.entry(uid).key;
        let says = |it: &Answer| match it {
            Answer::Erased(at) => self.entry(*at).key == key && self.entry(*at).uid >= uid,
            Answer::Wrote(at) => {
                let it = self.entry(*at);
                it.key == key && it.uid > uid && it.is_in_scope
            }
        };
        let is_told = |end: u64| end <= self.told || self.answered.iter().any(says);
        self.end(uid).is_some_and(is_told)
    }

    fn check(&self) {
        let objects = || self.state.objects.values().map(|it| shown(it));
        for (uid, _) in objects() {
            assert!(!self.is_dead(uid), "a dead object came back");
        }
        assert!(objects().eq(self.mirror.values().cloned()), "a change was not told");
        for answer in &self.answered {
            if let Answer::Wrote(revision) = answer {
                assert!(self.is_visible(*revision), "an own write is not seen");
            }
        }
        for (_, ahead) in self.state.ahead.iter() {
            let end = self.end(ahead.uid.parse().unwrap());
            let is_awaited = ahead.is_erased() && end.is_some_and(|it| it > self.told);
            assert!(ahead.revision > self.state.shown || is_awaited, "a record is kept for ever");
        }
        if self.answers.is_empty() && self.cursor == Some(self.now()) {
            let matched = self.matched(self.now());
            assert!(objects().eq(matched.iter().map(|it| shown(it))), "at rest it is another");
            let mut marked = self.state.clone();
            assert!(marked.passed(self.now()).is_empty());
            assert_eq!(marked.ahead.iter().count(), 0, "a record at rest");
        }
    }

    /// Whether the version of an own write, or what came after it, is at hand.
    fn is_visible(&self, revision: u64) -> bool {
        let entry = self.entry(revision);
        let at_hand = self.state.get(&object_key(entry.key)).map(|it| shown(it).1);
        let has_left = |it: u64| {
            self.entry(it).key == entry.key
                && !(self.entry(it).is_there && self.entry(it).is_in_scope)
        };
        let says =
            |it: &Answer| matches!(it, Answer::Wrote(at) if *at >= revision && has_left(*at));
        !entry.is_in_scope
            || self.answered.iter().any(says)
            || at_hand.is_some_and(|it| it >= revision)
            || self.is_dead(entry.uid)
            || (revision..=self.told).any(has_left)
    }

    fn fingerprint(&self) -> u64 {
        let mut answers = (self.answers.clone(), self.answered.clone());
        answers.0.sort_unstable();
        answers.1.sort_unstable();
        answers.1.dedup();
        let objects: Vec<_> = self.state.objects.iter().map(|(key, it)| (key, shown(it))).collect();
        let mut records: Vec<_> = self.state.ahead.iter().collect();
        records.sort_by_key(|(key, _)| *key);
        let known = (objects, records, self.state.shown, self.state.newest, &self.newest);
        let world = (&self.log, answers, self.again, self.cursor, self.told, known);
        BuildHasherDefault::<DefaultHasher>::default().hash_one(world)
    }
}

/// How a state was reached.
struct Path {
    last: Move,
    before: Option<Rc<Self>>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = &self.before {
            write!(f, "{before}, ")?;
        }
        write!(f, "{:?}", self.last)
    }
}

/// Visits every state; how many there are. A property that fails prints the moves that led there.
fn explore(limits: Limits) -> usize {
    let mut seen = HashSet::new();
    let mut waiting = VecDeque::from([(World::new(limits), None)]);
    while let Some((world, before)) = waiting.pop_front() {
        for last in world.moves() {
            let mut next = world.clone();
            let path = Path { last, before: before.clone() };
            let tried = std::panic::catch_unwind(AssertUnwindSafe(|| {
                next.step(last);
                next.check();
            }));
            assert!(tried.is_ok(), "after {path}");
            if seen.insert(next.fingerprint()) {
                waiting.push_back((next, Some(Rc::new(path))));
            }
        }
    }
    seen.len()
}

#[test]
fn one_key_and_five_writes() {
    assert!(explore(Limits { keys: 1, writes: 5, rescopes: 0, again: 0 }) > 50_000);
}

#[test]
fn one_key_that_leaves_the_scope_and_comes_back() {
    assert!(explore(Limits { keys: 1, writes: 4, rescopes: 4, again: 1 }) > 30_000);
}

#[test]
fn two_keys() {
    assert!(explore(Limits { keys: 2, writes: 3, rescopes: 3, again: 1 }) > 15_000);
}
