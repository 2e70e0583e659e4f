//! Finalizers: work that must be done before an object may go.
//!
//! Each function gives the object to write with [`Context::update`](crate::Context::update), whose resource-version
//! guard makes sure that no other finalizer is lost; or `None` if nothing is to be written.

use crate::Object;

/// Whether the object carries the finalizer.
///
/// ```
/// use endstate::finalizer::has;
/// let mut map = k8s_openapi::api::core::v1::ConfigMap::default();
/// assert!(!has(&map, "example.com/backup"));
/// map.metadata.finalizers = Some(vec!["example.com/backup".into()]);
/// assert!(has(&map, "example.com/backup"));
/// ```
pub fn has<K: Object>(object: &K, finalizer: &str) -> bool {
    object.meta().finalizers.iter().flatten().any(|it| it == finalizer)
}

/// Whether deletion of the object was asked for.
///
/// ```
/// let map = k8s_openapi::api::core::v1::ConfigMap::default();
/// assert!(!endstate::finalizer::deleting(&map));
/// ```
pub fn deleting<K: Object>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// The object with the finalizer. `None` if it has it already, or if it is being deleted (the API would refuse).
///
/// ```
/// use endstate::finalizer::{with, without};
/// let map = k8s_openapi::api::core::v1::ConfigMap::default();
/// let held = with(&map, "example.com/backup").expect("added");
/// assert!(with(&held, "example.com/backup").is_none());
/// assert!(without(&held, "example.com/backup").expect("removed").metadata.finalizers.is_none());
/// ```
pub fn with<K: Object>(object: &K, finalizer: &str) -> Option<K> {
    if has(object, finalizer) || deleting(object) {
        return None;
    }
    let mut wanted = object.clone();
    wanted.meta_mut().finalizers.get_or_insert_default().push(finalizer.to_owned());
    Some(wanted)
}

/// The object without the finalizer. `None` if it has none of that name.
///
/// ```
/// let map = k8s_openapi::api::core::v1::ConfigMap::default();
/// assert!(endstate::finalizer::without(&map, "example.com/backup").is_none(), "nothing to write");
/// ```
pub fn without<K: Object>(object: &K, finalizer: &str) -> Option<K> {
    if !has(object, finalizer) {
        return None;
    }
    let mut wanted = object.clone();
    let finalizers = &mut wanted.meta_mut().finalizers;
    finalizers.get_or_insert_default().retain(|it| it != finalizer);
    if finalizers.as_ref().is_some_and(Vec::is_empty) {
        *finalizers = None;
    }
    Some(wanted)
}
