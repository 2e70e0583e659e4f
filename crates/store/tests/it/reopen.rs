//! What an embedded store is after it was closed and opened again, and when it refuses to open.

use std::path::Path;

use crate::common::{create, delete, drain, key, put, root, update};
use store::{EmbeddedStore, Error, ListOptions, OpenError, Options, Revision, Store};

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(dir, Options::default()).unwrap()
}

#[tokio::test]
async fn objects_are_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.revision(), Revision::FIRST);
    put(&store, create("a", "1")).await;
    let made = put(&store, create("b", "1")).await;
    put(&store, update("b", "2", made)).await;
    let before = store.list(&root(), ListOptions::default()).await.unwrap();
    drop(store);

    let store = open(dir.path());
    let after = store.list(&root(), ListOptions::default()).await.unwrap();
    assert_eq!(after.revision, before.revision);
    assert_eq!(after.objects.len(), 2);
    for (before, after) in before.objects.iter().zip(&after.objects) {
        assert_eq!(before.key(), after.key());
        assert_eq!(before.revision(), after.revision());
        assert_eq!(before.bytes(), after.bytes());
        assert_eq!(before.bytes_at(Revision(77)), after.bytes_at(Revision(77)));
        assert_eq!(before.index(), after.index());
    }
}

/// The marker row is there for this: without it the deleted object's revision is forgotten with it.
#[tokio::test]
async fn revisions_go_on_after_the_newest_objects_were_deleted() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = open(dir.path());
        let first = Revision(2 + 2 * round);
        assert_eq!(put(&store, create("a", "1")).await, first);
        assert_eq!(put(&store, delete("a", first)).await, Revision(first.0 + 1));
        assert!(store.list(&root(), ListOptions::default()).await.unwrap().objects.is_empty());
    }
}

#[tokio::test]
async fn history_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, create("a", "1")).await;
    let newest = put(&store, create("b", "1")).await;
    drop(store);

    let store = open(dir.path());
    let requested = Revision(newest.0 - 1);
    let compacted = Error::Compacted { requested, oldest: newest };
    assert_eq!(store.watch(&root(), requested).await.err().unwrap(), compacted);
    let at = ListOptions { at: Some(requested), ..ListOptions::default() };
    assert_eq!(store.list(&root(), at).await.unwrap_err(), compacted);
    let mut watch = store.watch(&root(), newest).await.unwrap();
    let next = put(&store, create("c", "1")).await;
    let events = drain(&mut watch, next).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_closed_store_ends_its_watches() {
    use futures::StreamExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let watch = store.watch(&root(), Revision::FIRST).await.unwrap();
    put(&store, create("a", "1")).await;
    drop(store);
    let signals: Vec<_> = watch.collect().await;
    assert!(matches!(signals.last(), Some(Err(Error::Stopped(_)))), "{signals:?}");
    assert_eq!(signals.iter().filter(|signal| signal.is_err()).count(), 1);
}

#[test]
fn a_second_opening_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = EmbeddedStore::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("stop that one, or choose another directory"), "{error}");
    drop(store);
    open(dir.path());
}

#[test]
fn a_first_start_that_was_cut_short_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb.new"), b"half a fi").unwrap();
    open(dir.path());
    assert!(!dir.path().join("store.redb.new").exists());
}

/// What is in a store's place, and what is said of it. Nothing of it is changed.
#[test]
fn what_is_no_store_is_told_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let file = dir.path().join("store.redb");
    let whole = std::fs::read(&file).unwrap();
    let cases = [
        ("is empty, 0 bytes", Vec::new()),
        ("is not a store of Endstate", vec![7; 9000]),
        ("is damaged (it ends after 3 bytes)", whole[..3].to_vec()),
        ("is damaged", whole[..9].to_vec()),
        ("is damaged", whole[..5000].to_vec()),
    ];
    for (expected, content) in cases {
        std::fs::write(&file, &content).unwrap();
        let error = EmbeddedStore::open(dir.path(), Options::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        assert!(!error.contains("delete"), "{error}");
        assert!(std::fs::read(&file).unwrap() == content, "{expected}: it was changed");
    }
    std::fs::remove_file(&file).unwrap();
    make_newer(&file);
    let error = EmbeddedStore::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Format { .. }), "{error:?}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = EmbeddedStore::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
}

/// What a later version would write, whose rows mean something else.
fn make_newer(file: &Path) {
    let database = redb::Database::create(file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, &[u8]>::new("objects.v2")).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_file_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"").unwrap();
    let error = EmbeddedStore::open(&path, Options::default()).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

/// Secrets are in it.
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    drop(open(&inner));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for entry in std::fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

/// 6 MB are written, 100 KB are live. Fails without the removal of superseded rows.
#[tokio::test]
async fn what_is_overwritten_does_not_stay_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let text = "x".repeat(1000);
    let mut writes = Vec::new();
    for name in 0..100 {
        writes.push(create(&name.to_string(), &text));
    }
    let mut revision = store.commit(writes).await.unwrap().revision;
    for _ in 0..60 {
        let update = |name: u32| update(&name.to_string(), &text, revision);
        revision = store.commit((0..100).map(update).collect()).await.unwrap().revision;
    }
    let size = dir.path().join("store.redb").metadata().unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
    assert!(store.get(&key("7")).await.unwrap().is_some());
}
