//! What the tests of a store have in common.

use std::sync::Arc;

use futures::StreamExt;
use store::{
    Draft, EmbeddedStore, Event, Index, Key, Limits, MemoryStore, Options, Prefix, Revision,
    Signal, Store, Watch, Write,
};
use tempfile::TempDir;

/// The object `name` in the namespace that most tests use; `a/b` is `b` in another one.
pub(crate) fn key(name: &str) -> Key {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    Key::new(&["core", "pods", namespace, name]).unwrap()
}

pub(crate) fn root() -> Prefix {
    Prefix::new(&[]).unwrap()
}

pub(crate) fn draft(text: &str) -> Draft {
    let labels = [("text".into(), text.chars().take(8).collect::<String>().into())].into();
    let index = Index { labels, fields: Box::default() };
    Draft { before: format!("{text}@").into(), after: b"!".into(), index }
}

pub(crate) fn create(name: &str, text: &str) -> Write {
    Write::Create { key: key(name), draft: draft(text) }
}

pub(crate) fn update(name: &str, text: &str, expected: Revision) -> Write {
    Write::Update { key: key(name), draft: draft(text), expected }
}

pub(crate) fn delete(name: &str, expected: Revision) -> Write {
    Write::Delete { key: key(name), expected }
}

/// Commits one write that must succeed.
pub(crate) async fn put(store: &dyn Store, write: Write) -> Revision {
    store.commit(vec![write]).await.unwrap().revision
}

/// The events of a watch until it has told all up to a revision.
pub(crate) async fn drain(watch: &mut Watch, until: Revision) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    loop {
        match watch.next().await.expect("a watch goes on").expect("a watch that keeps up") {
            Signal::Event(event) => events.push(event),
            Signal::Progress(revision) if revision >= until => return events,
            Signal::Progress(_) => {}
        }
    }
}

/// An event in short: `+` created, `~` changed, `-` deleted.
pub(crate) fn short(event: &Event) -> String {
    let sign = match (&event.previous, &event.object) {
        (None, _) => '+',
        (_, Some(_)) => '~',
        (_, None) => '-',
    };
    let name = event.key().as_str().rsplit('/').next().unwrap_or_default().to_owned();
    format!("{}{sign}{name}", event.revision)
}

/// A store and what it lives in.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    _dir: Option<TempDir>,
}

pub(crate) fn memory(limits: Limits) -> Fixture {
    Fixture { store: Arc::new(MemoryStore::with_limits(limits)), _dir: None }
}

pub(crate) fn embedded(limits: Limits) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { limits, ..Options::default() };
    let store = Arc::new(EmbeddedStore::open(dir.path(), options).unwrap());
    Fixture { store, _dir: Some(dir) }
}
