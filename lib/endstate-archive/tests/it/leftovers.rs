//! Writers that never finish.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use endstate_archive::{Archive, Packing};
use jiff::Timestamp;

use crate::roundtrip::on;
use crate::world::{lineage, noise, write};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|it| it.expect("a file").path());
    paths.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}

/// Begins an entry of more than one part.
async fn begin(archive: &Archive) -> endstate_archive::Writer {
    let mut writer = archive.write(&lineage(), &Packing::default()).expect("begins");
    writer.push(noise(30_000_000, 1).into()).await.expect("writes");
    writer
}

async fn until_gone(folder: &Path) {
    let gone = async {
        while !files(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(waited.is_ok(), "{:?} are left", files(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    drop(begin(&archive).await);
    assert!(archive.list(None).await.expect("lists").entries.is_empty());
    until_gone(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_gives_up_has_left_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    begin(&archive).await.abort().await;
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

fn later() -> Timestamp {
    Timestamp::now() + Duration::from_secs(25 * 60 * 60)
}

/// What a process leaves that is killed while it writes, and between the data and the manifest.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_writer_left_is_swept_after_a_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let kept = write(&archive, &Packing::default(), b"kept").await.expect("writes");
    let killed = write(&archive, &Packing::default(), b"killed").await.expect("writes");
    fs::remove_file(folder.path().join(format!("{}.json", killed.name))).expect("removes");
    let data = folder.path().join("8f1c2d3e/data");
    fs::write(data.join("20261130T085700Z-00c0ffee00c0ffee.zst#1"), "half").expect("writes");
    fs::write(folder.path().join(format!("{}.json#1", killed.name)), "half").expect("writes");
    fs::write(data.join("readme.txt"), "not ours").expect("writes");
    fs::write(data.join("notes#1"), "not ours").expect("writes");

    assert_eq!(archive.list(None).await.expect("lists").entries, std::slice::from_ref(&kept));
    assert_eq!(archive.sweep(Timestamp::now()).await.expect("sweeps"), [""; 0]);
    assert_eq!(archive.sweep(later()).await.expect("sweeps").len(), 3);
    assert_eq!(archive.sweep(later()).await.expect("sweeps"), [""; 0]);
    assert_eq!(files(folder.path()).len(), 4);
    assert_eq!(crate::world::read(&archive, &kept, None).await.expect("reads"), b"kept");
}

/// Data of an entry that another version wrote stays, although its manifest says nothing to this one.
#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_manifest_that_cannot_be_read_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let entry = write(&archive, &Packing::default(), b"kept").await.expect("writes");
    fs::write(folder.path().join(format!("{}.json", entry.name)), "{\"format\": 2}")
        .expect("writes");
    assert_eq!(archive.sweep(later()).await.expect("sweeps"), [""; 0]);
    assert_eq!(files(folder.path()).len(), 2);
}
