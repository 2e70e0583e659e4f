//! Tables: what `kubectl get` shows, for built-in kinds and for custom resources.

use jiff::Timestamp;
use machinery::jsonpath::JsonPath;
use machinery::table::path_cell;
use serde_json::{Value, json};

use crate::printer::since;
use crate::resource::{Resource, Source};
use crate::value::{int, text};

/// The description of the Name column, which kubectl's help shows.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: http://kubernetes.io/docs/user-guide/identifiers#names";
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Column definitions.
pub(crate) fn columns(resource: &Resource) -> Vec<Value> {
    match &resource.source {
        Source::BuiltIn(kind) => kind
            .printer
            .columns
            .iter()
            .map(|column| {
                let description = match column.name {
                    "Name" => NAME,
                    "Age" | "Created At" => AGE,
                    _ => "",
                };
                json!({"name": column.name, "type": column.kind, "format": column.format,
                    "description": description, "priority": column.priority})
            })
            .collect(),
        Source::Custom(custom) => {
            let name = json!({"name": "Name", "type": "string", "format": "name",
                "description": NAME, "priority": 0});
            let own = custom.columns.iter().map(custom_column);
            let age = custom.columns.is_empty().then(|| {
                json!({"name": "Age", "type": "date", "format": "", "description": AGE, "priority": 0})
            });
            std::iter::once(name).chain(own).chain(age).collect()
        }
    }
}

fn custom_column(column: &Value) -> Value {
    let word = |key: &str| text(column, key).unwrap_or_default();
    let description = match word("description") {
        "" => {
            format!("Custom resource definition column (in JSONPath format): {}", word("jsonPath"))
        }
        description => description.to_owned(),
    };
    json!({"name": word("name"), "type": word("type"), "format": word("format"),
        "description": description, "priority": int(column, "priority").unwrap_or(0)})
}

/// The cells of an object, one for each column.
pub(crate) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    match &resource.source {
        Source::BuiltIn(kind) => (kind.printer.cells)(object, now),
        Source::Custom(custom) => {
            let name = text(object, "metadata.name").unwrap_or_default().into();
            let own = custom.columns.iter().zip(resource.column_paths()).map(|(column, path)| {
                let kind = text(column, "type").unwrap_or_default();
                path.as_ref().map_or(Value::Null, |path| path_cell(kind, path, object, now))
            });
            let created = text(object, "metadata.creationTimestamp");
            let age = custom.columns.is_empty().then(|| since(created, now).into());
            std::iter::once(name).chain(own).chain(age).collect()
        }
    }
}

/// The compiled paths of a custom resource's columns; a path that does not parse shows nothing.
pub(crate) fn column_paths(resource: &Resource) -> Vec<Option<JsonPath>> {
    match &resource.source {
        Source::BuiltIn(_) => Vec::new(),
        Source::Custom(custom) => {
            let paths = custom.columns.iter().map(|column| text(column, "jsonPath"));
            paths.map(|path| path.and_then(|path| JsonPath::parse(path).ok())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn custom_columns_are_shown_as_recorded() {
        let mut crd = crate::crd::tests::widgets();
        crd["spec"]["versions"][0]["additionalPrinterColumns"] = json!([
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Ready", "type": "string", "priority": 1,
             "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}]);
        let registry = Registry::new([&crd]);
        let widgets = registry.resource("ex.com", "v1", "widgets").unwrap();
        let columns = widgets.table_columns();
        assert_eq!(
            columns[0],
            json!({"name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0})
        );
        assert_eq!(
            columns[1],
            json!({"name": "Size", "type": "integer", "format": "", "priority": 0,
                "description": "Custom resource definition column (in JSONPath format): .spec.size"})
        );
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"size": 7}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let now = "2026-01-01T00:02:00Z".parse().unwrap();
        assert_eq!(Value::from(widgets.table_row(&object, now)), json!(["a", 7, "2m", "True"]));
    }

    #[test]
    fn a_definition_without_columns_shows_the_age() {
        let crd = crate::crd::tests::widgets();
        let registry = Registry::new([&crd]);
        let widgets = registry.resource("ex.com", "v1", "widgets").unwrap();
        assert_eq!(widgets.table_columns()[1]["name"], "Age");
        let row = widgets.table_row(&json!({"metadata": {"name": "a"}}), Timestamp::UNIX_EPOCH);
        assert_eq!(Value::from(row), json!(["a", "<unknown>"]));
    }
}
