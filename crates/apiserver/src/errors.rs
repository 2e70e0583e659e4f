//! From the store's refusals to the API's.

use machinery::error::{ApiError, MODIFIED};
use registry::Resource;

/// A failure that is nobody's conflict.
pub(crate) fn store(error: store::Error) -> ApiError {
    match error {
        store::Error::Compacted { .. } => {
            ApiError::expired("The resourceVersion for the provided list is too old.")
        }
        store::Error::Future { requested, current } => {
            ApiError::timeout_future_revision(requested.0, current.0)
        }
        store::Error::Stopped(why) => {
            tracing::error!(%why, "the store stopped");
            ApiError::service_unavailable(format!(
                "the store stopped and takes no more writes ({why}); see to the disk, then restart `endstate up`"
            ))
        }
        // kube-apiserver calls a full etcd an internal error; but nothing is wrong inside, and the same request may
        // succeed later, which is what this code says.
        store::Error::Full(why) => ApiError::service_unavailable(format!(
            "the store is full: {why}; free disk space, and writes are taken again within a second; until then reads, watches and deletes go on"
        )),
        other => ApiError::internal(other),
    }
}

/// A refused write of one object.
pub(crate) fn write(error: store::Error, resource: &Resource, name: &str) -> ApiError {
    let (group, plural) = (&resource.group, &resource.plural);
    match error {
        store::Error::Exists(_) => ApiError::already_exists(group, plural, name),
        store::Error::NotFound(_) => ApiError::not_found(group, plural, name),
        store::Error::Conflict { .. } => ApiError::conflict(group, plural, name, MODIFIED),
        other => store(other),
    }
}
