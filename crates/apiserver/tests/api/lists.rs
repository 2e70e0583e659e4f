//! The contract of lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use store::Revision;

use crate::harness::Server;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

async fn server(count: usize) -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    for number in 0..count {
        let parity = if number % 2 == 0 { "even" } else { "odd" };
        server.config_map("ns", &format!("m{number:02}"), json!({"parity": parity})).await;
    }
    server
}

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["metadata"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn pages_show_one_revision_and_miss_nothing() {
    let server = server(7).await;
    let mut seen = BTreeSet::new();
    let mut path = format!("{MAPS}?limit=3");
    let mut revisions = BTreeSet::new();
    let mut remaining = Vec::new();
    loop {
        let page = server.get(&path).await.expect(200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        revisions.insert(page["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
        remaining.push(page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0));
        server.config_map("ns", &format!("later-{}", seen.len()), json!({})).await;
        let Some(next) = page["metadata"]["continue"].as_str() else { break };
        path = format!("{MAPS}?limit=3&continue={next}");
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(revisions.len(), 1, "all pages are of one revision");
    assert_eq!(remaining, [4, 1, 0]);
}

#[tokio::test]
async fn a_limit_counts_what_is_selected() {
    let server = server(9).await;
    let path = format!("{MAPS}?limit=3&labelSelector=parity%3Deven");
    let page = server.get(&path).await.expect(200);
    assert_eq!(names(&page), ["m00", "m02", "m04"]);
    assert!(page["metadata"].get("remainingItemCount").is_none());
    let next = page["metadata"]["continue"].as_str().unwrap();
    let rest = server.get(&format!("{path}&continue={next}")).await.expect(200);
    assert_eq!(names(&rest), ["m06", "m08"]);
    assert!(rest["metadata"].get("continue").is_none());
}

#[tokio::test]
async fn an_expired_page_offers_an_inconsistent_continuation() {
    let server = server(5).await;
    let page = server.get(&format!("{MAPS}?limit=2")).await.expect(200);
    let next = page["metadata"]["continue"].as_str().unwrap().to_owned();
    server.config_map("ns", "z1", json!({})).await;
    server.config_map("ns", "z2", json!({})).await;
    server.store.compact(Revision(server.store.revision().0 - 1)).await.unwrap();
    let status = server.get(&format!("{MAPS}?limit=2&continue={next}")).await.expect(410);
    assert_eq!(status["reason"], "Expired");
    let fresh = status["metadata"]["continue"].as_str().unwrap();
    let rest = server.get(&format!("{MAPS}?continue={fresh}")).await.expect(200);
    assert_eq!(names(&rest), ["m02", "m03", "m04", "z1", "z2"]);
}

#[tokio::test]
async fn versions_of_lists_mean_what_they_say() {
    let server = server(3).await;
    let before = server.get(MAPS).await.expect(200);
    let at = before["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    server.config_map("ns", "new", json!({})).await;
    let exact = server
        .get(&format!("{MAPS}?resourceVersionMatch=Exact&resourceVersion={at}"))
        .await
        .expect(200);
    assert_eq!(names(&exact).len(), 3);
    assert_eq!(exact["metadata"]["resourceVersion"], at.as_str());
    let legacy = server.get(&format!("{MAPS}?limit=10&resourceVersion={at}")).await.expect(200);
    assert_eq!(names(&legacy).len(), 3, "a limit makes it exact");
    let newer = server.get(&format!("{MAPS}?resourceVersion={at}")).await.expect(200);
    assert_eq!(names(&newer).len(), 4, "not older than");
    let unlimited = server.get(&format!("{MAPS}?resourceVersion=0&limit=1")).await.expect(200);
    assert_eq!(names(&unlimited).len(), 4, "any version has no pages");
    let early = server
        .get(&format!("{MAPS}?resourceVersionMatch=Exact&resourceVersion=1"))
        .await
        .expect(200);
    assert_eq!((names(&early).len(), &early["metadata"]["resourceVersion"]), (0, &json!("1")));
}

#[tokio::test]
async fn a_version_of_the_future_times_out_with_a_cause() {
    let server = server(0).await;
    let status = server.get(&format!("{MAPS}?resourceVersion=99999999")).await.expect(504);
    let current = server.store.revision();
    assert_eq!(
        status["message"],
        format!("Timeout: Too large resource version: 99999999, current: {current}")
    );
    assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(status["details"]["retryAfterSeconds"], 1);
}

#[tokio::test]
async fn forged_tokens_stay_in_their_list() {
    use base64::Engine as _;
    let server = server(2).await;
    server.namespace("other").await;
    server.config_map("other", "secret", json!({})).await;
    let forge = |start: &str| {
        let token = json!({"v": "meta.k8s.io/v1", "rv": -1, "start": start});
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token.to_string())
    };
    for start in ["../other/a", "/", "a/../../x", "\u{0}", ""] {
        let answer = server.get(&format!("{MAPS}?limit=5&continue={}", forge(start))).await;
        assert_eq!(answer.code, 400, "{start:?}: {}", answer.text);
    }
    let answer =
        server.get(&format!("{MAPS}?limit=5&continue={}", forge("a/b\u{0}"))).await.expect(200);
    assert_eq!(names(&answer), ["m00", "m01"]);
    for garbage in ["abc", "%00", "e30", "W10"] {
        let answer = server.get(&format!("{MAPS}?limit=1&continue={garbage}")).await;
        assert!(answer.message(400).starts_with("invalid continue token"), "{garbage}");
    }
}

#[tokio::test]
async fn large_lists_are_whole_in_every_form() {
    let server = server(0).await;
    let filler = "x".repeat(4096);
    for number in 0..200 {
        let body = json!({"metadata": {"name": format!("big-{number:03}")}, "data": {"k": filler}});
        server.post(MAPS, body).await.expect(201);
    }
    let list = server.get(MAPS).await;
    assert!(list.text.len() > 800_000);
    assert_eq!(names(&list.expect(200)).len(), 200);
    let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = server.get_as(MAPS, metadata).await.expect(200);
    assert_eq!((&list["kind"], names(&list).len()), (&json!("PartialObjectMetadataList"), 200));
    let yaml = server.get_as(&format!("{MAPS}/big-000"), "application/yaml").await;
    assert!(yaml.text.contains("name: big-000"), "{}", yaml.text);
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let server = server(0).await;
    let list = server.get(MAPS).await.expect(200);
    assert_eq!((&list["kind"], &list["items"]), (&json!("ConfigMapList"), &json!([])));
}
