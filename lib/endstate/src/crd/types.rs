//! Parts of specs that every application's kind has alike, as users write them.
//!
//! Their documentation is for who reads a definition. [`endstate_core`] has the forms that planners see.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use std::collections::BTreeMap;

use endstate_core::Progress;
use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a member's pod carries beside the application itself. Labels and annotations change in place; for any other
/// change members are moved one by one: a successor joins, then the member leaves.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodPolicy {
    /// Labels added to every pod. Names under `endstate.dev/` and `app.kubernetes.io/` belong to the operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = ("self.all(name, !name.startsWith('endstate.dev/') && !name.startsWith('app.kubernetes.io/'))", "labels under endstate.dev/ and app.kubernetes.io/ are set by the operator: choose another name"))]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,

    /// Annotations added to every pod. Names under `endstate.dev/` belong to the operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = ("self.all(name, !name.startsWith('endstate.dev/'))", "annotations under endstate.dev/ are set by the operator: choose another name"))]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,

    /// The labels that a node must have to run a member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// The taints that members tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// Where members may run. Default: members of one cluster prefer different nodes and zones. A value replaces that
    /// default whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// CPU and memory of the member's container. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

impl From<PodPolicy> for endstate_core::PodPolicy {
    fn from(it: PodPolicy) -> Self {
        Self {
            labels: it.labels,
            annotations: it.annotations,
            node_selector: it.node_selector,
            affinity: it.affinity.map(|it| json!(it)),
            tolerations: it.tolerations.into_iter().map(|it| json!(it)).collect(),
            resources: it.resources.map(|it| json!(it)),
        }
    }
}

/// A directory that lives as long as the pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// Empty for the node's disk (the default), `Memory` for memory: fast, and lost when the node restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Memory)?$"))]
    pub medium: Option<String>,
    /// The most it may hold, such as `8Gi`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub size_limit: Option<Quantity>,
}

impl From<EmptyDir> for endstate_core::EmptyDir {
    fn from(it: EmptyDir) -> Self {
        Self { medium: it.medium, size_limit: it.size_limit.map(|it| it.0) }
    }
}

/// A volume for each member, which outlives its pod, and the cluster's object too.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its size, such as `10Gi` (Mi, Gi or Ti), which is the default. It grows in place, if its storage class can. For
    /// a smaller one members are moved one by one: a successor joins on a new volume, then the member leaves.
    #[serde(default = "volume_size")]
    #[schemars(regex(pattern = "^[1-9][0-9]{0,5}(Mi|Gi|Ti)$"))]
    pub size: String,
    /// The storage class. Default: the cluster's default class. To another class members are moved one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class: Option<String>,
    /// When the claims of the volumes are deleted. A change applies to all of them.
    #[serde(default)]
    pub retention: Retention,
}

fn volume_size() -> String {
    "10Gi".to_owned()
}

impl Default for Volume {
    fn default() -> Self {
        Self { size: volume_size(), class: None, retention: Retention::default() }
    }
}

impl From<Volume> for endstate_core::VolumeSpec {
    fn from(it: Volume) -> Self {
        Self::new(it.size).class(it.class).retention(it.retention.into())
    }
}

/// When the claims of members' volumes are deleted, in the words of a StatefulSet's
/// `persistentVolumeClaimRetentionPolicy`. What a deleted claim leaves of its volume is up to the reclaim policy of the
/// storage class.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// When the cluster object is deleted: `Retain` (the default) keeps all claims; with `Delete` the object owns them,
    /// and the garbage collector deletes them after it.
    #[serde(default = "retain")]
    pub when_deleted: Reclaim,
    /// When a member has left the cluster, because of a scale down or because another has replaced it: `Delete` (the
    /// default) or `Retain`. No member ever has its name again, so nothing but a person uses a claim that is retained.
    #[serde(default = "delete")]
    pub when_scaled: Reclaim,
}

impl Default for Retention {
    fn default() -> Self {
        Self { when_deleted: retain(), when_scaled: delete() }
    }
}

impl From<Retention> for endstate_core::Retention {
    fn from(it: Retention) -> Self {
        Self::new(it.when_deleted.into(), it.when_scaled.into())
    }
}

/// `Retain` or `Delete`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaim {
    /// It stays.
    Retain,
    /// It is deleted.
    Delete,
}

impl From<Reclaim> for endstate_core::Reclaim {
    fn from(it: Reclaim) -> Self {
        match it {
            Reclaim::Retain => Self::Retain,
            Reclaim::Delete => Self::Delete,
        }
    }
}

fn retain() -> Reclaim {
    Reclaim::Retain
}

fn delete() -> Reclaim {
    Reclaim::Delete
}

/// One environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.valueFrom)", "valueFrom is not supported: write the value"))]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Its value. Default: empty.
    #[serde(default)]
    pub value: String,
    /// Not offered yet, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Opaque>,
}

impl From<EnvVar> for (String, String) {
    fn from(it: EnvVar) -> Self {
        (it.name, it.value)
    }
}

/// Requests and limits, by resource name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// What the scheduler sets aside for a member, such as `{cpu: 500m, memory: 1Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What a member may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// What Kubernetes takes for a quantity that is not negative: `resource.Quantity` has the grammar.
const QUANTITY: &str = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

fn quantity(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "pattern": QUANTITY,
        "x-kubernetes-int-or-string": true,
    })
}

fn quantities(generator: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": quantity(generator),
    })
}

/// An object of which a definition says nothing: one that is refused, or that only its operator reads.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(transparent)]
pub struct Opaque(pub Value);

impl JsonSchema for Opaque {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Opaque".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// Where members keep their data, on a volume or in a directory, and their write-ahead log if that is apart from it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.volume) || !has(self.emptyDir)", "name either a volume or an emptyDir"),
    validation = ("!has(self.walVolume) || !has(self.emptyDir) && !has(self.walEmptyDir)", "walVolume goes with volume, and walEmptyDir with emptyDir"),
    validation = ("!has(self.walEmptyDir) || !has(self.volume)", "walEmptyDir goes with emptyDir")
)]
pub struct Storage {
    /// A volume for each member. It outlives the pod, and unless its retention says otherwise the cluster's object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,

    /// A directory that lives as long as the pod, on the node's disk or in its memory. A member whose pod is deleted
    /// has lost its data and is replaced; if all pods go at once the cluster is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,

    /// A second volume for each member, of its own class, for the write-ahead log, beside the volume of the data. To
    /// get one, or to lose it, members are moved one by one: a successor joins, then the member leaves. Who lost either
    /// volume has lost its data, and is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_volume: Option<Volume>,

    /// A second directory for the write-ahead log, beside that of the data. The same as of a volume holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_empty_dir: Option<EmptyDir>,
}

impl Storage {
    /// What the data is on, if that is said, and what the write-ahead log is on, if it is apart.
    pub fn settled(self) -> [Option<endstate_core::Storage>; 2] {
        let of = |volume: Option<Volume>, directory: Option<EmptyDir>| {
            let volume = volume.map(|it| endstate_core::VolumeSpec::from(it).into());
            volume.or_else(|| Some(endstate_core::EmptyDir::from(directory?).into()))
        };
        [of(self.volume, self.empty_dir), of(self.wal_volume, self.wal_empty_dir)]
    }
}

/// The status of an operation, which belongs to a cluster and is carried out once, as its definition has it.
///
/// ```
/// use endstate::crd::OperationStatus;
/// let status: OperationStatus = serde_json::from_value(serde_json::json!({"state": "Failed"})).unwrap();
/// assert!(status.progress.state.is_over());
/// ```
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// The generation this status was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// What is asked for: the field of the spec that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// `Complete`: what is asked for is so; while it is not, why, and what is done. `Failed`: it never will be.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<BesideCondition>,
}

/// The lead that is to move.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MoveLeader {
    /// Who is to lead: a member that votes. Default: any other that works, the one that has most of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub to: Option<String>,
}

/// A member that is to be replaced.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceMember {
    /// Which. Another joins and is ready before it leaves, with its volume if that is not retained.
    #[schemars(length(min = 1, max = 63))]
    pub member: String,
}

/// The members that something is done with, one after the other; who leads comes last.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OnMembers {
    /// Which. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub members: Vec<String>,
}

/// What every application's operations can ask for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The cluster of this namespace that it is about.
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// Have another member lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_leader: Option<MoveLeader>,
    /// Have another member take the place of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_member: Option<ReplaceMember>,
}

/// The status of an object that belongs to a cluster, as its definition has it.
///
/// ```
/// use endstate::crd::BesideStatus;
/// let status: BesideStatus = serde_json::from_value(serde_json::json!({"observedGeneration": 2})).unwrap();
/// assert!(status.conditions.is_empty());
/// ```
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BesideStatus {
    /// The generation this status was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready`: whether the cluster has it as declared, and else why not.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<BesideCondition>,
}

/// A condition of such an object.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BesideCondition {
    /// What it is about: `Ready`; of an operation `Complete` or `Failed`.
    pub r#type: String,
    /// True, False or Unknown.
    pub status: endstate_core::Truth,
    /// One word why, for programs.
    pub reason: String,
    /// A sentence why, for people.
    pub message: String,
    /// The generation it was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// When `status` changed last.
    pub last_transition_time: String,
}

/// The status of a cluster as a definition has it: the spec in the record is for the operator alone.
pub type Status = endstate_core::Status<Opaque>;

/// An application's status as its definition has it.
///
/// ```
/// let status = endstate::crd::published(&endstate_core::Status::<u32>::default());
/// assert_eq!(status, endstate::crd::Status::default());
/// ```
#[must_use]
pub fn published<S: Serialize>(status: &endstate_core::Status<S>) -> Status {
    serde_json::from_value(json!(status)).expect("they differ in the recorded spec, which is any")
}
