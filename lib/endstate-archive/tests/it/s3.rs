//! The same on a real S3 server, and what only a server can do.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use endstate_archive::{ArchiveError, Packing, Place, PlainFile};
use jiff::Timestamp;

use crate::roundtrip;
use crate::server::{BUCKET, SECRET, Server, write_keys};
use crate::world::{lineage, noise, read, text, write};

/// What an error and its sources say.
fn said(error: &ArchiveError) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error} {error:?} {cause}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_in_every_packing() {
    let server = Server::start();
    roundtrip::check(&server.archive()).await;
}

/// By the names that operators of before gave to files, beside an archive in a folder of almost the same name.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_somebody_elses_is_found_by_its_whole_name() {
    let server = Server::start();
    let name = "dump_v42_2019-01-01-00:00:00";
    let data = noise(9_000_000, 1);
    fs::create_dir_all(server.bucket().join("some/folder/dump")).expect("makes");
    fs::write(server.bucket().join("some/folder").join(name), &data).expect("writes");
    let find = async |name: &str| {
        let Place::S3(mut place) = server.place(BUCKET) else { panic!("it is S3") };
        place.prefix = format!("some/folder/{name}");
        PlainFile::find(&Place::S3(place), Some(&server.keys())).await.expect("it looks")
    };
    for none in ["dump", "dump_v42", "nothing"] {
        assert!(find(none).await.is_none(), "{none}");
    }
    let file = find(name).await.expect("it is there");
    let (mut pieces, mut read) = (file.read(), vec![]);
    while let Some(piece) = pieces.recv().await {
        read.extend_from_slice(&piece.expect("a piece"));
    }
    assert!(read == data, "{} of {} bytes", read.len(), file.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_and_others_are_not() {
    let server = Server::with_tls();
    let data = noise(9_000_000, 1);
    let entry = write(&server.archive(), &Packing::default(), &data).await.expect("writes");
    assert!(read(&server.archive(), &entry, None).await.expect("reads") == data);

    let other = tempfile::tempdir().expect("a folder");
    write_keys(other.path(), SECRET);
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    fs::write(other.path().join("ca.crt"), stranger.cert.pem()).expect("writes");
    let archive = server.open(BUCKET, other.path()).expect("opens");
    let error = archive.list(None).await.expect_err("is not trusted");
    assert!(matches!(&error, ArchiveError::Unreachable { .. }), "{error:?}");
    assert!(said(&error).contains("certificate"), "{}", said(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_denied_and_not_shown() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    write_keys(folder.path(), "another-secret-key");
    let archive = server.open(BUCKET, folder.path()).expect("opens");
    let errors = [
        archive.list(None).await.expect_err("may not"),
        write(&archive, &Packing::default(), b"data").await.expect_err("may not"),
        write(&archive, &Packing::default(), &noise(40_000_000, 1)).await.expect_err("may not"),
    ];
    for error in errors {
        assert!(matches!(&error, ArchiveError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("check the keys"), "{error}");
        let said = said(&error);
        assert!(!said.contains("another-secret-key") && !said.contains(SECRET), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_named() {
    let server = Server::start();
    let archive = server.open("nowhere", &server.keys()).expect("opens");
    let errors = [
        archive.list(None).await.expect_err("is not there"),
        write(&archive, &Packing::default(), b"data").await.expect_err("is not there"),
        write(&archive, &Packing::default(), &noise(20_000_000, 1))
            .await
            .expect_err("is not there"),
    ];
    for error in errors {
        assert!(matches!(&error, ArchiveError::NotFound { .. }), "{error:?}");
        assert!(error.to_string().contains("s3://nowhere/"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unreachable_in_bounded_time() {
    let mut server = Server::start();
    let archive = server.archive();
    let entry = write(&archive, &Packing::default(), b"data").await.expect("writes");
    let mut writer = archive.write(&lineage(), &Packing::default()).expect("begins");
    server.stop();
    let start = Instant::now();
    writer.push(noise(60_000_000, 1).into()).await.expect_err("is not there");
    let errors = [
        archive.list(None).await.expect_err("is not there"),
        archive.read(&entry, None).await.expect_err("is not there"),
    ];
    for error in errors {
        assert!(matches!(&error, ArchiveError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_writer_leaves_nothing_that_is_listed() {
    let server = Server::start();
    let archive = server.archive();
    let mut writer = archive.write(&lineage(), &Packing::default()).expect("begins");
    writer.push(noise(40_000_000, 1).into()).await.expect("writes");
    drop(writer);
    let listing = archive.list(None).await.expect("lists");
    assert!(listing.entries.is_empty() && listing.unread.is_empty());
    let mut writer = archive.write(&lineage(), &Packing::default()).expect("begins");
    writer.push(noise(40_000_000, 1).into()).await.expect("writes");
    writer.abort().await;
    assert!(archive.list(None).await.expect("lists").entries.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_without_a_manifest_is_swept_after_a_day() {
    let server = Server::start();
    let archive = server.archive();
    let kept = write(&archive, &Packing::default(), b"kept").await.expect("writes");
    let killed = write(&archive, &Packing::default(), &text(100)).await.expect("writes");
    let manifest = server.bucket().join(format!("some/folder/{}.json", killed.name));
    fs::remove_file(manifest).expect("removes");
    let later = Timestamp::now() + Duration::from_secs(25 * 60 * 60);
    assert_eq!(archive.sweep(Timestamp::now()).await.expect("sweeps"), [""; 0]);
    assert_eq!(archive.sweep(later).await.expect("sweeps").len(), 1);
    let listing = archive.list(None).await.expect("lists");
    assert_eq!(listing.entries, std::slice::from_ref(&kept));
    assert_eq!(read(&archive, &kept, None).await.expect("reads"), b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_and_an_early_end() {
    let server = Server::start();
    let archive = server.archive();
    let packing =
        Packing { compression: endstate_archive::Compression::None, ..Packing::default() };
    let entry = write(&archive, &packing, &noise(9_000_000, 1)).await.expect("writes");
    let data = fs::read_dir(server.bucket().join("some/folder/8f1c2d3e/data")).expect("lists");
    let data = data.map(|it| it.expect("a file").path()).next().expect("one");
    let mut stored = fs::read(&data).expect("reads");
    stored[5_000_000] ^= 1;
    fs::write(&data, &stored).expect("writes");
    let error = read(&archive, &entry, None).await.expect_err("is damaged");
    assert!(error.to_string().contains("SHA-256"), "{error}");
    stored.truncate(8_000_000);
    fs::write(&data, &stored).expect("writes");
    let error = read(&archive, &entry, None).await.expect_err("is damaged");
    assert!(error.to_string().contains("8000000 are there"), "{error}");
}

/// The manifest of a name that is there is not written over, by whoever tries.
#[tokio::test(flavor = "multi_thread")]
async fn writers_at_a_time_make_entries_of_their_own() {
    let server = Server::start();
    let writes = (0..8_u64).map(|seed| {
        let archive = server.archive();
        tokio::spawn(async move {
            write(&archive, &Packing::default(), &noise(1_000_000, seed)).await.expect("writes")
        })
    });
    for written in futures::future::join_all(writes).await {
        let entry = written.expect("no panic");
        assert_eq!(read(&server.archive(), &entry, None).await.expect("reads").len(), 1_000_000);
    }
    assert_eq!(server.archive().list(None).await.expect("lists").entries.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn amazons_credentials_file_serves_as_well() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[default]\naws_access_key_id = tester\naws_secret_access_key = {SECRET}\n");
    fs::write(folder.path().join("credentials"), text).expect("writes");
    fs::write(folder.path().join("config"), "[default]\nregion = us-east-1\n").expect("writes");
    let archive = server.open(BUCKET, folder.path()).expect("opens");
    write(&archive, &Packing::default(), b"data").await.expect("writes");
    fs::write(folder.path().join("config"), "[default]\nregion = eu-west-1\n").expect("writes");
    let elsewhere = server.open(BUCKET, folder.path()).expect("opens");
    assert!(elsewhere.list(None).await.is_err(), "the region of the file counts");
    let Place::S3(mut place) = server.place(BUCKET) else { panic!("it is S3") };
    place.region = Some("us-east-1".to_owned());
    let back =
        endstate_archive::Archive::open(&Place::S3(place), Some(folder.path())).expect("opens");
    assert_eq!(back.list(None).await.expect("lists").entries.len(), 1);
}
