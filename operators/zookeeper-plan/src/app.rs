//! ZooKeeper's rules: its answers to what the planner asks. What every application has alike (one change at a time, a
//! quorum that is never given up, broken members first, data that is never begun anew) is the planner's.
//!
//! | Rule of ZooKeeper's | Where it is |
//! |---|---|
//! | A server is started first, follows without a vote, and is listed with its vote when it has the data | [`ZooKeeper::topology`], [`Growth::Direct`] |
//! | The lead cannot be handed over: who leads is restarted last, which costs one election | [`ZooKeeper::topology`], [`Lead::Stays`] |
//! | Observers are started after the servers and upgraded before them | [`ZooKeeper::topology`] |
//! | `myid` is 1 to 255, and no id that may have been listed is used twice | [`ZooKeeper::topology`] |
//! | What may not follow what | [`ZooKeeper::refuses`] |
//! | Versions, settings and sizes that are refused | [`ZooKeeper::validate`], `version`, [`TUNABLE`] |
//! | A blank server neither votes nor leads: `autocreate=false`, and `initialize` for the first servers only | `launch.rs` |
//! | A server that has data never goes back to an older list of members | `launch.rs` |
//! | Addresses change behind names, and who looks for a leader asks often | `launch.rs` |
//! | The membership is `/zookeeper/config` and nothing else; each change of it names the version it changes | `ensemble.rs`, and the operator's `client.rs` |
//! | A server works if a transaction and a sync go through it; it has then what the leader had before | the operator's `driver.rs` |
//!
//! Joining as an observer first, as raft's learners do, is worse: ZooKeeper does not count observers when it looks for
//! the new quorum, so that one server could never become two, and the change of role drops the server's clients.

use endstate_core::{
    App, Edge, Growth, IdSource, Identity, Launch, LaunchOf, Lead, Problem, Role, Topology,
    Version, View,
};

use crate::launch::launch;
use crate::spec::{OBSERVER, SERVER, TUNABLE, ZookeeperClusterSpec};

/// The most that vote: more only make writes slower.
const SIZE_MAX: i32 = 7;
/// The most that follow without a vote.
const OBSERVERS_MAX: i32 = 20;

/// ZooKeeper, for the planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZooKeeper;

impl App for ZooKeeper {
    type Spec = ZookeeperClusterSpec;

    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn validate(&self, object: &Identity, spec: &ZookeeperClusterSpec) -> Vec<Problem> {
        let observers = (0..=OBSERVERS_MAX).contains(&spec.observers);
        let problems = [
            Problem::of_name(&object.name),
            Problem::of_size(spec.size, SIZE_MAX),
            (!observers).then(|| Problem::refused("spec.observers", "must be 0 to 20")),
            version(&spec.version).err().map(|it| Problem::refused("spec.version", it)),
            spec.storage.problem("spec.storage"),
            spec.pod.memory_problem("spec.heapMib", u64::from(spec.heap_mib) << 20),
        ];
        let unknown = spec.config.keys().filter(|it| !TUNABLE.contains(&it.as_str()));
        let unknown = unknown.map(|it| {
            Problem::refused(format!("spec.config[{it}]"), "is set by the operator: remove it")
        });
        problems.into_iter().flatten().chain(unknown).collect()
    }

    fn topology(&self, spec: &ZookeeperClusterSpec) -> Topology {
        let count = |it: i32| usize::try_from(it).unwrap_or(0);
        let identity = IdSource::Allocated { max: 255 };
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

    fn refuses(
        &self,
        old: &ZookeeperClusterSpec,
        new: &ZookeeperClusterSpec,
        _: &View,
    ) -> Option<Problem> {
        // Patches may follow each other in either direction and 3.9 may follow 3.8, one server after the other; nothing
        // says that 3.8 reads what 3.9 wrote.
        let minor = |it: &ZookeeperClusterSpec| version(&it.version).ok().map(|it| it.minor);
        let why = "ZooKeeper cannot go back to an earlier minor version";
        let back = (minor(new) < minor(old)).then(|| Problem::refused("spec.version", why));
        back.or_else(|| Problem::of_count("spec.credential", old.credential, new.credential))
    }
}

/// A version that is known here.
fn version(text: &str) -> Result<Version, String> {
    Version::of_series(text, &[(3, 8), (3, 9)])
}

#[cfg(test)]
mod tests {
    use endstate_core::{Cluster, LeaveReason, Member, Request};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_leader_is_asked_but_not_for_its_own_removal() {
        let mut cluster = Cluster::default();
        let member = |name: &str| Member::new(name, name, SERVER).voting(true);
        cluster.members = vec![member("a"), member("b")];
        let asked = |cluster: &Cluster, leaves: &str| {
            let (member, id) = (leaves.into(), leaves.into());
            ZooKeeper.via(cluster, &Request::Leave { member, id, reason: LeaveReason::Dead })
        };
        assert_eq!(asked(&cluster, "a"), None, "nobody leads");
        cluster.members[1].leads = true;
        assert_eq!(asked(&cluster, "a"), Some("b".into()));
        assert_eq!(asked(&cluster, "b"), Some("a".into()));
    }

    #[test]
    fn a_heap_that_its_container_has_no_room_for_is_refused() {
        let problems = |limit: &str| {
            let mut spec = ZookeeperClusterSpec::new(3, "3.9.5");
            spec.pod.resources = Some(json!({"limits": {"memory": limit}}));
            let problems = ZooKeeper.validate(&Identity::new("default", "zoo", "u"), &spec);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let why = "must be less than spec.pod.resources.limits.memory, which is 512Mi";
        assert_eq!(problems("512Mi"), [format!("spec.heapMib: {why}")]);
        assert_eq!(problems("1Gi"), [""; 0]);
    }

    #[test]
    fn patches_follow_each_other_and_a_minor_the_one_before() {
        let spec = |version: &str| ZookeeperClusterSpec::new(3, version);
        let refuses =
            |from, to| ZooKeeper.refuses(&spec(from), &spec(to), &View::default()).is_some();
        assert!(!refuses("3.8.6", "3.8.4") && !refuses("3.9.4", "3.9.5"));
        assert!(!refuses("3.8.6", "3.9.5") && refuses("3.9.5", "3.8.6"));
        for text in ["", "3.9", "v3.9.5", "3.9.05", "3.7.2", "3.10.0", "4.8.0", "3.9.5.1"] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
