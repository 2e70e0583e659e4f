//! The status of a CRD: which names it gets, and whether it serves.
//!
//! Names are accepted one definition after the other; what one has been given is taken for the others of its group.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Names;
use crate::value::{at, list, text};

/// Why groups of the Kubernetes project need an annotation.
pub(super) const APPROVAL: &str = "api-approved.kubernetes.io";

/// The status that a definition should have next, beside all definitions there are (itself included or not).
pub fn next_status(definition: &Value, all: &[&Value], now: &str) -> Value {
    let requested = Names::read(at(definition, "spec.names").unwrap_or(&Value::Null));
    let mut accepted = Names::read(at(definition, "status.acceptedNames").unwrap_or(&Value::Null));
    let conflict = accept(&requested, &mut accepted, &Taken::by_others(definition, all));
    let mut conditions = list(definition, "status.conditions").to_vec();
    let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
        set_condition(&mut conditions, [kind, status, reason, message], now);
    };
    match &conflict {
        Some((reason, message)) => set("NamesAccepted", "False", reason, message),
        None => set("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
    }
    let established = super::established(definition);
    match (&conflict, established) {
        (_, true) => {}
        (Some(_), false) => {
            set("Established", "False", "NotAccepted", "not all names are accepted")
        }
        (None, false) => {
            let message = "the initial names have been accepted";
            set("Established", "True", "InitialNamesAccepted", message);
        }
    }
    if let Some((status, reason, message)) = approval(definition) {
        set("KubernetesAPIApprovalPolicyConformant", status, reason, &message);
    }
    let terminating = at(definition, "metadata.deletionTimestamp").is_some();
    if terminating && !super::condition_is_true(definition, "Terminating") {
        let message =
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        set("Terminating", "True", "InstanceDeletionPending", message);
    }
    let mut status = definition.get("status").filter(|status| status.is_object()).cloned();
    let status = status.get_or_insert_with(|| json!({}));
    status["conditions"] = conditions.into();
    status["acceptedNames"] = accepted.to_value();
    std::mem::take(status)
}

/// Names in use in a group: of resources (plural, singular, short), and of kinds.
#[derive(Default)]
struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    fn by_others(definition: &Value, all: &[&Value]) -> Self {
        let group = text(definition, "spec.group");
        let own = text(definition, "metadata.name");
        let mut taken = Self::default();
        let others = all.iter().filter(|other| {
            text(other, "spec.group") == group && text(other, "metadata.name") != own
        });
        for other in others {
            let names = Names::read(at(other, "status.acceptedNames").unwrap_or(&Value::Null));
            taken.resources.extend(names.short_names);
            taken.resources.extend([names.plural, names.singular]);
            taken.kinds.extend([names.kind, names.list_kind]);
        }
        // What was not accepted yet is blank.
        taken.resources.remove("");
        taken.kinds.remove("");
        taken
    }
}

/// Accepts every requested name that is free; answers the last conflict.
fn accept(
    requested: &Names,
    accepted: &mut Names,
    taken: &Taken,
) -> Option<(&'static str, String)> {
    let used = |name: &str| format!("{name:?} is already in use");
    let mut conflict = None;
    let mut refuse = |reason, message| conflict = Some((reason, message));
    if !take(&requested.plural, &mut accepted.plural, &taken.resources) {
        refuse("PluralConflict", used(&requested.plural));
    }
    if !take(&requested.singular, &mut accepted.singular, &taken.resources) {
        refuse("SingularConflict", used(&requested.singular));
    }
    let short = requested
        .short_names
        .iter()
        .filter(|name| !accepted.short_names.contains(name) && taken.resources.contains(*name));
    let short: Vec<String> = short.map(|name| used(name)).collect();
    if short.is_empty() {
        accepted.short_names.clone_from(&requested.short_names);
    } else {
        refuse("ShortNamesConflict", one_or_list(&short));
    }
    if !take(&requested.kind, &mut accepted.kind, &taken.kinds) {
        refuse("KindConflict", used(&requested.kind));
    }
    if !take(&requested.list_kind, &mut accepted.list_kind, &taken.kinds) {
        refuse("ListKindConflict", used(&requested.list_kind));
    }
    accepted.categories.clone_from(&requested.categories);
    conflict
}

/// Takes a name that is held already or free.
fn take(wanted: &String, held: &mut String, used: &BTreeSet<String>) -> bool {
    let free = wanted == held || !used.contains(wanted);
    if free {
        held.clone_from(wanted);
    }
    free
}

fn one_or_list(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}

/// Groups of the Kubernetes project say whether their API was approved.
fn approval(definition: &Value) -> Option<(&'static str, &'static str, String)> {
    let group = text(definition, "spec.group").unwrap_or_default();
    if !is_protected(group) {
        return None;
    }
    let annotation = at(definition, "metadata.annotations")
        .and_then(|annotations| annotations.get(APPROVAL))
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(if annotation.starts_with("unapproved") {
        let message = format!("not approved: {annotation:?}");
        ("False", "UnapprovedAnnotation", message)
    } else if annotation.starts_with("http") {
        ("True", "ApprovedAnnotation", format!("approved in {annotation}"))
    } else {
        let message = format!(
            "protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111"
        );
        ("False", "MissingAnnotation", message)
    })
}

/// Whether a group belongs to the Kubernetes project.
pub(super) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")))
}

/// Sets a condition (type, status, reason, message); the time moves only if the status changes.
fn set_condition(conditions: &mut Vec<Value>, condition: [&str; 4], now: &str) {
    let [kind, status, reason, message] = condition;
    let mut next = json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": now});
    match conditions.iter_mut().find(|one| text(one, "type") == Some(kind)) {
        Some(old) => {
            if text(old, "status") == Some(status)
                && let Some(time) = old.get("lastTransitionTime").cloned()
            {
                next["lastTransitionTime"] = time;
            }
            *old = next;
        }
        None => conditions.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T04:31:06Z";

    fn widgets() -> Value {
        json!({"metadata": {"name": "widgets.ex.com"}, "spec": {"group": "ex.com", "names": {
            "plural": "widgets", "singular": "widget", "shortNames": ["wd"], "kind": "Widget",
            "listKind": "WidgetList", "categories": ["all"]}}, "status": {"storedVersions": ["v1"]}})
    }

    #[test]
    fn free_names_are_accepted_and_the_definition_is_established() {
        let mut crd = widgets();
        crd["status"] = next_status(&crd, &[], NOW);
        assert_eq!(
            crd["status"],
            json!({"acceptedNames": {"plural": "widgets", "singular": "widget", "shortNames": ["wd"],
                "kind": "Widget", "listKind": "WidgetList", "categories": ["all"]},
                "conditions": [
                    {"type": "NamesAccepted", "status": "True", "lastTransitionTime": NOW,
                     "reason": "NoConflicts", "message": "no conflicts found"},
                    {"type": "Established", "status": "True", "lastTransitionTime": NOW,
                     "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}],
                "storedVersions": ["v1"]})
        );
        assert_eq!(
            next_status(&crd, &[&crd], "2027-01-01T00:00:00Z"),
            crd["status"],
            "nothing moves"
        );
    }

    #[test]
    fn the_last_conflict_is_told() {
        let mut first = widgets();
        first["status"] = next_status(&first, &[], NOW);
        let mut second = widgets();
        second["metadata"]["name"] = json!("gizmos.ex.com");
        second["spec"]["names"] = json!({"plural": "gizmos", "singular": "widget", "shortNames": ["wd"],
            "kind": "Widget", "listKind": "WidgetList"});
        let status = next_status(&second, &[&first, &second], NOW);
        assert_eq!(status["acceptedNames"], json!({"plural": "gizmos", "kind": ""}));
        assert_eq!(
            status["conditions"],
            json!([
                {"type": "NamesAccepted", "status": "False", "lastTransitionTime": NOW,
                 "reason": "ListKindConflict", "message": "\"WidgetList\" is already in use"},
                {"type": "Established", "status": "False", "lastTransitionTime": NOW,
                 "reason": "NotAccepted", "message": "not all names are accepted"}])
        );
        let other_group = {
            let mut crd = second.clone();
            crd["spec"]["group"] = json!("other.com");
            crd
        };
        assert_eq!(next_status(&other_group, &[&first], NOW)["conditions"][0]["status"], "True");
    }

    #[test]
    fn a_deleted_definition_is_terminating() {
        let mut crd = widgets();
        crd["metadata"]["deletionTimestamp"] = json!(NOW);
        let status = next_status(&crd, &[], NOW);
        assert_eq!(status["conditions"][2]["reason"], "InstanceDeletionPending");
    }
}
