//! The JSONPath of printer columns: `.spec.size`, `.status.conditions[?(@.type=="Ready")].status`, `.items[*].name`.
//!
//! Invariants: a parsed path has at most [`STEPS_MAX`] steps; a search returns at most [`RESULTS_MAX`] values.

mod parser;

use serde_json::Value;

pub const STEPS_MAX: usize = 64;
pub const RESULTS_MAX: usize = 10_000;

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at byte {at} of {text:?}")]
pub struct JsonPathError {
    text: String,
    at: usize,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    Each,
    /// Everything below, at any depth.
    Descend,
    Filter(Filter),
}

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: JsonPath,
    /// None asks whether anything is there.
    test: Option<(Comparison, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        parser::parse(text)
    }

    /// The values at the path, in the order of the document.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.take(value, &mut next);
                if next.len() > RESULTS_MAX {
                    next.truncate(RESULTS_MAX);
                    break;
                }
            }
            found = next;
        }
        found
    }

    /// The first value at the path.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).into_iter().next()
    }

    /// The names of a path that only walks members (`.spec.replicas`), as the paths of scale subresources and
    /// selectable fields must.
    pub fn members(&self) -> Option<Vec<&str>> {
        fn name(step: &Step) -> Option<&str> {
            match step {
                Step::Member(name) => Some(name.as_str()),
                _ => None,
            }
        }
        self.steps.iter().map(name).collect()
    }
}

impl Step {
    fn take<'a>(&self, value: &'a Value, out: &mut Vec<&'a Value>) {
        match (self, value) {
            (Self::Member(name), Value::Object(object)) => out.extend(object.get(name)),
            (Self::Index(at), Value::Array(items)) => {
                out.extend(place(*at, items.len()).and_then(|at| items.get(at)));
            }
            (Self::Slice(start, end), Value::Array(items)) => {
                let bound = |at: i64| place(at, items.len()).unwrap_or(0).min(items.len());
                let (start, end) = (start.map_or(0, bound), end.map_or(items.len(), bound));
                out.extend(items.get(start..end).into_iter().flatten());
            }
            (Self::Each, Value::Array(items)) => out.extend(items),
            (Self::Each, Value::Object(object)) => out.extend(object.values()),
            (Self::Filter(filter), Value::Array(items)) => {
                out.extend(items.iter().filter(|item| filter.accepts(item)));
            }
            (Self::Descend, value) => descend(value, out),
            _ => {}
        }
    }
}

fn place(at: i64, length: usize) -> Option<usize> {
    let from_end = if at < 0 { i64::try_from(length).ok()? } else { 0 };
    usize::try_from(at.checked_add(from_end)?).ok()
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    if out.len() > RESULTS_MAX {
        return;
    }
    out.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, out)),
        Value::Object(object) => object.values().for_each(|member| descend(member, out)),
        _ => {}
    }
}

impl Filter {
    fn accepts(&self, item: &Value) -> bool {
        let found = self.left.first(item);
        let Some((comparison, wanted)) = &self.test else { return found.is_some() };
        let Some(found) = found else { return false };
        let order = match (found, wanted) {
            (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
            (Value::Number(one), Value::Number(other)) => {
                one.as_f64().zip(other.as_f64()).and_then(|(one, other)| one.partial_cmp(&other))
            }
            _ => None,
        };
        match comparison {
            Comparison::Equal => found == wanted || order.is_some_and(|order| order.is_eq()),
            Comparison::NotEqual => found != wanted && order.is_none_or(|order| order.is_ne()),
            Comparison::Less => order.is_some_and(|order| order.is_lt()),
            Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Comparison::Greater => order.is_some_and(|order| order.is_gt()),
            Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(path: &str, expected: &Value) {
        let object = json!({
            "spec": {"size": 3, "a.b/c": "x", "list": [{"n": "a", "v": 1}, {"n": "b", "v": 2}, {"n": "c"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        let found = JsonPath::parse(path).unwrap();
        let found: Vec<&Value> = found.find(&object);
        assert_eq!(json!(found), *expected, "{path}");
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            (".spec.size", json!([3])),
            ("{.spec.size}", json!([3])),
            ("$.spec.size", json!([3])),
            ("spec.size", json!([3])),
            (".spec.none", json!([])),
            (".spec.a\\.b/c", json!(["x"])),
            (".spec['a.b/c']", json!(["x"])),
            (".spec.list[0].n", json!(["a"])),
            (".spec.list[-1].n", json!(["c"])),
            (".spec.list[9].n", json!([])),
            (".spec.list[*].n", json!(["a", "b", "c"])),
            (".spec.list[1:].n", json!(["b", "c"])),
            (".spec.list[0:2].n", json!(["a", "b"])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!(["True"])),
            (".status.conditions[?(@.type == 'Ready')].status", json!(["True"])),
            (".spec.list[?(@.v)].n", json!(["a", "b"])),
            (".spec.list[?(@.v>=2)].n", json!(["b"])),
            (".spec.list[?(@.n!=\"a\")].n", json!(["b", "c"])),
            ("..n", json!(["a", "b", "c"])),
        ] {
            check(path, &expected);
        }
    }

    #[test]
    fn nonsense() {
        for path in
            [".a[", ".a[x]", ".a[?(@.b]", ".a[?(@.b==)]", "{.a", ".a[']", ".a.", &".a".repeat(100)]
        {
            JsonPath::parse(path).unwrap_err();
        }
        let simple = JsonPath::parse(".spec.replicas").unwrap();
        assert_eq!(simple.members(), Some(vec!["spec", "replicas"]));
        assert_eq!(JsonPath::parse(".a[0]").unwrap().members(), None);
    }
}
