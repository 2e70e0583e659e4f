//! A store whose file may not grow for a while, as the kernel limits it: the same as a disk that is full, but for the
//! number of the error. A process of its own has the limit, this test binary again, since it is one of processes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use store::{EmbeddedStore, Error, ListOptions, Options, Revision, Store};

use crate::common::{create, drain, key, root};

const DIRECTORY: &str = "STORE_FULL_DIRECTORY";

#[tokio::test]
async fn a_store_that_was_full_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    // Who exceeds the limit gets a signal first; the shell passes on that it is ignored.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "full::child", "--test-threads=1"]).env(DIRECTORY, dir.path());
    let ended = shell.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    assert!(store.get(&key("after")).await.unwrap().is_some());
    assert!(store.get(&key("refused")).await.unwrap().is_none());
}

/// Nothing to see in an ordinary run: this is what the process with the limit does.
#[tokio::test]
async fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let file = Path::new(&directory).join("store.redb");
    let store = EmbeddedStore::open(directory, Options::default()).unwrap();
    let mut watch = store.watch(&root(), Revision::FIRST).await.unwrap();
    limit_files(Some(file.metadata().unwrap().len() + (1 << 20)));
    let text = "x".repeat(20_000);
    let mut made = Vec::new();
    let error = loop {
        match store.commit(vec![create(&format!("n{}", made.len()), &text)]).await {
            Ok(commit) => made.push(commit.revision),
            Err(error) => break error,
        }
        assert!(made.len() < 10_000, "a file grew beyond its limit");
    };
    assert!(matches!(error, Error::Full(_)), "{error}");
    let refused = store.commit(vec![create("refused", "small")]).await;
    assert!(matches!(refused, Err(Error::Full(_))), "creates wait for room: {refused:?}");
    let page = store.list(&root(), ListOptions::default()).await.unwrap();
    assert_eq!((page.objects.len(), page.revision), (made.len(), *made.last().unwrap()));
    limit_files(None);
    let began = Instant::now();
    let after = loop {
        match store.commit(vec![create("after", &text)]).await {
            Ok(commit) => break commit.revision,
            Err(Error::Full(_)) if began.elapsed() < Duration::from_secs(10) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(after.0, page.revision.0 + 1);
    assert_eq!(drain(&mut watch, after).await.len(), made.len() + 1);
}

fn limit_files(bytes: Option<u64>) {
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}
