//! Deletion: finalizers, grace, propagation, preconditions, namespaces.

use serde_json::{Value, json};

use crate::harness::{Sent, Server};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const PODS: &str = "/api/v1/namespaces/ns/pods";

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server
}

async fn delete_with(server: &Server, path: &str, options: Value) -> crate::harness::Answer {
    server.request("DELETE", path, Sent::json(&options)).await
}

#[tokio::test]
async fn a_plain_deletion_answers_with_the_uid() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    let status = server.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Success")));
    assert_eq!(status["details"]["uid"], a["metadata"]["uid"]);
    assert_eq!(server.get(&format!("{MAPS}/a")).await.code, 404);
    assert_eq!(server.delete(&format!("{MAPS}/a")).await.code, 404);
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_is_gone() {
    let server = server().await;
    server.config_map("ns", "a", json!({})).await;
    let path = format!("{MAPS}/a");
    server.merge(&path, json!({"metadata": {"finalizers": ["ex.com/f"]}})).await.expect(200);
    let marked = server.delete(&path).await.expect(200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = server.delete(&path).await.expect(200);
    assert_eq!(again, marked, "a second deletion changes nothing");
    let more =
        server.merge(&path, json!({"metadata": {"finalizers": ["ex.com/f", "ex.com/g"]}})).await;
    assert!(
        more.message(422).contains("no new finalizers can be added if the object is being deleted")
    );
    let unmark =
        server.merge(&path, json!({"metadata": {"deletionTimestamp": null}})).await.expect(200);
    assert_eq!(unmark, marked, "a mark cannot be taken back");
    let taken = server.post(MAPS, json!({"metadata": {"name": "a"}})).await.message(409);
    assert_eq!(taken, "object is being deleted: configmaps \"a\" already exists");
    let last = server.merge(&path, json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(last["metadata"]["resourceVersion"], marked["metadata"]["resourceVersion"]);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test]
async fn propagation_is_told_to_the_collector_by_finalizers() {
    let server = server().await;
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        server.config_map("ns", &name, json!({})).await;
        let path = format!("{MAPS}/{name}");
        let marked =
            delete_with(&server, &path, json!({"propagationPolicy": policy})).await.expect(200);
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        let gone = delete_with(&server, &path, json!({"propagationPolicy": "Background"}))
            .await
            .expect(200);
        assert_eq!(gone["status"], "Success", "background waits for nothing");
    }
    server.config_map("ns", "b", json!({})).await;
    let orphan =
        delete_with(&server, &format!("{MAPS}/b"), json!({"orphanDependents": true})).await;
    assert_eq!(orphan.expect(200)["metadata"]["finalizers"], json!(["orphan"]));
    let wrong =
        delete_with(&server, &format!("{MAPS}/b"), json!({"propagationPolicy": "Sideways"})).await;
    assert_eq!(wrong.code, 422);
}

#[tokio::test]
async fn preconditions_protect_a_namesake() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    let path = format!("{MAPS}/a");
    let other = json!({"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}});
    let message = delete_with(&server, &path, other).await.message(409);
    assert!(
        message.contains(
            "the UID in the precondition (00000000-0000-0000-0000-000000000000) does not match"
        ),
        "{message}"
    );
    let stale = json!({"preconditions": {"resourceVersion": "1"}});
    assert_eq!(delete_with(&server, &path, stale).await.code, 409);
    let right = json!({"preconditions": {"uid": a["metadata"]["uid"], "resourceVersion": a["metadata"]["resourceVersion"]}});
    delete_with(&server, &path, right).await.expect(200);
}

#[tokio::test]
async fn a_dry_run_deletes_nothing() {
    let server = server().await;
    server.config_map("ns", "a", json!({})).await;
    let before = server.store.revision();
    server.delete(&format!("{MAPS}/a?dryRun=All")).await.expect(200);
    delete_with(&server, &format!("{MAPS}/a"), json!({"dryRun": ["All"]})).await.expect(200);
    assert_eq!(server.store.revision(), before);
    assert_eq!(server.delete(&format!("{MAPS}/a?dryRun=Some")).await.code, 422);
}

async fn pod(server: &Server, name: &str) -> String {
    let body = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}],
        "terminationGracePeriodSeconds": 20}});
    server.post(PODS, body).await.expect(201);
    format!("{PODS}/{name}")
}

async fn bind(server: &Server, pod: &str) {
    let binding =
        json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n1"}});
    server.post(&format!("{pod}/binding"), binding).await.expect(201);
}

#[tokio::test]
async fn a_pod_on_a_node_gets_time_that_only_gets_shorter() {
    let server = server().await;
    let path = pod(&server, "p").await;
    bind(&server, &path).await;
    let marked = server.delete(&path).await.expect(200);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 20);
    let longer = delete_with(&server, &path, json!({"gracePeriodSeconds": 60})).await.expect(200);
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 20);
    let shorter = delete_with(&server, &path, json!({"gracePeriodSeconds": 5})).await.expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    assert!(
        shorter["metadata"]["deletionTimestamp"].as_str()
            < marked["metadata"]["deletionTimestamp"].as_str()
    );
    let status = json!({"status": {"phase": "Running"}});
    server.merge(format!("{path}/status"), status).await.expect(200);
    assert_eq!(server.get(&path).await.code, 200, "a status does not end it");
    delete_with(&server, &path, json!({"gracePeriodSeconds": 0})).await.expect(200);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test]
async fn a_pod_that_runs_nowhere_goes_at_once() {
    let server = server().await;
    let path = pod(&server, "p").await;
    server.delete(&path).await.expect(200);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test]
async fn a_collection_is_deleted_by_its_selectors() {
    let server = server().await;
    for (name, group) in [("a", "x"), ("b", "y"), ("c", "x")] {
        server.config_map("ns", name, json!({"group": group})).await;
    }
    let list = server.delete(&format!("{MAPS}?labelSelector=group%3Dx")).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let left = server.get(MAPS).await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.delete("/api/v1/configmaps").await.code, 405, "never across namespaces");
    assert_eq!(server.delete("/api/v1/namespaces").await.code, 405);
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_finalized_and_takes_nothing_new_before() {
    let server = server().await;
    let marked = server.delete("/api/v1/namespaces/ns").await.expect(200);
    assert_eq!(marked["status"]["phase"], "Terminating");
    let refused = server.post(MAPS, json!({"metadata": {"name": "late"}})).await.expect(403);
    assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(
        refused["message"],
        "configmaps \"late\" is forbidden: unable to create new content in namespace ns because it is being terminated"
    );
    let missing =
        server.post("/api/v1/namespaces/none/configmaps", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(missing.message(404), "namespaces \"none\" not found");
    let mut namespace = marked;
    namespace["spec"]["finalizers"] = json!([]);
    server.put("/api/v1/namespaces/ns/finalize", namespace).await.expect(200);
    assert_eq!(server.get("/api/v1/namespaces/ns").await.code, 404);
    assert_eq!(server.delete("/api/v1/namespaces/default").await.code, 403);
}
