//! OpenAPI documents: version 3, one per group version, and version 2, one for everything.
//!
//! A document is made when it is asked for and not kept: they are large, and few clients ask. Hashes of the index
//! are made of what documents are made from, so the index costs next to nothing.

mod paths;
mod v2;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::facts;
use crate::kinds;
use crate::registry::Registry;
use crate::resource::{Resource, Source};
use crate::schemas::{self, DEFINITIONS, Described};
pub use v2::v2;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// `GET /openapi/v3`: where the document of each group version is.
pub fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path(group, version);
            let hash = hash(registry, group, version);
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

/// `api/v1` or `apis/apps/v1`.
fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The form of the documents: raised when this module (or k8s-openapi) makes them otherwise than before, because
/// clients keep a document as long as its hash stays.
const FORM: u32 = 1;

/// What the document of a group version is made from, as one number.
pub fn hash(registry: &Registry, group: &str, version: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(FORM.to_be_bytes());
    digest.update(facts::digest());
    for resource in registry.group_version(group, version) {
        digest.update(resource.plural.as_bytes());
        digest.update(resource.kind.as_bytes());
        if let Source::Custom(custom) = &resource.source {
            digest.update(format!("{:?}{}", custom.subresources(), custom.namespaced));
            digest.update(custom.openapi.to_string());
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// `GET /openapi/v3/apis/GROUP/VERSION`, or `api/VERSION` with an empty group.
pub fn v3(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let resources: Vec<&Resource> =
        registry.group_version(group, version).map(|resource| &**resource).collect();
    if resources.is_empty() {
        return None;
    }
    let mut definitions = Map::new();
    let mut operations = Map::new();
    for resource in resources {
        let name = define(resource, &mut definitions);
        operations.extend(paths::of(resource, &name));
    }
    for &(_, _, _, schema_of) in kinds::SUBRESOURCE_KINDS {
        definitions.extend(schemas::describe(schema_of).definitions);
    }
    definitions.values_mut().for_each(publish);
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": operations,
        "components": {"schemas": definitions},
    }))
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1.33.0"})
}

/// Adds the definitions that a resource needs; answers the name of its own.
fn define(resource: &Resource, definitions: &mut Map<String, Value>) -> String {
    let kind =
        json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}]);
    let described = match &resource.source {
        Source::BuiltIn(kind) => schemas::describe(kind.schema),
        Source::Custom(custom) => describe_custom(resource, &custom.openapi),
    };
    let Described { name, definitions: own } = described;
    for (name, definition) in own {
        definitions.entry(name).or_insert(definition);
    }
    if let Some(root) = definitions.get_mut(&name) {
        root["x-kubernetes-group-version-kind"] = kind;
    }
    name
}

/// The schema of a custom resource, with the members that every object has.
fn describe_custom(resource: &Resource, openapi: &Value) -> Described {
    let mut definitions = schemas::object_meta_definitions();
    let mut schema = if openapi.is_object() { openapi.clone() } else { json!({"type": "object"}) };
    let reference = json!({"$ref": format!("{DEFINITIONS}{OBJECT_META}"),
        "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"});
    // A schema that lists no members accepts any, which is what a list of these three alone would forbid.
    if schema.get("properties").is_none() {
        schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
        schema["properties"] = json!({});
    }
    for (key, description) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        schema["properties"][key] = json!({"type": "string", "description": description});
    }
    schema["properties"]["metadata"] = reference;
    let name = custom_name(resource);
    definitions.insert(name.clone(), schema);
    Described { name, definitions }
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// `com.ex.v1.Widget` for group `ex.com`.
fn custom_name(resource: &Resource) -> String {
    let reversed: Vec<&str> = resource.group.split('.').rev().collect();
    format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind)
}

/// Brings a definition into the shapes that Kubernetes publishes.
fn publish(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(publish);
            if object.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true))
                && !object.contains_key("type")
                && !object.contains_key("oneOf")
                && !object.contains_key("anyOf")
            {
                object.insert("oneOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
                object.insert("format".to_owned(), "int-or-string".into());
                object.remove("x-kubernetes-int-or-string");
            }
            // Beside a reference nothing else may stand, so the reference is wrapped.
            if object.len() > 1
                && object.get("$ref").is_some_and(Value::is_string)
                && let Some(reference) = object.remove("$ref")
            {
                object.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(publish),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(group: &str) -> Value {
        v3(&Registry::new([]), group, "v1").unwrap()
    }

    #[test]
    fn the_index_names_every_group_version() {
        let registry = Registry::new([]);
        let index = index(&registry);
        let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with("/openapi/v3/apis/apps/v1?hash="));
        assert!(index["paths"]["api/v1"].is_object());
        assert!(v3(&registry, "no.such", "v1").is_none());
    }

    #[test]
    fn kubectl_finds_field_validation_on_patch_operations() {
        let apps = document("apps");
        let patch =
            &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(
            patch["x-kubernetes-group-version-kind"],
            json!({"group": "apps", "version": "v1", "kind": "Deployment"})
        );
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(
            parameters.iter().any(|one| one["name"] == "fieldValidation" && one["in"] == "query")
        );
        assert!(apps["paths"]["/apis/apps/v1/deployments"]["get"].is_object());
    }

    #[test]
    fn references_resolve_within_the_document() {
        fn check(value: &Value, schemas: &Map<String, Value>) {
            match value {
                Value::Object(object) => {
                    if let Some(target) = object.get("$ref").and_then(Value::as_str) {
                        let name = target.strip_prefix(DEFINITIONS).unwrap();
                        assert!(schemas.contains_key(name), "{target}");
                        assert_eq!(object.len(), 1, "{target} has siblings");
                    }
                    object.values().for_each(|value| check(value, schemas));
                }
                Value::Array(list) => list.iter().for_each(|value| check(value, schemas)),
                _ => {}
            }
        }
        let registry = Registry::new([&crate::crd::tests::widgets()]);
        for (group, versions) in registry.groups() {
            for version in versions {
                let document = v3(&registry, group, version).unwrap();
                let schemas = document["components"]["schemas"].as_object().unwrap();
                check(&document, schemas);
            }
        }
    }

    #[test]
    fn kinds_carry_their_name_and_merge_keys() {
        let core = document("");
        let schemas = &core["components"]["schemas"];
        assert_eq!(
            schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"],
            json!([{"group": "", "version": "v1", "kind": "Pod"}])
        );
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    }

    #[test]
    fn custom_resources_have_documents_too() {
        let crd = crate::crd::tests::widgets();
        let registry = Registry::new([&crd]);
        let document = v3(&registry, "ex.com", "v1").unwrap();
        let widget = &document["components"]["schemas"]["com.ex.v1.Widget"];
        assert_eq!(widget["properties"]["kind"]["type"], "string");
        assert_eq!(widget["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
        let path = "/apis/ex.com/v1/namespaces/{namespace}/widgets/{name}/scale";
        assert!(document["paths"][path]["patch"].is_object());
        let mut changed = crd.clone();
        changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("x");
        assert_ne!(
            hash(&registry, "ex.com", "v1"),
            hash(&Registry::new([&changed]), "ex.com", "v1")
        );
    }
}
