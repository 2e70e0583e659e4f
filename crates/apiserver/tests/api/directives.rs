//! Documents that tell the server what to do: patches, managed fields, definitions. Whatever stands in them, the answer
//! is a result or an error of the client, and the server goes on.

use serde_json::{Value, json};

use crate::harness::{Answer, DEFINITIONS, Server, WIDGETS, widget, widgets};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const PODS: &str = "/api/v1/namespaces/ns/pods";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

#[track_caller]
fn check(answer: &Answer, what: &str) {
    assert!(answer.code.as_u16() < 500, "{what}: {} {}", answer.code, answer.text);
}

fn wrong() -> Vec<Value> {
    let deep = (0..60).fold(json!("x"), |inner, _| json!({ "f:a": inner }));
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(18_446_744_073_709_551_615_u64),
        json!(""),
        json!("text"),
        json!([]),
        json!([null]),
        json!([[], {}, 1, "a"]),
        json!({}),
        json!({"": {}}),
        json!({"a": {"b": []}}),
        deep,
    ]
}

async fn server() -> Server {
    let server = Server::with_widgets().await;
    server.config_map("ns", "m", json!({"a": "b"})).await;
    let pod = json!({"metadata": {"name": "p", "finalizers": ["ex.com/f"]},
        "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}]}]}});
    server.post(PODS, pod).await.expect(201);
    server.post(WIDGETS, widget("w", json!({"size": 1, "tags": ["a"]}))).await.expect(201);
    server
}

#[tokio::test]
async fn strategic_directives_with_any_value() {
    let server = server().await;
    let directives = [
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/finalizers",
        "$deleteFromPrimitiveList/finalizers",
        "$deleteFromPrimitiveList/containers",
        "$setElementOrder/",
        "$",
    ];
    for directive in directives {
        for value in wrong() {
            let part = json!({ directive: value });
            for patch in [
                part.clone(),
                json!({"metadata": part, "spec": part}),
                json!({"spec": {"containers": [part], "volumes": [part]}}),
                json!({"spec": {"containers": part}}),
                json!({"spec": {"containers": [{"name": "c", "env": [part], "ports": part, "resources": part}]}}),
            ] {
                let answer =
                    server.patch(&format!("{PODS}/p?dryRun=All"), STRATEGIC, patch.clone()).await;
                check(&answer, &patch.to_string());
            }
        }
    }
}

#[tokio::test]
async fn patch_operations_on_any_path() {
    let server = server().await;
    let long = format!("/{}", "a/".repeat(5000));
    let paths = [
        "",
        "/",
        "//",
        "a",
        "/metadata",
        "/metadata/name",
        "/metadata/labels/-",
        "/metadata/managedFields/-1",
        "/metadata/managedFields/00",
        "/metadata/managedFields/18446744073709551616",
        "/metadata/managedFields/0/fieldsV1",
        "/metadata/~",
        "/metadata/~2",
        "/data",
        "/data/~0~1",
        "/kind",
        long.as_str(),
    ];
    for op in ["add", "remove", "replace", "move", "copy", "test", "", "other"] {
        for path in paths {
            for from in ["", "/metadata", "/data", "/none"] {
                let patch = json!([{"op": op, "path": path, "from": from, "value": {"a": 1}}]);
                let answer = server.patch(&format!("{MAPS}/m?dryRun=All"), JSON_PATCH, patch).await;
                check(&answer, &format!("{op} {path:.60} {from}"));
            }
        }
    }
    for value in wrong() {
        for patch in [
            json!([value]),
            json!([{"op": value, "path": "/data"}]),
            json!([{"op": "add", "path": value}]),
            value,
        ] {
            let answer =
                server.patch(&format!("{MAPS}/m?dryRun=All"), JSON_PATCH, patch.clone()).await;
            check(&answer, &patch.to_string());
        }
    }
}

#[tokio::test]
async fn managed_fields_with_any_content() {
    let server = server().await;
    let keys = [
        "f:data",
        "f:",
        "k:{",
        "k:{}",
        "k:{\"name\":1}",
        "k:[]",
        "v:",
        "v:{",
        "i:-1",
        "i:99999999999999999999",
        ".",
        "x",
        "",
    ];
    let mut sets: Vec<Value> = keys.iter().map(|key| json!({ *key: {} })).collect();
    sets.extend(
        keys.iter().map(|key| json!({"f:spec": {"f:containers": { *key: {"f:image": {}} }}})),
    );
    sets.extend(wrong());
    for set in sets {
        for operation in ["Apply", "Update", "Other"] {
            let entry = json!({"manager": "a", "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": set});
            let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "managedFields": [entry]}, "data": {"a": "b"}});
            check(&server.put(&format!("{MAPS}/m"), map.clone()).await, &entry.to_string());
            map["metadata"]["managedFields"] = Value::Null;
            let applied = server.apply(&format!("{MAPS}/m?fieldManager=a&force=true"), map).await;
            check(&applied, &entry.to_string());
            let patch = json!({"metadata": {"managedFields": [entry]}});
            for path in [format!("{PODS}/p"), format!("{WIDGETS}/w")] {
                check(&server.merge(&path, patch.clone()).await, &entry.to_string());
                check(
                    &server.merge(&path, json!({"metadata": {"labels": {"x": "y"}}})).await,
                    &path,
                );
            }
        }
    }
}

/// The definition of widgets with one keyword of another value, in one of two depths of its schema.
fn with_keyword(keyword: &str, value: &Value, depth: usize) -> Value {
    let places = ["", "/properties/size"];
    let place = format!(
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec{}",
        places[depth % places.len()]
    );
    let mut definition = widgets();
    definition.pointer_mut(&place).unwrap()[keyword] = value.clone();
    definition
}

/// Makes a definition, uses it, and takes it away. False if it was refused.
async fn use_definition(server: &Server, definition: &Value, what: &str) -> bool {
    let made = server.post(DEFINITIONS, definition.clone()).await;
    check(&made, what);
    if made.code != 201 {
        return false;
    }
    for spec in [
        json!({"size": 2, "tags": ["a"], "mode": "a"}),
        json!({"size": "x", "more": [1]}),
        json!([]),
    ] {
        check(&server.post(WIDGETS, widget("w", spec.clone())).await, what);
        check(
            &server
                .apply(&format!("{WIDGETS}/w?fieldManager=m&force=true"), widget("w", spec))
                .await,
            what,
        );
    }
    for path in [format!("{WIDGETS}/w/scale"), format!("{WIDGETS}?fieldSelector=spec.size%3D2")] {
        check(&server.get(&path).await, what);
    }
    check(
        &server.merge(&format!("{WIDGETS}/w/scale"), json!({"spec": {"replicas": 2}})).await,
        what,
    );
    let table = server.get_as(WIDGETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    check(&table, what);
    check(&server.get("/openapi/v3/apis/ex.com/v1").await, what);
    check(&server.delete(&format!("{DEFINITIONS}/widgets.ex.com")).await, what);
    true
}

#[tokio::test]
async fn definitions_with_any_keyword() {
    let server = Server::start().await;
    server.namespace("ns").await;
    let keywords = [
        "type",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "enum",
        "default",
        "nullable",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
        "minLength",
        "maxItems",
        "uniqueItems",
        "pattern",
        "format",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-validations",
        "$ref",
        "description",
    ];
    let (mut refused, mut used) = (0, 0);
    for (number, keyword) in keywords.iter().enumerate() {
        for (at, value) in wrong().iter().enumerate() {
            let definition = with_keyword(keyword, value, number + at);
            match use_definition(&server, &definition, &format!("{keyword} {value}")).await {
                true => used += 1,
                false => refused += 1,
            }
        }
    }
    assert!(refused > 50 && used > 50, "{refused} refused, {used} used");
}

#[tokio::test]
async fn definitions_with_any_path() {
    let server = Server::start().await;
    server.namespace("ns").await;
    let long = format!(".{}", "a.".repeat(3000));
    let paths = [
        "",
        ".",
        "..",
        "spec",
        ".spec",
        ".spec.size",
        ".spec.tags",
        ".spec.tags[",
        ".spec.tags[*]",
        ".spec.tags[-1]",
        ".spec.tags[99999999999999999999]",
        ".spec[?(@.a==",
        ".spec[?(@.size>1)]",
        "..size",
        ".spec['size']",
        "{.spec}",
        ".metadata.name",
        ".\u{e9}",
        long.as_str(),
    ];
    for path in paths {
        let mut definition = widgets();
        let version = &mut definition["spec"]["versions"][0];
        version["additionalPrinterColumns"][0]["jsonPath"] = path.into();
        use_definition(&server, &definition, &format!("column {path:.60}")).await;
        let mut definition = widgets();
        let version = &mut definition["spec"]["versions"][0];
        version["selectableFields"] = json!([{"jsonPath": path}]);
        use_definition(&server, &definition, &format!("selectable {path:.60}")).await;
        for key in ["specReplicasPath", "statusReplicasPath", "labelSelectorPath"] {
            let mut definition = widgets();
            definition["spec"]["versions"][0]["subresources"]["scale"][key] = path.into();
            use_definition(&server, &definition, &format!("{key} {path:.60}")).await;
        }
    }
    for rule in [
        "",
        "self",
        "self.size",
        "self.size > ",
        "self.tags.all(t, self.tags.all(u, self.tags.all(v, t == u)))",
        "'a'.matches('(((a*)*)*)*b')",
        "[1,2,3].map(x, [1,2,3].map(y, x*y)).size() > 0",
        "oldSelf.size == 1",
        "1/0 == 1",
        "self.missing == 1",
    ] {
        let mut definition = widgets();
        definition
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .unwrap()["x-kubernetes-validations"] =
            json!([{"rule": rule, "messageExpression": rule}]);
        use_definition(&server, &definition, rule).await;
    }
}
