//! The end of volumes that are folders: removed with what is in them where the volume's policy is to delete, else left.
//!
//! A volume stays in the API until this is done, by a finalizer. It is looked at only when nothing else holds it: then
//! its claim is gone, and so is every pod that used it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::claims::folder;
use crate::config::Paths;
use crate::view::Cache;

/// As `controllers::volume` puts it on the volumes that it makes.
const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Runs until the runtime ends.
pub(crate) async fn run(volumes: Arc<Cache<PersistentVolume>>, client: Client, paths: Paths) {
    let api: Api<PersistentVolume> = Api::all(client);
    let mut changes = volumes.changes();
    loop {
        changes.borrow_and_update();
        let mut failed = false;
        for volume in volumes.all() {
            let Some(name) = folder(&volume).filter(|_| is_due(&volume)) else { continue };
            if let Err(error) = end(&api, &volume, paths.persistent().join(name)).await {
                let volume = volume.metadata.name.as_deref();
                tracing::warn!(volume, error, "a volume cannot be removed yet");
                failed = true;
            }
        }
        let retry = async {
            match failed {
                true => tokio::time::sleep(RETRY_AFTER).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = retry => {}
        }
    }
}

/// Whether a volume is to go, and nobody else holds it.
fn is_due(volume: &PersistentVolume) -> bool {
    let meta = &volume.metadata;
    let is_last = meta.finalizers.as_deref().is_some_and(|it| it == [FINALIZER]);
    meta.deletion_timestamp.is_some() && is_last
}

async fn end(
    api: &Api<PersistentVolume>,
    volume: &PersistentVolume,
    folder: impl AsRef<Path> + Send + 'static,
) -> Result<(), String> {
    let policy = volume.spec.as_ref().and_then(|it| it.persistent_volume_reclaim_policy.as_deref());
    if policy == Some("Delete") {
        let removed = tokio::task::spawn_blocking(move || remove(folder.as_ref())).await;
        let removed = removed.unwrap_or_else(|error| Err(io::Error::other(error)));
        removed.map_err(|error| error.to_string())?;
    }
    let meta = &volume.metadata;
    let patch = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": null}});
    let name = meta.name.as_deref().unwrap_or_default();
    match api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        // It is gone, or has changed and will be seen again.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done.map(drop).map_err(|error| error.to_string()),
    }
}

/// Removes a folder with what is in it, under another name: half of a volume is never found under its own.
fn remove(folder: &Path) -> io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let gone = folder.with_file_name(format!(".{name}.gone"));
    let absent = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    absent(std::fs::remove_dir_all(&gone))?;
    absent(std::fs::rename(folder, &gone))?;
    absent(std::fs::remove_dir_all(&gone))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_volume_is_due_when_nobody_else_holds_it() {
        let other = "kubernetes.io/pv-protection";
        let gone = json!("2026-01-01T00:00:00Z");
        let cases = [
            (Value::Null, json!([FINALIZER]), false),
            (gone.clone(), json!([other, FINALIZER]), false),
            (gone.clone(), json!([FINALIZER]), true),
            (gone.clone(), json!([other]), false),
            (gone, Value::Null, false),
        ];
        for (deleted, finalizers, expected) in cases {
            let meta = json!({"deletionTimestamp": deleted, "finalizers": finalizers});
            let volume = serde_json::from_value(json!({"metadata": meta})).unwrap();
            assert_eq!(is_due(&volume), expected, "{meta}");
        }
    }

    #[test]
    fn a_folder_goes_whole_and_again_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::create_dir_all(dir.path().join("b")).unwrap();
        // What an earlier try left.
        std::fs::create_dir_all(dir.path().join(".a.gone/half")).unwrap();
        remove(&folder).unwrap();
        remove(&folder).unwrap();
        let left: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["b"]);
    }
}
