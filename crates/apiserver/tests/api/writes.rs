//! Creates, updates and patches of built-in kinds.

use serde_json::{Value, json};

use crate::harness::{Sent, Server, WIDGETS, widget};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/ns/deployments";

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server
}

fn deployment(name: &str) -> Value {
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [
        {"name": "a", "image": "one"}, {"name": "b", "image": "two"}]}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}})
}

#[tokio::test]
async fn metadata_that_is_empty_is_left_out_and_a_dry_run_has_no_version() {
    let server = server().await;
    let body = json!({"metadata": {"name": "a", "labels": {"x": "y"}, "annotations": {}, "finalizers": []}});
    let dry = server.post(&format!("{MAPS}?dryRun=All"), body.clone()).await.expect(201);
    assert!(dry["metadata"]["uid"].is_string() && dry["metadata"].get("resourceVersion").is_none());
    server.post(MAPS, body).await.expect(201);
    let bare = json!({"metadata": {"labels": {"x": null}, "ownerReferences": []}});
    let bare = server.merge(format!("{MAPS}/a"), bare).await.expect(200);
    for key in ["annotations", "finalizers", "labels", "ownerReferences"] {
        assert!(bare["metadata"].get(key).is_none(), "{key}: {bare}");
    }
}

#[tokio::test]
async fn what_the_server_owns_never_comes_from_the_client() {
    let server = server().await;
    let body = json!({"metadata": {"name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7, "deletionTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}});
    let a = server.post(MAPS, body).await.expect(201);
    let metadata = &a["metadata"];
    assert_ne!(metadata["uid"], "mine");
    assert!(metadata["creationTimestamp"].as_str().unwrap() > "2020");
    assert!(metadata.get("deletionTimestamp").is_none() && metadata.get("selfLink").is_none());
    let mut changed = a.clone();
    changed["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z".into();
    changed["data"] = json!({"k": "v"});
    let updated = server.put(&format!("{MAPS}/a"), changed).await.expect(200);
    assert_eq!(updated["metadata"]["creationTimestamp"], metadata["creationTimestamp"]);
    let mut other = updated.clone();
    other["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000".into();
    assert!(
        server
            .put(&format!("{MAPS}/a"), other)
            .await
            .message(409)
            .contains("Precondition failed: UID")
    );
}

#[tokio::test]
async fn generated_names_are_fresh() {
    let server = server().await;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let body = json!({"metadata": {"generateName": "g-"}});
        let object = server.post(MAPS, body).await.expect(201);
        names.insert(object["metadata"]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 20);
    assert!(names.iter().all(|name| name.starts_with("g-") && name.len() == 7));
    let long = json!({"metadata": {"generateName": "x".repeat(300)}});
    let object = server.post(MAPS, long).await.expect(201);
    assert_eq!(object["metadata"]["name"].as_str().unwrap().len(), 63);
}

#[tokio::test]
async fn a_stale_update_is_a_conflict_and_an_unconditional_one_is_not() {
    let server = server().await;
    let a = server.config_map("ns", "a", json!({})).await;
    let path = format!("{MAPS}/a");
    server.merge(&path, json!({"data": {"k": "1"}})).await.expect(200);
    let status = server.put(&path, a).await.expect(409);
    assert_eq!(status["reason"], "Conflict");
    let unconditional = json!({"metadata": {"name": "a"}, "data": {"k": "2"}});
    server.put(&path, unconditional.clone()).await.expect(200);
    let before = server.store.revision();
    server.put(&path, unconditional).await.expect(200);
    assert_eq!(server.store.revision(), before, "an update that changes nothing is not stored");
    let wrong = json!({"metadata": {"name": "b"}});
    assert_eq!(
        server.put(&path, wrong).await.message(400),
        "the name of the object (b) does not match the name on the URL (a)"
    );
    let wrong = json!({"metadata": {"name": "a", "namespace": "other"}});
    assert_eq!(
        server.put(&path, wrong).await.message(400),
        "the namespace of the provided object does not match the namespace sent on the request"
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_shows_everything() {
    let server = server().await;
    let before = server.store.revision();
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let shown = server.post(&format!("{MAPS}?dryRun=All"), body).await.expect(201);
    assert!(shown["metadata"]["uid"].is_string());
    server.config_map("ns", "b", json!({})).await;
    let patched =
        server.merge(format!("{MAPS}/b?dryRun=All"), json!({"data": {"k": "v"}})).await.expect(200);
    assert_eq!(patched["data"]["k"], "v");
    assert_eq!(server.store.revision().0, before.0 + 1, "only b was created");
    let taken =
        server.post(&format!("{MAPS}?dryRun=All"), json!({"metadata": {"name": "b"}})).await;
    assert_eq!(taken.code, 409);
}

#[tokio::test]
async fn who_creates_what_nothing_acts_on_is_told() {
    let server = server().await;
    let path = "/api/v1/namespaces/default/limitranges";
    let range = json!({"metadata": {"name": "a"}, "spec": {"limits": []}});
    let answer = server.post(path, range).await;
    let warning = r#"299 - "limitranges are stored here, and nothing acts on them""#;
    assert_eq!(answer.headers["warning"], warning);
    answer.expect(201);
    let answer = server.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    assert!(answer.headers.get("warning").is_none());
}

#[tokio::test]
async fn a_whole_number_of_yaml_is_an_integer() {
    let server = server().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let text = "metadata: {name: a}\nspec:\n  replicas: 3.0\n  selector: {matchLabels: {a: b}}\n  template:\n    \
                metadata: {labels: {a: b}}\n    spec: {containers: [{name: c, image: i}]}\n";
    let answer = server.request("POST", deployments, Sent::text("application/yaml", text)).await;
    assert_eq!(answer.expect(201)["spec"]["replicas"], json!(3));
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2.0}});
    let path = format!("{deployments}/a?fieldManager=m&force=true");
    assert_eq!(server.apply(&path, applied).await.expect(200)["spec"]["replicas"], json!(2));
}

#[tokio::test]
async fn unknown_and_duplicate_fields_are_refused_or_reported() {
    let server = server().await;
    let text = r#"{"metadata":{"name":"a","zz":1},"data":{"k":"1","k":"2"},"dta":{}}"#;
    let strict = Sent::text("application/json", text);
    let message = server
        .request("POST", &format!("{MAPS}?fieldValidation=Strict"), strict)
        .await
        .message(400);
    assert_eq!(
        message,
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field \
         \"data.k\", unknown field \"dta\", unknown field \"metadata.zz\""
    );
    let answer = server.request("POST", MAPS, Sent::text("application/json", text)).await;
    let warnings: Vec<_> =
        answer.headers.get_all("warning").iter().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(
        warnings,
        [
            r#"299 - "duplicate field \"data.k\"""#,
            r#"299 - "unknown field \"dta\"""#,
            r#"299 - "unknown field \"metadata.zz\"""#
        ]
    );
    assert_eq!(answer.expect(201)["data"]["k"], "2");
    let ignore = Sent::text("application/json", &text.replace("\"a\"", "\"b\""));
    let answer = server.request("POST", &format!("{MAPS}?fieldValidation=Ignore"), ignore).await;
    assert!(answer.headers.get("warning").is_none());
}

#[tokio::test]
async fn all_four_patches_change_a_deployment() {
    let server = server().await;
    let created = server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
    assert_eq!(created["spec"]["replicas"], 1, "defaults");
    let path = format!("{DEPLOYMENTS}/web");
    let strategic =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "new"}]}}}});
    let patched =
        server.patch(&path, "application/strategic-merge-patch+json", strategic).await.expect(200);
    let containers = patched["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!((containers.len(), &containers[1]["image"]), (2, &json!("new")));
    assert_eq!(patched["metadata"]["generation"], 2);
    let operations = json!([
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 3}]);
    let patched =
        server.patch(&path, "application/json-patch+json", operations.clone()).await.expect(200);
    assert_eq!(patched["spec"]["replicas"], 3);
    let failed = server.patch(&path, "application/json-patch+json", operations).await;
    assert_eq!(failed.code, 422, "a failed test changes nothing");
    let merged = server.merge(&path, json!({"spec": {"paused": true}})).await.expect(200);
    assert_eq!(merged["spec"]["paused"], true);
    let intent = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "one", "args": ["x"]}]}}}});
    let applied = server.apply(&format!("{path}?fieldManager=m"), intent.clone()).await.expect(200);
    let containers = applied["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!((containers.len(), &containers[0]["args"]), (2, &json!(["x"])));
    let again = server.apply(&format!("{path}?fieldManager=m"), intent).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], applied["metadata"]["resourceVersion"]);
    let selector =
        server.merge(&path, json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}})).await;
    assert_eq!(selector.code, 422, "the selector is immutable");
    let stale = server
        .merge(&path, json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 9}}))
        .await;
    assert_eq!(stale.code, 409, "a version in a patch is a precondition");
    let scale = server.get(&format!("{path}/scale")).await.expect(200);
    assert_eq!(scale["status"]["selector"], "app=web");
}

#[tokio::test]
async fn an_owner_is_named_once() {
    let server = server().await;
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u1"});
    let other = json!({"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "u2"});
    let body = json!({"metadata": {"name": "a", "ownerReferences": [owner, other, owner]}});
    let answer = server.post(MAPS, body).await;
    assert!(answer.headers["warning"].to_str().unwrap().contains("observed: u1"));
    assert_eq!(answer.expect(201)["metadata"]["ownerReferences"], json!([owner, other]));
}

#[tokio::test]
async fn yaml_bodies_are_read() {
    let server = server().await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
    let answer =
        server.request("POST", MAPS, Sent::text("application/yaml", text)).await.expect(201);
    assert_eq!(answer["data"]["k"], "v");
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
    assert_eq!(server.request("POST", MAPS, Sent::text("application/yaml", bomb)).await.code, 400);
}

#[tokio::test]
async fn events_are_one_storage_in_two_forms() {
    let server = server().await;
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "ns"}, "reason": "r", "message": "m", "type": "Normal"});
    server.post("/api/v1/namespaces/ns/events", event).await.expect(201);
    let other = server.get("/apis/events.k8s.io/v1/namespaces/ns/events/e").await.expect(200);
    assert_eq!((&other["apiVersion"], &other["note"]), (&json!("events.k8s.io/v1"), &json!("m")));
    assert_eq!(other["regarding"]["name"], "p");
    for path in [
        "/api/v1/namespaces/ns/events?fieldSelector=involvedObject.name%3Dp",
        "/apis/events.k8s.io/v1/namespaces/ns/events?fieldSelector=regarding.name%3Dp",
    ] {
        let list = server.get(path).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn services_get_addresses_of_their_own() {
    let server = server().await;
    let path = "/api/v1/namespaces/ns/services";
    let mut addresses = std::collections::BTreeSet::new();
    for number in 0..10 {
        let body = json!({"metadata": {"name": format!("s{number}")}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
        let service = server.post(path, body).await.expect(201);
        assert!(service["spec"]["ports"][0]["nodePort"].as_u64().unwrap() >= 30000);
        addresses.insert(service["spec"]["clusterIP"].as_str().unwrap().to_owned());
    }
    assert_eq!(addresses.len(), 10);
    assert!(addresses.iter().all(|address| address.starts_with("10.96.")));
    let taken = addresses.first().unwrap();
    let body =
        json!({"metadata": {"name": "t"}, "spec": {"clusterIP": taken, "ports": [{"port": 80}]}});
    assert!(server.post(path, body).await.message(422).contains("already allocated"));
    let headless =
        json!({"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
    assert_eq!(server.post(path, headless).await.expect(201)["spec"]["clusterIP"], "None");
    let kubernetes = server.get("/api/v1/namespaces/default/services/kubernetes").await.expect(200);
    assert_eq!(kubernetes["spec"]["clusterIP"], "10.96.0.1");
    let unchanged = server.get(&format!("{path}/s0")).await.expect(200);
    let mut update = unchanged.clone();
    update["spec"]["clusterIP"] = json!("");
    update["spec"]["clusterIPs"] = json!(null);
    let kept = server.put(&format!("{path}/s0"), update).await.expect(200);
    assert_eq!(kept["spec"]["clusterIP"], unchanged["spec"]["clusterIP"]);
}

#[tokio::test]
async fn applying_takes_over_by_force_and_removes_what_it_no_longer_wants() {
    let server = Server::with_widgets().await;
    let path = format!("{WIDGETS}/a");
    let first = widget("a", json!({"size": 1, "mode": "a"}));
    server.apply(&format!("{path}?fieldManager=m"), first).await.expect(201);
    let second = widget("a", json!({"size": 2}));
    let applied = server.apply(&format!("{path}?fieldManager=m"), second.clone()).await.expect(200);
    assert!(applied["spec"].get("mode").is_none());
    assert_eq!(applied["spec"]["replicas"], 1, "a default is nobody's to remove");
    let unforced =
        server.apply(&format!("{path}?fieldManager=n"), widget("a", json!({"size": 3}))).await;
    assert_eq!(unforced.code, 409);
    let forced = server
        .apply(&format!("{path}?fieldManager=n&force=true"), widget("a", json!({"size": 3})))
        .await;
    assert_eq!(forced.expect(200)["spec"]["size"], 3);
    let status = json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "status": {"ok": true}});
    let applied = server.apply(&format!("{path}/status?fieldManager=s"), status).await.expect(200);
    assert_eq!((&applied["status"]["ok"], &applied["spec"]["size"]), (&json!(true), &json!(3)));
    let with_uid = json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "u", "uid": "x"}, "spec": {"size": 1}});
    assert_eq!(server.apply(&format!("{WIDGETS}/u?fieldManager=m"), with_uid).await.code, 409);
}

#[tokio::test]
async fn a_first_apply_may_have_a_version_and_creates_only_what_is_not_there() {
    let server = server().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "1"}});
    let path = format!("{MAPS}/a?fieldManager=m&force=true");
    server.apply(&path, map.clone()).await.expect(201);
    server.apply(&path, map).await.expect(409);
}
