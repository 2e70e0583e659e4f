//! What every engine does: each test here runs against each of them.

use std::sync::Arc;

use crate::common::{create, delete, draft, drain, key, put, root, short, update};
use futures::StreamExt;
use store::{
    Backlog, Error, History, Key, Limits, ListOptions, Prefix, Revision, Signal, Store, Write,
};

/// Each function as a test of each engine. The clock stands still unless everything waits, so that the interval of
/// progress takes no time.
macro_rules! for_each_engine {
    ($($name:ident with $limits:expr;)*) => {
        mod memory { $(
            #[tokio::test(start_paused = true)]
            async fn $name() { super::$name(crate::common::memory($limits).store).await }
        )* }
        mod embedded { $(
            #[tokio::test(start_paused = true)]
            async fn $name() { super::$name(crate::common::embedded($limits).store).await }
        )* }
    };
}

for_each_engine! {
    guards_hold with Default::default();
    a_failed_commit_does_nothing with Default::default();
    a_batch_is_one_revision with Default::default();
    a_batch_may_write_a_key_twice with Default::default();
    an_empty_commit_makes_no_revision with Default::default();
    revisions_are_written_into_objects with Default::default();
    a_prefix_is_a_directory with Default::default();
    pages_are_one_state with Default::default();
    a_page_can_go_on_after_a_deleted_key with Default::default();
    older_states_can_be_listed with Default::default();
    the_future_is_refused with Default::default();
    a_watch_tells_every_change_in_order with Default::default();
    a_watch_resumes_anywhere with Default::default();
    a_watch_tells_only_its_prefix with Default::default();
    progress_comes_at_once_and_then_after_events with Default::default();
    progress_of_other_prefixes_comes_late_but_comes with Default::default();
    a_dropped_watch_is_forgotten with Default::default();
    compaction_forgets with Default::default();
    deleted_keys_are_forgotten_with_their_history with Default::default();
    history_is_bounded_by_count with crate::conformance::history(10, usize::MAX);
    history_is_bounded_by_bytes with crate::conformance::history(usize::MAX, 10_000);
    a_lagging_watcher_ends_alone with crate::conformance::backlog(4, usize::MAX);
    a_watcher_lags_by_bytes with crate::conformance::backlog(usize::MAX, 100);
}

fn history(events_max: usize, bytes_max: usize) -> Limits {
    Limits { history: History { events_max, bytes_max }, ..Limits::default() }
}

fn backlog(commits_max: usize, bytes_max: usize) -> Limits {
    Limits {
        backlog: Backlog { commits_max, bytes_max, ..Backlog::default() },
        ..Limits::default()
    }
}

type Tested = Arc<dyn Store>;

async fn error(store: &Tested, write: Write) -> Error {
    store.commit(vec![write]).await.unwrap_err()
}

async fn names_at(store: &Tested, at: Option<Revision>) -> Result<Vec<String>, Error> {
    let options = ListOptions { at, ..ListOptions::default() };
    let page = store.list(&root(), options).await?;
    assert_eq!(page.remaining, 0);
    Ok(page.objects.iter().map(|object| String::from_utf8_lossy(object.bytes()).into()).collect())
}

async fn guards_hold(store: Tested) {
    let key = key("a");
    assert_eq!(error(&store, update("a", "1", Revision(1))).await, Error::NotFound(key.clone()));
    assert_eq!(error(&store, delete("a", Revision(1))).await, Error::NotFound(key.clone()));
    let made = put(&*store, create("a", "1")).await;
    assert_eq!(error(&store, create("a", "2")).await, Error::Exists(key.clone()));
    let changed = put(&*store, update("a", "2", made)).await;
    let conflict = Error::Conflict { key: key.clone(), expected: made, current: changed };
    assert_eq!(error(&store, update("a", "3", made)).await, conflict);
    assert_eq!(error(&store, delete("a", made)).await, conflict);
    put(&*store, delete("a", changed)).await;
    assert_eq!(error(&store, delete("a", changed)).await, Error::NotFound(key.clone()));
    assert!(store.get(&key).await.unwrap().is_none());
    put(&*store, create("a", "4")).await;
    assert!(store.get(&key).await.unwrap().unwrap().bytes().starts_with(b"4@"));
}

async fn a_failed_commit_does_nothing(store: Tested) {
    let made = put(&*store, create("b", "1")).await;
    let writes = vec![create("a", "1"), update("b", "2", made), create("b", "3")];
    assert_eq!(store.commit(writes).await.unwrap_err(), Error::Exists(key("b")));
    assert_eq!(store.revision(), made);
    assert_eq!(names_at(&store, None).await.unwrap(), ["1@2!"]);
    assert_eq!(
        put(&*store, create("a", "1")).await,
        Revision(made.0 + 1),
        "no revision is skipped"
    );
}

async fn a_batch_is_one_revision(store: Tested) {
    let made = put(&*store, create("gone", "1")).await;
    let mut watch = store.watch(&root(), made).await.unwrap();
    let writes = vec![create("b", "x"), delete("gone", made), create("a", "y")];
    let commit = store.commit(writes).await.unwrap();
    assert_eq!(commit.revision, Revision(3));
    let made: Vec<_> = commit.objects.iter().map(|object| object.bytes().clone()).collect();
    assert_eq!(made, ["x@3!", "1@2!", "y@3!"]);
    let events: Vec<_> = drain(&mut watch, commit.revision).await;
    let events: Vec<_> = events.iter().map(|event| short(event)).collect();
    assert_eq!(events, ["3+b", "3-gone", "3+a"], "in the order of the writes");
}

async fn a_batch_may_write_a_key_twice(store: Tested) {
    let made = put(&*store, create("a", "1")).await;
    let commit = store.commit(vec![delete("a", made), create("a", "2")]).await.unwrap();
    assert_eq!(names_at(&store, None).await.unwrap(), ["2@3!"]);
    assert_eq!(names_at(&store, Some(made)).await.unwrap(), ["1@2!"]);
    let mut watch = store.watch(&root(), made).await.unwrap();
    let events = drain(&mut watch, commit.revision).await;
    assert_eq!(events.iter().map(|event| short(event)).collect::<Vec<_>>(), ["3-a", "3+a"]);
    let again = store.commit(vec![create("b", "1"), create("b", "2")]).await.unwrap_err();
    assert_eq!(again, Error::Exists(key("b")));
}

async fn an_empty_commit_makes_no_revision(store: Tested) {
    let commit = store.commit(Vec::new()).await.unwrap();
    assert_eq!((commit.revision, commit.objects.len()), (Revision::FIRST, 0));
    assert_eq!(store.revision(), Revision::FIRST);
}

async fn revisions_are_written_into_objects(store: Tested) {
    let draft = draft("text");
    let commit =
        store.commit(vec![Write::Create { key: key("a"), draft: draft.clone() }]).await.unwrap();
    let read = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(read.revision(), commit.revision);
    assert_eq!(read.bytes(), "text@2!");
    assert_eq!(read.bytes_at(Revision(12345)), "text@12345!");
    assert_eq!(*read.index(), draft.index);
}

async fn a_prefix_is_a_directory(store: Tested) {
    for name in ["ns1/a", "ns10/b", "ns1/c", "ns/d"] {
        put(&*store, create(name, name)).await;
    }
    let list = async |segments: &[&str]| {
        let prefix = Prefix::new(segments).unwrap();
        let page = store.list(&prefix, ListOptions::default()).await.unwrap();
        page.objects.iter().map(|object| object.key().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(&["core", "pods", "ns1"]).await, ["/core/pods/ns1/a", "/core/pods/ns1/c"]);
    assert_eq!(list(&["core", "pods"]).await.len(), 4);
    assert_eq!(list(&["core", "pod"]).await.len(), 0);
    assert_eq!(list(&["core"]).await.len(), 4);
    assert_eq!(list(&[]).await.len(), 4);
}

/// Pages of one list stay one state, whatever is written between them.
async fn pages_are_one_state(store: Tested) {
    let name = |number: u32| format!("{number:03}");
    let writes = (0..25).map(|number| create(&name(number), "old")).collect();
    let mut revision = store.commit(writes).await.unwrap().revision;
    let (mut at, mut after) = (None, None);
    let mut read = Vec::new();
    let mut remaining = Vec::new();
    loop {
        let options = ListOptions { at, after, limit: Some(10) };
        let page = store.list(&root(), options).await.unwrap();
        assert!(at.is_none_or(|at| at == page.revision));
        remaining.push(page.remaining);
        after = page.objects.last().map(|object| object.key().clone());
        at = Some(page.revision);
        read.extend(page.objects.iter().map(|object| object.bytes().clone()));
        if page.remaining == 0 {
            break;
        }
        let changes =
            vec![delete(&name(10), revision), create(&name(10), "new"), delete("020", revision)];
        revision = store.commit(changes).await.map_or(revision, |commit| commit.revision);
    }
    assert_eq!(remaining, [15, 5, 0]);
    assert_eq!(read, vec!["old@2!"; 25]);
}

async fn a_page_can_go_on_after_a_deleted_key(store: Tested) {
    let made =
        store.commit(vec![create("a", "a"), create("b", "b"), create("c", "c")]).await.unwrap();
    put(&*store, delete("b", made.revision)).await;
    let after = |name: &str| ListOptions { after: Some(key(name)), ..ListOptions::default() };
    assert_eq!(store.list(&root(), after("b")).await.unwrap().objects[0].bytes(), "c@2!");
    assert!(store.list(&root(), after("c")).await.unwrap().objects.is_empty());
    let outside = Key::new(&["apps"]).unwrap();
    let before_all = ListOptions { after: Some(outside), ..ListOptions::default() };
    assert_eq!(store.list(&root(), before_all).await.unwrap().objects.len(), 2);
    let none = ListOptions { limit: Some(0), ..ListOptions::default() };
    let page = store.list(&root(), none).await.unwrap();
    assert_eq!((page.objects.len(), page.remaining), (0, 2));
}

async fn older_states_can_be_listed(store: Tested) {
    let made = put(&*store, create("a", "1")).await;
    let changed = put(&*store, update("a", "2", made)).await;
    let other = put(&*store, create("b", "3")).await;
    let gone = put(&*store, delete("a", changed)).await;
    let at = async |revision| names_at(&store, Some(revision)).await.unwrap();
    assert_eq!(at(Revision::FIRST).await, [""; 0]);
    assert_eq!(at(made).await, ["1@2!"]);
    assert_eq!(at(changed).await, ["2@3!"]);
    assert_eq!(at(other).await, ["2@3!", "3@4!"]);
    assert_eq!(at(gone).await, ["3@4!"]);
}

async fn the_future_is_refused(store: Tested) {
    let requested = Revision(2);
    let future = Error::Future { requested, current: Revision::FIRST };
    assert_eq!(names_at(&store, Some(requested)).await.unwrap_err(), future);
    assert_eq!(store.watch(&root(), requested).await.err().unwrap(), future);
    assert_eq!(store.compact(requested).await.unwrap_err(), future);
}

async fn a_watch_tells_every_change_in_order(store: Tested) {
    let mut watch = store.watch(&root(), Revision::FIRST).await.unwrap();
    let made = put(&*store, create("a", "1")).await;
    let changed = put(&*store, update("a", "2", made)).await;
    let gone = put(&*store, delete("a", changed)).await;
    let events = drain(&mut watch, gone).await;
    assert_eq!(events.iter().map(|event| short(event)).collect::<Vec<_>>(), ["2+a", "3~a", "4-a"]);
    let states = |event: &store::Event| {
        let bytes =
            |object: &Option<Arc<store::Object>>| object.as_ref().map(|o| o.bytes().clone());
        (bytes(&event.previous), bytes(&event.object))
    };
    assert_eq!(states(&events[0]), (None, Some("1@2!".into())));
    assert_eq!(states(&events[1]), (Some("1@2!".into()), Some("2@3!".into())));
    assert_eq!(states(&events[2]), (Some("2@3!".into()), None));
}

async fn a_watch_resumes_anywhere(store: Tested) {
    for number in 0..20 {
        put(&*store, create(&number.to_string(), "x")).await;
    }
    for after in 0..=20 {
        let mut watch = store.watch(&root(), Revision(1 + after)).await.unwrap();
        let events = drain(&mut watch, Revision(21)).await;
        let revisions: Vec<_> = events.iter().map(|event| event.revision.0).collect();
        assert_eq!(revisions, (2 + after..=21).collect::<Vec<_>>());
    }
}

async fn a_watch_tells_only_its_prefix(store: Tested) {
    let prefix = Prefix::new(&["core", "pods", "ns1"]).unwrap();
    let mut watch = store.watch(&prefix, Revision::FIRST).await.unwrap();
    for name in ["ns1/a", "ns10/b", "ns/c", "ns1/d"] {
        put(&*store, create(name, name)).await;
    }
    let batch = vec![create("ns/e", "e"), create("ns1/f", "f")];
    let last = store.commit(batch).await.unwrap().revision;
    let live = drain(&mut watch, last).await;
    let replay = drain(&mut store.watch(&prefix, Revision::FIRST).await.unwrap(), last).await;
    for events in [live, replay] {
        assert_eq!(events.iter().map(|e| short(e)).collect::<Vec<_>>(), ["2+a", "5+d", "6+f"]);
    }
}

async fn progress_comes_at_once_and_then_after_events(store: Tested) {
    let mut watch = store.watch(&root(), Revision::FIRST).await.unwrap();
    let Some(Ok(Signal::Progress(Revision(1)))) = watch.next().await else { panic!("no progress") };
    put(&*store, create("a", "1")).await;
    let Some(Ok(Signal::Event(_))) = watch.next().await else { panic!("no event") };
    let Some(Ok(Signal::Progress(Revision(2)))) = watch.next().await else { panic!("no progress") };
    let quiet = tokio::time::timeout(std::time::Duration::from_secs(60), watch.next()).await;
    assert!(quiet.is_err(), "the same progress is not told twice: {quiet:?}");
}

/// Progress must never run ahead of events: it is checked in `agrees_with_a_model` and `stress`; here that it comes.
async fn progress_of_other_prefixes_comes_late_but_comes(store: Tested) {
    let nodes = Prefix::new(&["core", "nodes"]).unwrap();
    let mut watch = store.watch(&nodes, Revision::FIRST).await.unwrap();
    assert!(drain(&mut watch, Revision::FIRST).await.is_empty());
    put(&*store, create("a", "1")).await;
    let last = put(&*store, create("b", "1")).await;
    let began = tokio::time::Instant::now();
    assert!(drain(&mut watch, last).await.is_empty());
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
}

async fn a_dropped_watch_is_forgotten(store: Tested) {
    let dropped = store.watch(&root(), Revision::FIRST).await.unwrap();
    let mut kept = store.watch(&root(), Revision::FIRST).await.unwrap();
    drop(dropped);
    let last = put(&*store, create("a", "1")).await;
    assert_eq!(drain(&mut kept, last).await.len(), 1);
}

async fn compaction_forgets(store: Tested) {
    let made = put(&*store, create("a", "1")).await;
    let changed = put(&*store, update("a", "2", made)).await;
    let gone = put(&*store, delete("a", changed)).await;
    store.compact(changed).await.unwrap();
    store.compact(made).await.unwrap();
    let compacted = Error::Compacted { requested: made, oldest: changed };
    assert_eq!(names_at(&store, Some(made)).await.unwrap_err(), compacted);
    assert_eq!(store.watch(&root(), made).await.err().unwrap(), compacted);
    assert_eq!(names_at(&store, Some(changed)).await.unwrap(), ["2@3!"]);
    let mut watch = store.watch(&root(), changed).await.unwrap();
    assert_eq!(drain(&mut watch, gone).await.len(), 1);
    store.compact(gone).await.unwrap();
    assert_eq!(names_at(&store, None).await.unwrap(), [""; 0]);
    assert!(store.watch(&root(), gone).await.is_ok());
}

async fn deleted_keys_are_forgotten_with_their_history(store: Tested) {
    let made = put(&*store, create("a", "1")).await;
    let gone = put(&*store, delete("a", made)).await;
    store.compact(gone).await.unwrap();
    let again = put(&*store, create("a", "2")).await;
    assert_eq!(names_at(&store, Some(gone)).await.unwrap(), [""; 0]);
    assert_eq!(names_at(&store, Some(again)).await.unwrap(), ["2@4!"]);
}

async fn oldest(store: &Tested) -> Revision {
    match store.watch(&root(), Revision(0)).await {
        Ok(_) => Revision(0),
        Err(Error::Compacted { oldest, .. }) => oldest,
        Err(error) => panic!("{error}"),
    }
}

async fn history_is_bounded_by_count(store: Tested) {
    for number in 0..30 {
        put(&*store, create(&number.to_string(), "x")).await;
    }
    assert_eq!(oldest(&store).await, Revision(21));
    let mut watch = store.watch(&root(), Revision(21)).await.unwrap();
    assert_eq!(drain(&mut watch, Revision(31)).await.len(), 10);
}

async fn history_is_bounded_by_bytes(store: Tested) {
    let mut revision = put(&*store, create("a", &"x".repeat(1000))).await;
    for _ in 0..30 {
        revision = put(&*store, update("a", &"x".repeat(1000), revision)).await;
    }
    let kept = revision.0 - oldest(&store).await.0;
    assert!((5..10).contains(&kept), "{kept} changes of 1,000 bytes are kept");
}

async fn a_lagging_watcher_ends_alone(store: Tested) {
    let mut slow = store.watch(&root(), Revision::FIRST).await.unwrap();
    let mut quick = store.watch(&root(), Revision::FIRST).await.unwrap();
    for number in 0..10 {
        let last = put(&*store, create(&number.to_string(), "x")).await;
        assert_eq!(drain(&mut quick, last).await.len(), 1);
    }
    let mut signals = Vec::new();
    while let Some(signal) = slow.next().await {
        signals.push(signal);
    }
    assert!(matches!(signals.pop(), Some(Err(Error::Lagged))));
    let told = signals.iter().map(|signal| match signal {
        Ok(Signal::Event(event)) => event.revision.0,
        other => panic!("{other:?}"),
    });
    assert!(told.eq(2..6), "what was queued is told first, in order and without gaps");
}

async fn a_watcher_lags_by_bytes(store: Tested) {
    let mut slow = store.watch(&root(), Revision::FIRST).await.unwrap();
    put(&*store, create("a", &"x".repeat(1000))).await;
    put(&*store, create("b", "x")).await;
    let Some(Ok(Signal::Event(event))) = slow.next().await else { panic!("one always fits") };
    assert_eq!(event.revision, Revision(2));
    assert!(matches!(slow.next().await, Some(Err(Error::Lagged))));
    assert!(slow.next().await.is_none());
}
