//! The custom resources: what a user may write, and what the operator answers.
//!
//! Invariants: every field of a spec takes effect, is refused by the API server with a message that says what to do, or
//! is warned of in a condition; the schema is complete, so a strict client hears about every misspelt field;
//! documentation of a field says its meaning, its unit, its default, and where the knowledge comes from.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

mod auth;
mod backup;
pub mod historical;

use endstate::crd::{
    Bootstrap, EnvVar, OnMembers, Operation, OperationStatus, PodPolicy, Restore, Storage, Tls,
};
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use auth::{EtcdRole, EtcdRoleSpec, EtcdUser, EtcdUserSpec};
pub use backup::{EtcdBackup, EtcdBackupSpec};
use endstate_core::{QuorumRecovery, Remedy};
use etcd_plan::auth::Auth;

/// The status of a cluster, as the definition has it.
pub type EtcdClusterStatus = endstate::crd::Status;

/// An etcd cluster: the operator starts its members, replaces the ones that fail, and grows and shrinks it, without
/// ever giving up a quorum it has.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.endstate.dev",
    version = "v1",
    kind = "EtcdCluster",
    plural = "etcdclusters",
    shortname = "etcd",
    category = "all",
    category = "endstate",
    namespaced,
    doc = "An etcd cluster: the operator starts its members, replaces the ones that fail, and grows and shrinks it, without ever giving up a quorum it has.",
    status = "EtcdClusterStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.bootstrap) == has(oldSelf.bootstrap) && (!has(self.bootstrap) || self.bootstrap == oldSelf.bootstrap)", "how a cluster begins is chosen when it is created: declare another cluster"),
    validation = raise_rule()
)]
pub struct EtcdClusterSpec {
    /// Voting members: 1 to 7. A cluster of 2n+1 members survives the loss of n of them, so an even size costs a
    /// member and survives no more; 1 is fine for trying things out and survives nothing. Members are added and removed
    /// one at a time, always keeping a quorum. 0 lets no member run and keeps the data on the volumes until the size is
    /// another; refused where members have none.
    #[schemars(range(min = 0, max = 7))]
    pub size: i32,

    /// The etcd version, without a leading `v`, such as `3.5.16`. It selects the image tag and the flags that this
    /// version understands. 3.4.0 and later; 3.5.0 to 3.5.2 are refused because they can lose data in a crash (etcd
    /// #13766).
    ///
    /// It may change on a running cluster; members follow one by one, the leader last. Legal are: another patch of the
    /// minor, newer or older; the next minor, for 3.6 from 3.5.26 or newer, for 3.7 from 3.6.11 or newer; and by etcd's
    /// own downgrade the minor before, from 3.7 to 3.6.11 or newer, from 3.6 to 3.5.26 or newer. As long as a member
    /// still runs the old minor an upgrade can also be turned back, to 3.4 too. Everything else is refused with the way
    /// that is legal. Before the minor changes, the data of all members is compared; if they differ, nothing begins.
    /// Members without volumes, and those of a cluster of one or two, are replaced and not restarted: they cannot be
    /// downgraded, nor upgraded to a minor that cannot read all of their log.
    #[schemars(regex(pattern = r"^3\.[0-9]{1,2}\.[0-9]{1,3}$"))]
    #[x_kube(
        validation = ("int(self.split('.')[1]) >= 4", "etcd before 3.4 has no learners, which safe scaling needs: use 3.4.0 or later"),
        validation = ("!(self in ['3.5.0', '3.5.1', '3.5.2'])", "etcd 3.5.0 to 3.5.2 can lose data in a crash (etcd issue 13766): use 3.5.3 or later"),
        validation = one_minor_rule(),
        validation = gates_rule()
    )]
    pub version: String,

    /// The image repository, without a tag; the tag is `v` and the version. Default `quay.io/coreos/etcd`, etcd's own
    /// releases. The image must hold `/usr/local/bin/etcd`. A change moves the members one by one: a successor joins,
    /// then the member leaves. Together with a change of `version` the members restart in place instead.
    #[serde(default = "default_repository")]
    #[schemars(length(min = 1, max = 255))]
    pub repository: String,

    /// While true the operator does nothing to this cluster but report its status: no member is added, replaced,
    /// removed or promoted. Default false.
    #[serde(default)]
    pub paused: bool,

    /// What becomes of a quorum that is lost for good: the volumes of a majority of the members are gone or empty.
    /// `Manual`, the default: the status names the members whose data can be gone on with, and waits for a person's
    /// annotation (`endstate.dev/consent: recover-from MEMBER`). `Auto`: nobody is asked where the loss is proven,
    /// every member that is left says how far it is, and one has all that any of them has or was known to have; what
    /// only the lost members had, which may be the last writes, is given up. `Never`: not even a person's annotation
    /// counts. What may come back by itself, a member that does not answer or a network that is cut, is waited for in
    /// any case.
    #[serde(default)]
    pub quorum_recovery: QuorumRecovery,

    /// Who makes room when the database of a member has reached its quota, by which etcd refuses writes to all. `Auto`,
    /// the default: the operator defragments members whose files are larger than what is in them, one at a time and the
    /// leader last, gives up all history if that is not enough, and withdraws the alarm when every file is below 90 %
    /// of the quota. Clusters of one and two have to be scaled to three for that. `Manual`: it only says so.
    #[serde(default)]
    pub space_remedy: Remedy,

    /// What the pods of the members carry beside etcd itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<EtcdPodPolicy>,

    /// Where members keep their data. Default: a volume of 10Gi for each where the Kubernetes cluster has a default
    /// storage class when the object is created, and else a directory that lives as long as the pod. A change from one
    /// to the other moves the members one by one: a successor joins, then the member leaves. etcd's own quota is 2 GiB
    /// unless `ETCD_QUOTA_BACKEND_BYTES` says otherwise; beside it there is the log, and a defragmentation needs room
    /// for a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// TLS to clients and between members. Default: on for a new cluster, with certificates that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How the cluster begins. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,

    /// Users. Default: nobody is asked who they are, unless somebody turned that on by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

impl From<EtcdClusterSpec> for etcd_plan::EtcdClusterSpec {
    fn from(it: EtcdClusterSpec) -> Self {
        let pod = it.pod.unwrap_or_default();
        let [storage, wal] = it.storage.unwrap_or_default().settled();
        Self {
            repository: it.repository,
            paused: it.paused,
            quorum_recovery: it.quorum_recovery,
            space_remedy: it.space_remedy,
            env: pod.etcd_env.into_iter().map(Into::into).collect(),
            pod: pod.common.into(),
            storage,
            wal,
            tls: it.tls.unwrap_or_default().into(),
            auth: it.auth,
            restore: it.bootstrap.and_then(|it| it.restore).map(Into::into),
            ..Self::new(it.size, it.version)
        }
    }
}

/// What a member's pod carries beside etcd itself. Labels and annotations change in place; for any other change members
/// are moved one by one: a successor joins, then the member leaves. For production etcd's own guidance is at least 2
/// cores and 8 GiB of memory (etcd.io/docs, hardware).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EtcdPodPolicy {
    /// What every application's pods may carry.
    #[serde(flatten)]
    pub common: PodPolicy,

    /// Environment variables of the etcd container, such as `ETCD_AUTO_COMPACTION_RETENTION`,
    /// `ETCD_QUOTA_BACKEND_BYTES` or `ETCD_HEARTBEAT_INTERVAL`. Of those that begin with `ETCD_` the ones that tune a
    /// member are accepted; what decides membership, addresses, directories, security or checks is the operator's, and
    /// refused. Without an `ETCD_AUTO_COMPACTION_*` here new clusters give up history that is older than an hour; an
    /// `ETCD_AUTO_COMPACTION_RETENTION` of `0` keeps all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = env_rule())]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub etcd_env: Vec<EnvVar>,
}

/// An operation of an etcd cluster, carried out once.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.endstate.dev",
    version = "v1",
    kind = "EtcdTask",
    plural = "etcdtasks",
    category = "endstate",
    namespaced,
    doc = "An operation of an etcd cluster, carried out once.",
    status = "OperationStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct EtcdTaskSpec {
    /// The cluster, and what every application's members can be asked for.
    #[serde(flatten)]
    pub common: Operation,
    /// Give the space that the database of members does not use back to the file system. It blocks the member; the
    /// others serve meanwhile. It may take ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defragment: Option<OnMembers>,
    /// Have the cluster begin anew with the data of a backup, users and roles included. The data is made and verified
    /// while the cluster goes on; then all members stop, and others take their place. What was written since the
    /// backup is only on the volumes of the former members, which are kept until somebody deletes them. Until all
    /// members have stopped, deleting the object undoes it. Members need volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

/// What the planner says of two minors, for the API server.
fn one_minor_rule() -> Rule {
    let minor = |it: &str| format!("int({it}.split('.')[1])");
    let (new, old) = (minor("self"), minor("oldSelf"));
    let ways = etcd_plan::GATES.map(|(minor, first)| format!("3.{minor}.{first} or newer"));
    let message = format!(
        "etcd changes one minor at a time, each rolled out before the next: {}, and the same way back to 3.{}",
        ways.join(", then "),
        etcd_plan::DOWNGRADES_FROM - 1
    );
    Rule::new(format!("{new} - {old} <= 1 && {old} - {new} <= 1")).message(message.as_str())
}

/// What the planner says of patches from which another minor may follow, for the API server.
fn gates_rule() -> Rule {
    let gates = etcd_plan::GATES.iter().filter(|it| it.1 > 0);
    let pair = |lower: &str, upper: &str, minor: u32, first: u32| {
        let next = minor + 1;
        format!(
            "!({lower}.startsWith('3.{minor}.') && {upper}.startsWith('3.{next}.') && int({lower}.split('.')[2]) < {first})"
        )
    };
    let rules = gates.clone().flat_map(|&(minor, first)| {
        [pair("oldSelf", "self", minor, first), pair("self", "oldSelf", minor, first)]
    });
    let rules: Vec<_> = rules.collect();
    let firsts = gates.map(|(minor, first)| {
        let next = minor + 1;
        format!("3.{minor} and 3.{next} work together from 3.{minor}.{first} on: go to 3.{minor}.{first} or newer before 3.{next}, and to no older one from there")
    });
    let message = firsts.collect::<Vec<_>>().join("; ");
    Rule::new(rules.join(" && ")).message(message.as_str())
}

/// etcd's own program raises no revisions before 3.5.10.
fn raise_rule() -> Rule {
    let minor = "int(self.version.split('.')[1])";
    let old = format!("{minor} < 5 || {minor} == 5 && int(self.version.split('.')[2]) < 10");
    let raises = "has(self.bootstrap) && has(self.bootstrap.restore) && self.bootstrap.restore.bumpRevision > 0";
    let message = "etcd before 3.5.10 cannot raise revisions: restore with a newer version, or set bootstrap.restore.bumpRevision to 0, if no client remembers a revision";
    Rule::new(format!("!({raises}) || !({old})")).message(message)
}

/// The planner's rule about variables, for the API server.
fn env_rule() -> Rule {
    use etcd_plan::env::{ETCD_PREFIX, LAUNCHER_PREFIX, TUNABLE};
    let tunable = TUNABLE.map(|it| format!("'{it}'")).join(", ");
    let rule = format!(
        "self.all(it, !it.name.startsWith('{LAUNCHER_PREFIX}') && (!it.name.startsWith('{ETCD_PREFIX}') || it.name in [{tunable}]))"
    );
    let message = format!(
        "the operator sets the name, the directories, the membership, the addresses, the security and the checks of a member: remove these variables; of those that begin with {ETCD_PREFIX} only these may be set: {}",
        TUNABLE.join(", ")
    );
    Rule::new(rule).message(message.as_str())
}

fn default_repository() -> String {
    etcd_plan::DEFAULT_REPOSITORY.to_owned()
}

#[cfg(test)]
mod tests;
