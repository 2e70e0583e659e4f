//! Label and field selectors: parsing of their two text forms, of `matchLabels`/`matchExpressions`, and matching.
//!
//! Invariants: a parsed selector is bounded ([`REQUIREMENTS_MAX`]); its keys and values are valid label keys and
//! values.

mod field;
mod parser;

use std::fmt;

use serde_json::Value;

pub use field::{FieldRequirement, FieldSelector};

use crate::error::{ApiError, quote};
use crate::names;

/// The largest number of requirements or values in one selector.
pub const REQUIREMENTS_MAX: usize = 1_000;

/// How a requirement compares a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// One comparison of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    /// Sorted, without repetition.
    pub values: Vec<String>,
}

impl Requirement {
    fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Self, String> {
        if let Some(why) = names::qualified_name(key).first() {
            return Err(format!("key: Invalid value: {}: {why}", quote(key)));
        }
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".into());
            }
            Operator::GreaterThan | Operator::LessThan
                if values.len() != 1 || values[0].parse::<i64>().is_err() =>
            {
                let shown = values.first().map_or("", |value| value.as_str());
                return Err(format!(
                    "values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                    quote(shown)
                ));
            }
            _ => {}
        }
        for (at, value) in values.iter().enumerate() {
            if let Some(why) = names::label_value(value).first() {
                return Err(format!("values[{at}][{key}]: Invalid value: {}: {why}", quote(value)));
            }
        }
        values.sort();
        values.dedup();
        Ok(Self { key: key.to_owned(), operator, values })
    }

    fn contains(&self, value: &str) -> bool {
        self.values.iter().any(|one| one == value)
    }

    fn bound(&self) -> Option<i64> {
        self.values.first()?.parse().ok()
    }

    /// Whether a label with this value (or no such label) meets the requirement.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
            (Operator::NotIn, value) => value.is_none_or(|value| !self.contains(value)),
            (_, None) => false,
            (Operator::In, Some(value)) => self.contains(value),
            (Operator::GreaterThan, Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| self.bound().is_some_and(|low| value > low))
            }
            (Operator::LessThan, Some(value)) => value
                .parse::<i64>()
                .is_ok_and(|value| self.bound().is_some_and(|high| value < high)),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match (self.operator, self.values.len()) {
            (Operator::Exists, _) => write!(f, "{key}"),
            (Operator::DoesNotExist, _) => write!(f, "!{key}"),
            (Operator::In, 1) => write!(f, "{key}={values}"),
            (Operator::NotIn, 1) => write!(f, "{key}!={values}"),
            (Operator::In, _) => write!(f, "{key} in ({values})"),
            (Operator::NotIn, _) => write!(f, "{key} notin ({values})"),
            (Operator::GreaterThan, _) => write!(f, "{key}>{values}"),
            (Operator::LessThan, _) => write!(f, "{key}<{values}"),
        }
    }
}

/// Which objects are meant, by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// Matches every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Matches no object, as an absent selector of a workload does.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Reads the text of `labelSelector=`; an empty text matches everything.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let requirements = parser::parse(text).map_err(ApiError::bad_request)?;
        Ok(Self { requirements, nothing: false })
    }

    /// Reads a `LabelSelector` object: absent or null matches nothing, an empty one everything.
    pub fn from_value(selector: &Value) -> Result<Self, ApiError> {
        let Some(object) = selector.as_object() else {
            return match selector {
                Value::Null => Ok(Self::nothing()),
                _ => Err(ApiError::bad_request("a label selector must be an object")),
            };
        };
        let mut requirements = Vec::new();
        if let Some(labels) = object.get("matchLabels") {
            requirements.extend(equalities(labels)?);
        }
        let expressions = object.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            requirements.push(expression_requirement(expression)?);
        }
        Self::bounded(requirements)
    }

    /// Reads a plain map of labels (the selector of a Service or ReplicationController): all must be equal.
    pub fn from_map(labels: &Value) -> Result<Self, ApiError> {
        Self::bounded(equalities(labels)?)
    }

    fn bounded(requirements: Vec<Requirement>) -> Result<Self, ApiError> {
        if requirements.len() > REQUIREMENTS_MAX {
            return Err(ApiError::bad_request(format!(
                "a selector may have at most {REQUIREMENTS_MAX} requirements"
            )));
        }
        Ok(Self { requirements, nothing: false })
    }

    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether an object matches whose labels `get` looks up.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|one| one.matches(get(&one.key)))
    }

    /// Whether an object matches with these labels (a JSON object of texts, or null).
    pub fn matches_labels(&self, labels: &Value) -> bool {
        self.matches(|key| labels.get(key).and_then(Value::as_str))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn equalities(labels: &Value) -> Result<Vec<Requirement>, ApiError> {
    let mut out = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        let Some(value) = value.as_str() else {
            return Err(ApiError::bad_request(format!(
                "the label {} must be a string",
                quote(key)
            )));
        };
        let requirement = Requirement::new(key, Operator::In, vec![value.to_owned()]);
        out.push(requirement.map_err(ApiError::bad_request)?);
    }
    Ok(out)
}

fn expression_requirement(expression: &Value) -> Result<Requirement, ApiError> {
    let key = expression["key"].as_str().unwrap_or("");
    let operator = match expression["operator"].as_str().unwrap_or("") {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            let text = format!("{} is not a valid label selector operator", quote(other));
            return Err(ApiError::bad_request(text));
        }
    };
    let values = expression["values"].as_array().into_iter().flatten();
    let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
    Requirement::new(key, operator, values).map_err(ApiError::bad_request)
}

#[cfg(test)]
mod tests;
