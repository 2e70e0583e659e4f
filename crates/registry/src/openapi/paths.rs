//! Paths and operations of a resource.

use serde_json::{Map, Value, json};

use crate::resource::Resource;
use crate::schemas::DEFINITIONS;

const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
const PATCH_TYPES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// The path items of a resource whose schema has this name.
pub(super) fn of(resource: &Resource, schema: &str) -> Map<String, Value> {
    let mut items = Map::new();
    let root = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    let plural = &resource.plural;
    let collection = if resource.namespaced {
        let everywhere = format!("{root}/{plural}");
        if resource.verbs.contains(&"list") {
            items.insert(everywhere, json!({"get": operation(resource, schema, "list")}));
        }
        format!("{root}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{root}/{plural}")
    };
    let one = format!("{collection}/{{name}}");
    let item = |pairs: &[(&str, &str)]| {
        let served = pairs.iter().filter(|(_, verb)| resource.verbs.contains(verb));
        served
            .map(|&(method, verb)| (method.to_owned(), operation(resource, schema, verb)))
            .collect::<Map<_, _>>()
    };
    let on_collection =
        item(&[("get", "list"), ("post", "create"), ("delete", "deletecollection")]);
    items.insert(collection, placed(resource, on_collection, &[]));
    let on_one =
        item(&[("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete")]);
    if !on_one.is_empty() {
        items.insert(one.clone(), placed(resource, on_one, &["name"]));
    }
    for subresource in &resource.subresources {
        let target = match (subresource.name, subresource.kind) {
            ("scale", _) => SCALE,
            (_, None) => schema,
            _ => continue,
        };
        let methods = [("get", "get"), ("put", "update"), ("patch", "patch")];
        let served = methods.iter().filter(|(_, verb)| subresource.verbs.contains(verb));
        let operations: Map<_, _> = served
            .map(|&(method, verb)| {
                let mut operation = operation(resource, target, verb);
                if let Some((group, version, kind)) = subresource.kind {
                    operation["x-kubernetes-group-version-kind"] =
                        json!({"group": group, "version": version, "kind": kind});
                }
                (method.to_owned(), operation)
            })
            .collect();
        let path = format!("{one}/{}", subresource.name);
        items.insert(path, placed(resource, operations, &["name"]));
    }
    items
}

/// A path item with the parameters of its path.
fn placed(resource: &Resource, mut item: Map<String, Value>, names: &[&str]) -> Value {
    let namespace = resource.namespaced.then_some("namespace");
    let parameters: Vec<Value> = namespace
        .into_iter()
        .chain(names.iter().copied())
        .map(|name| {
            json!({"name": name, "in": "path", "required": true,
                "schema": {"type": "string", "uniqueItems": true}})
        })
        .collect();
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), parameters.into());
    }
    Value::Object(item)
}

/// The operation of a verb.
fn operation(resource: &Resource, schema: &str, verb: &str) -> Value {
    let action = match verb {
        "create" => "post",
        "update" => "put",
        other => other,
    };
    let answer = match verb {
        "delete" | "deletecollection" => STATUS,
        _ => schema,
    };
    let mut operation = json!({
        "tags": [format!("{}_{}", resource.group.split('.').next().unwrap_or_default(), resource.version)],
        "parameters": parameters(verb),
        "responses": {"200": {"description": "OK", "content": content(&["application/json", "application/yaml"], answer)}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind":
            {"group": resource.group, "version": resource.version, "kind": resource.kind},
    });
    operation["requestBody"] = match verb {
        "create" | "update" => json!({"content": content(&["*/*"], schema), "required": true}),
        "delete" | "deletecollection" => json!({"content": content(&["*/*"], DELETE_OPTIONS)}),
        "patch" => {
            let types =
                PATCH_TYPES.iter().filter(|kind| !resource.is_crd() || !kind.contains("strategic"));
            let content: Map<_, _> = types
                .map(|&kind| (kind.to_owned(), json!({"schema": {"type": "object"}})))
                .collect();
            json!({"content": content, "required": true})
        }
        _ => return operation,
    };
    operation
}

fn content(types: &[&str], schema: &str) -> Value {
    let of_type = |kind: &&str| {
        ((*kind).to_owned(), json!({"schema": {"$ref": format!("{DEFINITIONS}{schema}")}}))
    };
    Value::Object(types.iter().map(of_type).collect())
}

/// Query parameters of a verb.
fn parameters(verb: &str) -> Vec<Value> {
    let write = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
    let select = [
        ("allowWatchBookmarks", "boolean"),
        ("continue", "string"),
        ("fieldSelector", "string"),
        ("labelSelector", "string"),
        ("limit", "integer"),
        ("resourceVersion", "string"),
        ("resourceVersionMatch", "string"),
        ("sendInitialEvents", "boolean"),
        ("timeoutSeconds", "integer"),
        ("watch", "boolean"),
    ];
    let delete = [
        ("dryRun", "string"),
        ("gracePeriodSeconds", "integer"),
        ("orphanDependents", "boolean"),
        ("propagationPolicy", "string"),
    ];
    let mut names: Vec<(&str, &str)> = vec![("pretty", "string")];
    match verb {
        "create" | "update" => names.extend(write),
        "patch" => {
            names.extend(write);
            names.push(("force", "boolean"));
        }
        "list" => names.extend(select),
        "delete" => names.extend(delete),
        "deletecollection" => {
            names.extend(delete);
            names.extend(select.iter().filter(|(name, _)| name.ends_with("Selector")));
        }
        _ => {}
    }
    names
        .into_iter()
        .map(|(name, kind)| {
            json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
        })
        .collect()
}
