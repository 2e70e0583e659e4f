//! What of a default has to be written, given what is stored.

use serde_json::{Map, Value, json};

use super::Default;
use crate::{aggregation, rules_of, uncovered};

/// Users set it to `"false"` on a default that is to be left alone.
pub(super) const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// What to do about a default.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is as it should be, or its users keep it.
    Leave,
    Create,
    Update(Value),
    /// A binding cannot be led to another role: it is deleted, then made.
    Replace,
}

/// Compares a default with what is stored under its name: permissions and subjects that are missing come back, others
/// stay.
pub fn reconciled(wanted: &Default, stored: Option<&Value>) -> Verdict {
    let Some(stored) = stored else { return Verdict::Create };
    if stored["metadata"]["annotations"][AUTOUPDATE] == "false" {
        return Verdict::Leave;
    }
    let mut object = stored.clone();
    add_metadata(&mut object, &wanted.object);
    if wanted.plural.ends_with("bindings") {
        if stored["roleRef"] != wanted.object["roleRef"] {
            return Verdict::Replace;
        }
        add_subjects(&mut object, &wanted.object);
    } else if aggregation::gathers(&wanted.object) {
        add_selectors(&mut object, &wanted.object);
    } else {
        add_rules(&mut object, &wanted.object);
        // Its rules are its own: else they would soon be those of whichever roles a label is on.
        if let Some(fields) = object.as_object_mut() {
            fields.remove("aggregationRule");
        }
    }
    if object == *stored { Verdict::Leave } else { Verdict::Update(object) }
}

fn add_metadata(object: &mut Value, wanted: &Value) {
    for key in ["labels", "annotations"] {
        for (name, value) in wanted["metadata"][key].as_object().into_iter().flatten() {
            if object["metadata"][key].is_null() {
                object["metadata"][key] = Value::Object(Map::new());
            }
            if object["metadata"][key][name].is_null() {
                object["metadata"][key][name] = value.clone();
            }
        }
    }
}

fn add_rules(object: &mut Value, wanted: &Value) {
    let missing = uncovered(&rules_of(object), &rules_of(wanted));
    add(object, "rules", missing.iter().map(crate::Rule::to_value));
}

fn add_subjects(object: &mut Value, wanted: &Value) {
    let has = object["subjects"].as_array().cloned().unwrap_or_default();
    let wanted = wanted["subjects"].as_array().cloned().unwrap_or_default();
    add(object, "subjects", wanted.into_iter().filter(|it| !has.contains(it)));
}

fn add_selectors(object: &mut Value, wanted: &Value) {
    let key = "clusterRoleSelectors";
    if object["aggregationRule"].is_null() {
        object["aggregationRule"] = json!({});
    }
    let rule = &mut object["aggregationRule"];
    let has = rule[key].as_array().cloned().unwrap_or_default();
    let wanted = wanted["aggregationRule"][key].as_array().cloned().unwrap_or_default();
    add(rule, key, wanted.into_iter().filter(|it| !has.contains(it)));
}

fn add(object: &mut Value, key: &str, more: impl Iterator<Item = Value>) {
    let more: Vec<Value> = more.collect();
    if more.is_empty() {
        return;
    }
    if object[key].is_null() {
        object[key] = json!([]);
    }
    if let Some(list) = object[key].as_array_mut() {
        list.extend(more);
    }
}
