//! The spec of an etcd cluster, as the planner sees it: every field that users may leave out has its value.
//!
//! Every field takes effect, is refused, or is warned of; `etcd.rs` says for each what a change of it means.

use endstate_core::tls::Tls;
use endstate_core::{PodPolicy, QuorumRecovery, Remedy, Restore, Storage, Version};
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::version::known;

/// Where etcd's images are taken from unless the spec says otherwise.
pub const DEFAULT_REPOSITORY: &str = "quay.io/coreos/etcd";

/// What etcd is called in labels, in the names of containers and directories.
pub const APPLICATION: &str = "etcd";

/// The user who may do everything: the operator.
pub const ROOT: &str = "root";

/// etcd has one role.
pub(crate) const ROLE: &str = "member";

/// The declared state of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdClusterSpec {
    /// The number of voting members.
    pub size: i32,
    /// The etcd version, such as "3.5.16".
    pub version: String,
    /// The image repository; the tag is "v" and the version.
    pub repository: String,
    /// Leaves the cluster alone: nothing is created, repaired, changed or removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What becomes of a lost quorum.
    #[serde(default, skip_serializing_if = "QuorumRecovery::is_default")]
    pub quorum_recovery: QuorumRecovery,
    /// Environment variables of etcd; [`env`](crate::env) says which are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// What the member pods look like.
    #[serde(default)]
    pub pod: PodPolicy,
    /// Where the members keep their data. Nothing leaves it to the platform: a volume if claims get one by default, and
    /// a directory that goes with the pod otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Where they keep their write-ahead log, if that is apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal: Option<Storage>,
    /// The lowest minor whose requests may still be in the members' logs, if it is a lower one than they run. No user
    /// sets it: it is carried from one accepted spec to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_since: Option<u32>,
    /// Members write a snapshot with every other request, so that none of them reads an older one again: a stage before
    /// a minor that cannot read what an older one logged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshots: bool,
    /// The version of another minor that is gone to as soon as nothing speaks against it: a stage before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Version>,
    /// How many learners members are told to list at once; nothing for etcd's own one. No user sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learners: Option<u8>,
    /// Whether members give up history that is older than an hour, unless the environment chooses. No user sets it: it
    /// is so for clusters that are new since there is a choice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compacts: bool,
    /// Who makes room where members have no space left.
    #[serde(default, skip_serializing_if = "Remedy::is_auto")]
    pub space_remedy: Remedy,
    /// How connections are secured.
    #[serde(default)]
    pub tls: Tls,
    /// Whether etcd asks for users; nothing leaves that as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// What the data of a new cluster is made from, if it does not begin empty. It has no meaning for one that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Paths of the fields that are set, accepted and without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<String>,
}

impl EtcdClusterSpec {
    /// A spec with nothing but its two first fields.
    pub fn new(size: i32, version: impl Into<String>) -> Self {
        Self {
            size,
            version: version.into(),
            repository: DEFAULT_REPOSITORY.to_owned(),
            paused: false,
            quorum_recovery: QuorumRecovery::default(),
            env: vec![],
            pod: PodPolicy::default(),
            storage: None,
            wal: None,
            logged_since: None,
            snapshots: false,
            next: None,
            learners: None,
            compacts: false,
            space_remedy: Remedy::default(),
            tls: Tls::default(),
            auth: None,
            restore: None,
            unused: vec![],
        }
    }

    /// The version of an accepted spec. One that does not parse is never accepted; should a record hold
    /// one all the same, the lowest version has the fewest flags.
    pub(crate) fn runs(&self) -> Version {
        known(&self.version).unwrap_or(Version::new(3, 4, 0))
    }

    /// The image of a member.
    pub fn image(&self) -> String {
        format!("{}:v{}", self.repository, self.version)
    }
}
