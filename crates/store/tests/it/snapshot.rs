//! What a snapshot holds, and what a store that is made of one is.

use store::{
    EmbeddedStore, Error, ListOptions, Options, RestoreError, Revision, Snapshot, Store, restore,
};
use tempfile::TempDir;

use crate::common::{create, delete, key, put, root, update};

async fn written() -> (TempDir, EmbeddedStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    for name in ["a", "b", "c", "other/d"] {
        put(&store, create(name, &name.repeat(3000))).await;
    }
    let made = store.get(&key("b")).await.unwrap().unwrap().revision();
    put(&store, update("b", "second", made)).await;
    let made = store.get(&key("c")).await.unwrap().unwrap().revision();
    put(&store, delete("c", made)).await;
    (dir, store)
}

fn bytes(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot.write_to(&mut bytes).unwrap();
    bytes
}

/// Every revision that was handed out, here 2 to 7, stays what it was: neither the store nor an object is at one again.
#[tokio::test]
async fn a_restored_store_has_the_objects_at_a_revision_of_its_own() {
    let (_dir, store) = written().await;
    let snapshot = store.snapshot().unwrap();
    put(&store, create("later", "x")).await;
    for (at_least, revision) in [(1_000_000, 1_000_000), (3, snapshot.revision().0 + 1)] {
        let (dir, revision) = (tempfile::tempdir().unwrap(), Revision(revision));
        let target = dir.path().join("store");
        let restored = restore(&mut &*bytes(&snapshot), &target, Revision(at_least)).unwrap();
        assert_eq!((restored.taken, restored.revision), (snapshot.revision(), revision));
        assert_eq!(restored.objects, 3);
        let again = EmbeddedStore::open(&target, Options::default()).unwrap();
        let page = again.list(&root(), ListOptions::default()).await.unwrap();
        assert_eq!((page.revision, page.objects.len()), (revision, 3));
        for object in &page.objects {
            let before = store.get(object.key()).await.unwrap().unwrap();
            assert_eq!(object.revision(), revision);
            assert_eq!(object.bytes(), &before.bytes_at(revision));
            assert_eq!(object.index(), before.index());
        }
        let old = again.watch(&root(), snapshot.revision()).await.err().unwrap();
        assert!(matches!(old, Error::Compacted { .. }), "{old}");
        assert_eq!(put(&again, create("next", "x")).await.0, revision.0 + 1);
    }
}

#[tokio::test]
async fn an_empty_store_is_restored_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path().join("old"), Options::default()).unwrap();
    let snapshot = bytes(&store.snapshot().unwrap());
    let target = dir.path().join("new");
    restore(&mut &*snapshot, &target, Revision(90)).unwrap();
    let again = EmbeddedStore::open(&target, Options::default()).unwrap();
    assert_eq!(again.revision(), Revision(90));
}

#[tokio::test]
async fn a_snapshot_that_was_cut_or_is_none_is_refused() {
    let (_dir, store) = written().await;
    let whole = bytes(&store.snapshot().unwrap());
    let refusal = |snapshot: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("store");
        restore(&mut &*snapshot, &target, Revision(90)).unwrap_err()
    };
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let error = refusal(&whole[..length]);
        assert!(matches!(error, RestoreError::Short), "{length} bytes: {error}");
    }
    let foreign = refusal(&[7; 5000]);
    assert!(matches!(foreign, RestoreError::Foreign), "{foreign}");
    let mut longer = whole.clone();
    // A length that nobody has: no memory is taken for it.
    let place = b"endstate store 1\n".len() + 8 + 8 + 8;
    longer[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(refusal(&longer), RestoreError::Damaged(_)));
}
