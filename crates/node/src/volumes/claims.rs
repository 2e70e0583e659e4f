//! Persistent volume claims: the path of the host that the claim's volume names, else a folder of the claim's own.

use k8s_openapi::api::core::v1::{
    ContainerStatus, HostPathVolumeSource, ObjectReference, PersistentVolume,
    PersistentVolumeClaim, Pod,
};
use kube::{Api, Client};

use super::namespace;

/// Where a claim's files are.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// In a folder of the claim with this uid.
    Own { uid: String },
    /// Where the volume says, by the same rules as a pod's own `hostPath`.
    Host(HostPathVolumeSource),
}

/// Waits, by failing, until the claim is bound. Whoever may write claims may name any volume in one; who has the volume is
/// what the volume itself names.
pub(super) async fn find(client: &Client, pod: &Pod, name: &str) -> Result<Found, String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace(pod));
    let claim = claims.get_opt(name).await.map_err(|error| error.to_string())?;
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
    // What runs keeps its claim, also when the agent starts anew.
    if claim.metadata.deletion_timestamp.is_some() && !has_run(pod) {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    let volume = bound(&claim).map_err(|why| format!("persistentvolumeclaim \"{name}\" {why}"))?;
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let found = volumes.get_opt(volume).await.map_err(|error| error.to_string())?;
    let found = found.ok_or_else(|| format!("persistentvolume \"{volume}\" not found"))?;
    place(&claim, found).ok_or_else(|| {
        format!("persistentvolume \"{volume}\" is not bound to persistentvolumeclaim \"{name}\"")
    })
}

/// Whether a container of the pod was ever started, so that its volumes were mounted.
fn has_run(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let containers = [&status.init_container_statuses, &status.container_statuses];
    let is_started =
        |it: &ContainerStatus| it.container_id.as_ref().is_some_and(|it| !it.is_empty());
    containers.into_iter().flatten().flatten().any(is_started)
}

/// The name of the volume that the claim says it is bound to.
fn bound(claim: &PersistentVolumeClaim) -> Result<&str, String> {
    let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref()).unwrap_or("Pending");
    let volume = claim.spec.as_ref().and_then(|it| it.volume_name.as_deref()).unwrap_or_default();
    if phase != "Bound" || volume.is_empty() {
        return Err(format!("is not bound to a volume: it is {phase}"));
    }
    Ok(volume)
}

/// Where the volume's files are, if it is this claim's.
fn place(claim: &PersistentVolumeClaim, volume: PersistentVolume) -> Option<Found> {
    let spec = volume.spec.unwrap_or_default();
    spec.claim_ref.filter(|it| names(it, claim))?;
    let local = spec
        .local
        .map(|it| HostPathVolumeSource { path: it.path, type_: Some("Directory".to_owned()) });
    match spec.host_path.or(local) {
        Some(host) => Some(Found::Host(host)),
        None => claim.metadata.uid.clone().map(|uid| Found::Own { uid }),
    }
}

fn names(reference: &ObjectReference, claim: &PersistentVolumeClaim) -> bool {
    let meta = &claim.metadata;
    meta.uid.is_some()
        && (&reference.uid, &reference.namespace, &reference.name)
            == (&meta.uid, &meta.namespace, &meta.name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(phase: &str, volume: &str) -> PersistentVolumeClaim {
        let object = json!({"metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"volumeName": volume}, "status": {"phase": phase}});
        serde_json::from_value(object).unwrap()
    }

    fn of(reference: &Value) -> Option<Found> {
        let spec = json!({"hostPath": {"path": "/data"}, "claimRef": reference});
        let volume = serde_json::from_value(json!({"spec": spec})).unwrap();
        place(&claim("Bound", "v"), volume)
    }

    #[test]
    fn only_the_claim_that_the_volume_names_has_it() {
        let reference = |namespace: &str, name: &str, uid: Option<&str>| {
            of(&json!({"namespace": namespace, "name": name, "uid": uid}))
        };
        let host = HostPathVolumeSource { path: "/data".to_owned(), type_: None };
        assert_eq!(reference("n", "c", Some("u")), Some(Found::Host(host)));
        for other in [
            of(&Value::Null),
            reference("n", "c", None),
            reference("n", "c", Some("")),
            // A claim of the same name before this one.
            reference("n", "c", Some("older")),
            reference("other", "c", Some("u")),
            reference("n", "other", Some("u")),
        ] {
            assert_eq!(other, None);
        }
    }

    #[test]
    fn a_claim_waits_until_it_is_bound() {
        assert_eq!(bound(&claim("Bound", "v")), Ok("v"));
        for (phase, volume) in [("Pending", "v"), ("Lost", "v"), ("Pending", ""), ("Bound", "")] {
            let why = format!("is not bound to a volume: it is {phase}");
            assert_eq!(bound(&claim(phase, volume)), Err(why), "{phase} {volume}");
        }
    }

    #[test]
    fn a_volume_without_a_path_is_a_folder_of_the_claim() {
        let reference = json!({"namespace": "n", "name": "c", "uid": "u"});
        let spec = json!({"csi": {"driver": "d", "volumeHandle": "u"}, "claimRef": reference});
        let volume = serde_json::from_value(json!({"spec": spec})).unwrap();
        let own = Found::Own { uid: "u".to_owned() };
        assert_eq!(place(&claim("Bound", "v"), volume), Some(own));
    }

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
