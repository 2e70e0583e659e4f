//! The contract of watches.

use serde_json::{Value, json};
use store::Revision;

use crate::harness::Server;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    let mut events = server.watch(&format!("{MAPS}?watch=true")).await;
    assert_eq!(events.brief().await, format!("ADDED a {}", version(&a)));
    let b = server.config_map("ns", "b", json!({})).await;
    assert_eq!(events.brief().await, format!("ADDED b {}", version(&b)));
    let changed = server.merge(format!("{MAPS}/b"), json!({"data": {"k": "v"}})).await.expect(200);
    assert_eq!(events.brief().await, format!("MODIFIED b {}", version(&changed)));
    server.delete(&format!("{MAPS}/b")).await.expect(200);
    let event = events.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["data"]["k"]), (&json!("DELETED"), &json!("v")));
    let at: u64 = version(&event["object"]).parse().unwrap();
    assert!(at > version(&changed).parse().unwrap(), "a deletion has a revision of its own");
}

#[tokio::test]
async fn a_watch_goes_on_exactly_after_a_version() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    let b = server.config_map("ns", "b", json!({})).await;
    let path = format!("{MAPS}?watch=true&resourceVersion={}&timeoutSeconds=1", version(&a));
    let mut events = server.watch(&path).await;
    assert_eq!(events.brief().await, format!("ADDED b {}", version(&b)));
    assert_eq!(events.brief().await, "end", "the timeout ends it");
}

#[tokio::test]
async fn crossing_the_edge_of_a_selector_is_a_creation_or_a_deletion() {
    let server = server().await;
    let list = server.get(MAPS).await.expect(200);
    let path =
        format!("{MAPS}?watch=true&resourceVersion={}&labelSelector=in%3Dyes", version(&list));
    let mut events = server.watch(&path).await;
    server.config_map("ns", "a", json!({"in": "no"})).await;
    let entered = server.merge(format!("{MAPS}/a"), json!({"metadata": {"labels": {"in": "yes"}}}));
    let entered = entered.await.expect(200);
    assert_eq!(events.brief().await, format!("ADDED a {}", version(&entered)));
    let left = server.merge(format!("{MAPS}/a"), json!({"metadata": {"labels": {"in": "no"}}}));
    let left = left.await.expect(200);
    let event = events.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["labels"]["in"], "yes", "the old object");
    assert_eq!(version(&event["object"]), version(&left), "with the event's revision");
    server.delete(&format!("{MAPS}/a")).await.expect(200);
    let b = server.config_map("ns", "b", json!({"in": "yes"})).await;
    assert_eq!(
        events.brief().await,
        format!("ADDED b {}", version(&b)),
        "what never showed is not deleted"
    );
}

#[tokio::test]
async fn a_streaming_list_ends_its_beginning_with_a_bookmark() {
    let server = server().await;
    server.config_map("ns", "a", json!({})).await;
    let path = format!(
        "{MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut events = server.watch(&path).await;
    assert!(events.brief().await.starts_with("ADDED a "));
    let bookmark = events.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "ConfigMap");
    let annotations = &bookmark["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    assert_eq!(version(&bookmark["object"]), server.store.revision().to_string());
    let refused = server.get(&format!("{MAPS}?watch=true&sendInitialEvents=true")).await;
    assert_eq!(refused.code, 422);
}

#[tokio::test]
async fn a_bookmark_comes_before_the_end() {
    let server = server().await;
    let path =
        format!("{MAPS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1");
    let mut events = server.watch(&path).await;
    let mut last = String::new();
    loop {
        match events.brief().await {
            end if end == "end" => break,
            event => last = event,
        }
    }
    assert!(last.starts_with("BOOKMARK - "), "{last}");
}

#[tokio::test]
async fn a_forgotten_version_is_an_error_in_the_stream() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    for name in ["b", "c"] {
        server.config_map("ns", name, json!({})).await;
    }
    let now = server.store.revision();
    server.store.compact(Revision(now.0 - 1)).await.unwrap();
    let mut events =
        server.watch(&format!("{MAPS}?watch=true&resourceVersion={}", version(&a))).await;
    let event = events.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(event["object"]["reason"], "Expired");
    let message = event["object"]["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("too old resource version: {} (", version(&a))),
        "{message}"
    );
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn namespaces_whose_names_begin_alike_are_apart() {
    let server = server().await;
    server.namespace("ns1").await;
    server.namespace("ns10").await;
    let mut events = server.watch("/api/v1/namespaces/ns1/configmaps?watch=true").await;
    server.config_map("ns10", "x", json!({})).await;
    server.config_map("ns1", "y", json!({})).await;
    assert!(events.brief().await.starts_with("ADDED y "));
    let list = server.get("/api/v1/namespaces/ns1/configmaps").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tables_carry_their_columns_once_in_a_watch() {
    let server = server().await;
    let request = http::Request::get(format!("{MAPS}?watch=true"))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(http_body_util::Full::default());
    server.config_map("ns", "a", json!({})).await;
    server.config_map("ns", "b", json!({})).await;
    let mut events = server.events(request.unwrap()).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["object"]["kind"], "Table");
    assert!(first["object"]["columnDefinitions"].is_array());
    assert_eq!(first["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let second = events.next().await.unwrap();
    assert!(second["object"]["columnDefinitions"].is_null());
}

#[tokio::test]
async fn watches_end_when_the_server_does() {
    let server = server().await;
    let mut events = server.watch(&format!("{MAPS}?watch=true&resourceVersion=1")).await;
    server.api.shut_down();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_watch_by_name_sees_that_object_only() {
    let server = server().await;
    let path = format!("{MAPS}?watch=true&fieldSelector=metadata.name%3Db");
    let mut events = server.watch(&path).await;
    server.config_map("ns", "a", json!({})).await;
    server.config_map("ns", "b", json!({})).await;
    assert!(events.brief().await.starts_with("ADDED b "));
}
