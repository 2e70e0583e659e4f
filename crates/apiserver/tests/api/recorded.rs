//! What a real API server answered to the same requests.

use serde_json::json;

use crate::harness::{DEFINITIONS, Sent, Server, WIDGETS, widget, widgets};

/// A request, and the code and message it was answered with.
struct Refusal {
    method: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
    code: u16,
    message: &'static str,
}

const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";

const fn post(path: &'static str, body: &'static str, code: u16, message: &'static str) -> Refusal {
    Refusal { method: "POST", path, content_type: JSON, body, code, message }
}

const fn get(path: &'static str, code: u16, message: &'static str) -> Refusal {
    Refusal { method: "GET", path, content_type: "", body: "", code, message }
}

const fn patch(content_type: &'static str, path: &'static str, body: &'static str) -> Refusal {
    Refusal { method: "PATCH", path, content_type, body, code: 0, message: "" }
}

const A: &str = "/apis/ex.com/v1/namespaces/ns/widgets/a";

const REFUSALS: &[Refusal] = &[
    post(
        WIDGETS,
        r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":1}}"#,
        409,
        r#"widgets.ex.com "a" already exists"#,
    ),
    post(
        WIDGETS,
        r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"b"},"spec":{"size":200}}"#,
        422,
        r#"Widget.ex.com "b" is invalid: spec: Invalid value: "object": too big"#,
    ),
    post(
        "/apis/ex.com/v1/namespaces/ns/widgets?fieldValidation=Strict",
        r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"b"},"spec":{"size":2,"zz":1,"size":3}}"#,
        400,
        r#"Widget in version "v1" cannot be handled as a Widget: strict decoding error: duplicate field "spec.size", unknown field "spec.zz""#,
    ),
    post(
        WIDGETS,
        "{",
        400,
        "the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
    ),
    post(
        WIDGETS,
        r#"{"apiVersion":"ex.com/v1","kind":"Foo","metadata":{"name":"q"}}"#,
        422,
        r#"Foo.ex.com "q" is invalid: kind: Invalid value: "Foo": must be Widget"#,
    ),
    post(
        WIDGETS,
        r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"B_"},"spec":{"size":1}}"#,
        422,
        r#"Widget.ex.com "B_" is invalid: metadata.name: Invalid value: "B_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#,
    ),
    post(
        WIDGETS,
        r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{},"spec":{"size":1}}"#,
        422,
        r#"Widget.ex.com "" is invalid: [metadata.name: Required value: name or generateName is required, <nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"#,
    ),
    post(
        A,
        "{}",
        400,
        "the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{}' ({})",
    ),
    Refusal {
        code: 415,
        message: "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        ..patch("application/strategic-merge-patch+json", A, "{}")
    },
    Refusal {
        method: "PUT",
        path: A,
        content_type: JSON,
        body: r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"a","resourceVersion":"1"},"spec":{"size":2}}"#,
        code: 409,
        message: r#"Operation cannot be fulfilled on widgets.ex.com "a": the object has been modified; please apply your changes to the latest version and try again"#,
    },
    Refusal {
        method: "PUT",
        path: A,
        content_type: JSON,
        body: r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":2}}"#,
        code: 422,
        message: r#"Widget.ex.com "a" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"#,
    },
    Refusal {
        code: 422,
        message: r#"PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#,
        ..patch(
            APPLY,
            A,
            r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":7}}"#,
        )
    },
    Refusal {
        code: 400,
        message: "metadata.managedFields must be nil",
        ..patch(
            APPLY,
            "/apis/ex.com/v1/namespaces/ns/widgets/s?fieldManager=m2",
            r#"{"apiVersion":"ex.com/v1","kind":"Widget","metadata":{"name":"s","managedFields":[{"manager":"x","operation":"Apply","apiVersion":"ex.com/v1","fieldsType":"FieldsV1","fieldsV1":{}}]}}"#,
        )
    },
    Refusal {
        code: 400,
        message: "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ..patch("application/json-patch+json", A, "{}")
    },
    get("/apis/ex.com/v1/namespaces/ns/widgets/zz", 404, r#"widgets.ex.com "zz" not found"#),
    get(
        "/apis/ex.com/v1/namespaces/ns/widgets?watch=1&resourceVersion=abc",
        500,
        r#"resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax"#,
    ),
    get(
        "/apis/ex.com/v1/namespaces/ns/widgets?resourceVersionMatch=Exact",
        422,
        r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"#,
    ),
    get(
        "/apis/ex.com/v1/namespaces/ns/widgets?resourceVersionMatch=Exact&resourceVersion=0",
        422,
        r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0""#,
    ),
    get(
        "/apis/ex.com/v1/namespaces/ns/widgets?labelSelector=a%3D%3D%3Db",
        400,
        "unable to parse requirement: found '=', expected: identifier",
    ),
    get(
        "/apis/ex.com/v1/namespaces/ns/widgets?fieldSelector=spec.size%3D1",
        400,
        "field label not supported: spec.size",
    ),
    Refusal {
        method: "DELETE",
        path: A,
        content_type: JSON,
        body: r#"{"propagationPolicy":"Foreground","orphanDependents":true}"#,
        code: 422,
        message: r#"DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Foreground": orphanDependents and deletionPropagation cannot be both set"#,
    },
    post(
        DEFINITIONS,
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"foo.ex.com"},"spec":{"group":"ex.com","scope":"Namespaced","names":{"plural":"foos","kind":"Foo"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"properties":{"a":{"type":"array"}}}}}}}]}}"#,
        422,
        r#"CustomResourceDefinition.apiextensions.k8s.io "foo.ex.com" is invalid: [metadata.name: Invalid value: "foo.ex.com": must be spec.names.plural+"."+spec.group, spec.validation.openAPIV3Schema.properties[spec].properties[a].items: Required value: must be specified, spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields]"#,
    ),
];

#[tokio::test]
async fn refusals_have_the_recorded_codes_and_messages() {
    let server = Server::with_widgets().await;
    server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    let apply = json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "s"},
        "spec": {"size": 7, "tags": ["p"]}});
    server.apply(&format!("{WIDGETS}/s?fieldManager=m1"), apply).await.expect(201);
    let mut wrong = Vec::new();
    for it in REFUSALS {
        let answer = server.request(it.method, it.path, Sent::text(it.content_type, it.body)).await;
        let (code, body) = (answer.code.as_u16(), answer.text);
        let status: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        if code != it.code || status["message"] != it.message || status["kind"] != "Status" {
            wrong.push(format!(
                "{} {} {}\n  wanted {} {}\n  got    {code} {body}",
                it.method, it.path, it.body, it.code, it.message
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_object_is_shown_as_recorded_through_its_life() {
    let server = Server::with_widgets().await;
    let a = server.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    assert_eq!(a["spec"], json!({"size": 1, "replicas": 1}));
    assert_eq!(a["metadata"]["generation"], 1);
    let managed = &a["metadata"]["managedFields"];
    assert_eq!(
        managed[0]["fieldsV1"],
        json!({"f:spec": {".": {}, "f:replicas": {}, "f:size": {}}})
    );
    assert_eq!(
        (&managed[0]["manager"], &managed[0]["operation"]),
        (&json!("curl"), &json!("Update"))
    );

    let merged = server.merge(A, json!({"spec": {"size": 5}})).await.expect(200);
    assert_eq!(merged["metadata"]["generation"], 2);
    let again = server.merge(A, json!({"spec": {"size": 5}})).await.expect(200);
    assert_eq!(again, merged, "a write that changes nothing is none");

    let status =
        server.merge(format!("{A}/status"), json!({"status": {"x": 1}, "spec": {"size": 9}}));
    let status = status.await.expect(200);
    assert_eq!((&status["spec"]["size"], &status["status"]), (&json!(5), &json!({"x": 1})));
    assert_eq!(status["metadata"]["generation"], 2);
    assert_eq!(status["metadata"]["managedFields"][1]["subresource"], "status");
    let ignored = server.merge(A, json!({"status": {"x": 2}})).await.expect(200);
    assert_eq!(ignored, status);

    let intent = widget("a", json!({"size": 7}));
    let applied =
        server.apply(&format!("{A}?fieldManager=m1&force=true"), intent).await.expect(200);
    assert_eq!(applied["metadata"]["generation"], 3);
    let owners: Vec<_> = applied["metadata"]["managedFields"].as_array().unwrap().iter().collect();
    // The recording has a "." here: that server knew no schemas, and so took every struct for a map.
    assert_eq!(owners[0]["fieldsV1"], json!({"f:spec": {"f:size": {}}}));
    assert_eq!(owners[1]["fieldsV1"], json!({"f:spec": {".": {}, "f:replicas": {}}}));
    assert_eq!(owners[2]["fieldsV1"], json!({"f:status": {".": {}, "f:x": {}}}));

    let scale = server.get(&format!("{A}/scale")).await.expect(200);
    assert_eq!((&scale["kind"], &scale["spec"]), (&json!("Scale"), &json!({"replicas": 1})));
    assert_eq!(scale["status"], json!({"replicas": 0}));
    let scaled =
        server.merge(format!("{A}/scale"), json!({"spec": {"replicas": 4}})).await.expect(200);
    assert_eq!(scaled["spec"]["replicas"], 4);
    assert_eq!(server.get(A).await.expect(200)["spec"], json!({"replicas": 4, "size": 7}));
}

#[tokio::test]
async fn an_applied_conflict_names_its_owner() {
    let server = Server::with_widgets().await;
    let path = format!("{WIDGETS}/s");
    let first = widget("s", json!({"size": 7, "tags": ["p"]}));
    server.apply(&format!("{path}?fieldManager=m1"), first).await.expect(201);
    let second = widget("s", json!({"size": 8, "tags": ["q"]}));
    let status = server.apply(&format!("{path}?fieldManager=m2"), second).await.expect(409);
    assert_eq!(status["reason"], "Conflict");
    let causes = status["details"]["causes"].as_array().unwrap();
    assert!(causes.iter().all(|it| it["reason"] == "FieldManagerConflict"), "{status}");
    assert!(
        causes
            .iter()
            .any(|it| it["field"] == ".spec.size" && it["message"] == "conflict with \"m1\""),
        "{status}"
    );
}

#[tokio::test]
async fn forms_of_answers_are_as_recorded() {
    let server = Server::with_widgets().await;
    server.post(WIDGETS, widget("a", json!({"size": 7}))).await.expect(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let none = server.get_as(&format!("{WIDGETS}?includeObject=None"), table).await.expect(200);
    assert_eq!((&none["kind"], &none["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(none["rows"], json!([{"cells": ["a", 7], "object": null}]));
    let size = json!({"name": "Size", "type": "integer", "format": "", "priority": 0,
        "description": "Custom resource definition column (in JSONPath format): .spec.size"});
    assert_eq!(none["columnDefinitions"][1], size);
    let rows = server.get_as(WIDGETS, table).await.expect(200);
    assert_eq!(rows["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let refused = server.get_as(WIDGETS, "application/xml").await.message(406);
    assert!(refused.starts_with("only the following media types are accepted: application/json"));
    let missing = server.get("/apis/ex.com/v1/namespaces/ns/gadgets").await;
    assert_eq!((missing.code.as_u16(), missing.text.trim()), (404, "404 page not found"));
    let healthy = server.get("/healthz").await;
    assert_eq!((healthy.code.as_u16(), healthy.text.as_str()), (200, "ok"));
}

#[tokio::test]
async fn definitions_conflict_over_names_as_recorded() {
    let server = Server::with_widgets().await;
    let mut gizmos = widgets();
    gizmos["metadata"]["name"] = "gizmos.ex.com".into();
    gizmos["spec"]["names"] = json!({"plural": "gizmos", "singular": "widget", "shortNames": ["wd"],
        "kind": "Widget", "listKind": "WidgetList"});
    server.post(DEFINITIONS, gizmos).await.expect(201);
    let gizmos = server.get(&format!("{DEFINITIONS}/gizmos.ex.com/status")).await.expect(200);
    let conditions = &gizmos["status"]["conditions"];
    assert_eq!(conditions[0]["reason"], "ListKindConflict");
    assert_eq!(conditions[0]["message"], "\"WidgetList\" is already in use");
    assert_eq!(
        (&conditions[1]["status"], &conditions[1]["reason"]),
        (&json!("False"), &json!("NotAccepted"))
    );
    assert_eq!(gizmos["status"]["acceptedNames"]["plural"], "gizmos");
}
