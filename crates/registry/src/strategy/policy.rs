//! Disruption budgets, priority classes, leases, runtime classes.

use machinery::error::FieldError;
use serde_json::Value;

use super::{Errors, immutable, one_of, require};
use crate::kind::Strategy;
use crate::value::{at, default_text, int, map, text};

pub(crate) const DISRUPTION_BUDGET: Strategy =
    Strategy { unconditional_update: false, validate: budget, ..Strategy::SPEC_AND_STATUS };

pub(crate) const PRIORITY_CLASS: Strategy = Strategy {
    create_on_update: true,
    generation: true,
    defaults: |object| default_text(object, "preemptionPolicy", "PreemptLowerPriority"),
    validate: priority,
    validate_update: |object, old, errors| {
        for field in ["value", "preemptionPolicy"] {
            if at(object, field) != at(old, field) {
                errors.push(FieldError::forbidden(field, "may not be changed in an update."));
            }
        }
    },
    ..Strategy::PLAIN
};

pub(crate) const LEASE: Strategy = Strategy {
    unconditional_update: false,
    create_on_update: true,
    validate: lease,
    ..Strategy::PLAIN
};

pub(crate) const RUNTIME_CLASS: Strategy = Strategy {
    unconditional_update: false,
    validate: |object, errors| require(object, "handler", errors),
    validate_update: |object, old, errors| immutable(object, old, "handler", errors),
    ..Strategy::PLAIN
};

const USER_PRIORITY_MAX: i64 = 1_000_000_000;

fn budget(object: &Value, errors: &mut Errors) {
    let (min, max) = (at(object, "spec.minAvailable"), at(object, "spec.maxUnavailable"));
    if min.is_some() && max.is_some() {
        let value = object.get("spec").cloned().unwrap_or_default();
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid("spec", value, why));
    }
    for (field, value) in [("spec.minAvailable", min), ("spec.maxUnavailable", max)] {
        if let Some(value) = value {
            count_or_percent(value, field, errors);
        }
    }
    if let Some(spec) = object.get("spec") {
        let policies = ["AlwaysAllow", "IfHealthyBudget"];
        one_of(spec, "spec", "unhealthyPodEvictionPolicy", &policies, errors);
    }
}

/// A count that is not negative, or a percentage of at most 100.
pub(super) fn count_or_percent(value: &Value, field: &str, errors: &mut Errors) {
    if let Some(count) = value.as_i64() {
        if count < 0 {
            let why = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(field, count, why));
        }
    } else if let Some(text) = value.as_str() {
        let digits = text.strip_suffix('%').filter(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        match digits.map(|digits| digits.parse::<u32>().unwrap_or(u32::MAX)) {
            None => {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                errors.push(FieldError::invalid(field, text, why));
            }
            Some(percent) if percent > 100 => {
                errors.push(FieldError::invalid(field, text, "must not be greater than 100%"));
            }
            Some(_) => {}
        }
    }
}

fn priority(object: &Value, errors: &mut Errors) {
    let name = text(object, "metadata.name").unwrap_or_default();
    let value = int(object, "value").unwrap_or(0);
    let built_in = matches!(name, "system-cluster-critical" | "system-node-critical");
    if name.starts_with("system-") && !built_in {
        let why = "priority class names with 'system-' prefix are reserved for system use only";
        errors.push(FieldError::forbidden("metadata.name", why));
    }
    if value > USER_PRIORITY_MAX && !built_in {
        let why =
            format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}");
        errors.push(FieldError::forbidden("value", why));
    }
    let policies = ["Never", "PreemptLowerPriority"];
    one_of(object, "", "preemptionPolicy", &policies, errors);
}

fn lease(object: &Value, errors: &mut Errors) {
    if map(object, "spec").is_none() {
        return;
    }
    let field = "spec.leaseDurationSeconds";
    if let Some(seconds) = int(object, field).filter(|seconds| *seconds <= 0) {
        errors.push(FieldError::invalid(field, seconds, "must be greater than 0"));
    }
    let field = "spec.leaseTransitions";
    if let Some(count) = int(object, field).filter(|count| *count < 0) {
        errors.push(FieldError::invalid(field, count, "must be greater than or equal to 0"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    #[test]
    fn a_budget_has_one_bound() {
        let mut errors = Errors::new();
        budget(&json!({"spec": {"minAvailable": "50%"}}), &mut errors);
        budget(&json!({"spec": {"maxUnavailable": 1}}), &mut errors);
        assert_eq!(errors, []);
        budget(&json!({"spec": {"minAvailable": -1}}), &mut errors);
        budget(&json!({"spec": {"minAvailable": "half"}}), &mut errors);
        budget(&json!({"spec": {"minAvailable": 1, "maxUnavailable": 1}}), &mut errors);
        let texts = texts(&errors);
        assert_eq!(
            texts[0],
            "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"
        );
        assert!(texts[1].contains("a valid percent string"));
        assert!(texts[2].ends_with("minAvailable and maxUnavailable cannot be both set"));
    }

    #[test]
    fn leases_have_positive_durations() {
        let mut errors = Errors::new();
        lease(&json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}), &mut errors);
        assert_eq!(errors.len(), 2);
    }
}
