//! Cells of `kubectl get` for built-in kinds, one file per family.

pub(crate) mod core;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod rbac;
pub(crate) mod storage;
pub(crate) mod workload;

use jiff::Timestamp;
use machinery::duration;
use machinery::selector::LabelSelector;
use serde_json::Value;

use crate::kind::{Column, Printer, column};
use crate::value::{at, int, list, map, text};

/// The first column of nearly every kind.
pub(crate) const NAME: Column = Column { format: "name", ..column("Name", "string") };
pub(crate) const AGE: Column = column("Age", "string");

/// Name and the time of creation: kinds that the API server has no columns for.
pub(crate) const PLAIN: Printer = Printer {
    columns: &[NAME, Column { format: "date", ..column("Created At", "date") }],
    cells: |object, _| {
        vec![name(object), text(object, "metadata.creationTimestamp").unwrap_or_default().into()]
    },
};

fn name(object: &Value) -> Value {
    text(object, "metadata.name").unwrap_or_default().into()
}

/// How long ago an object was created.
fn age(object: &Value, now: Timestamp) -> Value {
    since(text(object, "metadata.creationTimestamp"), now).into()
}

/// How long ago a time was, as `5m` or `<unknown>`.
pub(crate) fn since(time: Option<&str>, now: Timestamp) -> String {
    match time.and_then(|time| time.parse::<Timestamp>().ok()) {
        Some(time) => duration::human(now.as_second() - time.as_second()),
        None => "<unknown>".to_owned(),
    }
}

/// The text at a path, or `<none>`.
fn or_none(object: &Value, path: &str) -> Value {
    text(object, path).filter(|text| !text.is_empty()).unwrap_or("<none>").into()
}

/// The text at a path, or nothing.
fn or_blank(object: &Value, path: &str) -> Value {
    text(object, path).unwrap_or_default().into()
}

fn or_zero(object: &Value, path: &str) -> i64 {
    int(object, path).unwrap_or(0)
}

/// Texts joined by commas, or `<none>`.
fn joined<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| text.as_ref().to_owned()).collect();
    if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") }
}

/// Texts joined by commas; after the third, how many more there are.
fn first_three(texts: &[String]) -> String {
    match texts {
        [] => "<none>".to_owned(),
        [a, b, c, more @ ..] if !more.is_empty() => format!("{a},{b},{c} + {} more...", more.len()),
        all => all.join(","),
    }
}

/// Labels as `a=b,c=d`, or `<none>`.
fn labels(object: &Value, path: &str) -> String {
    let labels = map(object, path).into_iter().flatten();
    joined(labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())))
}

/// A LabelSelector as text, or `<none>`.
fn selector(object: &Value, path: &str) -> String {
    let selector = at(object, path).and_then(|selector| LabelSelector::from_value(selector).ok());
    match selector.map(|selector| selector.to_string()) {
        Some(text) if !text.is_empty() => text,
        _ => "<none>".to_owned(),
    }
}

/// Names and images of the containers of a pod spec at a path.
fn containers(object: &Value, path: &str) -> [Value; 2] {
    let column = |key: &str| -> Value {
        let path = format!("{path}.containers");
        let texts: Vec<&str> =
            list(object, &path).iter().filter_map(|container| text(container, key)).collect();
        texts.join(",").into()
    };
    [column("name"), column("image")]
}

/// The condition of a type.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "status.conditions").iter().find(|one| text(one, "type") == Some(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds;

    #[test]
    fn every_kind_has_as_many_cells_as_columns() {
        for kind in kinds::all().filter(|kind| kind.stored) {
            let cells =
                (kind.printer.cells)(&json!({"metadata": {"name": "x"}}), Timestamp::UNIX_EPOCH);
            assert_eq!(cells.len(), kind.printer.columns.len(), "{}", kind.kind);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let texts: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(first_three(&texts), "a,b,c + 2 more...");
        assert_eq!(first_three(&texts[..3]), "a,b,c");
        assert_eq!(first_three(&[]), "<none>");
    }
}
