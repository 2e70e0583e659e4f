use std::sync::atomic::Ordering;

use crate::list::tests::call_for;
use crate::negotiate::{Form, Shape};
use crate::query::Query;
use crate::{Limits, own};

use super::*;

async fn fill(call: &Call, count: usize, annotation_bytes: usize) {
    let text = "x".repeat(1000);
    for number in 0..count {
        let annotations = json!({"a": "y".repeat(annotation_bytes)});
        let metadata = json!({"name": format!("m{number}"), "namespace": "default", "annotations": annotations});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": text}});
        own::make(&call.server, "configmaps", object).await.unwrap();
    }
}

fn watcher(call: Call, query: &str) -> Watcher {
    let options = ReadOptions::parse(&Query::parse(query).unwrap(), &call.resource).unwrap();
    Watcher::new(Arc::new(call), options, Instant::now() + BOOKMARK_EVERY)
}

/// Fails if the whole state is made into events before the first of them is taken.
#[tokio::test]
async fn a_watcher_holds_one_batch_of_the_state_at_the_start() {
    const OBJECTS: usize = 500;
    let (call, _) = call_for(Form { format: Format::Json, shape: Shape::Object }).await;
    fill(&call, OBJECTS, 1).await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watcher = watcher(call, query);
    let mut events = 0;
    loop {
        let (bytes, next) = watcher.next().await.unwrap();
        watcher = next;
        let held = watcher.pending.len();
        assert!(held + bytes.len() <= 2 * PIECE_BYTES, "{held} bytes wait");
        events += bytes.iter().filter(|byte| **byte == b'\n').count();
        if String::from_utf8_lossy(&bytes).contains("initial-events-end") {
            assert_eq!(events, OBJECTS + 1);
            return;
        }
    }
}

/// Fails if an idle watch holds what it was told.
#[tokio::test]
async fn a_watcher_that_was_told_everything_holds_nothing() {
    let (call, held) = call_for(Form { format: Format::Json, shape: Shape::Metadata }).await;
    fill(&call, 50, 10_000).await;
    let mut watcher = watcher(call, "");
    let mut events = 0;
    while events < 50 {
        let (bytes, next) = watcher.next().await.unwrap();
        watcher = next;
        events += bytes.iter().filter(|byte| **byte == b'\n').count();
    }
    watcher.add_initial();
    assert_eq!((watcher.pending.len(), watcher.initial.as_slice().len()), (0, 0));
    assert_eq!(held.load(Ordering::Relaxed), 0);
}

/// Fails if what is made for watchers that take nothing has no bound, if one ends within an event, or if a part of the
/// state at the start looks like all of it: its events come by name, so who went on from the last one would miss
/// others.
#[tokio::test]
async fn without_room_a_watch_of_the_state_at_the_start_says_that_it_is_cut_short() {
    let (call, held) = call_for(Form { format: Format::Json, shape: Shape::Metadata }).await;
    fill(&call, 50, 10_000).await;
    let (first, mut watcher) = watcher(call, "").next().await.unwrap();
    held.fetch_add(Limits::default().answer_bytes_max, Ordering::Relaxed);
    let mut all = first.to_vec();
    while let Some((bytes, next)) = watcher.next().await {
        watcher = next;
        all.extend_from_slice(&bytes);
    }
    let text = String::from_utf8(all).unwrap();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, added) = events.split_last().unwrap();
    assert!((1..50).contains(&added.len()), "{} events", added.len());
    assert!(added.iter().all(|event| event["type"] == "ADDED"));
    assert_eq!((&last["type"], &last["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

/// Fails if a watch that told the whole state at the start ends otherwise than after its last event.
#[tokio::test]
async fn without_room_a_watch_of_changes_just_ends() {
    let (call, held) = call_for(Form { format: Format::Json, shape: Shape::Metadata }).await;
    let server = call.server.clone();
    fill(&call, 1, 1).await;
    let (_, watcher) = watcher(call, "").next().await.unwrap();
    held.fetch_add(Limits::default().answer_bytes_max, Ordering::Relaxed);
    let metadata = json!({"name": "later", "namespace": "default"});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    own::make(&server, "configmaps", object).await.unwrap();
    assert!(watcher.next().await.is_none());
}
