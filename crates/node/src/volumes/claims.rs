//! Persistent volume claims: the claim's volume if it names a path, else a folder of the claim's own.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{Api, Client};

use super::namespace;
use crate::config::Paths;

/// Waits, by failing, until the claim is bound where it names a volume; a claim without one is served from `persistent/`,
/// so that stateful pods run also where no provisioner does.
pub(super) async fn folder(
    client: &Client,
    paths: &Paths,
    pod: &Pod,
    name: &str,
) -> Result<PathBuf, String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace(pod));
    let claim = claims.get_opt(name).await.map_err(|error| error.to_string())?;
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
    if claim.metadata.deletion_timestamp.is_some() {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
    let path = match volume.filter(|name| !name.is_empty()) {
        Some(volume) => volume_path(client, &volume).await?,
        None => None,
    };
    let uid = claim.metadata.uid.unwrap_or_default();
    Ok(path.unwrap_or_else(|| paths.persistent().join(uid)))
}

async fn volume_path(client: &Client, name: &str) -> Result<Option<PathBuf>, String> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume = volumes.get_opt(name).await.map_err(|error| error.to_string())?;
    let volume = volume.ok_or_else(|| format!("persistentvolume \"{name}\" not found"))?;
    let spec = volume.spec.unwrap_or_default();
    let path = spec.host_path.map(|it| it.path).or(spec.local.map(|it| it.path));
    Ok(path.map(PathBuf::from))
}
