//! The life of custom resource definitions.

use serde_json::{Value, json};

use crate::harness::{DEFINITIONS, Server, WIDGETS, widget, widgets};

const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.ex.com";

#[tokio::test]
async fn a_definition_serves_as_soon_as_its_creation_is_answered() {
    let server = Server::start().await;
    server.namespace("ns").await;
    assert_eq!(server.get(WIDGETS).await.code, 404);
    server.post(DEFINITIONS, widgets()).await.expect(201);
    server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    let definition = server.get(DEFINITION).await.expect(200);
    let conditions = definition["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True"));
    assert_eq!(definition["spec"]["names"]["listKind"], "WidgetList");
    let group = server.get("/apis/ex.com").await.expect(200);
    assert_eq!(group["preferredVersion"]["groupVersion"], "ex.com/v1");
    let resources = server.get("/apis/ex.com/v1").await.expect(200);
    let names: Vec<_> = resources["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"widgets")
            && names.contains(&"widgets/status")
            && names.contains(&"widgets/scale")
    );
    let openapi = server.get("/openapi/v3").await.expect(200);
    let url = openapi["paths"]["apis/ex.com/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = server.get(&url).await;
    assert_eq!(document.headers["cache-control"], "public, immutable, max-age=31536000");
    assert!(document.text.contains("\"size\""));
    let list = server.get("/apis/ex.com/v1/widgets").await.expect(200);
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("WidgetList"), 1));
}

#[tokio::test]
async fn a_changed_schema_counts_at_once() {
    let server = Server::with_widgets().await;
    server.post(WIDGETS, widget("old", json!({"size": 1}))).await.expect(201);
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let operations = json!([{"op": "add", "path": format!("{spec}/color"), "value": {"type": "string", "default": "red"}}]);
    server.patch(DEFINITION, "application/json-patch+json", operations).await.expect(200);
    let a = server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    assert_eq!(a["spec"]["color"], "red");
    let old = server.get(&format!("{WIDGETS}/old")).await.expect(200);
    assert_eq!(
        old["spec"]["color"], "red",
        "what was stored before has the default when it is read"
    );
    let list = server.get(WIDGETS).await.expect(200);
    assert_eq!(list["items"][1]["spec"]["color"], "red");
    let mut events = server.watch(&format!("{WIDGETS}?watch=true")).await;
    events.next().await.unwrap();
    assert_eq!(events.next().await.unwrap()["object"]["spec"]["color"], "red");
}

#[tokio::test]
async fn deletion_drains_objects_with_their_finalizers_first() {
    let server = Server::with_widgets().await;
    for name in ["a", "b"] {
        server.post(WIDGETS, widget(name, json!({"size": 1}))).await.expect(201);
    }
    let kept = format!("{WIDGETS}/b");
    server.merge(&kept, json!({"metadata": {"finalizers": ["ex.com/f"]}})).await.expect(200);
    let marked = server.delete(DEFINITION).await.expect(200);
    assert_eq!(
        marked["metadata"]["finalizers"],
        json!(["customresourcecleanup.apiextensions.k8s.io"])
    );
    assert_eq!(server.get(&format!("{WIDGETS}/a")).await.code, 404);
    assert!(server.get(&kept).await.expect(200)["metadata"]["deletionTimestamp"].is_string());
    let refused = server.post(WIDGETS, widget("c", json!({"size": 1}))).await.message(405);
    assert_eq!(refused, "create not allowed while custom resource definition is terminating");
    let definition = server.get(DEFINITION).await.expect(200);
    let conditions = definition["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|it| it["type"] == "Terminating" && it["status"] == "True"));
    server.merge(&kept, json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(server.get(DEFINITION).await.code, 404, "the last object was waited for");
    assert_eq!(server.get(WIDGETS).await.code, 404);
    assert_eq!(server.get("/apis/ex.com").await.code, 404);
    server.post(DEFINITIONS, widgets()).await.expect(201);
    let list = server.get(WIDGETS).await.expect(200);
    assert_eq!(list["items"], json!([]), "a definition made anew has no old objects");
}

fn two_versions() -> Value {
    let mut definition = widgets();
    let mut second = definition["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["storage"] = false.into();
    second["deprecated"] = true.into();
    definition["spec"]["versions"].as_array_mut().unwrap().push(second);
    definition
}

#[tokio::test]
async fn versions_show_one_object_each_under_its_name() {
    let server = Server::start().await;
    server.namespace("ns").await;
    server.post(DEFINITIONS, two_versions()).await.expect(201);
    let v2 = "/apis/ex.com/v2/namespaces/ns/widgets";
    let mut body = widget("a", json!({"size": 1}));
    body["apiVersion"] = "ex.com/v2".into();
    let answer = server.post(v2, body).await;
    assert!(answer.headers["warning"].to_str().unwrap().contains("deprecated"));
    assert_eq!(answer.expect(201)["apiVersion"], "ex.com/v2");
    assert_eq!(server.get(&format!("{WIDGETS}/a")).await.expect(200)["apiVersion"], "ex.com/v1");
    assert_eq!(server.get(v2).await.expect(200)["items"][0]["apiVersion"], "ex.com/v2");
    let mut events = server.watch(&format!("{v2}?watch=true")).await;
    assert_eq!(events.next().await.unwrap()["object"]["apiVersion"], "ex.com/v2");
    server.merge(format!("{WIDGETS}/a"), json!({"spec": {"size": 2}})).await.expect(200);
    let event = events.next().await.unwrap();
    assert_eq!(
        (&event["object"]["apiVersion"], &event["object"]["spec"]["size"]),
        (&json!("ex.com/v2"), &json!(2))
    );
    let unserve = json!([{"op": "replace", "path": "/spec/versions/1/served", "value": false}]);
    server.patch(DEFINITION, "application/json-patch+json", unserve).await.expect(200);
    assert_eq!(server.get(v2).await.code, 404);
}

#[tokio::test]
async fn watches_end_with_the_definition_they_began_with() {
    let server = Server::with_widgets().await;
    server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    let path = format!("{WIDGETS}?watch=true");
    let mut changed = server.watch(&path).await;
    changed.next().await.unwrap();
    let label = json!({"metadata": {"labels": {"x": "y"}}});
    server.merge(DEFINITION, label).await.expect(200);
    server.merge(format!("{WIDGETS}/a"), json!({"spec": {"size": 2}})).await.expect(200);
    assert!(
        changed.brief().await.starts_with("MODIFIED a"),
        "a label changes nothing that is served"
    );
    let shown = json!([{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"}]);
    server.patch(DEFINITION, "application/json-patch+json", shown).await.expect(200);
    assert!(changed.next().await.is_none());
    let mut deleted = server.watch(&path).await;
    deleted.next().await.unwrap();
    server.delete(DEFINITION).await.expect(200);
    assert!(deleted.brief().await.starts_with("DELETED a"), "first what is drained");
    assert!(deleted.next().await.is_none());
}

#[tokio::test]
async fn definitions_are_served_again_after_a_restart() {
    let server = Server::with_widgets().await;
    server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    let version = server.store.revision();
    let again =
        Server::with(server.store.clone(), std::sync::Arc::new(crate::harness::NoNodes)).await;
    assert_eq!(again.get(&format!("{WIDGETS}/a")).await.code, 200);
    assert_eq!(again.store.revision(), version, "a start with everything in place writes nothing");
}

#[tokio::test]
async fn scope_and_names_are_checked_and_fixed() {
    let server = Server::with_widgets().await;
    let scope = json!({"spec": {"scope": "Cluster"}});
    assert_eq!(server.merge(DEFINITION, scope).await.code, 422);
    let mut cluster = widgets();
    cluster["metadata"]["name"] = "globes.ex.com".into();
    cluster["spec"]["scope"] = "Cluster".into();
    cluster["spec"]["names"] = json!({"plural": "globes", "kind": "Globe"});
    server.post(DEFINITIONS, cluster).await.expect(201);
    let mut body = widget("g", json!({"size": 1}));
    body["kind"] = "Globe".into();
    server.post("/apis/ex.com/v1/globes", body.clone()).await.expect(201);
    assert_eq!(server.post("/apis/ex.com/v1/namespaces/ns/globes", body).await.code, 404);
    assert_eq!(server.get("/apis/ex.com/v1/globes/g").await.code, 200);
}

/// Fails if who may create one name creates another through its path.
#[tokio::test]
async fn an_object_created_at_a_path_has_the_name_of_the_path() {
    let server = Server::with_widgets().await;
    let widget = |metadata: serde_json::Value| json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 1}});
    let path = format!("{WIDGETS}/w");
    for (metadata, name) in
        [(json!({"name": "other"}), "other"), (json!({}), ""), (json!({"generateName": "w"}), "")]
    {
        let message = server.post(&path, widget(metadata)).await.message(400);
        let why = format!("the name of the object ({name}) does not match the name on the URL (w)");
        assert_eq!(message, why);
    }
    server.post(&path, widget(json!({"name": "w"}))).await.expect(201);
}
