//! From a pod's container and an image to the runtime's specification: what runs, as whom, with which mounts.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::config::Ids;
use crate::env::expand;
use crate::puller::{Ready, id_by_name};
use crate::runtime::{Group, Mount, ProcessSpec, Spec, User, capabilities};
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
        user: user(&input, &pod)?,
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
    let mut namespaces = vec![("ipc", input.pins.join("ipc")), ("uts", input.pins.join("uts"))];
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

fn user(input: &Input<'_>, pod: &PodSpec) -> Result<User, String> {
    let context = input.container.security_context.clone().unwrap_or_default();
    let of_pod = pod.security_context.clone().unwrap_or_default();
    let number = |value: i64| u32::try_from(value).map_err(|_| format!("{value} is no user id"));
    let (image_user, image_group) = image_user(input.image)?;
    let uid = context.run_as_user.or(of_pod.run_as_user).map(number).transpose()?;
    let gid = context.run_as_group.or(of_pod.run_as_group).map(number).transpose()?;
    let uid = uid.unwrap_or(image_user);
    let not_root = context.run_as_non_root.or(of_pod.run_as_non_root) == Some(true);
    if not_root && uid == 0 {
        return Err("container has runAsNonRoot and image will run as root".to_owned());
    }
    let mut additional = Vec::new();
    for group in of_pod.supplemental_groups.iter().flatten().copied().chain(of_pod.fs_group) {
        additional.push(number(group)?);
    }
    // Where only one id exists every container runs as it: the user who started the cluster.
    if input.ids == Ids::One {
        return Ok(User::default());
    }
    Ok(User { uid, gid: gid.unwrap_or(image_group), additional })
}

/// `USER[:GROUP]` of an image, by number or by its own passwd and group files.
fn image_user(image: &Ready) -> Result<(u32, u32), String> {
    if image.user.is_empty() {
        return Ok((0, 0));
    }
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image.user.as_str(), None),
    };
    let known = id_by_name(&image.rootfs, "passwd", user);
    let uid = match (user.parse(), known) {
        (Ok(uid), _) => uid,
        (Err(_), Some((uid, _))) => uid,
        (Err(_), None) => return Err(format!("the image has no user {user:?}")),
    };
    let own_group = known.and_then(|(_, group)| group).unwrap_or(0);
    let Some(group) = group else { return Ok((uid, own_group)) };
    match (group.parse(), id_by_name(&image.rootfs, "group", group)) {
        (Ok(gid), _) | (Err(_), Some((gid, _))) => Ok((uid, gid)),
        (Err(_), None) => Err(format!("the image has no group {group:?}")),
    }
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
    let source = if inner.is_empty() { folder.clone() } else { sub_path(folder, &inner)? };
    Ok(Mount { source, target: mount.mount_path.clone(), read_only: mount.read_only == Some(true) })
}

/// A path inside a volume, made if it lacks. Links in it that lead outside the volume are refused by the kernel.
fn sub_path(folder: &Path, inner: &str) -> Result<PathBuf, String> {
    let plain = Path::new(inner)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !plain {
        return Err(format!("subPath {inner:?} is not a plain relative path"));
    }
    let fail = |error: &dyn std::fmt::Display| format!("subPath {inner:?}: {error}");
    let root = rustix::fs::open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| fail(&error))?;
    let open = || {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat2(&root, inner, flags, Mode::empty(), ResolveFlags::BENEATH)
    };
    let found = match open() {
        Err(rustix::io::Errno::NOENT) => {
            fs::create_dir_all(folder.join(inner)).map_err(|error| fail(&error))?;
            open()
        }
        other => other,
    };
    let found = found.map_err(|error| fail(&error))?;
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).map_err(|error| fail(&error))
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
    fn users_come_from_context_or_image() {
        let pod = json!({"containers": [], "securityContext": {"fsGroup": 9, "runAsGroup": 4}});
        let user =
            |container: Value, ids| build(pod.clone(), container, ids).map(|it| it.process.user);
        let expected = User { uid: 7, gid: 4, additional: vec![9] };
        assert_eq!(user(json!({"name": "c"}), Ids::Many), Ok(expected));
        let own = json!({"name": "c", "securityContext": {"runAsUser": 0, "runAsNonRoot": true}});
        assert!(user(own, Ids::Many).unwrap_err().contains("runAsNonRoot"));
        assert_eq!(user(json!({"name": "c"}), Ids::One), Ok(User::default()));
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
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        assert!(sub_path(dir.path(), "out/passwd").is_err());
        assert!(sub_path(dir.path(), "../x").is_err());
        assert!(sub_path(dir.path(), "/etc").is_err());
        assert_eq!(
            sub_path(dir.path(), "a/b").unwrap(),
            dir.path().canonicalize().unwrap().join("a/b")
        );
    }
}
