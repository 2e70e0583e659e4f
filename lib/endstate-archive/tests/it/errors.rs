//! What a folder's errors mean.

use endstate_archive::{Archive, ArchiveError, Packing, Place};

use crate::roundtrip::on;
use crate::world::{read, write};

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("not-mounted");
    let error = Archive::open(&Place::Path { path: path.clone() }, None).expect_err("is not there");
    assert!(matches!(&error, ArchiveError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("not-mounted is not there"), "{error}");
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_deleted_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let entry = write(&archive, &Packing::default(), b"data").await.expect("writes");
    archive.delete(&entry).await.expect("deletes");
    let error = archive.entry(&entry.name).await.expect_err("is not there");
    assert!(matches!(&error, ArchiveError::NotFound { .. }), "{error:?}");
    assert!(read(&archive, &entry, None).await.is_err());
}

/// Both while it is begun and after much of it was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_goes_away_fails_the_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    // A file where the lineage's folder should be.
    std::fs::write(folder.path().join("8f1c2d3e"), "in the way").expect("writes");
    let error = write(&archive, &Packing::default(), b"data").await.expect_err("no room");
    assert!(matches!(&error, ArchiveError::Failed { .. }), "{error:?}");
    let large = crate::world::noise(90_000_000, 1);
    let error = write(&archive, &Packing::default(), &large).await.expect_err("no room");
    assert!(matches!(&error, ArchiveError::Failed { .. }), "{error:?}");
}
