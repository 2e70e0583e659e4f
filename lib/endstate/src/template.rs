//! A member's pod, made of what the application says and of what every member has.
//!
//! An init container brings the launcher; the main container runs the application behind it. The pod's name is the
//! member's, and is used once: what another member left under the same name can never be mistaken for this one. Pure.

use std::collections::BTreeMap;

use endstate_core::{
    ClusterObjects, EmptyDir, LABEL_STANDING, Launch, NON_VOTER, PodPolicy, Start, peer_service,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    ExecAction, HTTPGetAction, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, Pod,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, Probe, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, TCPSocketAction, Toleration, Volume,
    VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::launcher::{self, Guard, Question, STARTED_VARIABLE};
use crate::operator::{PodRequest, STARTED_ANNOTATION};

/// The directory that the launcher's container shares with the member's.
const LAUNCHER_DIR: &str = "/endstate";

/// Where the init container sees the directory it brings the launcher to. Not [`LAUNCHER_DIR`]: in the launcher's own
/// image that path is the executable.
const INSTALL_DIR: &str = "/launcher";

/// The annotation by which pods name the container of the member itself.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// What an application says about the pods of its members.
///
/// ```
/// use endstate::launcher::Guard;
/// use endstate::operator::PodRequest;
/// use endstate::template::{PodTemplate, empty_dir};
/// use endstate_core::PodPolicy;
/// # use k8s_openapi::api::core::v1::Pod;
/// fn pod(request: &PodRequest<'_>) -> Pod {
///     let mut template = PodTemplate::new("toy", Guard::new("/data", &["log/*.log"]), "toys:1");
///     template.volume(empty_dir("data", &Default::default()), "/data");
///     template.pod(request, &PodPolicy::default())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PodTemplate {
    /// The application's name, and its container's.
    pub application: &'static str,
    /// How a start is guarded.
    pub guard: Guard,
    /// The image that holds the `endstate` executable at `/endstate`.
    pub launcher_image: String,
    /// How the node asks whether the member has started, lives, and serves.
    pub probes: Probes,
    /// How long the member may take to end.
    pub termination_grace_seconds: i64,
    volumes: Vec<Volume>,
    mounts: Vec<VolumeMount>,
}

/// The three probes of a member.
///
/// ```
/// assert!(endstate::template::Probes::default().liveness.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Probes {
    /// Until it succeeds, the others wait.
    pub startup: Option<Probe>,
    /// When it fails, the container is restarted: it must not depend on other members.
    pub liveness: Option<Probe>,
    /// While it fails, clients are sent elsewhere.
    pub readiness: Option<Probe>,
}

impl Probes {
    /// The same, with this until which the others wait.
    #[must_use]
    pub fn startup(self, probe: Probe) -> Self {
        Self { startup: Some(probe), ..self }
    }

    /// The same, with this by which the container is restarted.
    #[must_use]
    pub fn liveness(self, probe: Probe) -> Self {
        Self { liveness: Some(probe), ..self }
    }

    /// The same, with this by which clients are sent elsewhere.
    #[must_use]
    pub fn readiness(self, probe: Probe) -> Self {
        Self { readiness: Some(probe), ..self }
    }

    /// A member that answers `alive` lives, and one that answers `ready` serves. A start may replay a long log or
    /// receive all data, so it may take ten minutes.
    ///
    /// ```
    /// use endstate::template::{Probes, http, opens};
    /// let probes = Probes::of(opens("client"), http("metrics", "/health"));
    /// assert_eq!(probes.startup.unwrap().failure_threshold, Some(600));
    /// ```
    #[must_use]
    pub fn of(alive: Probe, ready: Probe) -> Self {
        let every = |period, failures, timeout, probe: Probe| Probe {
            period_seconds: Some(period),
            failure_threshold: Some(failures),
            timeout_seconds: Some(timeout),
            ..probe
        };
        Self {
            startup: Some(every(1, 600, 2, alive.clone())),
            liveness: Some(every(10, 6, 5, alive)),
            readiness: Some(every(2, 3, 5, ready)),
        }
    }
}

/// A probe that gets a path at a port, by the port's name.
///
/// ```
/// assert!(endstate::template::http("metrics", "/health").http_get.is_some());
/// ```
#[must_use]
pub fn http(port: &str, path: &str) -> Probe {
    let port = IntOrString::String(port.to_owned());
    let get = HTTPGetAction { path: Some(path.to_owned()), port, ..Default::default() };
    Probe { http_get: Some(get), ..Probe::default() }
}

/// A probe that opens a port, by its name.
///
/// ```
/// assert!(endstate::template::opens("client").tcp_socket.is_some());
/// ```
#[must_use]
pub fn opens(port: &str) -> Probe {
    let port = IntOrString::String(port.to_owned());
    Probe { tcp_socket: Some(TCPSocketAction { host: None, port }), ..Probe::default() }
}

/// A probe by which the launcher asks the member's application in its own words.
///
/// ```
/// let probe = endstate::template::asks(&"2181=srvr=Mode: ".parse().unwrap());
/// assert_eq!(probe.exec.unwrap().command.unwrap()[3], "2181=srvr=Mode: ");
/// ```
#[must_use]
pub fn asks(question: &Question) -> Probe {
    let executable = format!("{LAUNCHER_DIR}/{}", launcher::EXECUTABLE);
    let command = [&executable, launcher::SUBCOMMAND, "--ask", &question.to_string()];
    let exec = ExecAction { command: Some(command.map(str::to_owned).into()) };
    Probe { exec: Some(exec), ..Probe::default() }
}

impl PodTemplate {
    /// Pods without volumes and probes.
    #[must_use]
    pub fn new(application: &'static str, guard: Guard, launcher_image: &str) -> Self {
        Self {
            application,
            guard,
            launcher_image: launcher_image.to_owned(),
            probes: Probes::default(),
            termination_grace_seconds: 30,
            volumes: vec![],
            mounts: vec![],
        }
    }

    /// Mounts a volume in the member's container.
    pub fn volume(&mut self, volume: Volume, path: &str) {
        self.mounts.push(mount(&volume.name, path));
        self.volumes.push(volume);
    }

    /// The pod of a new member, without namespace and owner.
    #[must_use]
    pub fn pod(&self, request: &PodRequest<'_>, policy: &PodPolicy) -> Pod {
        let objects = ClusterObjects::new(self.application, request.object);
        let mut labels = objects.labels();
        // The operator marks who votes, once there is proof.
        labels.insert(LABEL_STANDING.to_owned(), NON_VOTER.to_owned());
        labels.extend(policy.labels.clone());
        let launcher = empty_dir(launcher::VOLUME, &EmptyDir::default());
        let mut annotations = annotations(policy, request.launch);
        annotations.insert(DEFAULT_CONTAINER.to_owned(), self.application.to_owned());
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
                termination_grace_period_seconds: Some(self.termination_grace_seconds),
                affinity: Some(affinity(policy, &objects)),
                node_selector: (!policy.node_selector.is_empty())
                    .then(|| policy.node_selector.clone()),
                tolerations: tolerations(policy),
                init_containers: Some(vec![self.installer()]),
                containers: vec![self.container(
                    &self.guard_of(request.start),
                    request.launch,
                    policy,
                )],
                volumes: Some(self.volumes.iter().cloned().chain([launcher]).collect()),
                ..common()
            }),
            status: None,
        }
    }

    /// One that goes on with its volume never starts without data.
    fn guard_of(&self, start: &Start) -> Guard {
        let guard = self.guard.clone();
        if start.may_be_blank() { guard } else { guard.resume() }
    }

    fn installer(&self) -> Container {
        let install = ["/endstate", launcher::SUBCOMMAND, "--install", INSTALL_DIR];
        Container {
            name: "launcher".to_owned(),
            image: Some(self.launcher_image.clone()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            command: Some(install.map(str::to_owned).into()),
            volume_mounts: Some(vec![mount(launcher::VOLUME, INSTALL_DIR)]),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            security_context: Some(unprivileged()),
            ..Default::default()
        }
    }

    fn container(&self, guard: &Guard, launch: &Launch, policy: &PodPolicy) -> Container {
        let mounts = self.mounts.iter().cloned();
        Container {
            name: self.application.to_owned(),
            image: Some(launch.image.clone()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            command: Some(guard.command(LAUNCHER_DIR, &launch.command)),
            env: Some(launch.env.iter().map(variable).chain([started()]).collect()),
            ports: Some(launch.ports.iter().map(port).collect()),
            resources: policy.resources.clone().and_then(parsed::<ResourceRequirements>),
            volume_mounts: Some(mounts.chain([mount(launcher::VOLUME, LAUNCHER_DIR)]).collect()),
            startup_probe: self.probes.startup.clone(),
            liveness_probe: self.probes.liveness.clone(),
            readiness_probe: self.probes.readiness.clone(),
            // The launcher writes its refusal to the message file. The application's last words are the end of its log:
            // they are shown, and are never evidence of anything.
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            security_context: Some(unprivileged()),
            ..Default::default()
        }
    }
}

/// What the pods of all applications have alike.
fn common() -> PodSpec {
    PodSpec {
        restart_policy: Some("Always".to_owned()),
        automount_service_account_token: Some(false),
        // Variables for every service of the namespace: an application may take those of one with its own name for its
        // settings.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A running pod as another launch wants it: image, labels and annotations. What others put on it stays. `policy` finds
/// the policy in a spec.
///
/// ```
/// # use endstate_core::{Launch, PodPolicy};
/// # use k8s_openapi::api::core::v1::Pod;
/// fn restarted(pod: &Pod, launch: &Launch) -> Pod {
///     endstate::template::changed(pod, launch, |policy: PodPolicy| policy) // a spec that is a policy
/// }
/// ```
#[must_use]
pub fn changed<S: DeserializeOwned>(
    pod: &Pod,
    launch: &Launch,
    policy: impl Fn(S) -> PodPolicy,
) -> Pod {
    let mut wanted = pod.clone();
    let policy = |spec: &str| serde_json::from_str(spec).map(&policy);
    // Anybody may have written over the annotation: then nothing is known to be the policy's.
    let before = pod.annotations().get(Launch::ANNOTATION).and_then(|it| policy(it).ok());
    let before = before.unwrap_or_default();
    let after = policy(&launch.spec).expect("a launch carries the spec it was made from");
    let labels = wanted.metadata.labels.get_or_insert_default();
    labels.retain(|key, _| !before.labels.contains_key(key));
    labels.extend(after.labels.clone());
    let kept = wanted.metadata.annotations.get_or_insert_default();
    kept.retain(|key, _| !before.annotations.contains_key(key));
    kept.extend(annotations(&after, launch));
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

/// The volume of a member's claim, which [`Wanted::claim`](crate::operator::Wanted::claim) makes.
///
/// ```
/// let volume = endstate::template::claim("data", "demo-x7k2p");
/// assert_eq!(volume.persistent_volume_claim.unwrap().claim_name, "data-demo-x7k2p");
/// ```
#[must_use]
pub fn claim(name: &str, member: &str) -> Volume {
    let claim_name = crate::operator::claim_of(member);
    let source = PersistentVolumeClaimVolumeSource { claim_name, read_only: None };
    Volume { name: name.to_owned(), persistent_volume_claim: Some(source), ..Default::default() }
}

/// A volume with a secret's keys as files.
///
/// ```
/// let volume = endstate::template::secret("admin", "example-admin");
/// assert!(volume.secret.is_some());
/// ```
#[must_use]
pub fn secret(name: &str, secret: &str) -> Volume {
    let source = SecretVolumeSource { secret_name: Some(secret.to_owned()), ..Default::default() };
    Volume { name: name.to_owned(), secret: Some(source), ..Default::default() }
}

/// A volume that is a directory of the pod's.
///
/// ```
/// let volume = endstate::template::empty_dir("data", &Default::default());
/// assert!(volume.empty_dir.is_some());
/// ```
#[must_use]
pub fn empty_dir(name: &str, directory: &EmptyDir) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: directory.medium.clone().filter(|it| !it.is_empty()),
            size_limit: directory.size_limit.clone().map(Quantity),
        }),
        ..Default::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..Default::default() }
}

fn unprivileged() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
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
