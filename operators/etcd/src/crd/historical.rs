//! `etcd.database.coreos.com/v1beta2`: the objects that users of the first etcd operator have in their repositories.
//!
//! They are accepted unchanged and run by the same reconciler. Fields that are not supported yet are in the schema, so
//! that they are refused with a reason and never dropped silently; those that have nothing left to do are warned of in
//! the condition `SpecAccepted`. The status has the shape it had, with what the operator must remember added under
//! `endstate`.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

mod backup;

use endstate::crd::{ClaimSpec, Opaque};
use endstate_core::tls::{Given, Link, Naming, Source, Tls};
use endstate_core::{Phase, QuorumRecovery, Remedy, Status, Truth};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{EtcdPodPolicy, Storage};
pub use backup::{
    BackupPolicy, EtcdBackup, EtcdBackupSpec, EtcdBackupStatus, EtcdRestore, EtcdRestoreSpec,
    EtcdRestoreStatus, restore,
};
pub(crate) use backup::{backup_status, restore_kept, restore_status};

/// The version that the first etcd operator used when none was given is long gone; this one is used instead.
pub const DEFAULT_VERSION: &str = "3.5.16";

/// An etcd cluster as users of the first etcd operator declare it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.database.coreos.com",
    version = "v1beta2",
    kind = "EtcdCluster",
    plural = "etcdclusters",
    category = "endstate",
    namespaced,
    doc = "An etcd cluster in the format of the first etcd operator; use etcd.endstate.dev/v1 EtcdCluster for new clusters.",
    status = "EtcdClusterStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.size",
        status_replicas_path = ".status.size",
        label_selector_path = ".status.endstate.selector"
    ),
    printcolumn(name = "Size", type_ = "integer", json_path = ".spec.size"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.currentVersion"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 50",
        "the name becomes part of service and host names: use at most 50 characters of a-z, 0-9 and -, beginning with a letter"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EtcdClusterSpec {
    /// The number of voting members, 1 to 7. An even size tolerates no more failures than the odd size below it. 0 lets
    /// no member run and keeps the data on the volumes.
    #[schemars(range(min = 0, max = 7))]
    pub size: i32,

    /// The image repository, without a tag. Default `quay.io/coreos/etcd`.
    #[serde(default = "super::default_repository")]
    #[schemars(length(min = 1, max = 255))]
    pub repository: String,

    /// The etcd version, without a leading `v`. Default 3.5.16. It may change as that of an
    /// `EtcdCluster` of `etcd.endstate.dev` may.
    #[serde(default = "default_version")]
    #[schemars(regex(pattern = r"^3\.[0-9]{1,2}\.[0-9]{1,3}$"))]
    #[x_kube(
        validation = ("int(self.split('.')[1]) >= 4", "etcd before 3.4 has no learners, which safe scaling needs: use 3.4.0 or later"),
        validation = ("!(self in ['3.5.0', '3.5.1', '3.5.2'])", "etcd 3.5.0 to 3.5.2 can lose data in a crash (etcd issue 13766): use 3.5.3 or later"),
        validation = super::one_minor_rule(),
        validation = super::gates_rule()
    )]
    pub version: String,

    /// While true, the operator only reports the status of this cluster.
    #[serde(default)]
    pub paused: bool,

    /// What becomes of a quorum that is lost for good, as `spec.quorumRecovery` of etcd.endstate.dev/v1 has it.
    #[serde(default)]
    pub quorum_recovery: QuorumRecovery,

    /// Who makes room when a database has reached its quota, as `spec.spaceRemedy` of etcd.endstate.dev/v1 has it.
    #[serde(default)]
    pub space_remedy: Remedy,

    /// The policy for the pods of the members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<HistoricalPodPolicy>,

    /// TLS between members and to clients, by secrets that you keep. None by default, as it was.
    #[serde(default, rename = "TLS", skip_serializing_if = "Option::is_none")]
    pub tls: Option<HistoricalTls>,
}

/// TLS as the first etcd operator had it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoricalTls {
    /// By secrets that you keep.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub fixed: Option<StaticTls>,
}

/// The secrets by which a cluster has TLS.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("(has(self.member) && has(self.member.serverSecret)) == has(self.operatorSecret)", "members serve with TLS by member.serverSecret, and the operator connects by operatorSecret: set both or none"))]
pub struct StaticTls {
    /// Those of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberTls>,
    /// The secret with `etcd-client.crt`, `etcd-client.key` and `etcd-client-ca.crt` by which the operator connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub operator_secret: Option<String>,
}

/// The secrets of members.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberTls {
    /// The secret with `peer.crt`, `peer.key` and `peer-ca.crt`: TLS between members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub peer_secret: Option<String>,
    /// The secret with `server.crt`, `server.key` and `server-ca.crt`: TLS to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_secret: Option<String>,
}

impl From<HistoricalTls> for Tls {
    fn from(it: HistoricalTls) -> Self {
        let StaticTls { member, operator_secret } = it.fixed.unwrap_or_default();
        let MemberTls { peer_secret, server_secret } = member.unwrap_or_default();
        let link = |members: Option<String>, operator: Option<String>| match members {
            None => Link::Off,
            Some(members) => {
                let (operator, files) = (operator.unwrap_or_default(), Naming::Historical);
                Link::On(Source::Secrets(Given { members, operator, files, ..Given::default() }))
            }
        };
        Self {
            client: Some(link(server_secret, operator_secret)),
            peer: Some(link(peer_secret, None)),
        }
    }
}

/// The pod policy of the first etcd operator.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.securityContext)", "a security context is not supported yet: remove spec.pod.securityContext"),
    validation = ("!has(self.antiAffinity)", "antiAffinity was replaced by affinity: members prefer different nodes unless spec.pod.affinity says otherwise")
)]
pub struct HistoricalPodPolicy {
    /// What both kinds have, by the same rules.
    #[serde(flatten)]
    pub common: EtcdPodPolicy,
    /// The image of the init container that waited for DNS. Accepted with a warning, and not used: members do not wait
    /// any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busybox_image: Option<String>,
    /// How long the init container waited, in seconds; accepted with a warning, and not used: see `busyboxImage`.
    #[serde(default, rename = "DNSTimeoutInSecond", skip_serializing_if = "Option::is_none")]
    pub dns_timeout_in_second: Option<i64>,
    /// The volume of each member. Default: as for `spec.storage` of etcd.endstate.dev/v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim_spec: Option<ClaimSpec>,
    /// Not supported yet, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Opaque>,
    /// Replaced by `affinity`, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<bool>,
}

impl HistoricalPodPolicy {
    /// The fields that are set and have no effect.
    fn unused(&self) -> Vec<String> {
        let set = [
            ("busyboxImage", self.busybox_image.is_some()),
            ("DNSTimeoutInSecond", self.dns_timeout_in_second.is_some()),
        ];
        set.iter().filter(|it| it.1).map(|it| format!("spec.pod.{}", it.0)).collect()
    }
}

impl From<EtcdClusterSpec> for etcd_plan::EtcdClusterSpec {
    fn from(it: EtcdClusterSpec) -> Self {
        let claim = it.pod.as_ref().and_then(|it| it.persistent_volume_claim_spec.clone());
        let storage = claim.map(|it| Storage { volume: Some(it.into()), ..Storage::default() });
        let unused = it.pod.as_ref().map(HistoricalPodPolicy::unused).unwrap_or_default();
        let spec = super::EtcdClusterSpec {
            size: it.size,
            version: it.version,
            repository: it.repository,
            paused: it.paused,
            quorum_recovery: it.quorum_recovery,
            space_remedy: it.space_remedy,
            pod: it.pod.map(|it| it.common),
            storage,
            tls: None,
            auth: None,
            bootstrap: None,
        };
        Self { unused, tls: it.tls.unwrap_or_default().into(), ..spec.into() }
    }
}

fn default_version() -> String {
    DEFAULT_VERSION.to_owned()
}

/// The status of the first etcd operator, and what this one must remember.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EtcdClusterStatus {
    /// `None`, `Creating`, `Running` or `Failed`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why the phase is `Failed`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether `spec.paused` is heeded.
    #[serde(default)]
    pub control_paused: bool,
    /// The conditions of this operator, in the form they had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Voting members now.
    #[serde(default)]
    pub size: u32,
    /// The name of the service that clients use.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// The port that clients use.
    #[serde(default)]
    pub client_port: u16,
    /// The members, by whether they are healthy.
    #[serde(default)]
    pub members: Members,
    /// The lowest version that a member runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub current_version: String,
    /// The version that is being rolled out; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_version: String,
    /// The status of this operator, whole.
    #[serde(default)]
    pub endstate: super::EtcdClusterStatus,
}

/// The members, by whether they are healthy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// The healthy members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ready: Vec<String>,
    /// The unhealthy members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<String>,
}

/// A condition with the time that the first etcd operator wrote beside it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The condition itself.
    #[serde(flatten)]
    pub common: endstate_core::Condition,
    /// When it was last written: with its last change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_update_time: String,
}

/// The status of this operator in the shape of the first one.
#[must_use]
pub fn status<S: Serialize>(name: &str, status: &Status<S>) -> EtcdClusterStatus {
    let names = |healthy: bool| {
        let members = status.members.iter().filter(|it| it.healthy == healthy);
        members.map(|it| it.name.to_string()).collect()
    };
    let rolling = status.updated_members < status.size;
    EtcdClusterStatus {
        phase: phase(status.phase).to_owned(),
        reason: failure(status),
        control_paused: status.phase == Phase::Paused,
        conditions: status.conditions.iter().map(condition).collect(),
        size: status.size,
        service_name: endstate_core::client_service(name),
        client_port: etcd_plan::CLIENT_PORT,
        members: Members { ready: names(true), unready: names(false) },
        current_version: status.current_version.clone().unwrap_or_default(),
        target_version: status.target_version.clone().filter(|_| rolling).unwrap_or_default(),
        endstate: endstate::crd::published(status),
    }
}

/// The first etcd operator knew four phases.
fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "",
        Phase::Creating => "Creating",
        Phase::Running | Phase::Updating | Phase::Paused | Phase::Hibernating | Phase::Deleting => {
            "Running"
        }
        Phase::Failed => "Failed",
    }
}

fn failure<S>(status: &Status<S>) -> String {
    let lost = status.condition(endstate_core::ConditionType::QuorumLost);
    let lost = lost.filter(|it| it.status == Truth::True);
    lost.map(|it| it.message.clone()).unwrap_or_default()
}

fn condition(it: &endstate_core::Condition) -> Condition {
    Condition { common: it.clone(), last_update_time: it.last_transition_time.to_string() }
}
