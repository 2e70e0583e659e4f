//! Many committers, watchers and readers at once: nothing is lost, told twice, out of order, or seen half done.
//!
//! That it can fail: dispatching before `apply` breaks it (tried). Races too narrow to be met here are made by hand in
//! the tests of `watch.rs` and `resident.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::common::{create, delete, drain, key, root, update};
use futures::StreamExt;
use store::{Error, Event, Key, Limits, ListOptions, Prefix, Revision, Signal, Store, Write};
use tokio::sync::watch;

const COMMITTERS: u64 = 8;
const COMMITS: u64 = 150;
const NAMES: u64 = 12;

type State = BTreeMap<Key, Vec<u8>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    stress(crate::common::memory(Limits::default()).store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn embedded() {
    let fixture = crate::common::embedded(Limits::default());
    stress(fixture.store.clone()).await;
}

/// Small and good enough to pick names: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

async fn stress(store: Arc<dyn Store>) {
    let whole = store.watch(&root(), Revision::FIRST).await.unwrap();
    let (end, over) = watch::channel(false);
    let readers: Vec<_> = (0..3).map(|_| tokio::spawn(read(store.clone(), over.clone()))).collect();
    let resumers: Vec<_> = (0..3)
        .map(|number| tokio::spawn(resume(store.clone(), Dice(number + 77), over.clone())))
        .collect();
    let committers: Vec<_> = (0..COMMITTERS)
        .map(|number| tokio::spawn(commit(store.clone(), Dice(number * 1_000_003 + 1))))
        .collect();
    let mut made = HashMap::new();
    for committer in committers {
        for (revision, state) in committer.await.unwrap() {
            assert!(made.insert(revision, state).is_none(), "{revision} is given once");
        }
    }
    let last = store.revision();
    end.send(true).unwrap();
    let mut whole = whole;
    let events = drain(&mut whole, last).await;
    let states = check_events(&events, &made, last);
    for reader in readers {
        for (revision, state) in reader.await.unwrap() {
            assert_eq!(states[&revision], state, "the list at {revision} is one state");
        }
    }
    let ns = namespace();
    let expected: Vec<_> = events.iter().filter(|event| ns.contains(event.key())).collect();
    for resumer in resumers {
        let told = resumer.await.unwrap();
        assert_eq!(told.len(), expected.len());
        assert!(told.iter().zip(&expected).all(|(told, expected)| Arc::ptr_eq(told, expected)));
    }
}

fn namespace() -> Prefix {
    Prefix::new(&["core", "pods", "n1"]).unwrap()
}

/// Commits two writes at a time to shared names. Gives what each commit left of its first name.
async fn commit(store: Arc<dyn Store>, mut dice: Dice) -> Vec<(Revision, Option<Vec<u8>>)> {
    let mut made = Vec::new();
    for number in 0..COMMITS {
        let pick = dice.roll(NAMES);
        let names = [pick, (pick + 1 + dice.roll(NAMES - 1)) % NAMES];
        let mut writes = Vec::new();
        for name in names.map(|name| format!("n{}/{name}", name % 3)) {
            let text = format!("{}-{number}", dice.0);
            writes.push(match store.get(&key(&name)).await.unwrap() {
                None => create(&name, &text),
                Some(object) if dice.roll(4) == 0 => delete(&name, object.revision()),
                Some(object) => update(&name, &text, object.revision()),
            });
        }
        let deleted = matches!(writes[0], Write::Delete { .. });
        match store.commit(writes).await {
            Ok(commit) => {
                let first = &commit.objects[0];
                // What was acknowledged is there, or something newer is.
                let read = store.get(first.key()).await.unwrap();
                assert!(store.revision() >= commit.revision);
                assert!(deleted || read.is_none_or(|read| read.revision() >= commit.revision));
                made.push((commit.revision, (!deleted).then(|| first.bytes().to_vec())));
            }
            Err(Error::Exists(_) | Error::NotFound(_) | Error::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    made
}

/// Lists as fast as it goes.
async fn read(store: Arc<dyn Store>, over: watch::Receiver<bool>) -> Vec<(Revision, State)> {
    let mut read = Vec::new();
    while !*over.borrow() {
        let page = store.list(&root(), ListOptions::default()).await.unwrap();
        let state = page.objects.iter().map(|it| (it.key().clone(), it.bytes().to_vec()));
        read.push((page.revision, state.collect()));
        tokio::task::yield_now().await;
    }
    read
}

/// Watches a namespace, dropping the watch every now and then to go on with another from where it was. Commits
/// elsewhere wake nobody, so at the end one more watch tells how far it is.
async fn resume(
    store: Arc<dyn Store>,
    mut dice: Dice,
    mut over: watch::Receiver<bool>,
) -> Vec<Arc<Event>> {
    let mut told = Vec::new();
    let mut at = Revision::FIRST;
    while !*over.borrow() {
        let mut watch = store.watch(&namespace(), at).await.unwrap();
        let mut patience = dice.roll(20) + 1;
        while patience > 0 {
            let signal = tokio::select! {
                signal = watch.next() => signal.unwrap().unwrap(),
                _ = over.wait_for(|over| *over) => break,
            };
            // Only a progress can be resumed from: an event may be one of several of its commit.
            match signal {
                Signal::Event(event) => told.push(event),
                Signal::Progress(revision) => {
                    at = revision;
                    patience -= 1;
                }
            }
        }
        // Events after the last progress are told again by the next watch.
        told.retain(|event: &Arc<Event>| event.revision <= at);
    }
    let mut watch = store.watch(&namespace(), at).await.unwrap();
    told.extend(drain(&mut watch, store.revision()).await);
    told
}

/// Every revision once, in order, each event fitting the state before it. Gives the state at each revision.
fn check_events(
    events: &[Arc<Event>],
    made: &HashMap<Revision, Option<Vec<u8>>>,
    last: Revision,
) -> HashMap<Revision, State> {
    let mut state = State::new();
    let mut states = HashMap::from([(Revision::FIRST, state.clone())]);
    let mut revision = Revision::FIRST;
    for pair in events.chunks(2) {
        revision = Revision(revision.0 + 1);
        for event in pair {
            assert_eq!(event.revision, revision);
            let previous = event.previous.as_ref().map(|object| object.bytes().to_vec());
            assert_eq!(state.get(event.key()), previous.as_ref());
            match &event.object {
                Some(object) => state.insert(event.key().clone(), object.bytes().to_vec()),
                None => state.remove(event.key()),
            };
        }
        let first = pair[0].object.as_ref().map(|object| object.bytes().to_vec());
        assert_eq!(made[&revision], first, "what was acknowledged is what was told");
        states.insert(revision, state.clone());
    }
    assert_eq!(revision, last);
    assert_eq!(made.len() as u64 + 1, last.0);
    states
}
