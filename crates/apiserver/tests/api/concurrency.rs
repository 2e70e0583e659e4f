//! Many writers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::Server;

const WRITERS: usize = 16;
const ROUNDS: usize = 20;
const PATH: &str = "/api/v1/namespaces/ns/configmaps/counter";

async fn server() -> Arc<Server> {
    let server = Server::start().await;
    server.namespace("ns").await;
    let body = json!({"metadata": {"name": "counter"}, "data": {"n": "0"}});
    server.post("/api/v1/namespaces/ns/configmaps", body).await.expect(201);
    Arc::new(server)
}

fn number(object: &Value) -> usize {
    object["data"]["n"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn optimistic_updates_lose_nothing() {
    let server = server().await;
    let conflicts = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (server, conflicts) = (server.clone(), conflicts.clone());
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    loop {
                        let mut object = server.get(PATH).await.expect(200);
                        object["data"]["n"] = (number(&object) + 1).to_string().into();
                        match server.put(PATH, object).await.code.as_u16() {
                            200 => break,
                            409 => conflicts.fetch_add(1, Ordering::Relaxed),
                            code => panic!("{code}"),
                        };
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(number(&server.get(PATH).await.expect(200)), WRITERS * ROUNDS);
    assert!(conflicts.load(Ordering::Relaxed) > 0, "the writers never met: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_of_different_fields_all_land() {
    let server = server().await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let server = server.clone();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let key = format!("w{writer}-{round}");
                    server.merge(PATH, json!({"data": {key: "x"}})).await.expect(200);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let object = server.get(PATH).await.expect(200);
    assert_eq!(object["data"].as_object().unwrap().len(), WRITERS * ROUNDS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_creators_wins() {
    let server = server().await;
    let creators: Vec<_> = (0..WRITERS)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                let body = json!({"metadata": {"name": "one"}});
                server.post("/api/v1/namespaces/ns/configmaps", body).await.code.as_u16()
            })
        })
        .collect();
    let mut codes = Vec::new();
    for creator in creators {
        codes.push(creator.await.unwrap());
    }
    assert_eq!(codes.iter().filter(|code| **code == 201).count(), 1);
    assert_eq!(codes.iter().filter(|code| **code == 409).count(), WRITERS - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watcher_sees_every_write_in_order() {
    let server = server().await;
    let path = "/api/v1/namespaces/ns/configmaps?watch=true&resourceVersion=START";
    let start = server.store.revision();
    let mut watches = Vec::new();
    for _ in 0..8 {
        watches.push(server.watch(&path.replace("START", &start.to_string())).await);
    }
    for round in 1..=50 {
        server.merge(PATH, json!({"data": {"n": round.to_string()}})).await.expect(200);
    }
    for events in &mut watches {
        let mut last = start.0;
        for round in 1..=50 {
            let event = events.next().await.unwrap();
            assert_eq!(number(&event["object"]), round);
            let version: u64 =
                event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            assert!(version > last);
            last = version;
        }
    }
}
