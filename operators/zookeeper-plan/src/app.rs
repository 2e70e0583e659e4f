//! ZooKeeper's answers to what the planner asks.
//!
//! A server joins by [`Growth::Direct`]: it is started knowing the others, follows them without a vote, and is listed
//! with its vote when it has the leader's data. Joining as an observer first, as raft's learners do, is worse:
//! ZooKeeper does not count observers when it looks for the new quorum, so that one server could never become two, and
//! the change of role drops the server's clients. Observers that stay such are listed first; that changes no quorum.
//!
//! The lead cannot be handed over ([`Lead::Stays`]): who leads is restarted last, which costs one election. Observers
//! are upgraded first: they show what a version is worth while no quorum depends on it.

use endstate_core::{
    App, Change, Cluster, Edge, Growth, IdSource, Identity, Launch, LaunchOf, Lead, Member,
    MemberName, Problem, Request, Role, RoleName, Topology,
};

use crate::launch::{client_service, host, launch};
use crate::spec::{TUNABLE, ZookeeperClusterSpec, bytes};
use crate::version::Version;

/// The role of servers that vote.
pub const SERVER: &str = "server";
/// The role of servers that do not.
pub const OBSERVER: &str = "observer";

/// The most that vote: more only make writes slower.
const SIZE_MAX: i32 = 7;
/// The most that follow without a vote.
const OBSERVERS_MAX: i32 = 20;
/// The highest `myid`.
const ID_MAX: u64 = 255;
/// The longest label in DNS, which a service's name must fit.
const LABEL_MAX: usize = 63;

/// ZooKeeper, for the planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZooKeeper;

impl App for ZooKeeper {
    type Spec = ZookeeperClusterSpec;

    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn validate(&self, object: &Identity, spec: &ZookeeperClusterSpec) -> Vec<Problem> {
        let refused = |field: &str, why: &str| Problem::refused(field, why);
        let mut problems = vec![];
        let name = &object.name;
        let label = name.starts_with(|it: char| it.is_ascii_lowercase()) && !name.contains('.');
        if !label || client_service(name).len() > LABEL_MAX {
            let why = "services are named after it: begin with a letter, without a dot, at most 56 characters";
            problems.push(refused("metadata.name", why));
        }
        match spec.size {
            1 | 3 | 5 | 7 => {}
            2..=SIZE_MAX => {
                let why = "an even number of servers survives no more failures than one less";
                problems.push(Problem::warning("spec.size", why));
            }
            _ => problems.push(refused("spec.size", "must be 1 to 7")),
        }
        if !(0..=OBSERVERS_MAX).contains(&spec.observers) {
            problems.push(refused("spec.observers", "must be 0 to 20"));
        }
        problems
            .extend(spec.version.parse::<Version>().err().map(|it| refused("spec.version", it)));
        if bytes(&spec.storage.size).is_none() {
            problems.push(refused("spec.storage.size", "must be a number and Mi, Gi or Ti"));
        }
        let unknown = spec.config.keys().filter(|it| !TUNABLE.contains(&it.as_str()));
        problems.extend(unknown.map(|it| {
            refused(&format!("spec.config[{it}]"), "is the operator's to decide: remove it")
        }));
        problems
    }

    fn topology(&self, spec: &ZookeeperClusterSpec) -> Topology {
        let count = |it: i32| usize::try_from(it).unwrap_or(0);
        let identity = IdSource::Allocated { max: ID_MAX };
        let servers = Role::voting(SERVER, count(spec.size)).lead(Lead::Stays);
        let servers = servers.growth(Growth::Direct).after(Edge::Upgrades, OBSERVER);
        let observers =
            Role::following(OBSERVER, count(spec.observers)).after(Edge::Starts, SERVER);
        let roles = [servers.identity(identity), observers.identity(identity)];
        Topology::new(spec.version.clone(), roles).paused(spec.paused)
    }

    fn launch(&self, of: &LaunchOf<'_, ZookeeperClusterSpec>) -> Launch {
        launch(of)
    }

    fn address(&self, object: &Identity, member: &MemberName) -> String {
        host(object, member)
    }

    fn change(
        &self,
        _: &RoleName,
        old: &ZookeeperClusterSpec,
        new: &ZookeeperClusterSpec,
    ) -> Change {
        if let Some(problem) = refusal(old, new) {
            return Change::Refuse(problem);
        }
        // All that a command, an image or a secret depends on: another pod, on the same data.
        let fixed = |it: &ZookeeperClusterSpec| {
            let command = (it.version.clone(), it.repository.clone(), it.heap_mib, it.credential);
            (command, it.config.clone())
        };
        let pod = old.pod.change(&new.pod);
        match pod {
            _ if fixed(old) != fixed(new) => Change::Recreate,
            Change::Nothing if old.storage != new.storage => Change::Live,
            pod => pod,
        }
    }

    /// The leader, unless it is the one that leaves: its answer might be lost with its lead.
    fn via(&self, cluster: &Cluster, request: &Request) -> Option<MemberName> {
        let leaves =
            |it: &Member| matches!(request, Request::Leave { member, .. } if *member == it.name);
        let able = cluster.voters().filter(|it| it.health.is_healthy() && !leaves(it));
        able.max_by_key(|it| it.leads).map(|it| it.name.clone())
    }
}

/// What servers cannot be brought to.
fn refusal(old: &ZookeeperClusterSpec, new: &ZookeeperClusterSpec) -> Option<Problem> {
    let refused = |field: &str, why: &str| Some(Problem::refused(field, why));
    let version = |it: &ZookeeperClusterSpec| it.version.parse::<Version>().ok();
    let backward = version(old).zip(version(new)).and_then(|(from, to)| from.refuses(to));
    if let Some(why) = backward {
        refused("spec.version", why)
    } else if old.storage.class != new.storage.class {
        refused("spec.storage.class", "a volume cannot change its class")
    } else if bytes(&new.storage.size) < bytes(&old.storage.size) {
        refused("spec.storage.size", "a volume cannot shrink")
    } else if new.credential != old.credential && new.credential != old.credential + 1 {
        refused(
            "spec.credential",
            "goes up by one at a time: servers know one password, the operator two",
        )
    } else {
        None
    }
}
