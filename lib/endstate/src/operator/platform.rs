//! What the platform provides, for choices that a spec leaves open.

use std::sync::Arc;

use endstate_core::Platform;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

/// The annotation of the class that claims without one get.
const IS_DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// The platform with these storage classes, and cert-manager or not. Of several default classes claims get the newest,
/// as Kubernetes does it.
pub(super) fn platform(classes: &[Arc<StorageClass>], cert_manager: bool) -> Platform {
    let is_default = |it: &&Arc<StorageClass>| {
        it.annotations().get(IS_DEFAULT).is_some_and(|value| value == "true")
    };
    let age = |it: &&Arc<StorageClass>| {
        (it.creation_timestamp().map(|it| it.0), std::cmp::Reverse(it.name_any()))
    };
    let class = classes.iter().filter(is_default).max_by_key(age);
    let mut platform = Platform::default();
    platform.default_storage_class = class.map(|it| it.name_any());
    platform.cert_manager = cert_manager;
    platform
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, day: u32, default: &str) -> Arc<StorageClass> {
        let class = serde_json::json!({"provisioner": "example.com/disk", "metadata": {
            "name": name, "annotations": {IS_DEFAULT: default},
            "creationTimestamp": format!("2026-01-{day:02}T00:00:00Z")}});
        Arc::new(serde_json::from_value(class).unwrap())
    }

    #[test]
    fn the_newest_default_class_is_the_one_that_claims_get() {
        let default = |classes: &[_]| platform(classes, false).default_storage_class;
        assert_eq!(default(&[]), None);
        assert_eq!(default(&[class("fast", 1, "false")]), None);
        let classes = [class("b", 2, "true"), class("a", 2, "true"), class("old", 1, "true")];
        assert_eq!(default(&classes), Some("a".into()));
    }
}
