//! Events: one storage, two forms. The core form is what is kept.

use serde_json::{Value, json};

use crate::kind::Strategy;
use crate::value::{remove, text};

pub(crate) const CORE: Strategy = Strategy {
    create_on_update: true,
    fields: &[
        ("involvedObject.apiVersion", ""),
        ("involvedObject.fieldPath", ""),
        ("involvedObject.kind", ""),
        ("involvedObject.name", ""),
        ("involvedObject.namespace", ""),
        ("involvedObject.resourceVersion", ""),
        ("involvedObject.uid", ""),
        ("reason", ""),
        ("reportingComponent", ""),
        ("source", ""),
        ("type", ""),
    ],
    ..Strategy::PLAIN
};

pub(crate) const EVENTS: Strategy = Strategy {
    create_on_update: true,
    fields: &[
        ("reason", ""),
        ("regarding.apiVersion", ""),
        ("regarding.fieldPath", ""),
        ("regarding.kind", ""),
        ("regarding.name", ""),
        ("regarding.namespace", ""),
        ("regarding.resourceVersion", ""),
        ("regarding.uid", ""),
        ("reportingController", ""),
        ("type", ""),
    ],
    ..Strategy::PLAIN
};

/// Names in the core form and in the form of events.k8s.io.
const RENAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Turns the form of events.k8s.io/v1 into the core form.
pub(crate) fn to_core(event: &mut Value) {
    for &(core, events) in RENAMES {
        if let Some(value) = remove(event, events) {
            event[core] = value;
        }
    }
    event["apiVersion"] = json!("v1");
}

/// Turns the core form into the form of events.k8s.io/v1.
pub(crate) fn from_core(event: &mut Value) {
    for &(core, events) in RENAMES {
        if let Some(value) = remove(event, core) {
            event[events] = value;
        }
    }
    event["apiVersion"] = json!("events.k8s.io/v1");
}

/// What the selectable field `source` means: the component that reported.
pub(crate) fn source(event: &Value) -> Option<&str> {
    text(event, "source.component")
        .filter(|component| !component.is_empty())
        .or_else(|| text(event, "reportingComponent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"name": "p"},
            "message": "m", "reason": "r", "count": 2, "reportingComponent": "c",
            "source": {"component": "kubelet"}, "type": "Normal"});
        let mut event = core.clone();
        from_core(&mut event);
        assert_eq!(event["regarding"]["name"], "p");
        assert_eq!(event["note"], "m");
        assert_eq!(event["deprecatedCount"], 2);
        assert!(event.get("message").is_none());
        to_core(&mut event);
        assert_eq!(event, core);
        assert_eq!(source(&core), Some("kubelet"));
    }
}
