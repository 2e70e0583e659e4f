//! Namespaces.

use serde_json::{Value, json};

use crate::kind::{NameRule, Strategy};
use crate::value::{child, default_text, keep, text};

/// The label by which selectors find a namespace by name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(crate) const STRATEGY: Strategy = Strategy {
    name: NameRule::Label,
    generation: false,
    fields: &[("status.phase", "Active")],
    defaults: |object| {
        let name = text(object, "metadata.name").unwrap_or_default().to_owned();
        if !name.is_empty()
            && let Some(labels) = object.get_mut("metadata").and_then(|m| child(m, "labels"))
        {
            labels[NAME_LABEL] = name.into();
        }
    },
    prepare_create: |object| {
        object["spec"] = json!({"finalizers": ["kubernetes"]});
        object["status"] = json!({"phase": "Active"});
    },
    prepare_update: |object, old| {
        // Finalizers of the spec are emptied through /finalize only.
        keep(object, "spec", old);
        if let Some(status) = child(object, "status") {
            default_text(status, "phase", "Active");
        }
    },
    ..Strategy::SPEC_AND_STATUS
};

/// The write to `/finalize`: only `spec.finalizers` counts.
pub(crate) fn finalize(object: &mut Value, old: &Value) {
    let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
    let version = object.get("metadata").and_then(|m| m.get("resourceVersion")).cloned();
    *object = old.clone();
    object["spec"] = spec;
    if let Some(version) = version {
        object["metadata"]["resourceVersion"] = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_gets_its_label_phase_and_finalizer() {
        let mut namespace = json!({"metadata": {"name": "a"}, "status": {}});
        (STRATEGY.defaults)(&mut namespace);
        (STRATEGY.prepare_create)(&mut namespace);
        assert_eq!(
            namespace,
            json!({"metadata": {"name": "a", "labels": {NAME_LABEL: "a"}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
        );
        let mut done = json!({"metadata": {"name": "a"}, "spec": {}});
        finalize(&mut done, &namespace);
        assert_eq!(done["spec"], json!({}));
        assert_eq!(done["status"]["phase"], "Active");
    }
}
