//! Places that there is no server for here: their form, and which keys they want.

use std::path::Path;

use endstate_archive::{Archive, ArchiveError, Place, PlainFile};

fn place(json: &str) -> Place {
    serde_json::from_str(json).expect("a place")
}

fn keys(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("writes");
    }
    folder
}

const PLACES: [(&str, &str); 5] = [
    (r#"{"s3": {"bucket": "b"}}"#, "s3://b"),
    (r#"{"gcs": {"bucket": "b", "prefix": "/a/b/"}}"#, "gs://b/a/b"),
    (r#"{"azure": {"container": "c", "account": "me"}}"#, "azure://c"),
    (
        r#"{"oss": {"bucket": "b", "endpoint": "https://s3.oss-x.aliyuncs.com"}}"#,
        "oss://b (https://s3.oss-x.aliyuncs.com)",
    ),
    (r#"{"path": {"path": "/backups"}}"#, "/backups"),
];

#[test]
fn places_are_read_and_shown() {
    for (json, shown) in PLACES {
        let place = place(json);
        assert_eq!(place.to_string(), shown);
        let text = serde_json::to_string(&place).expect("JSON");
        assert_eq!(self::place(&text), place);
    }
    for wrong in [r#"{"s3": {"bucket": "b", "buket": "c"}}"#, r#"{"ftp": {}}"#, r#"{"s3": {}}"#] {
        assert!(serde_json::from_str::<Place>(wrong).is_err(), "{wrong}");
    }
}

fn refused(json: &str, keys: Option<&Path>) -> String {
    match Archive::open(&place(json), keys) {
        Err(ArchiveError::Settings { what }) => what,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn missing_keys_are_named() {
    let none = keys(&[]);
    for (json, _) in &PLACES[..4] {
        assert!(refused(json, Some(none.path())).contains("lack "), "{json}");
    }
    assert!(refused(PLACES[3].0, None).contains("OSS needs keys"));
}

#[test]
fn with_keys_every_place_opens() {
    let folder = keys(&[
        ("access-key-id", "me"),
        ("secret-access-key", "hush"),
        ("storage-key", "aHVzaA=="),
        ("storage-account", "me"),
    ]);
    for index in [0, 2, 3] {
        let opened = Archive::open(&place(PLACES[index].0), Some(folder.path()));
        let shown = format!("{:?}", opened.expect("opens"));
        assert!(shown.contains(PLACES[index].1) && !shown.contains("hush"), "{shown}");
    }
    let hosted =
        r#"{"s3": {"bucket": "b", "endpoint": "https://x:1", "addressing": "virtualHosted"}}"#;
    assert!(Archive::open(&place(hosted), Some(folder.path())).is_ok());
}

#[test]
fn keys_that_are_none_are_refused_without_being_shown() {
    let folder = keys(&[("service-account.json", "{\"private_key\": \"hush-hush-hush-hush\"}")]);
    let error = Archive::open(&place(PLACES[1].0), Some(folder.path())).expect_err("no account");
    assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
    let folder =
        keys(&[("access-key-id", "me"), ("secret-access-key", "hush"), ("ca.crt", "none")]);
    assert!(refused(PLACES[0].0, Some(folder.path())).contains("ca.crt"));
}

#[test]
fn keys_of_older_secrets_open_their_places() {
    let oss = keys(&[("accessKeyID", "me"), ("accessKeySecret", "hush")]);
    let token = keys(&[("access-token", "hush")]);
    let cloud =
        |name| keys(&[("storage-account", "me"), ("storage-key", "aHVzaA=="), ("cloud", name)]);
    let china = cloud("AzureChinaCloud");
    for (index, folder) in [(3, &oss), (1, &token), (2, &china)] {
        let opened = Archive::open(&place(PLACES[index].0), Some(folder.path()));
        let shown = format!("{:?}", opened.expect("opens"));
        assert!(!shown.contains("hush"), "{shown}");
    }
    let azure = r#"{"azure": {"container": "c"}}"#;
    assert!(refused(azure, Some(cloud("AzureMoonCloud").path())).contains("AzureChinaCloud"));
    // Of two the one by its usual name counts.
    let both = keys(&[("service-account.json", "{}"), ("credentials.json", "hush")]);
    let error = Archive::open(&place(PLACES[1].0), Some(both.path())).expect_err("no account");
    assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_file_at_a_place_is_told_from_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump");
    let place = Place::Path { path: path.clone() };
    assert!(PlainFile::find(&place, None).await.expect("it looks").is_none(), "nothing is there");
    let text = "x".repeat(5 << 20);
    std::fs::write(&path, &text).expect("writes");
    let file = PlainFile::find(&place, None).await.expect("it looks").expect("it is there");
    assert_eq!(file.bytes(), 5 << 20);
    let (mut pieces, mut read) = (file.read(), vec![]);
    while let Some(piece) = pieces.recv().await {
        read.extend_from_slice(&piece.expect("a piece"));
    }
    assert!(read == text.as_bytes(), "{} bytes", read.len());
    std::fs::remove_file(&path).expect("removes");
    std::fs::create_dir(&path).expect("a folder");
    assert!(PlainFile::find(&place, None).await.expect("it looks").is_none(), "it is a folder");
}
