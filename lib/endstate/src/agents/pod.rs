//! The pod of an agent.

use endstate_core::{AgentPod, ClaimFiles, EmptyDir, Identity, SecretFiles, Words};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::launcher;
use crate::operator::APP_LABEL;
use crate::template::{self, SCRATCH as TMP};

/// The port at which an agent says how far it is, under `/report`.
pub const PORT: u16 = 8080;

/// Where an agent has room for data that it throws away.
pub const SCRATCH: &str = "/scratch";

/// The annotation that says what a pod was made from.
const MADE_FROM: &str = "endstate.dev/made-from";

/// How many digits of a digest tell two from each other.
const DIGITS: usize = 12;

/// How much of an object's name is part of its pod's.
const NAME_MAX: usize = 50;

/// What an agent's pod is made from.
///
/// ```
/// let agent = endstate::agents::Agent::new("toy:1", ["agent", "toy", "keep"].map(str::to_owned));
/// assert!(agent.secrets.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Agent {
    /// The image, with the application's programs.
    pub image: String,
    /// What the executable of the operator's is told.
    pub arguments: Vec<String>,
    /// Secrets that it finds as files.
    pub secrets: Vec<SecretFiles>,
    /// A claim that it writes to.
    pub claim: Option<ClaimFiles>,
    /// What it is told besides when it starts. That it is another by now is no reason to start it anew.
    #[serde(skip)]
    pub hint: Option<String>,
}

impl Agent {
    /// An agent with nothing else.
    pub fn new(image: impl Into<String>, arguments: impl IntoIterator<Item = String>) -> Self {
        let (image, arguments) = (image.into(), arguments.into_iter().collect());
        Self { image, arguments, secrets: vec![], claim: None, hint: None }
    }

    /// The same, with these secrets.
    #[must_use]
    pub fn secrets(self, secrets: impl IntoIterator<Item = SecretFiles>) -> Self {
        Self { secrets: secrets.into_iter().collect(), ..self }
    }

    /// The same, which writes to a claim.
    #[must_use]
    pub fn claim(self, claim: Option<ClaimFiles>) -> Self {
        Self { claim, ..self }
    }

    /// The same, with a hint.
    #[must_use]
    pub fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// All of it in short.
    pub(super) fn made_from(&self, launcher_image: &str) -> String {
        digits(&json!([launcher_image, self]).to_string())
    }

    /// The pod, without namespace and owner.
    pub(super) fn pod(&self, application: &str, launcher_image: &str, object: &Identity) -> Pod {
        let labels = [
            (APP_LABEL, application),
            ("app.kubernetes.io/instance", object.name.as_str()),
            ("app.kubernetes.io/managed-by", "endstate"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.chars().take(63).collect()));
        let annotations = [(MADE_FROM.to_owned(), self.made_from(launcher_image))];
        Pod {
            metadata: ObjectMeta {
                name: Some(self::name(object)),
                labels: Some(labels.into()),
                annotations: Some(annotations.into()),
                ..Default::default()
            },
            spec: Some(PodSpec {
                init_containers: Some(vec![template::installer(launcher_image)]),
                containers: vec![self.container()],
                volumes: Some(self.volumes()),
                termination_grace_period_seconds: Some(5),
                ..template::common()
            }),
            status: None,
        }
    }

    fn volumes(&self) -> Vec<k8s_openapi::api::core::v1::Volume> {
        let secrets = self.secrets.iter().map(template::secret);
        let claim = self.claim.iter().map(template::of_claim);
        let own = [launcher::VOLUME, TMP, "scratch"];
        let own = own.map(|it| template::empty_dir(it, &EmptyDir::default()));
        secrets.chain(claim).chain(own).collect()
    }

    fn container(&self) -> Container {
        let program = format!("{}/{}", template::LAUNCHER_DIR, launcher::EXECUTABLE);
        let secrets = self.secrets.iter().map(|it| template::mount(&it.volume, &it.path));
        let claim = self.claim.iter().map(|it| template::mount(&it.volume, &it.path));
        let own = [
            template::mount(launcher::VOLUME, template::LAUNCHER_DIR),
            template::mount(TMP, "/tmp"),
            template::mount("scratch", SCRATCH),
        ];
        let command = [&program].into_iter().chain(&self.arguments).chain(&self.hint);
        let probe = |path: &str| template::every(10, 6, 5, template::http(PORT, path));
        Container {
            name: "agent".to_owned(),
            image: Some(self.image.clone()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            command: Some(command.cloned().collect()),
            liveness_probe: Some(probe("/livez")),
            readiness_probe: Some(probe("/readyz")),
            volume_mounts: Some(secrets.chain(claim).chain(own).collect()),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            security_context: Some(template::unprivileged()),
            ..Default::default()
        }
    }
}

/// The name of the pod of an object's agent: there is one for each object.
pub(super) fn name(object: &Identity) -> String {
    let name: String = object.name.chars().take(NAME_MAX).collect();
    format!("{}-{}", name.trim_end_matches(['-', '.']), digits(&object.uid))
}

fn digits(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(DIGITS / 2).map(|it| format!("{it:02x}")).collect()
}

/// What is seen of a pod.
pub(super) fn seen(pod: &Pod) -> AgentPod {
    let status = pod.status.as_ref();
    let phase = status.and_then(|it| it.phase.as_deref());
    let ended = matches!(phase, Some("Failed" | "Succeeded"));
    AgentPod {
        made_from: pod.annotations().get(MADE_FROM).cloned().unwrap_or_default(),
        created: created(pod),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        ended,
        words: Words::of(&words(pod).unwrap_or_default()),
    }
}

fn created(pod: &Pod) -> jiff::Timestamp {
    pod.metadata.creation_timestamp.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |it| it.0)
}

/// Why it does not run, as far as the API tells.
fn words(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    let said = containers.flatten().find_map(|it: &ContainerStatus| {
        let waiting = it.state.as_ref().and_then(|it| it.waiting.as_ref());
        let last = it.last_state.as_ref().and_then(|it| it.terminated.as_ref());
        let running = it.state.as_ref().is_some_and(|it| it.running.is_some());
        let waits = waiting.and_then(|it| it.message.clone().or(it.reason.clone()));
        let ended = last.filter(|_| !running).and_then(|it| it.message.clone());
        ended.or(waits).filter(|it| it != "PodInitializing" && it != "ContainerCreating")
    });
    let scheduled = || {
        let conditions = status.conditions.iter().flatten();
        let mut waits = conditions.filter(|it| it.type_ == "PodScheduled" && it.status == "False");
        waits.next().and_then(|it| it.message.clone())
    };
    said.or_else(scheduled)
}
