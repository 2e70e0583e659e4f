//! The schema of `ObjectMeta`, which every object has.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::Schema;

static OBJECT_META: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let mut schema = Schema::from_builtin(&description(), &mut |_| None);
    schema.type_name = Some("v1.ObjectMeta".into());
    for (list, name) in
        [("ownerReferences", "v1.OwnerReference"), ("managedFields", "v1.ManagedFieldsEntry")]
    {
        let items =
            schema.properties.get_mut(list).and_then(|list| Arc::make_mut(list).items.as_mut());
        if let Some(items) = items {
            Arc::make_mut(items).type_name = Some(name.into());
        }
    }
    Arc::new(schema)
});

/// The shared schema of `ObjectMeta`.
pub fn object_meta() -> Arc<Schema> {
    Arc::clone(&OBJECT_META)
}

fn description() -> Value {
    let string = json!({"type": "string"});
    let integer = json!({"type": "integer", "format": "int64"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "properties": {
            "name": string, "generateName": string, "namespace": string, "selfLink": string,
            "uid": string, "resourceVersion": string, "clusterName": string,
            "generation": integer, "deletionGracePeriodSeconds": integer,
            "creationTimestamp": {"type": "string", "format": "date-time"},
            "deletionTimestamp": {"type": "string", "format": "date-time"},
            "labels": texts, "annotations": texts,
            "finalizers": {
                "type": "array", "items": string, "x-kubernetes-list-type": "set",
                "x-kubernetes-patch-strategy": "merge",
            },
            "ownerReferences": {
                "type": "array",
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid", "x-kubernetes-patch-strategy": "merge",
                "items": {
                    "type": "object", "x-kubernetes-map-type": "atomic",
                    "required": ["apiVersion", "kind", "name", "uid"],
                    "properties": {
                        "apiVersion": string, "kind": string, "name": string, "uid": string,
                        "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
                    },
                },
            },
            "managedFields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "manager": string, "operation": string, "apiVersion": string,
                        "time": {"type": "string", "format": "date-time"}, "fieldsType": string,
                        "fieldsV1": {"type": "object"}, "subresource": string,
                    },
                },
            },
        },
    })
}
