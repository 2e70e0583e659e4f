//! Field selectors: `metadata.name=a,status.phase!=Failed`; only equality and inequality.

use std::fmt;

use super::REQUIREMENTS_MAX;
use crate::error::{ApiError, quote};

/// One comparison of one selectable field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRequirement {
    pub field: String,
    pub equal: bool,
    pub value: String,
}

/// Which objects are meant, by their selectable fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Reads the text of `fieldSelector=`. A backslash escapes `\`, `,` and `=` in values.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for term in split_terms(text) {
            if term.is_empty() {
                continue;
            }
            let Some((field, operator, value)) = split_term(term) else {
                let text = format!("invalid selector: '{text}'; can't understand '{term}'");
                return Err(ApiError::bad_request(text));
            };
            let value = unescape(value)?;
            requirements.push(FieldRequirement {
                field: field.to_owned(),
                equal: operator != "!=",
                value,
            });
            if requirements.len() > REQUIREMENTS_MAX {
                let text = format!("a selector may have at most {REQUIREMENTS_MAX} requirements");
                return Err(ApiError::bad_request(text));
            }
        }
        Ok(Self { requirements })
    }

    /// Of what it selects, the one object with this name.
    #[must_use]
    pub fn and_name(mut self, name: &str) -> Self {
        let field = "metadata.name".to_owned();
        let one = FieldRequirement { field, equal: true, value: name.to_owned() };
        self.requirements.insert(0, one);
        self
    }

    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// The fields it asks about.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|one| one.field.as_str())
    }

    /// The value a field must have, when the selector says so.
    pub fn requirement(&self, field: &str) -> Option<&str> {
        let found = self.requirements.iter().find(|one| one.equal && one.field == field);
        found.map(|one| one.value.as_str())
    }

    /// Refuses fields that the resource does not index.
    pub fn check_supported(&self, supported: impl Fn(&str) -> bool) -> Result<(), ApiError> {
        match self.labels().find(|field| !supported(field)) {
            Some(field) => {
                Err(ApiError::bad_request(format!("field label not supported: {field}")))
            }
            None => Ok(()),
        }
    }

    /// Whether an object matches whose fields `get` looks up; an absent field is the empty text.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        let meets = |one: &FieldRequirement| {
            (get(&one.field).unwrap_or("") == one.value.as_str()) == one.equal
        };
        self.requirements.iter().all(meets)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.requirements.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let operator = if one.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}", one.field)?;
            for character in one.value.chars() {
                if matches!(character, '\\' | ',' | '=') {
                    write!(f, "\\")?;
                }
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// Splits at the first operator.
fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    for at in 0..term.len() {
        let Some(rest) = term.get(at..) else { continue };
        for operator in ["!=", "==", "="] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((&term[..at], operator, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, ApiError> {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                other => {
                    let shown = format!("\\{}", other.map(String::from).unwrap_or_default());
                    let text = format!("invalid field selector: invalid escape sequence: {shown}");
                    return Err(ApiError::bad_request(text));
                }
            },
            ',' | '=' => {
                let text = format!(
                    "invalid field selector: unescaped character in value: {}",
                    quote(&character.to_string())
                );
                return Err(ApiError::bad_request(text));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}
