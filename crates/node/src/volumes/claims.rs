//! Persistent volume claims: the claim's volume if it names a path of the host, else a folder of the claim's own.

use k8s_openapi::api::core::v1::{
    ContainerStatus, HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, Pod,
};
use kube::{Api, Client};

use super::namespace;

/// Where a claim's files are.
pub(super) enum Found {
    /// In a folder of the claim with this uid.
    Own { uid: String },
    /// Where the volume says, by the same rules as a pod's own `hostPath`.
    Host(HostPathVolumeSource),
}

/// Waits, by failing, until the claim is bound where it names a volume; a claim without one is served from `persistent/`,
/// so that stateful pods run also where no provisioner does.
pub(super) async fn find(client: &Client, pod: &Pod, name: &str) -> Result<Found, String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace(pod));
    let claim = claims.get_opt(name).await.map_err(|error| error.to_string())?;
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
    // What runs keeps its claim, also when the agent starts anew.
    if claim.metadata.deletion_timestamp.is_some() && !has_run(pod) {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
    let host = match volume.filter(|name| !name.is_empty()) {
        Some(volume) => host_path(client, &volume).await?,
        None => None,
    };
    let uid = claim.metadata.uid.unwrap_or_default();
    Ok(host.map_or(Found::Own { uid }, Found::Host))
}

/// Whether a container of the pod was ever started, so that its volumes were mounted.
fn has_run(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let containers = [&status.init_container_statuses, &status.container_statuses];
    let is_started =
        |it: &ContainerStatus| it.container_id.as_ref().is_some_and(|it| !it.is_empty());
    containers.into_iter().flatten().flatten().any(is_started)
}

async fn host_path(client: &Client, name: &str) -> Result<Option<HostPathVolumeSource>, String> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume = volumes.get_opt(name).await.map_err(|error| error.to_string())?;
    let volume = volume.ok_or_else(|| format!("persistentvolume \"{name}\" not found"))?;
    let spec = volume.spec.unwrap_or_default();
    let local = spec
        .local
        .map(|it| HostPathVolumeSource { path: it.path, type_: Some("Directory".to_owned()) });
    Ok(spec.host_path.or(local))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_was_started_keeps_its_claim() {
        let with = |id: &str| {
            json!({"containerStatuses": [{"name": "c", "containerID": id, "image": "", "imageID": "",
                "ready": false, "restartCount": 0}]})
        };
        let cases = [
            (Value::Null, false),
            (json!({}), false),
            (with(""), false),
            (with("endstate://x"), true),
        ];
        for (status, expected) in cases {
            let pod = json!({"metadata": {}, "status": status});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(has_run(&pod), expected, "{pod:?}");
        }
    }
}
