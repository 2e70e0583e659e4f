//! What is written is read again, on a folder; `s3.rs` does the same on a server.

use std::path::Path;

use endstate_archive::{Archive, ArchiveError, Compression, Encryption, Identity, Packing, Place};

use crate::world::{lineage, new, noise, read, text, write};

pub(crate) fn on(folder: &Path) -> Archive {
    Archive::open(&Place::Path { path: folder.to_owned() }, None).expect("opens")
}

/// All four ways to pack, the encrypted ones to this identity.
pub(crate) fn packings(identity: &Identity) -> Vec<Packing> {
    let age = Encryption::Age { recipients: identity.recipients() };
    let pack = |compression, encryption: &Encryption| Packing {
        compression,
        encryption: encryption.clone(),
    };
    let zstd = Compression::Zstd { level: 1 };
    vec![
        pack(Compression::None, &Encryption::None),
        pack(zstd, &Encryption::None),
        pack(Compression::None, &age),
        pack(zstd, &age),
    ]
}

/// Writes, lists and reads data of every size in every way to pack it.
pub(crate) async fn check(archive: &Archive) {
    let identity = Identity::generate();
    let part = 6 << 20;
    let data = [
        Vec::new(),
        vec![7],
        noise(20_000_000, 1),
        text(20_000_000),
        noise(part, 2),
        noise(part + 1, 3),
        noise(2 * part, 4),
    ];
    for packing in packings(&identity) {
        for data in &data {
            let entry = write(archive, &packing, data).await.expect("writes");
            assert_eq!(entry.bytes, data.len() as u64);
            assert_eq!(entry.packing(), packing);
            let listed = archive.list(Some(&lineage())).await.expect("lists");
            assert_eq!(listed.entries, std::slice::from_ref(&entry), "{:?}", listed.unread);
            assert_eq!(archive.entry(&entry.name).await.expect("is there"), entry);
            let back = read(archive, &entry, Some(&identity)).await.expect("reads");
            assert!(back == *data, "{} bytes, {packing:?}", data.len());
            archive.delete(&entry).await.expect("deletes");
            archive.delete(&entry).await.expect("deletes what is not there");
            assert!(archive.list(None).await.expect("lists").entries.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_in_every_packing() {
    let folder = tempfile::tempdir().expect("a folder");
    check(&on(folder.path())).await;
    let left = std::fs::read_dir(folder.path()).expect("lists").count();
    assert_eq!(left, 0, "deleted entries leave nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_data_is_smaller_and_encrypted_data_is_not_plain() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let (identity, data) = (Identity::generate(), text(1_000_000));
    for packing in packings(&identity) {
        let entry = write(&archive, &packing, &data).await.expect("writes");
        let small = packing.compression != Compression::None;
        assert_eq!(entry.stored < entry.bytes / 4, small, "{packing:?}: {}", entry.stored);
    }
    for file in std::fs::read_dir(folder.path().join("8f1c2d3e/data")).expect("lists") {
        let path = file.expect("a file").path();
        let stored = std::fs::read(&path).expect("reads");
        let plain = stored.windows(14).any(|it| it == b"/registry/pods");
        assert_eq!(plain, path.extension().is_none(), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_identity_of_a_recipient_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let (first, second) = (Identity::generate(), Identity::generate());
    let recipients = [first.recipients(), second.recipients()].concat();
    let packing = Packing { encryption: Encryption::Age { recipients }, ..Packing::default() };
    let entry = write(&archive, &packing, b"hush").await.expect("writes");
    for identity in [&first, &second] {
        assert_eq!(read(&archive, &entry, Some(identity)).await.expect("reads"), b"hush");
    }
    let key = first.recipients()[0].to_string();
    for identity in [None, Some(&Identity::generate())] {
        let error = read(&archive, &entry, identity).await.expect_err("nobody else's");
        assert!(matches!(&error, ArchiveError::NoKey { .. }), "{error:?}");
        assert!(error.to_string().contains(&key), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_a_time_make_entries_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let writes = (0..8_u64).map(|seed| {
        let archive = archive.clone();
        tokio::spawn(async move {
            let data = noise(1_000_000, seed);
            let entry = write(&archive, &Packing::default(), &data).await.expect("writes");
            (entry, data)
        })
    });
    for written in futures::future::join_all(writes).await {
        let (entry, data) = written.expect("no panic");
        assert!(read(&archive, &entry, None).await.expect("reads") == data);
    }
    assert_eq!(archive.list(None).await.expect("lists").entries.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = on(folder.path());
    let zstd = |level| Packing { compression: Compression::Zstd { level }, ..Packing::default() };
    let nobody =
        Packing { encryption: Encryption::Age { recipients: Vec::new() }, ..Packing::default() };
    for packing in [zstd(0), zstd(20), nobody] {
        let refused = archive.write(&lineage(), &packing).err();
        assert!(matches!(refused, Some(ArchiveError::Settings { .. })), "{packing:?}");
    }
    let mut backwards = new(9);
    backwards.kind = endstate_archive::Kind::Delta { first: 9, last: 7, from: backwards.taken };
    let writer = archive.write(&lineage(), &Packing::default()).expect("begins");
    let refused = writer.finish(backwards).await;
    assert!(matches!(refused, Err(ArchiveError::Settings { .. })), "{refused:?}");
}
