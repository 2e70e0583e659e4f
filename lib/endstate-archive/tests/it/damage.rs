//! Data that is not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use endstate_archive::{Archive, ArchiveError, Entry, Identity, Packing};

use crate::roundtrip::{on, packings};
use crate::world::{noise, read, write};

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("lists").map(|it| it.expect("a file").path());
    files.filter(|it| it.is_file()).collect()
}

fn data(folder: &Path) -> PathBuf {
    let mut files = files(&folder.join("8f1c2d3e/data"));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

async fn damaged(archive: &Archive, entry: &Entry, identity: &Identity) -> String {
    let error = read(archive, entry, Some(identity)).await.expect_err("is damaged");
    let ArchiveError::Damaged { name, what } = error else { panic!("{error:?}") };
    assert_eq!(name, entry.name.to_string());
    what
}

/// Writes an entry in every way to pack it, lets its data be changed, and reads it.
async fn check(change: impl Fn(&mut Vec<u8>)) -> Vec<String> {
    let identity = Identity::generate();
    let mut seen = Vec::new();
    for packing in packings(&identity) {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = on(folder.path());
        let entry = write(&archive, &packing, &noise(9_000_000, 5)).await.expect("writes");
        let path = data(folder.path());
        let mut stored = fs::read(&path).expect("reads");
        change(&mut stored);
        fs::write(&path, stored).expect("writes");
        seen.push(damaged(&archive, &entry, &identity).await);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere() {
    for part in 0..4 {
        check(|it| {
            let index = it.len() * part / 4 + 1_000;
            it[index] ^= 1;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_ends_early_or_late() {
    for seen in check(|it| it.truncate(it.len() - 1)).await {
        assert!(seen.contains("stored bytes"), "{seen}");
    }
    for seen in check(|it| it.push(0)).await {
        assert!(seen.contains("stored bytes"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let entry = write(&archive, &Packing::default(), b"data").await.expect("writes");
    fs::remove_file(data(folder.path())).expect("removes");
    assert_eq!(damaged(&archive, &entry, &Identity::generate()).await, "its data is not there");
}

/// A manifest whose sizes are of other data than what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn data_that_unpacks_to_more_or_less_than_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let entry = write(&archive, &Packing::default(), &noise(600_000, 6)).await.expect("writes");
    for bytes in [599_999, 600_001] {
        let entry = Entry { bytes, ..entry.clone() };
        damaged(&archive, &entry, &Identity::generate()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_none_of_ours_are_reported_beside_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let good = write(&archive, &Packing::default(), b"good").await.expect("writes");
    let text =
        fs::read_to_string(folder.path().join(format!("{}.json", good.name))).expect("reads");
    let other = good.name.to_string().replace("full-", "delta-");
    let cases = [
        ("8f1c2d3e/notes.json".to_owned(), "{}".to_owned(), "its name"),
        (format!("{other}.json"), text.clone(), "another entry"),
        (
            good.name.to_string().replace("00000042-2", "00000043-2") + ".json",
            "{".to_owned(),
            "no manifest",
        ),
        (
            good.name.to_string().replace("00000042-2", "00000044-2") + ".json",
            text.replace("\"format\": 1", "\"format\": 2"),
            "format is 2",
        ),
    ];
    for (path, text, _) in &cases {
        fs::write(folder.path().join(path), text).expect("writes");
    }
    // Not in the form of a manifest's name, and not ours.
    fs::write(folder.path().join("8f1c2d3e/README.txt"), "hello").expect("writes");
    fs::create_dir(folder.path().join("lost+found")).expect("makes");
    let listing = archive.list(None).await.expect("lists");
    assert_eq!(listing.entries, [good]);
    assert_eq!(listing.unread.len(), cases.len());
    for (path, _, expected) in &cases {
        let unread = listing.unread.iter().find(|it| it.path == *path).expect("is reported");
        assert!(matches!(unread.why, ArchiveError::Foreign { .. }), "{:?}", unread.why);
        assert!(unread.why.to_string().contains(expected), "{path}: {}", unread.why);
    }
}

/// What a listing knows already is read again if it is another object.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_changes_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let good = write(&archive, &Packing::default(), b"good").await.expect("writes");
    assert_eq!(archive.list(None).await.expect("lists").entries.len(), 1);
    fs::write(folder.path().join(format!("{}.json", good.name)), "damaged").expect("writes");
    let listing = archive.list(None).await.expect("lists");
    assert_eq!((listing.entries.len(), listing.unread.len()), (0, 1));
}
