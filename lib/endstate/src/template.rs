//! A member's pod, made of its launch and of what every member has.
//!
//! An init container brings the launcher; the main container runs the application behind it. The pod's name is the
//! member's, and is used once: what another member left under the same name can never be mistaken for this one. Pure.

use std::collections::BTreeMap;

use endstate_core::{
    ClaimFiles, ClusterObjects, EmptyDir, LABEL_STANDING, Launch, NON_VOTER, PodPolicy,
    SecretFiles, Storage, peer_service,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    ExecAction, HTTPGetAction, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
    Pod, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, Probe,
    ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretProjection,
    SecretVolumeSource, SecurityContext, TCPSocketAction, Toleration, Volume, VolumeMount,
    VolumeProjection, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::launcher::{self, STARTED_VARIABLE};
use crate::operator::{PodRequest, STARTED_ANNOTATION};

/// The directory that the launcher's container shares with the member's.
pub(crate) const LAUNCHER_DIR: &str = "/endstate";

/// Where the init container sees the directory it brings the launcher to. Not [`LAUNCHER_DIR`]: in the launcher's own
/// image that path is the executable.
const INSTALL_DIR: &str = "/launcher";

/// Scratch space, since a member's root directory is read-only.
pub(crate) const SCRATCH: &str = "tmp";

/// As whom all containers of members run: the number that images without a shell have for nobody in particular. Data
/// is reached through the group, so what an earlier release wrote as root stays readable.
const USER: i64 = 65_532;

/// The annotation by which pods name the container of the member itself.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The pod of a new member, without namespace and owner: nothing is in it but what its launch says, so that what it
/// takes to bring it to another launch follows from both. `launcher_image` holds the `endstate` executable at
/// `/endstate`.
///
/// ```
/// # use endstate::operator::PodRequest;
/// # use k8s_openapi::api::core::v1::Pod;
/// fn pod(request: &PodRequest<'_>) -> Pod {
///     endstate::template::pod("toy", "endstate:1", request)
/// }
/// ```
#[must_use]
pub fn pod(application: &str, launcher_image: &str, request: &PodRequest<'_>) -> Pod {
    let (objects, launch) = (ClusterObjects::new(application, request.object), request.launch);
    let policy = &launch.policy;
    let mut labels = objects.labels();
    // The operator marks who votes, once there is proof.
    labels.insert(LABEL_STANDING.to_owned(), NON_VOTER.to_owned());
    labels.extend(policy.labels.clone());
    let mut annotations = annotations(policy, launch);
    annotations.insert(DEFAULT_CONTAINER.to_owned(), application.to_owned());
    Pod {
        metadata: ObjectMeta {
            name: Some(request.member.to_string()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..Default::default()
        },
        spec: Some(PodSpec {
            hostname: Some(request.member.to_string()),
            subdomain: Some(peer_service(&request.object.name)),
            termination_grace_period_seconds: Some(launch.termination_grace_seconds.into()),
            affinity: Some(affinity(policy, &objects)),
            node_selector: (!policy.node_selector.is_empty()).then(|| policy.node_selector.clone()),
            tolerations: tolerations(policy),
            init_containers: Some(vec![installer(launcher_image)]),
            containers: vec![container(application, request)],
            volumes: Some(volumes(request)),
            ..common()
        }),
        status: None,
    }
}

/// The data, the secrets, and what the launcher shares.
fn volumes(request: &PodRequest<'_>) -> Vec<Volume> {
    let data = request.launch.guard.data.iter().map(|it| match &it.storage {
        Storage::Volume(_) => claim(&it.volume, request.member),
        Storage::Directory(directory) => empty_dir(&it.volume, directory),
    });
    let secrets = request.launch.secrets.iter().map(secret);
    let claims = request.launch.claims.iter().map(read_only);
    let launcher = empty_dir(launcher::VOLUME, &EmptyDir::default());
    let own = [launcher, empty_dir(SCRATCH, &EmptyDir::default())];
    data.chain(secrets).chain(claims).chain(own).collect()
}

/// A claim of somebody else's, to be read.
fn read_only(files: &ClaimFiles) -> Volume {
    let mut volume = of_claim(files);
    volume.persistent_volume_claim.iter_mut().for_each(|it| it.read_only = Some(true));
    volume
}

/// A claim of somebody else's.
pub(crate) fn of_claim(files: &ClaimFiles) -> Volume {
    let claim_name = files.claim.clone();
    let source = PersistentVolumeClaimVolumeSource { claim_name, read_only: None };
    let (name, persistent_volume_claim) = (files.volume.clone(), Some(source));
    Volume { name, persistent_volume_claim, ..Default::default() }
}

fn mounts(launch: &Launch) -> Vec<VolumeMount> {
    let secrets = launch.secrets.iter().map(|it| mount(&it.volume, &it.path));
    let claims = launch.claims.iter().map(|it| mount(&it.volume, &it.path));
    let own = [mount(launcher::VOLUME, LAUNCHER_DIR), mount(SCRATCH, "/tmp")];
    let data = launch.guard.data.iter().map(|it| mount(&it.volume, &it.path));
    data.chain(secrets).chain(claims).chain(own).collect()
}

pub(crate) fn installer(launcher_image: &str) -> Container {
    let install = ["/endstate", launcher::SUBCOMMAND, "--install", INSTALL_DIR];
    Container {
        name: "launcher".to_owned(),
        image: Some(launcher_image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(install.map(str::to_owned).into()),
        volume_mounts: Some(vec![mount(launcher::VOLUME, INSTALL_DIR)]),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(unprivileged()),
        ..Default::default()
    }
}

fn container(application: &str, request: &PodRequest<'_>) -> Container {
    let launch = request.launch;
    let of = (request.member.as_str(), request.start);
    let command = launcher::command(&launch.guard, of, LAUNCHER_DIR, &launch.command);
    let (alive, ready) = (launch.probes.alive.as_ref(), launch.probes.ready.as_ref());
    Container {
        name: application.to_owned(),
        image: Some(launch.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(command),
        env: Some(launch.env.iter().map(variable).chain([started()]).collect()),
        ports: Some(launch.ports.iter().map(port).collect()),
        resources: launch.policy.resources.clone().and_then(parsed::<ResourceRequirements>),
        volume_mounts: Some(mounts(launch)),
        startup_probe: alive.map(|it| every(1, seconds_to_start(launch), 2, probe(it))),
        liveness_probe: alive.map(|it| every(10, 6, 5, probe(it))),
        readiness_probe: ready.map(|it| every(seconds_between(it), 2, 1, probe(it))),
        // The launcher writes its refusal to the message file. The application's last words are the end of its log:
        // they are shown, and are never evidence of anything.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(unprivileged()),
        ..Default::default()
    }
}

pub(crate) fn every(period: i32, failures: i32, timeout: i32, probe: Probe) -> Probe {
    Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(timeout),
        ..probe
    }
}

/// How long a member may take to start: its data may have to be made or mended first, and there may be much of it.
fn seconds_to_start(launch: &Launch) -> i32 {
    let guard = &launch.guard;
    if guard.prepare.is_empty() && guard.mend.is_empty() { 600 } else { 24 * 3600 }
}

/// What serves and stops, or is cut off, shows within three seconds, and wakes the operator. A question starts a
/// process each time, and is asked less often.
fn seconds_between(wanted: &endstate_core::Probe) -> i32 {
    if matches!(wanted, endstate_core::Probe::Asks(_)) { 2 } else { 1 }
}

fn probe(wanted: &endstate_core::Probe) -> Probe {
    use endstate_core::Probe as Wanted;
    let port = |name: &str| IntOrString::String(name.to_owned());
    match wanted {
        Wanted::Http { port: name, path } => {
            let (path, port) = (Some(path.clone()), port(name));
            let get = HTTPGetAction { path, port, ..Default::default() };
            Probe { http_get: Some(get), ..Probe::default() }
        }
        Wanted::Opens { port: name } => {
            let socket = TCPSocketAction { host: None, port: port(name) };
            Probe { tcp_socket: Some(socket), ..Probe::default() }
        }
        // The launcher asks: the image of the application may hold no program that could.
        Wanted::Asks(question) => {
            let executable = format!("{LAUNCHER_DIR}/{}", launcher::EXECUTABLE);
            let command = [&executable, launcher::SUBCOMMAND, "--ask", &question.to_string()];
            let exec = ExecAction { command: Some(command.map(str::to_owned).into()) };
            Probe { exec: Some(exec), ..Probe::default() }
        }
    }
}

/// A question over HTTP, at a port by its number.
pub(crate) fn http(port: u16, path: &str) -> Probe {
    let (path, port) = (Some(path.to_owned()), IntOrString::Int(port.into()));
    Probe { http_get: Some(HTTPGetAction { path, port, ..Default::default() }), ..Probe::default() }
}

/// What the pods of all applications have alike.
pub(crate) fn common() -> PodSpec {
    PodSpec {
        restart_policy: Some("Always".to_owned()),
        automount_service_account_token: Some(false),
        // Variables for every service of the namespace: an application may take those of one with its own name for its
        // settings.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // A volume that was handed over once is not walked through at every start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A running pod as another launch wants it: image, labels and annotations. What others put on it stays. `before` is
/// the policy that it was made by: `None` if that is not known, since anybody may write over an annotation.
///
/// ```
/// # use endstate_core::Launch;
/// # use k8s_openapi::api::core::v1::Pod;
/// fn restarted(pod: &Pod, launch: &Launch) -> Pod {
///     endstate::template::changed(pod, launch, None)
/// }
/// ```
#[must_use]
pub fn changed(pod: &Pod, launch: &Launch, before: Option<PodPolicy>) -> Pod {
    let mut wanted = pod.clone();
    let (before, after) = (before.unwrap_or_default(), &launch.policy);
    let labels = wanted.metadata.labels.get_or_insert_default();
    labels.retain(|key, _| !before.labels.contains_key(key));
    labels.extend(after.labels.clone());
    let kept = wanted.metadata.annotations.get_or_insert_default();
    kept.retain(|key, _| !before.annotations.contains_key(key));
    kept.extend(annotations(after, launch));
    let name = main_container(pod).map(|it| it.name.clone());
    let containers = wanted.spec.iter_mut().flat_map(|it| &mut it.containers);
    for container in containers.filter(|it| Some(&it.name) == name.as_ref()) {
        container.image = Some(launch.image.clone());
    }
    wanted
}

/// The container of the member itself.
pub(crate) fn main_container(pod: &Pod) -> Option<&Container> {
    let containers = &pod.spec.as_ref()?.containers;
    let named = pod.annotations().get(DEFAULT_CONTAINER);
    containers.iter().find(|it| Some(&it.name) == named).or(containers.first())
}

fn annotations(policy: &PodPolicy, launch: &Launch) -> BTreeMap<String, String> {
    let mut annotations = policy.annotations.clone();
    annotations.insert(Launch::ANNOTATION.to_owned(), launch.spec.clone());
    annotations
}

fn variable((name, value): &(String, String)) -> EnvVar {
    EnvVar { name: name.clone(), value: Some(value.clone()), value_from: None }
}

fn port((name, number): &(String, u16)) -> ContainerPort {
    ContainerPort {
        name: Some(name.clone()),
        container_port: (*number).into(),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}

/// The pod's mark, for the launcher. A variable, not a file: it is made from the pod as it is when the container
/// starts, while a file may be as old as the kubelet's last round. Later names win, so it comes last.
fn started() -> EnvVar {
    EnvVar {
        name: STARTED_VARIABLE.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path: format!("metadata.annotations['{STARTED_ANNOTATION}']"),
            }),
            ..Default::default()
        }),
    }
}

/// The volume of a claim of a member's, which [`Wanted::claim`](crate::operator::Wanted::claim) makes.
fn claim(name: &str, member: &str) -> Volume {
    let claim_name = crate::operator::claim_of(name, member);
    let source = PersistentVolumeClaimVolumeSource { claim_name, read_only: None };
    Volume { name: name.to_owned(), persistent_volume_claim: Some(source), ..Default::default() }
}

/// A volume with a secret's keys as files, and one of another secret's beside.
pub(crate) fn secret(of: &SecretFiles) -> Volume {
    let name = of.volume.clone();
    let Some((bundle, file)) = &of.beside else {
        let secret_name = Some(of.secret.clone());
        let source = SecretVolumeSource { secret_name, ..Default::default() };
        return Volume { name, secret: Some(source), ..Default::default() };
    };
    let own: Vec<_> = of.keys.iter().map(|it| (it.as_str(), it.as_str())).collect();
    let beside = [(bundle.key.as_str(), file.as_str())];
    let sources = Some(vec![projected(&of.secret, &own), projected(&bundle.secret, &beside)]);
    let source = ProjectedVolumeSource { sources, ..Default::default() };
    Volume { name, projected: Some(source), ..Default::default() }
}

/// Keys of a secret, each with the name of its file.
fn projected(secret: &str, files: &[(&str, &str)]) -> VolumeProjection {
    let item = |it: &(&str, &str)| {
        let (key, path) = (it.0.to_owned(), it.1.to_owned());
        KeyToPath { key, path, mode: None }
    };
    let items = files.iter().map(item).collect();
    let source = SecretProjection { name: secret.to_owned(), items: Some(items), optional: None };
    VolumeProjection { secret: Some(source), ..Default::default() }
}

/// A volume that is a directory of the pod's.
pub(crate) fn empty_dir(name: &str, directory: &EmptyDir) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: directory.medium.clone().filter(|it| !it.is_empty()),
            size_limit: directory.size_limit.clone().map(Quantity),
        }),
        ..Default::default()
    }
}

pub(crate) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..Default::default() }
}

pub(crate) fn unprivileged() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        ..Default::default()
    }
}

/// By default members of one cluster prefer other nodes, and other zones, than each other. Preferred, not required: a
/// cluster on too few nodes is better than none.
fn affinity(policy: &PodPolicy, objects: &ClusterObjects<'_>) -> Affinity {
    if let Some(own) = policy.affinity.clone().and_then(parsed::<Affinity>) {
        return own;
    }
    let apart = |topology_key: &str, weight| WeightedPodAffinityTerm {
        weight,
        pod_affinity_term: PodAffinityTerm {
            topology_key: topology_key.to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(objects.selector()),
                match_expressions: None,
            }),
            ..Default::default()
        },
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                apart("kubernetes.io/hostname", 100),
                apart("topology.kubernetes.io/zone", 50),
            ]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn tolerations(policy: &PodPolicy) -> Option<Vec<Toleration>> {
    let tolerations: Vec<_> =
        policy.tolerations.iter().cloned().filter_map(parsed::<Toleration>).collect();
    (!tolerations.is_empty()).then_some(tolerations)
}

/// The values were of these very types when they came in ([`crate::crd::PodPolicy`]), so all of them parse.
fn parsed<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests;
