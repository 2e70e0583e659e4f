//! Persistent volume claims: the path of the host that the claim's volume names, or the folder of a volume that the
//! cluster made.

use k8s_openapi::api::core::v1::{
    ContainerStatus, HostPathVolumeSource, ObjectReference, PersistentVolume,
    PersistentVolumeClaim, Pod,
};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::namespace;

/// The driver of volumes that are folders of the node, as `controllers::volume` makes them.
pub(crate) const DRIVER: &str = "folder.endstate.dev";

/// The annotation of a volume whose folder was made.
const MADE: &str = "folder.endstate.dev/made";

/// Where a claim's files are.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// In a folder below that of persistent volumes.
    Folder(Folder),
    /// Where the volume says, by the same rules as a pod's own `hostPath`.
    Host(HostPathVolumeSource),
}

/// The folder of a volume.
#[derive(Debug, PartialEq)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) volume: String,
    /// It was made before: if it is not there, its data is lost, and an empty one must not pass for it.
    pub(super) is_made: bool,
}

/// Says on a volume that its folder is made.
pub(super) async fn note_made(client: &Client, volume: &str) -> Result<(), String> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {MADE: "true"}}}));
    let noted = volumes.patch(volume, &PatchParams::default(), &patch).await;
    noted.map(drop).map_err(|error| error.to_string())
}

/// Waits, by failing, until the claim is bound. Whoever may write claims may name any volume in one; who has the volume
/// is what the volume itself names.
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
    if !found.spec.as_ref().and_then(|it| it.claim_ref.as_ref()).is_some_and(|it| names(it, &claim))
    {
        return Err(format!(
            "persistentvolume \"{volume}\" is not bound to persistentvolumeclaim \"{name}\""
        ));
    }
    place(&found).ok_or_else(|| {
        format!("persistentvolume \"{volume}\" is of a kind that this node does not support")
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

/// Where the volume's files are.
fn place(volume: &PersistentVolume) -> Option<Found> {
    let spec = volume.spec.as_ref()?;
    let local = spec.local.as_ref().map(|it| HostPathVolumeSource {
        path: it.path.clone(),
        type_: Some("Directory".to_owned()),
    });
    match spec.host_path.clone().or(local) {
        Some(host) => Some(Found::Host(host)),
        None => folder(volume).map(|name| {
            let meta = &volume.metadata;
            let is_made = meta.annotations.as_ref().is_some_and(|it| it.contains_key(MADE));
            let volume = meta.name.clone().unwrap_or_default();
            Found::Folder(Folder { name: name.to_owned(), volume, is_made })
        }),
    }
}

/// The name of the volume's folder, if it is one that this driver keeps. It is a name, and no path.
pub(super) fn folder(volume: &PersistentVolume) -> Option<&str> {
    let source = volume.spec.as_ref()?.csi.as_ref().filter(|it| it.driver == DRIVER)?;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let name = Some(source.volume_handle.as_str()).filter(|it| !it.is_empty())?;
    name.chars().all(is_plain).then_some(name)
}

fn names(reference: &ObjectReference, claim: &PersistentVolumeClaim) -> bool {
    let meta = &claim.metadata;
    meta.uid.is_some()
        && (&reference.uid, &reference.namespace, &reference.name)
            == (&meta.uid, &meta.namespace, &meta.name)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn claim(phase: &str, volume: &str) -> PersistentVolumeClaim {
        let object = json!({"metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"volumeName": volume}, "status": {"phase": phase}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_the_claim_that_the_volume_names_has_it() {
        let claim = claim("Bound", "v");
        let is_named = |namespace: &str, name: &str, uid: Option<&str>| {
            let reference = json!({"namespace": namespace, "name": name, "uid": uid});
            names(&serde_json::from_value(reference).unwrap(), &claim)
        };
        assert!(is_named("n", "c", Some("u")));
        assert!(!is_named("n", "c", None));
        assert!(!is_named("n", "c", Some("")));
        // A claim of the same name before this one.
        assert!(!is_named("n", "c", Some("older")));
        assert!(!is_named("other", "c", Some("u")));
        assert!(!is_named("n", "other", Some("u")));
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
    fn a_volume_says_where_its_files_are() {
        let host = HostPathVolumeSource { path: "/data".to_owned(), type_: None };
        let csi =
            |driver: &str, handle: &str| json!({"csi": {"driver": driver, "volumeHandle": handle}});
        let folder = |is_made| {
            let (name, volume) = ("0-ab".to_owned(), "v".to_owned());
            Some(Found::Folder(Folder { name, volume, is_made }))
        };
        let cases = [
            (json!({"hostPath": {"path": "/data"}}), Some(Found::Host(host))),
            (csi(DRIVER, "0-ab"), folder(false)),
            (csi(DRIVER, "../pods"), None),
            (csi(DRIVER, ""), None),
            (csi("other", "0-ab"), None),
            (json!({"nfs": {"server": "s", "path": "/"}}), None),
        ];
        let volume = |spec: &Value| -> PersistentVolume {
            serde_json::from_value(json!({"metadata": {"name": "v"}, "spec": spec})).unwrap()
        };
        for (spec, expected) in cases {
            assert_eq!(place(&volume(&spec)), expected, "{spec}");
        }
        let mut made = volume(&csi(DRIVER, "0-ab"));
        made.metadata.annotations = Some([(MADE.to_owned(), "true".to_owned())].into());
        assert_eq!(place(&made), folder(true));
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
