//! OpenAPI version 2: the same content in the older form, in one document.

use serde_json::{Map, Value, json};

use super::{define, info, paths, publish};
use crate::kinds;
use crate::registry::Registry;
use crate::schemas::{self, DEFINITIONS};

const DEFINITIONS_V2: &str = "#/definitions/";

/// `GET /openapi/v2`.
pub fn v2(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let mut operations = Map::new();
    for resource in registry.resources() {
        let name = define(resource, &mut definitions);
        operations.extend(paths::of(resource, &name));
    }
    for &(_, _, _, schema_of) in kinds::SUBRESOURCE_KINDS {
        definitions.extend(schemas::describe(schema_of).definitions);
    }
    for definition in definitions.values_mut() {
        publish(definition);
        older_schema(definition);
    }
    for item in operations.values_mut() {
        older_item(item);
    }
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": operations,
        "definitions": definitions,
    })
}

/// Version 2 has no `oneOf`, no `nullable` and another place for definitions.
fn older_schema(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref") {
                *target = target.replace(DEFINITIONS, DEFINITIONS_V2);
            }
            if object.get("format").is_some_and(|format| format == "int-or-string") {
                object.insert("type".to_owned(), "string".into());
            }
            // A lone wrapped reference is a plain one here.
            let wrapped = object.get("allOf").and_then(Value::as_array).and_then(|all| {
                match all.as_slice() {
                    [one] => one.get("$ref").cloned(),
                    _ => None,
                }
            });
            if let Some(Value::String(target)) = wrapped {
                object
                    .insert("$ref".to_owned(), target.replace(DEFINITIONS, DEFINITIONS_V2).into());
                object.remove("allOf");
            }
            for key in ["oneOf", "anyOf", "not", "nullable"] {
                object.remove(key);
            }
            for (key, value) in object.iter_mut() {
                match value {
                    // Names of members are not keywords, though some sound like them.
                    Value::Object(members) if key == "properties" => {
                        members.values_mut().for_each(older_schema);
                    }
                    value => older_schema(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(older_schema),
        _ => {}
    }
}

fn older_item(item: &mut Value) {
    let Some(item) = item.as_object_mut() else { return };
    for (method, operation) in item.iter_mut() {
        if method == "parameters" {
            older_parameters(operation);
            continue;
        }
        let body = operation.as_object_mut().and_then(|operation| operation.remove("requestBody"));
        if let Some(parameters) = operation.get_mut("parameters") {
            older_parameters(parameters);
            if let (Some(body), Some(list)) = (&body, parameters.as_array_mut()) {
                let schema = first_schema(&body["content"]);
                list.push(json!({"name": "body", "in": "body", "schema": schema,
                    "required": body.get("required").cloned().unwrap_or(false.into())}));
            }
        }
        if let Some(content) = body.as_ref().and_then(|body| body["content"].as_object()) {
            operation["consumes"] = content.keys().cloned().collect();
        }
        operation["produces"] = json!(["application/json", "application/yaml"]);
        let schema = first_schema(&operation["responses"]["200"]["content"]);
        operation["responses"] = json!({"200": {"description": "OK", "schema": schema}});
    }
}

fn first_schema(content: &Value) -> Value {
    let first = content.as_object().and_then(|content| content.values().next());
    let mut schema = first.map_or_else(|| json!({"type": "object"}), |one| one["schema"].clone());
    older_schema(&mut schema);
    schema
}

/// The type of a parameter stands beside its name, not in a schema.
fn older_parameters(parameters: &mut Value) {
    for parameter in parameters.as_array_mut().into_iter().flatten() {
        let schema = parameter.as_object_mut().and_then(|parameter| parameter.remove("schema"));
        if let Some(kind) = schema.and_then(|schema| schema.get("type").cloned()) {
            parameter["type"] = kind;
            parameter["uniqueItems"] = true.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_holds_definitions_and_paths() {
        let document = v2(&Registry::new([&crate::crd::tests::widgets()]));
        assert_eq!(document["swagger"], "2.0");
        let text = document.to_string();
        assert!(!text.contains(DEFINITIONS) && !text.contains("requestBody"));
        let pod = &document["definitions"]["io.k8s.api.core.v1.Pod"];
        assert_eq!(pod["properties"]["spec"]["$ref"], "#/definitions/io.k8s.api.core.v1.PodSpec");
        assert!(document["definitions"]["com.ex.v1.Widget"].is_object());
        let schema = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
        assert!(document["definitions"][schema]["properties"]["not"].is_object());
        let post = &document["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"];
        let body =
            post["parameters"].as_array().unwrap().iter().find(|one| one["in"] == "body").unwrap();
        assert_eq!(body["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.Pod");
    }
}
