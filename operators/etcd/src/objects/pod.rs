//! A member's pod.
//!
//! An init container brings the launcher; the main container runs etcd behind it. The pod's name is the member's, and is used
//! once: what another member left under the same name can never be mistaken for this one.

use std::collections::BTreeMap;

use endstate::launcher::{self, STARTED_VARIABLE};
use endstate::operator::{PodRequest, ROLE_LABEL, STARTED_ANNOTATION};
use endstate_core::{Identity, Launch, Start};
use etcd_plan::{DATA_DIR, EtcdClusterSpec, LAUNCHER_DIR, PodPolicy, Version};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    ObjectFieldSelector, Pod, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec,
    ResourceRequirements, SeccompProfile, SecurityContext, Toleration, Volume, VolumeMount,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::probes::probes;
use super::{meta, selector};

/// The container that runs etcd.
pub const CONTAINER: &str = "etcd";

/// Where the init container sees the directory it brings the launcher to. Not [`LAUNCHER_DIR`]: in the launcher's own image
/// that path is the executable.
const INSTALL_DIR: &str = "/launcher";

/// etcd hands its lead over and closes its log within a second or two.
const TERMINATION_GRACE_SECONDS: i64 = 30;

/// The pod of a new member, without namespace and owner. `launcher_image` holds the `endstate` executable.
#[must_use]
pub fn pod(request: &PodRequest<'_>, launcher_image: &str) -> Pod {
    let spec = spec_of(request.launch);
    let policy = spec.pod();
    let mut metadata = meta(request.member.to_string(), request.object);
    let role = match request.start {
        Start::New { .. } => "voter",
        Start::Existing { .. } => "learner",
    };
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(ROLE_LABEL.to_owned(), role.to_owned());
    labels.extend(policy.labels.clone());
    metadata.annotations = Some(annotations(&policy, request.launch));
    Pod {
        metadata,
        spec: Some(PodSpec {
            hostname: Some(request.member.to_string()),
            subdomain: Some(etcd_plan::peer_service(&request.object.name)),
            restart_policy: Some("Always".to_owned()),
            termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
            automount_service_account_token: Some(false),
            // Variables for every service of the namespace: etcd would take `ETCD_*` of a service named etcd for its own.
            enable_service_links: Some(false),
            security_context: Some(PodSecurityContext {
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..Default::default()
            }),
            affinity: Some(affinity(&policy, request.object)),
            node_selector: (!policy.node_selector.is_empty()).then(|| policy.node_selector.clone()),
            tolerations: tolerations(&policy),
            init_containers: Some(vec![installer(launcher_image)]),
            containers: vec![etcd(&spec, request.launch)],
            volumes: Some(volumes(&spec)),
            ..Default::default()
        }),
        status: None,
    }
}

/// A running pod as another launch wants it: image, labels and annotations. What others put on it stays.
#[must_use]
pub fn changed(pod: &Pod, launch: &Launch) -> Pod {
    let mut wanted = pod.clone();
    let before =
        pod.metadata.annotations.as_ref().and_then(|it| {
            serde_json::from_str::<EtcdClusterSpec>(it.get(Launch::ANNOTATION)?).ok()
        });
    let before = before.map(|it| it.pod()).unwrap_or_default();
    let after = spec_of(launch).pod();
    let current = wanted.metadata.labels.get_or_insert_default();
    current.retain(|key, _| !before.labels.contains_key(key));
    current.extend(after.labels.clone());
    let current = wanted.metadata.annotations.get_or_insert_default();
    current.retain(|key, _| !before.annotations.contains_key(key));
    current.extend(annotations(&after, launch));
    let containers = wanted.spec.iter_mut().flat_map(|it| &mut it.containers);
    for container in containers.filter(|it| it.name == CONTAINER) {
        container.image = Some(launch.image.clone());
    }
    wanted
}

/// The spec a launch was made from. It was written by the planner of this very process.
fn spec_of(launch: &Launch) -> EtcdClusterSpec {
    serde_json::from_str(&launch.spec).expect("a launch carries the spec it was made from")
}

fn annotations(policy: &PodPolicy, launch: &Launch) -> BTreeMap<String, String> {
    let mut annotations = policy.annotations.clone();
    annotations.insert(Launch::ANNOTATION.to_owned(), launch.spec.clone());
    annotations.insert("kubectl.kubernetes.io/default-container".to_owned(), CONTAINER.to_owned());
    annotations
}

fn installer(image: &str) -> Container {
    let install = ["/endstate", "launch", "--install", INSTALL_DIR];
    Container {
        name: "launcher".to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(install.map(str::to_owned).into()),
        volume_mounts: Some(vec![mount(launcher::VOLUME, INSTALL_DIR)]),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(unprivileged()),
        ..Default::default()
    }
}

fn etcd(spec: &EtcdClusterSpec, launch: &Launch) -> Container {
    // A version that does not parse is never accepted; the probes of the oldest one work everywhere.
    let probes = probes(spec.version.parse().unwrap_or(Version::new(4, 0)));
    let variable = |(name, value): &(String, String)| EnvVar {
        name: name.clone(),
        value: Some(value.clone()),
        value_from: None,
    };
    let port = |(name, number): &(String, u16)| ContainerPort {
        name: Some(name.clone()),
        container_port: (*number).into(),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(launch.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(launch.command.clone()),
        env: Some(launch.env.iter().map(variable).chain([started()]).collect()),
        ports: Some(launch.ports.iter().map(port).collect()),
        resources: spec.pod().resources.and_then(parsed::<ResourceRequirements>),
        volume_mounts: Some(vec![mount("data", DATA_DIR), mount(launcher::VOLUME, LAUNCHER_DIR)]),
        startup_probe: Some(probes.startup),
        liveness_probe: Some(probes.liveness),
        readiness_probe: Some(probes.readiness),
        // The launcher writes its refusal to the message file. etcd's last words are the end of its log: they are shown, and
        // are never evidence of anything.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(unprivileged()),
        ..Default::default()
    }
}

/// The pod's mark, for the launcher. A variable, not a file: it is made from the pod as it is when the container starts,
/// while a file may be as old as the kubelet's last round.
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

fn volumes(spec: &EtcdClusterSpec) -> Vec<Volume> {
    let data = spec.storage().empty_dir.unwrap_or_default();
    let directory = |name: &str, source| Volume {
        name: name.to_owned(),
        empty_dir: Some(source),
        ..Default::default()
    };
    vec![
        directory(
            "data",
            EmptyDirVolumeSource {
                medium: data.medium.filter(|it| !it.is_empty()),
                size_limit: data.size_limit.map(Quantity),
            },
        ),
        directory(launcher::VOLUME, EmptyDirVolumeSource::default()),
    ]
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

/// By default members of one cluster prefer other nodes, and other zones, than each other. Preferred, not required: a cluster on
/// too few nodes is better than none.
fn affinity(policy: &PodPolicy, object: &Identity) -> Affinity {
    if let Some(own) = policy.affinity.clone().and_then(parsed::<Affinity>) {
        return own;
    }
    let apart = |topology_key: &str, weight| WeightedPodAffinityTerm {
        weight,
        pod_affinity_term: PodAffinityTerm {
            topology_key: topology_key.to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(selector(object)),
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

/// The definition's schema has checked these values; should one be of another shape all the same, the API would refuse the
/// pod, so nothing is lost by leaving it out here.
fn parsed<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
