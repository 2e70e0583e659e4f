//! The pure half of an application's knowledge: what the generic planner has to be told.
//!
//! An implementation answers questions about specs and views. It performs nothing: that is the
//! `Driver` of the `endstate` crate.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    cluster::{Cluster, Member, quorum},
    id::MemberName,
    snapshot::Identity,
    view::MemberStatus,
};

/// What an application must say so that the planner can run it. See `etcd-plan` for a whole one.
///
/// ```
/// use endstate_core::*;
///
/// /// A toy whose spec is its size.
/// struct Toy;
///
/// impl App for Toy {
///     type Spec = u32;
///     fn name(&self) -> &'static str {
///         "toy"
///     }
///     fn validate(&self, _: &Identity, size: &u32) -> Vec<Problem> {
///         if *size > 0 { vec![] } else { vec![Problem::refused("spec", "must not be 0")] }
///     }
///     fn topology(&self, size: &u32) -> Topology {
///         Topology { voters: *size as usize, version: "1".into(), paused: false }
///     }
///     fn launch(&self, member: &LaunchOf<'_, u32>) -> Launch {
///         Launch::new("toy:1", member)
///     }
///     fn address(&self, object: &Identity, member: &MemberName) -> String {
///         format!("{member}.{}", object.namespace)
///     }
///     fn change(&self, _: &u32, _: &u32) -> Change {
///         Change::Nothing
///     }
/// }
///
/// assert_eq!(Toy.topology(&3).voters, 3);
/// ```
pub trait App {
    /// The spec of the cluster object, parsed.
    type Spec: Clone + PartialEq + Serialize + DeserializeOwned;

    /// The application's name: a label of the pods.
    fn name(&self) -> &'static str;

    /// What is wrong with a spec by itself, or with the name of its object.
    fn validate(&self, object: &Identity, spec: &Self::Spec) -> Vec<Problem>;

    /// How many members, and of which version.
    fn topology(&self, spec: &Self::Spec) -> Topology;

    /// How a member is run.
    fn launch(&self, member: &LaunchOf<'_, Self::Spec>) -> Launch;

    /// Where the other members find a member.
    fn address(&self, object: &Identity, member: &MemberName) -> String;

    /// What it takes to bring a member from one spec to another. The number of members is not a
    /// change of a member.
    fn change(&self, old: &Self::Spec, new: &Self::Spec) -> Change;

    /// In which order members are restarted or taken away: the first is the most dispensable.
    ///
    /// By default: those that do not work, then learners, then those made from an older spec; among
    /// equals who leads comes last, and the furthest behind first.
    fn order<'a>(&self, cluster: &'a Cluster) -> Vec<&'a Member> {
        let mut members: Vec<&Member> = cluster.members.iter().collect();
        members.sort_by_key(|it| {
            (
                it.health.is_healthy(),
                it.votes(),
                !it.outdated,
                it.leads,
                it.position,
                it.name.clone(),
            )
        });
        members
    }

    /// Whether these members may stop at once without harm. By default: if the voters that work
    /// without them are a majority, and no other voter is out of order.
    fn may_stop(&self, cluster: &Cluster, names: &[&MemberName]) -> MayStop {
        let stays = |it: &&Member| !names.contains(&&it.name);
        let needed = quorum(cluster.voters().count());
        let left = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
        if left < needed {
            return MayStop::NotYet(format!("{left} voters would work and {needed} are needed"));
        }
        match cluster.voters().filter(stays).find(|it| !it.health.is_healthy()) {
            Some(other) => MayStop::NotYet(format!("{} does not work", other.name)),
            None => MayStop::Yes,
        }
    }

    /// Whether a member already runs what its pod asks for. A pod that was changed in place runs the
    /// old process for a moment more, and nothing but the member itself can say when it is over.
    /// A member that never says so is told of, and is no less healthy for it. By default: if it reports
    /// the version.
    fn runs(&self, spec: &Self::Spec, status: &MemberStatus) -> bool {
        status.version.is_empty() || status.version == self.topology(spec).version
    }

    /// What a person can do so that the operator, which has no user, may make a change that the application
    /// refuses without one. It must destroy nothing.
    fn without_user(&self) -> &'static str {
        "turn the application's authentication off for as long as the change takes"
    }

    /// How much of the history a member has; `None` when it cannot be compared.
    fn position(&self, status: &MemberStatus) -> Option<u64> {
        Some(status.position)
    }
}

/// Something wrong with a spec.
///
/// ```
/// use endstate_core::Problem;
/// let problem = Problem::refused("spec.size", "must be at most 7");
/// assert_eq!(problem.to_string(), "spec.size: must be at most 7");
/// let warning = Problem::warning("spec.size", "must be at most 7");
/// assert!(problem != warning && problem.cmp(&warning).is_ne(), "the order tells what is equal");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The field, as a path.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Whether it can be lived with.
    pub severity: Severity,
}

impl Problem {
    /// A problem with which the spec is not worked towards.
    pub fn refused(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), severity: Severity::Refused }
    }

    /// A problem that is told, and lived with.
    pub fn warning(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), severity: Severity::Warning }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Whether a problem can be lived with.
///
/// ```
/// assert_ne!(endstate_core::Severity::Refused, endstate_core::Severity::Warning);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The spec is not worked towards.
    Refused,
    /// It is told, and worked towards.
    Warning,
}

/// What a spec asks for in numbers.
///
/// ```
/// let topology = endstate_core::Topology { voters: 3, version: "3.5.16".into(), paused: false };
/// assert_eq!(topology.voters, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Members that vote.
    pub voters: usize,
    /// The version they run.
    pub version: String,
    /// Whether the cluster is to be left alone.
    pub paused: bool,
}

/// What a changed spec means for a member that runs.
///
/// ```
/// use endstate_core::Change;
/// assert!(Change::Restart > Change::Live && Change::Recreate > Change::Restart);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    /// The member does not see it.
    Nothing,
    /// Labels and annotations of the running pod change.
    Live,
    /// The process restarts in place, on its data, from another image. Only for changes that
    /// [`App::runs`] can tell from what a member says.
    Restart,
    /// The pod has to be another: a successor joins, then the member leaves.
    Recreate,
    /// It cannot be done.
    Refuse(Problem),
}

/// Whether members may stop.
///
/// ```
/// use endstate_core::MayStop;
/// assert_ne!(MayStop::Yes, MayStop::NotYet("1 voter would work".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MayStop {
    /// Without harm.
    Yes,
    /// Perhaps later.
    NotYet(String),
    /// Not as things are: it would lose data.
    Never(String),
}

/// How a member's process starts on an empty data directory.
///
/// ```
/// use endstate_core::{Peer, Start};
/// let start = Start::Existing {
///     members: vec![Peer { name: "example-x7k2p".into(), address: "http://a:2380".into() }],
/// };
/// assert_eq!(start.members().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// It helps to form a new cluster of exactly these members.
    New {
        /// Unique for this attempt of this object.
        token: String,
        /// All of them, itself included.
        members: Vec<Peer>,
    },
    /// It joins a cluster that exists.
    Existing {
        /// The list of members at this moment, itself included.
        members: Vec<Peer>,
    },
}

impl Start {
    /// The members it is told about.
    pub fn members(&self) -> &[Peer] {
        match self {
            Self::New { members, .. } | Self::Existing { members } => members,
        }
    }
}

/// A member and where it is found.
///
/// ```
/// let peer = endstate_core::Peer { name: "example-x7k2p".into(), address: "http://a:2380".into() };
/// assert!(peer.address.ends_with(":2380"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name.
    pub name: MemberName,
    /// Its peer address.
    pub address: String,
}

/// For whom a launch is asked.
///
/// ```
/// use endstate_core::*;
/// # let object = Identity { namespace: "default".into(), name: "example".into(), uid: "0c5f".into(),
/// #     resource_version: "7".into(), generation: 1, deleting: false };
/// let of = LaunchOf { object: &object, spec: &3, member: &"example-x7k2p".into(), start: None };
/// assert!(of.start.is_none(), "a process that restarts on its data needs no start");
/// ```
#[derive(Debug)]
pub struct LaunchOf<'a, S> {
    /// The cluster object.
    pub object: &'a Identity,
    /// The accepted spec.
    pub spec: &'a S,
    /// The member.
    pub member: &'a MemberName,
    /// How it starts on an empty data directory; `None` when it has data.
    pub start: Option<&'a Start>,
}

/// How a member is run: what the pod is made from.
///
/// ```
/// use endstate_core::*;
/// # let object = Identity { namespace: "default".into(), name: "example".into(), uid: "0c5f".into(),
/// #     resource_version: "7".into(), generation: 1, deleting: false };
/// let of = LaunchOf { object: &object, spec: &3, member: &"example-x7k2p".into(), start: None };
/// let launch = Launch::new("toy:1", &of);
/// assert_eq!(launch.spec, "3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The image of the main container.
    pub image: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// Ports by name.
    pub ports: Vec<(String, u16)>,
    /// The spec it was made from, as JSON: the value of [`Launch::ANNOTATION`].
    pub spec: String,
}

impl Launch {
    /// The pod annotation that holds [`Launch::spec`]; read back into
    /// [`Pod::spec`](crate::Pod::spec).
    pub const ANNOTATION: &'static str = "endstate.dev/spec";

    /// A launch of an image with nothing else.
    pub fn new<S: Serialize>(image: impl Into<String>, of: &LaunchOf<'_, S>) -> Self {
        Self {
            image: image.into(),
            command: vec![],
            env: vec![],
            ports: vec![],
            spec: serde_json::to_string(of.spec)
                .expect("a spec is a tree with text keys, as JSON is"),
        }
    }
}
