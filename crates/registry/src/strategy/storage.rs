//! Volumes, claims and storage classes.

use machinery::error::FieldError;
use machinery::quantity::Quantity;
use serde_json::{Value, json};

use super::{Errors, one_of, require};
use crate::kind::{DeleteResponse, Strategy};
use crate::value::{at, at_mut, child, default_text, list, map, remove, text};

pub(crate) const VOLUME: Strategy = Strategy {
    generation: false,
    delete_response: DeleteResponse::Object,
    fields: &[("name", "")],
    defaults: |object| {
        let Some(spec) = child(object, "spec") else { return };
        default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
        default_text(spec, "volumeMode", "Filesystem");
        if let Some(path) = at_mut(spec, "hostPath") {
            crate::value::default(path, "type", "");
        }
    },
    prepare_create: |object| object["status"] = json!({"phase": "Pending"}),
    validate: volume,
    validate_update: volume_update,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const CLAIM: Strategy = Strategy {
    generation: false,
    delete_response: DeleteResponse::Object,
    fields: &[("name", "")],
    defaults: claim_defaults,
    prepare_create: |object| object["status"] = json!({"phase": "Pending"}),
    validate: claim,
    validate_update: claim_update,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const CLASS: Strategy = Strategy {
    defaults: |object| {
        default_text(object, "reclaimPolicy", "Delete");
        default_text(object, "volumeBindingMode", "Immediate");
    },
    validate: |object, errors| {
        require(object, "provisioner", errors);
        one_of(object, "", "reclaimPolicy", &["Delete", "Retain"], errors);
        let modes = ["Immediate", "WaitForFirstConsumer"];
        one_of(object, "", "volumeBindingMode", &modes, errors);
    },
    validate_update: |object, old, errors| {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            if object.get(field) != old.get(field) {
                let why = format!("updates to {field} are forbidden.");
                errors.push(FieldError::forbidden(field, why));
            }
        }
    },
    ..Strategy::PLAIN
};

const ACCESS_MODES: &[&str] =
    &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Members of a volume's spec that are not its source.
const NOT_SOURCES: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(super) fn claim_defaults(object: &mut Value) {
    if let Some(spec) = child(object, "spec") {
        default_text(spec, "volumeMode", "Filesystem");
        child(spec, "resources");
    }
}

fn access_modes(object: &Value, errors: &mut Errors) {
    let field = "spec.accessModes";
    let modes = list(object, field);
    if modes.is_empty() {
        errors.push(FieldError::required(field, "at least 1 access mode is required"));
    }
    for mode in modes.iter().filter_map(Value::as_str) {
        if !ACCESS_MODES.contains(&mode) {
            errors.push(FieldError::not_supported(field, mode, ACCESS_MODES));
        }
    }
}

fn volume(object: &Value, errors: &mut Errors) {
    access_modes(object, errors);
    if map(object, "spec.capacity").is_none_or(|capacity| capacity.is_empty()) {
        errors.push(FieldError::required("spec.capacity", ""));
    }
    let spec = map(object, "spec");
    let sources =
        spec.into_iter().flatten().filter(|(key, _)| !NOT_SOURCES.contains(&key.as_str()));
    match sources.count() {
        0 => errors.push(FieldError::required("spec", "must specify a volume type")),
        1 => {}
        _ => errors.push(FieldError::forbidden("spec", "may not specify more than 1 volume type")),
    }
    let policies = ["Delete", "Recycle", "Retain"];
    if let Some(spec) = object.get("spec") {
        one_of(spec, "spec", "persistentVolumeReclaimPolicy", &policies, errors);
        one_of(spec, "spec", "volumeMode", &["Block", "Filesystem"], errors);
    }
}

fn volume_update(object: &Value, old: &Value, errors: &mut Errors) {
    let source = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        NOT_SOURCES.iter().for_each(|key| drop(remove(&mut spec, key)));
        spec
    };
    if source(object) != source(old) {
        let why = "spec.persistentvolumesource is immutable after creation";
        errors.push(FieldError::forbidden("spec.persistentvolumesource", why));
    }
}

fn claim(object: &Value, errors: &mut Errors) {
    access_modes(object, errors);
    let storage =
        map(object, "spec.resources.requests").and_then(|requests| requests.get("storage"));
    if storage.is_none() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
    if let Some(spec) = object.get("spec") {
        one_of(spec, "spec", "volumeMode", &["Block", "Filesystem"], errors);
    }
}

/// A claim's spec stays, but for the volume it is bound to (once), a class it lacked, and a larger request.
fn claim_update(object: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        if text(old, "spec.volumeName").unwrap_or_default().is_empty() {
            remove(&mut spec, "volumeName");
        }
        if at(old, "spec.storageClassName").is_none() {
            remove(&mut spec, "storageClassName");
        }
        remove(&mut spec, "resources");
        remove(&mut spec, "volumeAttributesClassName");
        spec
    };
    let bound = text(old, "status.phase") == Some("Bound");
    let resources_changed = at(object, "spec.resources") != at(old, "spec.resources");
    let size = |value: &Value, at: &str| {
        let size = map(value, at).and_then(|it| it.get("storage"));
        size.and_then(|it| Quantity::from_value(it).ok()).map_or(0, Quantity::nanos)
    };
    let wanted = size(object, "spec.resources.requests");
    if wanted < size(old, "spec.resources.requests") && wanted <= size(old, "status.capacity") {
        // Down to what there is, a growth that fails may be taken back.
        let field = "spec.resources.requests.storage";
        errors.push(FieldError::forbidden(field, "field can not be less than status.capacity"));
    }
    if fixed(object) != fixed(old) || (resources_changed && !bound) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden("spec", why));
    }
}

#[cfg(test)]
mod tests {
    use super::super::texts;
    use super::*;

    #[test]
    fn claims_say_how_much_and_how() {
        let mut errors = Errors::new();
        claim(&json!({"spec": {}}), &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "spec.accessModes: Required value: at least 1 access mode is required",
                "spec.resources[storage]: Required value",
            ]
        );
    }

    #[test]
    fn claims_are_bound_once() {
        let old =
            json!({"spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Pending"}});
        let bound = json!({"spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "v"}});
        let mut errors = Errors::new();
        claim_update(&bound, &old, &mut errors);
        assert_eq!(errors, []);
        let moved = json!({"spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "w"}});
        claim_update(&moved, &bound, &mut errors);
        assert!(texts(&errors)[0].starts_with("spec: Forbidden: spec is immutable"));
    }

    #[test]
    fn claims_never_shrink_below_what_they_have() {
        let claim = |size: &str| {
            let requests = json!({"requests": {"storage": size}});
            json!({"spec": {"resources": requests}, "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}})
        };
        // Of a claim that asks for 4Gi and has 2Gi still.
        for (size, is_refused) in
            [("5Gi", false), ("4Gi", false), ("3Gi", false), ("2048Mi", true), ("1Gi", true)]
        {
            let mut errors = Errors::new();
            claim_update(&claim(size), &claim("4Gi"), &mut errors);
            let why = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity";
            assert_eq!(texts(&errors), if is_refused { vec![why] } else { vec![] }, "{size}");
        }
    }

    #[test]
    fn volumes_have_one_source() {
        let mut errors = Errors::new();
        volume(
            &json!({"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/x"}, "persistentVolumeReclaimPolicy": "Retain"}}),
            &mut errors,
        );
        assert_eq!(errors, []);
        volume(&json!({"spec": {"accessModes": ["Any"]}}), &mut errors);
        assert_eq!(errors.len(), 3);
    }
}
