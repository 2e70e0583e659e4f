//! Random commits, compactions and restarts against the simplest possible model: a copy of the whole state per
//! revision.
//!
//! That it can fail: keeping one version less in `Chain::forget`, or replaying from a watch's own revision in
//! `Versions::changes_after`, is found within some cases (both tried).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{create, delete, key, root, update};
use futures::StreamExt;
use proptest::prelude::*;
use store::{
    EmbeddedStore, Error, Event, ListOptions, MemoryStore, Object, Options, Prefix, Revision,
    Signal, Store, Watch, Write,
};

const NAMES: [&str; 6] = ["a/x", "a/y", "a/z", "aa/x", "b/x", "b/y"];

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(Kind, usize)>),
    /// Of a revision this far back.
    Compact(u64),
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Create,
    Update,
    Delete,
    /// With a revision that is one too old.
    Stale,
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        4 => Just(Kind::Create),
        6 => Just(Kind::Update),
        3 => Just(Kind::Delete),
        1 => Just(Kind::Stale),
    ];
    let writes = prop::collection::vec((kind, 0..NAMES.len()), 1..4);
    prop_oneof![
        30 => writes.prop_map(Op::Commit),
        1 => (0..6u64).prop_map(Op::Compact),
        1 => Just(Op::Restart),
    ]
}

type State = BTreeMap<&'static str, (u64, String)>;
/// Revision, name, bytes before, bytes after.
type Change = (u64, &'static str, Option<String>, Option<String>);

struct Model {
    /// From `oldest` on.
    states: Vec<State>,
    oldest: u64,
    changes: Vec<Change>,
    /// Makes every text another.
    counter: u32,
}

impl Model {
    fn new() -> Self {
        // Revisions 0 and 1 are the empty store.
        Self { states: vec![State::new(); 2], oldest: 0, changes: Vec::new(), counter: 0 }
    }

    fn revision(&self) -> u64 {
        self.oldest + self.states.len() as u64 - 1
    }

    fn forget(&mut self, revision: u64) {
        let count = revision.saturating_sub(self.oldest);
        self.states.drain(..usize::try_from(count).unwrap());
        self.oldest = self.oldest.max(revision);
    }

    fn write(&mut self, (kind, name): (Kind, usize)) -> Write {
        let name = NAMES[name];
        self.counter += 1;
        let text = format!("{}", self.counter);
        let current = self.states.last().unwrap().get(name).map_or(1, |(revision, _)| *revision);
        match kind {
            Kind::Create => create(name, &text),
            Kind::Update => update(name, &text, Revision(current)),
            Kind::Delete => delete(name, Revision(current)),
            Kind::Stale => update(name, &text, Revision(current - 1)),
        }
    }

    fn commit(&mut self, writes: &[Write]) -> Result<u64, Error> {
        let revision = self.revision() + 1;
        let mut state = self.states.last().unwrap().clone();
        let mut changes = Vec::new();
        for write in writes {
            let name = *NAMES.iter().find(|name| key(name) == *write.key()).unwrap();
            let previous = state.get(name).map(|(_, bytes)| bytes.clone());
            let current = state.get(name).map(|(revision, _)| Revision(*revision));
            let key = write.key().clone();
            let draft = match (write, current) {
                (Write::Create { .. }, Some(_)) => return Err(Error::Exists(key)),
                (Write::Update { .. } | Write::Delete { .. }, None) => {
                    return Err(Error::NotFound(key));
                }
                (
                    Write::Update { expected, .. } | Write::Delete { expected, .. },
                    Some(current),
                ) if *expected != current => {
                    return Err(Error::Conflict { key, expected: *expected, current });
                }
                (Write::Create { draft, .. } | Write::Update { draft, .. }, _) => Some(draft),
                (Write::Delete { .. }, _) => None,
            };
            let text = |draft: &store::Draft| {
                let before = String::from_utf8(draft.before.clone()).unwrap();
                format!("{before}{revision}{}", String::from_utf8(draft.after.clone()).unwrap())
            };
            let bytes = draft.map(text);
            match &bytes {
                Some(bytes) => drop(state.insert(name, (revision, bytes.clone()))),
                None => drop(state.remove(name)),
            }
            changes.push((revision, name, previous, bytes));
        }
        self.states.push(state);
        self.changes.extend(changes);
        Ok(revision)
    }

    fn changes(&self, prefix: &Prefix, after: u64, until: u64) -> Vec<Change> {
        let within = |change: &&Change| {
            prefix.contains(&key(change.1)) && change.0 > after && change.0 <= until
        };
        self.changes.iter().filter(within).cloned().collect()
    }

    fn readable(&self, revision: u64) -> Result<(), Error> {
        let (requested, oldest) = (Revision(revision), Revision(self.oldest));
        match revision {
            _ if revision > self.revision() => {
                Err(Error::Future { requested, current: Revision(self.revision()) })
            }
            _ if revision < self.oldest => Err(Error::Compacted { requested, oldest }),
            _ => Ok(()),
        }
    }
}

fn text(object: &Arc<Object>) -> String {
    String::from_utf8(object.bytes().to_vec()).unwrap()
}

fn change(event: &Event) -> Change {
    let name = NAMES.iter().find(|name| key(name) == *event.key()).unwrap();
    let [before, after] = [&event.previous, &event.object].map(|o| o.as_ref().map(text));
    (event.revision.0, name, before, after)
}

/// Reads a watch to the newest revision. Each progress must have told every change up to it, and no other.
async fn check_watch(mut watch: Watch, prefix: &Prefix, after: u64, model: &Model) {
    let mut told = Vec::new();
    loop {
        match watch.next().await.unwrap().unwrap() {
            Signal::Event(event) => told.push(change(&event)),
            Signal::Progress(Revision(revision)) => {
                assert_eq!(told, model.changes(prefix, after, revision), "up to {revision}");
                if revision == model.revision() {
                    return;
                }
            }
        }
    }
}

/// Reads a list in pages of two.
async fn check_list(store: &dyn Store, prefix: &Prefix, at: u64, model: &Model) {
    let expected = match model.readable(at) {
        Ok(()) => &model.states[usize::try_from(at - model.oldest).unwrap()],
        Err(error) => {
            let options = ListOptions { at: Some(Revision(at)), ..ListOptions::default() };
            assert_eq!(store.list(prefix, options).await.unwrap_err(), error);
            return;
        }
    };
    let expected: Vec<_> =
        expected.iter().filter(|(name, _)| prefix.contains(&key(name))).collect();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let options = ListOptions { at: Some(Revision(at)), after, limit: Some(2) };
        let page = store.list(prefix, options).await.unwrap();
        assert_eq!(page.revision, Revision(at));
        after = page.objects.last().map(|object| object.key().clone());
        listed.extend(page.objects.iter().map(|object| (object.revision().0, text(object))));
        assert_eq!(page.remaining, expected.len() - listed.len());
        if page.remaining == 0 {
            break;
        }
    }
    assert_eq!(listed, expected.into_iter().map(|(_, state)| state.clone()).collect::<Vec<_>>());
}

fn prefixes() -> [Prefix; 4] {
    let prefix = |segments: &[&str]| Prefix::new(segments).unwrap();
    let namespace = |name| prefix(&["core", "pods", name]);
    [root(), prefix(&["core", "pods"]), namespace("a"), namespace("b")]
}

async fn check_everything(store: &dyn Store, model: &Model) {
    assert_eq!(store.revision(), Revision(model.revision()));
    for prefix in prefixes() {
        for revision in model.oldest.saturating_sub(1)..=model.revision() + 1 {
            check_list(store, &prefix, revision, model).await;
            match store.watch(&prefix, Revision(revision)).await {
                Ok(watch) => check_watch(watch, &prefix, revision, model).await,
                Err(error) => assert_eq!(Err(error), model.readable(revision)),
            }
        }
    }
}

/// `restart` gives the store as it is after a restart, or back as it is.
async fn agrees(
    ops: Vec<Op>,
    mut store: Arc<dyn Store>,
    restart: impl Fn() -> Option<Arc<dyn Store>>,
) {
    let mut model = Model::new();
    let mut live = Vec::new();
    for op in ops {
        match op {
            Op::Commit(writes) => {
                let writes: Vec<_> = writes.into_iter().map(|write| model.write(write)).collect();
                let expected = model.commit(&writes).map(Revision);
                let commit = store.commit(writes).await.map(|commit| commit.revision);
                assert_eq!(commit, expected);
            }
            Op::Compact(back) => {
                let revision = model.revision().saturating_sub(back);
                store.compact(Revision(revision)).await.unwrap();
                model.forget(revision);
            }
            Op::Restart => {
                live.clear();
                drop(store);
                match restart() {
                    Some(restarted) => store = restarted,
                    None => return,
                }
                match model.revision() > 1 {
                    true => model.forget(model.revision()),
                    // Nothing was ever written, so there is nothing to forget, nor to remember having forgotten.
                    false => model = Model::new(),
                }
            }
        }
        let after = model.revision();
        let prefix = prefixes()[live.len() % prefixes().len()].clone();
        live.push((store.watch(&prefix, Revision(after)).await.unwrap(), prefix, after));
    }
    for (watch, prefix, after) in live {
        check_watch(watch, &prefix, after, &model).await;
    }
    check_everything(&*store, &model).await;
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test);
}

fn without_restarts(ops: Vec<Op>) -> Vec<Op> {
    ops.into_iter().filter(|op| !matches!(op, Op::Restart)).collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(96))]
    #[test]
    fn the_memory_engine_agrees(ops in prop::collection::vec(op(), 1..60)) {
        run(agrees(without_restarts(ops), Arc::new(MemoryStore::new()), || None));
    }
}

/// What nothing was written to is as new after a restart, whatever was compacted.
#[test]
fn an_empty_store_compacted_and_restarted_is_as_new() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        Some(Arc::new(store) as Arc<dyn Store>)
    };
    run(agrees(vec![Op::Compact(0), Op::Restart], open().unwrap(), open));
}

proptest! {
    #![proptest_config(config(24))]
    #[test]
    fn the_embedded_engine_agrees(ops in prop::collection::vec(op(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
            Some(Arc::new(store) as Arc<dyn Store>)
        };
        run(agrees(ops, open().unwrap(), open));
    }
}
