//! How fast the embedded store is: `cargo bench -p store --bench commit [-- FILTER]`. Prints one line per figure.
//!
//! Commits are creates of 1 KB objects by clients that wait for each acknowledgement, so every figure is durable.

#![expect(clippy::print_stdout, reason = "its output is all it is for")]
#![allow(clippy::unwrap_used, reason = "not shipped")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use store::{
    Draft, EmbeddedStore, Index, Key, ListOptions, Options, Prefix, Revision, Signal, Store, Write,
};
use tokio::sync::mpsc;

const OBJECT_BYTES: usize = 1024;
const LISTED: usize = 10_000;
const WATCHERS: usize = 1_000;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if wanted("open") {
        open(&dir.path().join("open"));
    }
    for committers in [1, 16, 64] {
        if wanted("commit") {
            runtime.block_on(commits(&dir.path().join(committers.to_string()), committers));
        }
    }
    if wanted("list") {
        runtime.block_on(lists(&dir.path().join("list")));
    }
    if wanted("watch") {
        runtime.block_on(watchers(&dir.path().join("watch")));
    }
}

fn store(dir: &Path) -> Arc<EmbeddedStore> {
    Arc::new(EmbeddedStore::open(dir, Options::default()).unwrap())
}

/// Keys in an order that is not theirs, as generated names are.
fn create(resource: &str, number: usize) -> Write {
    let name = format!("{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let key = Key::new(&["example.com", resource, "default", &name]).unwrap();
    let label = ("app".into(), "bench".into());
    let index = Index { labels: [label].into(), fields: Box::default() };
    Write::Create { key, draft: Draft { before: vec![b'x'; OBJECT_BYTES], after: vec![], index } }
}

fn prefix(resource: &str) -> Prefix {
    Prefix::new(&["example.com", resource]).unwrap()
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn open(dir: &Path) {
    let before = resident_mb();
    for state in ["new", "empty"] {
        let began = Instant::now();
        let store = store(dir);
        let (took, grown) = (began.elapsed(), resident_mb() - before);
        println!("open, {state}: {took:.2?}, {grown:.1} MB more memory");
        drop(store);
    }
}

async fn commits(dir: &Path, committers: usize) {
    let store = store(dir);
    let each = (20_000 / committers).clamp(300, 2_000);
    let began = Instant::now();
    let tasks: Vec<_> = (0..committers)
        .map(|committer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for number in 0..each {
                    let began = Instant::now();
                    let write = create("widgets", committer * each + number);
                    store.commit(vec![write]).await.unwrap();
                    times.push(began.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    println!("commit, {committers} committers: {rate:.0}/s, {}", percentiles(times));
}

async fn lists(dir: &Path) {
    let made = store(dir);
    for from in (0..LISTED).step_by(500) {
        let writes = (from..from + 500).map(|number| create("widgets", number)).collect();
        made.commit(writes).await.unwrap();
    }
    drop(made);
    let began = Instant::now();
    let store = store(dir);
    println!("open, {LISTED} objects: {:.2?}", began.elapsed());
    let time = async |options: ListOptions| {
        let mut times = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            let page = store.list(&prefix("widgets"), options.clone()).await.unwrap();
            times.push(began.elapsed());
            assert_eq!(page.objects.len() + page.remaining, LISTED);
        }
        percentiles(times)
    };
    println!("list, {LISTED} objects: {}", time(ListOptions::default()).await);
    let page = ListOptions { limit: Some(500), ..ListOptions::default() };
    println!("list, first 500 of them: {}", time(page).await);
}

/// From before a commit to when the first and the last of all watchers has its event.
async fn watchers(dir: &Path) {
    let store = store(dir);
    let (seen, mut arrivals) = mpsc::unbounded_channel();
    for _ in 0..WATCHERS {
        let (seen, mut watch) =
            (seen.clone(), store.watch(&prefix("widgets"), Revision::FIRST).await.unwrap());
        tokio::spawn(async move {
            while let Some(Ok(signal)) = watch.next().await {
                if matches!(signal, Signal::Event(_)) {
                    seen.send(Instant::now()).unwrap();
                }
            }
        });
    }
    let (mut acknowledged, mut median, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..200 {
        let began = Instant::now();
        store.commit(vec![create("widgets", number)]).await.unwrap();
        acknowledged.push(began.elapsed());
        let mut times = Vec::with_capacity(WATCHERS);
        for _ in 0..WATCHERS {
            times.push(arrivals.recv().await.unwrap() - began);
        }
        times.sort_unstable();
        median.push(times[WATCHERS / 2]);
        last.push(times[WATCHERS - 1]);
    }
    println!("watch, {WATCHERS} watchers, commit acknowledged: {}", percentiles(acknowledged));
    println!("watch, {WATCHERS} watchers, commit to the middle one: {}", percentiles(median));
    println!("watch, {WATCHERS} watchers, commit to the last one: {}", percentiles(last));
    let mut elsewhere = Vec::new();
    for number in 0..300 {
        let began = Instant::now();
        store.commit(vec![create("gadgets", number)]).await.unwrap();
        elsewhere.push(began.elapsed());
    }
    println!("watch, {WATCHERS} watchers, commits they do not watch: {}", percentiles(elsewhere));
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {:.2?}, p99 {:.2?}", at(50), at(99))
}
