//! The value validations of one node.

use serde_json::Value;

use super::{Path, Validator};
use crate::error::{FieldError, quote};
use crate::schema::{Checks, Schema};

impl Validator {
    pub(super) fn check(&mut self, checks: &Checks, value: &Value, path: &Path<'_>) {
        if !checks.enumeration.is_empty() && !checks.enumeration.iter().any(|one| same(one, value))
        {
            self.push(|| not_in_enumeration(checks, value, path));
        }
        match value {
            Value::Number(_) => self.number(checks, value, path),
            Value::String(text) => self.text(checks, text, path),
            Value::Array(items) => self.array(checks, items, path),
            Value::Object(object) => self.size(checks, object.len(), path),
            _ => {}
        }
        self.combined(checks, value, path);
    }

    fn fail(&mut self, value: impl Into<Value>, path: &Path<'_>, what: std::fmt::Arguments<'_>) {
        self.push(|| FieldError::invalid(path.field(), value, format!("{path} in body {what}")));
    }

    fn number(&mut self, checks: &Checks, value: &Value, path: &Path<'_>) {
        let Some(number) = value.as_f64() else { return };
        let shown = || value.clone();
        match checks.minimum {
            Some(low) if checks.exclusive_minimum && number <= low => {
                self.fail(shown(), path, format_args!("should be greater than {low}"));
            }
            Some(low) if number < low => {
                self.fail(shown(), path, format_args!("should be greater than or equal to {low}"));
            }
            _ => {}
        }
        match checks.maximum {
            Some(high) if checks.exclusive_maximum && number >= high => {
                self.fail(shown(), path, format_args!("should be less than {high}"));
            }
            Some(high) if number > high => {
                self.fail(shown(), path, format_args!("should be less than or equal to {high}"));
            }
            _ => {}
        }
        if let Some(step) = checks.multiple_of {
            let times = number / step;
            if (times - times.round()).abs() > 1e-9 {
                self.fail(shown(), path, format_args!("should be a multiple of {step}"));
            }
        }
    }

    fn text(&mut self, checks: &Checks, text: &str, path: &Path<'_>) {
        if checks.min_length.is_some() || checks.max_length.is_some() {
            let length = text.chars().count() as u64;
            if let Some(max) = checks.max_length.filter(|max| length > *max) {
                self.push(|| FieldError::too_long(path.field(), max));
            }
            if let Some(min) = checks.min_length.filter(|min| length < *min) {
                self.fail(text, path, format_args!("should be at least {min} chars long"));
            }
        }
        if let Some(pattern) = &checks.pattern
            && !pattern.regex.is_match(text)
        {
            self.fail(text, path, format_args!("should match '{}'", pattern.text));
        }
    }

    fn array(&mut self, checks: &Checks, items: &[Value], path: &Path<'_>) {
        let count = items.len() as u64;
        if let Some(max) = checks.max_items.filter(|max| count > *max) {
            self.push(|| FieldError::too_many(path.field(), items.len(), max));
        }
        if let Some(min) = checks.min_items.filter(|min| count < *min) {
            self.fail(count, path, format_args!("should have at least {min} items"));
        }
        if checks.unique_items && (1..items.len()).any(|at| items[..at].contains(&items[at])) {
            self.fail("", path, format_args!("shouldn't contain duplicates"));
        }
    }

    fn size(&mut self, checks: &Checks, count: usize, path: &Path<'_>) {
        let size = count as u64;
        if let Some(max) = checks.max_properties.filter(|max| size > *max) {
            self.push(|| FieldError::too_many(path.field(), count, max));
        }
        if let Some(min) = checks.min_properties.filter(|min| size < *min) {
            self.fail(size, path, format_args!("should have at least {min} properties"));
        }
    }

    fn combined(&mut self, checks: &Checks, value: &Value, path: &Path<'_>) {
        let place = || quote(&path.to_string());
        let mut fail = |what: String| {
            self.push(|| FieldError::invalid(path.field(), "", what));
        };
        let accepted = |list: &[Schema]| list.iter().filter(|one| accepts(one, value)).count();
        if !checks.any_of.is_empty() && accepted(&checks.any_of) == 0 {
            fail(format!("{} must validate at least one schema (anyOf)", place()));
        }
        if !checks.one_of.is_empty() {
            let found = match accepted(&checks.one_of) {
                0 => Some("Found none valid".to_owned()),
                1 => None,
                many => Some(format!("Found {many} valid alternatives")),
            };
            if let Some(found) = found {
                let what = "must validate one and only one schema (oneOf).";
                fail(format!("{} {what} {found}", place()));
            }
        }
        if checks.not.as_deref().is_some_and(|not| accepts(not, value)) {
            fail(format!("{} must not validate the schema (not)", place()));
        }
        let before = self.errors.len();
        for part in &checks.all_of {
            self.visit(part, value, path);
        }
        if self.errors.len() > before {
            let what = format!("{} must validate all the schemas (allOf)", place());
            self.push(|| FieldError::invalid(path.field(), "", what));
        }
    }
}

fn accepts(schema: &Schema, value: &Value) -> bool {
    let mut validator = Validator { errors: Vec::new() };
    validator.visit(schema, value, &Path::Root);
    validator.errors.is_empty()
}

/// Equality of JSON values, where 1 and 1.0 are the same number.
fn same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && one.as_f64() == other.as_f64())
}

fn not_in_enumeration(checks: &Checks, value: &Value, path: &Path<'_>) -> FieldError {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let supported: Vec<String> = checks.enumeration.iter().map(shown).collect();
    let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
    FieldError::not_supported(path.field(), value.clone(), &supported)
}
