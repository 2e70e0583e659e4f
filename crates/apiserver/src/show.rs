//! Other shapes of objects: tables and metadata.

use jiff::Timestamp;
use registry::Resource;
use serde_json::{Value, json};

use crate::negotiate::Include;

/// Only the metadata of an object.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// The row of an object.
pub(crate) fn row(resource: &Resource, object: Value, include: Include, now: Timestamp) -> Value {
    let cells = resource.table_row(&object, now);
    let shown = match include {
        Include::None => Value::Null,
        Include::Metadata => metadata(&object),
        Include::Object => object,
    };
    json!({"cells": cells, "object": shown})
}

/// A table with its column definitions.
pub(crate) fn table(resource: &Resource, list_metadata: Value, rows: Vec<Value>) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "Table",
        "metadata": list_metadata,
        "columnDefinitions": resource.table_columns(),
        "rows": rows,
    })
}
