//! A process that writes is killed with SIGKILL at random moments, many times over one directory.
//!
//! The child is this test binary again. It has some committers; the commit number `n` of each changes one object and,
//! in the same batch, the committer's counter to `n`. After the acknowledgement it prints `committer n revision`.
//! So whatever moment it dies at, the counter says how many commits are in the store, and that fixes every object:
//!
//! - the counter is the last number acknowledged, or the one after it (made, but not told);
//! - every object is as after exactly that many commits: no commit is lost, half there, or there without those before;
//! - revisions go on beyond every one acknowledged.
//!
//! That it can fail: `an_early_acknowledgement_is_caught` runs a child that prints before it commits.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{draft, key};
use store::{EmbeddedStore, Options, Revision, Store, Write};

const DIRECTORY: &str = "STORE_KILL_DIRECTORY";
const EARLY: &str = "STORE_KILL_EARLY";
const COMMITTERS: u64 = 8;
/// Objects per committer.
const OBJECTS: u64 = 5;

fn object_name(committer: u64, number: u64) -> String {
    format!("c{committer}/{}", number % OBJECTS)
}

fn counter_name(committer: u64) -> String {
    format!("c{committer}/counter")
}

/// What a commit leaves: an object goes through created, changed, deleted. Sizes vary, so pages split and merge.
fn text(number: u64) -> Option<String> {
    let size = (number * 7919) % 3000;
    let round = number / OBJECTS % 3;
    (round < 2).then(|| format!("{number:x<0$}", usize::try_from(size).unwrap()))
}

fn write(name: &str, current: Option<Revision>, text: Option<String>) -> Option<Write> {
    let key = key(name);
    match (current, text) {
        (None, None) => None,
        (None, Some(text)) => Some(Write::Create { key, draft: draft(&text) }),
        (Some(expected), Some(text)) => Some(Write::Update { key, draft: draft(&text), expected }),
        (Some(expected), None) => Some(Write::Delete { key, expected }),
    }
}

/// The state a counter stands for: the number it holds, in the text of its object.
async fn count(store: &dyn Store, committer: u64) -> (u64, Option<Revision>) {
    let Some(object) = store.get(&key(&counter_name(committer))).await.unwrap() else {
        return (0, None);
    };
    let text = std::str::from_utf8(object.bytes()).unwrap();
    (text.split('@').next().unwrap().parse().unwrap(), Some(object.revision()))
}

/// Nothing to see in an ordinary run: this is what the child does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let early = std::env::var(EARLY).is_ok();
    let store = Arc::new(EmbeddedStore::open(directory, Options::default()).unwrap());
    say("open");
    let committers = (0..COMMITTERS).map(|committer| {
        let store = store.clone();
        tokio::spawn(async move { commit_forever(&*store, committer, early).await })
    });
    futures::future::join_all(committers).await;
}

async fn commit_forever(store: &dyn Store, committer: u64, early: bool) {
    let (mut number, mut counter) = count(store, committer).await;
    loop {
        number += 1;
        let name = object_name(committer, number);
        let current = store.get(&key(&name)).await.unwrap().map(|object| object.revision());
        let object = write(&name, current, text(number));
        let count = write(&counter_name(committer), counter, Some(number.to_string()));
        if early {
            say(&format!("{committer} {number} 0"));
        }
        let commit = store.commit(object.into_iter().chain(count).collect()).await.unwrap();
        counter = Some(commit.revision);
        if !early {
            say(&format!("{committer} {number} {}", commit.revision));
        }
    }
}

/// One write per line, so that a killed process leaves at most one line cut short.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("~{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// What a child acknowledged before it was killed.
#[derive(Debug, Default)]
struct Told {
    numbers: BTreeMap<u64, u64>,
    newest: u64,
}

/// Runs a child, and kills it some time after it has opened the store, or has been started.
fn run_and_kill(directory: &Path, early: bool, moment: Duration) -> Told {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::child", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped()).stderr(Stdio::inherit());
    if early {
        command.env(EARLY, "1");
    }
    let mut child = command.spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || read(BufReader::new(out)));
    let began = Instant::now();
    while began.elapsed() < moment {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn read(out: impl BufRead) -> Told {
    let mut told = Told::default();
    for line in out.split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        let mut numbers = line.strip_prefix('~').into_iter().flat_map(|line| line.split(' '));
        let mut next = || numbers.next()?.parse::<u64>().ok();
        if let (Some(committer), Some(number), Some(revision)) = (next(), next(), next()) {
            told.numbers.insert(committer, number);
            told.newest = told.newest.max(revision);
        }
    }
    told
}

/// What is wrong with the store that a killed child left.
async fn check(directory: &Path, told: &Told) -> Result<u64, String> {
    let store = EmbeddedStore::open(directory, Options::default()).map_err(|e| e.to_string())?;
    if store.revision().0 < told.newest {
        return Err(format!("revision {} after {} was told", store.revision(), told.newest));
    }
    for committer in 0..COMMITTERS {
        let (count, _) = count(&store, committer).await;
        if let Some(told) = told.numbers.get(&committer)
            && !(*told..=told + 1).contains(&count)
        {
            return Err(format!("committer {committer} is at {count}, but told {told}"));
        }
        for number in count.saturating_sub(OBJECTS - 1).max(1)..=count {
            let name = object_name(committer, number);
            let object = store.get(&key(&name)).await.unwrap();
            let found = object.map(|object| {
                let text = std::str::from_utf8(object.bytes()).unwrap();
                text.split('@').next().unwrap().to_owned()
            });
            if found != text(number) {
                return Err(format!("{name} is not as after commit {number}: {found:?}"));
            }
        }
    }
    Ok(store.revision().0)
}

/// How often a child dies at least, and at most where others keep the machine from letting it write.
const ROUNDS: u64 = 40;
const ROUNDS_MAX: u64 = 200;
/// How many revisions the children make together, so that some died while they wrote.
const WRITTEN: u64 = 500;

#[tokio::test]
async fn every_acknowledged_commit_survives() {
    let dir = tempfile::tempdir().unwrap();
    let mut revision = 0;
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS && revision > WRITTEN {
            break;
        }
        // The first rounds die while the store is made and opened, later ones while they write.
        let moment = Duration::from_micros(500 + (round * round * 104_729) % (2_000 * (round + 1)));
        let told = run_and_kill(dir.path(), false, moment);
        let reached =
            check(dir.path(), &told).await.unwrap_or_else(|error| panic!("{error}: {told:?}"));
        assert!(reached >= revision, "round {round} went back from {revision} to {reached}");
        revision = reached;
    }
    assert!(revision > WRITTEN, "only {revision} revisions were made: the children die too early");
}

#[tokio::test]
async fn an_early_acknowledgement_is_caught() {
    for round in 0..50 {
        let dir = tempfile::tempdir().unwrap();
        let told = run_and_kill(dir.path(), true, Duration::from_millis(20 + round * 3));
        if check(dir.path(), &told).await.is_err() {
            return;
        }
    }
    panic!("acknowledging before committing was never noticed");
}
