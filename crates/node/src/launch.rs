//! From a pod's container and an image to the runtime's specification: what runs, as whom, with which mounts.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext, VolumeMount};

use crate::beneath::{self, Make};
use crate::config::Ids;
use crate::env::expand;
use crate::identity;
use crate::puller::Ready;
use crate::runtime::{Group, Mount, ProcessSpec, Seccomp, Spec, capabilities};
use crate::volumes::Folders;

/// Everything a specification is made of.
pub(crate) struct Input<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) image: &'a Ready,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folders: &'a Folders,
    /// Files of the pod that are bound over those of the image.
    pub(crate) files: Vec<Mount>,
    pub(crate) pins: PathBuf,
    /// Where parts of volumes are mounted for the runtime.
    pub(crate) parts: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) ids: Ids,
    pub(crate) bounds: Bounds,
}

/// What the container may use of the machine.
pub(crate) struct Bounds {
    pub(crate) group: Option<Group>,
    pub(crate) oom_score_adj: i64,
    pub(crate) processes_max: Option<u64>,
}

/// The specification, or what is wrong with the container's configuration.
pub(crate) fn specification(input: Input<'_>) -> Result<Spec, String> {
    let pod = input.pod.spec.clone().unwrap_or_default();
    let context = input.container.security_context.clone().unwrap_or_default();
    let privileged = context.privileged == Some(true);
    let env = environment(&input, &pod);
    let lists = context.capabilities.clone().unwrap_or_default();
    let add = lists.add.unwrap_or_default();
    let drop = lists.drop.unwrap_or_default();
    let process = ProcessSpec {
        args: arguments(&input, &env)?,
        cwd: folder(&input),
        user: identity::user(input.pod, input.container, input.image, input.ids)?,
        capabilities: capabilities(privileged, &add, &drop),
        no_new_privileges: context.allow_privilege_escalation == Some(false),
        oom_score_adj: input.bounds.oom_score_adj,
        processes_max: input.bounds.processes_max,
        env,
    };
    let mut mounts = input.files.clone();
    for mount in input.container.volume_mounts.iter().flatten() {
        mounts.push(volume_mount(&input, mount, &process.env)?);
    }
    // A mount inside another must come after it.
    mounts.sort_by_key(|mount| Path::new(&mount.target).components().count());
    let mut namespaces = vec![("uts", input.pins.join("uts"))];
    if pod.host_ipc != Some(true) {
        namespaces.push(("ipc", input.pins.join("ipc")));
    }
    if pod.host_network != Some(true) {
        namespaces.push(("network", input.pins.join("net")));
    }
    Ok(Spec {
        process,
        rootfs: input.rootfs,
        read_only: context.read_only_root_filesystem == Some(true),
        mounts,
        namespaces,
        terminal: input.container.tty == Some(true),
        privileged,
        group: input.bounds.group,
        seccomp: seccomp(&context, &pod),
        sysctls: sysctls(&pod),
    })
}

fn environment(input: &Input<'_>, pod: &PodSpec) -> Vec<(String, String)> {
    let mut env = input.image.env.clone();
    let hostname = hostname(input.pod, pod);
    env.push(("HOSTNAME".to_owned(), hostname));
    for (name, value) in &input.env {
        match env.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1.clone_from(value),
            None => env.push((name.clone(), value.clone())),
        }
    }
    if !env.iter().any(|(name, _)| name == "PATH") {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        env.push(("PATH".to_owned(), path.to_owned()));
    }
    env
}

/// The pod's hostname, at most as long as the kernel takes.
pub(crate) fn hostname(pod: &Pod, spec: &PodSpec) -> String {
    let name = spec.hostname.clone().or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    let cut: String = name.chars().take(63).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

fn arguments(input: &Input<'_>, env: &[(String, String)]) -> Result<Vec<String>, String> {
    let container = input.container;
    let given = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let expanded = |list: Vec<String>| list.iter().map(|it| expand(it, env)).collect::<Vec<_>>();
    let (command, arguments) = match (given(&container.command), given(&container.args)) {
        (Some(command), arguments) => (expanded(command), expanded(arguments.unwrap_or_default())),
        (None, Some(arguments)) => (input.image.entrypoint.clone(), expanded(arguments)),
        (None, None) => (input.image.entrypoint.clone(), input.image.command.clone()),
    };
    let all: Vec<String> = command.into_iter().chain(arguments).collect();
    if all.is_empty() {
        return Err("neither the container nor its image says what to run".to_owned());
    }
    Ok(all)
}

fn folder(input: &Input<'_>) -> String {
    let own = input.container.working_dir.clone().filter(|it| !it.is_empty());
    let folder = own.unwrap_or_else(|| input.image.folder.clone());
    if folder.starts_with('/') { folder } else { format!("/{folder}") }
}

/// The container's own profile, else the pod's, else the default one: the kubelet's default is none, but here the
/// kernel is that of somebody's machine. Privileged containers have none, as with the kubelet.
fn seccomp(context: &SecurityContext, pod: &PodSpec) -> Seccomp {
    let of_pod = pod.security_context.as_ref().and_then(|it| it.seccomp_profile.as_ref());
    let profile = context.seccomp_profile.as_ref().or(of_pod);
    let unconfined = profile.is_some_and(|it| it.type_ == "Unconfined");
    match unconfined || context.privileged == Some(true) {
        true => Seccomp::Unconfined,
        false => Seccomp::RuntimeDefault,
    }
}

fn sysctls(pod: &PodSpec) -> BTreeMap<String, String> {
    let set = pod.security_context.as_ref().and_then(|it| it.sysctls.as_ref());
    set.into_iter().flatten().map(|it| (it.name.replace('/', "."), it.value.clone())).collect()
}

fn volume_mount(
    input: &Input<'_>,
    mount: &VolumeMount,
    env: &[(String, String)],
) -> Result<Mount, String> {
    let folder = input
        .folders
        .get(&mount.name)
        .ok_or_else(|| format!("there is no volume {:?}", mount.name))?;
    let inner = match (&mount.sub_path, &mount.sub_path_expr) {
        (Some(path), _) if !path.is_empty() => path.clone(),
        (_, Some(expression)) if !expression.is_empty() => expand(expression, env),
        _ => String::new(),
    };
    let source = match inner.is_empty() {
        true => folder.clone(),
        false => sub_path(folder, &inner, input.parts.join(part_name(input, mount)))?,
    };
    Ok(Mount { source, target: mount.mount_path.clone(), read_only: mount.read_only == Some(true) })
}

/// A name for the part of a volume that one container mounts at one place.
fn part_name(input: &Input<'_>, mount: &VolumeMount) -> String {
    let mounts = input.container.volume_mounts.iter().flatten();
    let index = mounts.take_while(|other| other.mount_path != mount.mount_path).count();
    format!("part.{}.{index}", input.container.name)
}

/// Mounts a path inside a volume, made if it lacks, at `target`: whoever writes into the volume could put a link in its
/// place before the runtime looks.
fn sub_path(folder: &Path, inner: &str, target: PathBuf) -> Result<PathBuf, String> {
    let found = open_sub_path(folder, inner)?;
    beneath::pin(&found, &target).map_err(|error| format!("subPath {inner:?}: {error}"))?;
    Ok(target)
}

fn open_sub_path(folder: &Path, inner: &str) -> Result<OwnedFd, String> {
    let plain = Path::new(inner)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !plain {
        return Err(format!("subPath {inner:?} is not a plain relative path"));
    }
    beneath::open(folder, Path::new(inner), Make::Folder)
        .map_err(|error| format!("subPath {inner:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn image() -> Ready {
        Ready {
            entrypoint: vec!["/e".into()],
            command: vec!["c".into()],
            env: vec![("PATH".into(), "/p".into()), ("A".into(), "image".into())],
            user: "7:8".into(),
            ..Ready::default()
        }
    }

    fn build(pod: Value, container: Value, ids: Ids) -> Result<Spec, String> {
        let pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": pod})).unwrap();
        let (image, folders) = (image(), Folders::from([("v".to_owned(), PathBuf::from("/vol"))]));
        specification(Input {
            pod: &pod,
            container: &serde_json::from_value(container).unwrap(),
            image: &image,
            env: vec![("A".to_owned(), "mine".to_owned())],
            folders: &folders,
            files: Vec::new(),
            pins: PathBuf::from("/pins"),
            parts: PathBuf::from("/parts"),
            rootfs: PathBuf::from("/root"),
            ids,
            bounds: Bounds { group: None, oom_score_adj: 0, processes_max: None },
        })
    }

    #[test]
    fn commands_follow_the_rules_of_override() {
        let args = |container: Value| {
            build(json!({"containers": []}), container, Ids::Many).unwrap().process.args
        };
        assert_eq!(args(json!({"name": "c"})), ["/e", "c"]);
        assert_eq!(args(json!({"name": "c", "args": ["x$(A)"]})), ["/e", "xmine"]);
        assert_eq!(args(json!({"name": "c", "command": ["y"]})), ["y"]);
        assert_eq!(args(json!({"name": "c", "command": ["y"], "args": ["z"]})), ["y", "z"]);
    }

    #[test]
    fn containers_are_confined_unless_they_say_otherwise() {
        let check = |of_pod: Value, own: Value| {
            let pod = json!({"containers": [], "securityContext": of_pod});
            build(pod, json!({"name": "c", "securityContext": own}), Ids::Many).unwrap().seccomp
        };
        let kind = |kind: &str| json!({"seccompProfile": {"type": kind}});
        assert_eq!(check(json!({}), json!({})), Seccomp::RuntimeDefault);
        assert_eq!(check(kind("Unconfined"), json!({})), Seccomp::Unconfined);
        assert_eq!(check(kind("Unconfined"), kind("RuntimeDefault")), Seccomp::RuntimeDefault);
        assert_eq!(check(json!({}), json!({"privileged": true})), Seccomp::Unconfined);
    }

    #[test]
    fn mounts_are_ordered_and_checked() {
        let mounts = json!({"name": "c", "volumeMounts": [
            {"name": "v", "mountPath": "/a/b"}, {"name": "v", "mountPath": "/a", "readOnly": true}]});
        let spec = build(json!({"containers": []}), mounts, Ids::Many).unwrap();
        let targets: Vec<_> = spec.mounts.iter().map(|it| it.target.as_str()).collect();
        assert_eq!(targets, ["/a", "/a/b"]);
        let missing = json!({"name": "c", "volumeMounts": [{"name": "w", "mountPath": "/a"}]});
        assert!(build(json!({"containers": []}), missing, Ids::Many).is_err());
    }

    #[test]
    fn sub_paths_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("/etc", root.join("out")).unwrap();
        for outside in ["out/passwd", "out", "../x", "/etc"] {
            assert!(open_sub_path(&root, outside).is_err(), "{outside}");
        }
        assert!(open_sub_path(&root, "a/b").is_ok());
        assert!(root.join("a/b").is_dir());
    }
}
