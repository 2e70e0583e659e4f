use store::MemoryStore;

use super::*;
use crate::query::Query;
use crate::request::Target;
use crate::{ApiServer, Config, Pki, UnixNodeStreams, bootstrap};

/// Fails if the whole state is made into events before the first of them is taken.
#[tokio::test]
async fn a_watcher_holds_one_batch_of_the_state_at_the_start() {
    const OBJECTS: usize = 500;
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
    let nodes = UnixNodeStreams::new("/nowhere");
    let config = Config::new(Arc::new(MemoryStore::new()), pki, Arc::new(nodes));
    let server = ApiServer::start(config).await.unwrap();
    let text = "x".repeat(1000);
    for number in 0..OBJECTS {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("m{number}"), "namespace": "default"}, "data": {"k": text}});
        bootstrap::ensure(&server, "configmaps", object).await.unwrap();
    }
    let resource = server.registry().resource("", "v1", "configmaps").unwrap();
    let target = Target { version: "v1".into(), plural: "configmaps".into(), ..Target::default() };
    let call = Arc::new(bootstrap::internal(&server, resource, target).unwrap());
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let options = ReadOptions::parse(&Query::parse(query).unwrap(), &call.resource).unwrap();
    let deadline = Instant::now() + BOOKMARK_EVERY;
    let mut watcher = Watcher::new(call, options, deadline);
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
