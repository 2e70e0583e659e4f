//! The `App` of etcd: what the planner needs to know about it.

use endstate_core::{
    App, EmptyDir, Identity, Launch, LaunchOf, MemberName, Problem, Role, Topology, Version,
};

use crate::env;
use crate::launch::{self, peer_url};
use crate::spec::EtcdClusterSpec;
use crate::version::{known, refusal, warning};

/// The most members a cluster may have: more only make writes slower.
const SIZE_MAX: i32 = 7;

/// etcd has one role.
const ROLE: &str = "member";

/// etcd, for the planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Etcd;

impl App for Etcd {
    type Spec = EtcdClusterSpec;

    fn name(&self) -> &'static str {
        "etcd"
    }

    fn validate(&self, object: &Identity, spec: &EtcdClusterSpec) -> Vec<Problem> {
        let mut problems = vec![];
        problems.extend(Problem::of_name(&object.name));
        problems.extend(Problem::of_size(spec.size, SIZE_MAX));
        problems.extend(version_problem(&spec.version));
        problems.extend(spec.env.iter().filter_map(|(name, _)| env_problem(name)));
        problems.extend(storage_problem(&spec.data));
        problems
            .extend(spec.unused.iter().map(|it| Problem::warning(it, "has no effect: remove it")));
        problems
    }

    fn topology(&self, spec: &EtcdClusterSpec) -> Topology {
        // Raft: members join as learners, leadership is transferred, and etcd assigns the ids.
        let members = Role::voting(ROLE, usize::try_from(spec.size).unwrap_or(0));
        Topology::new(spec.version.clone(), [members]).paused(spec.paused)
    }

    fn launch(&self, member: &LaunchOf<'_, EtcdClusterSpec>) -> Launch {
        launch::launch(member, version(member.spec))
    }

    fn address(&self, object: &Identity, member: &MemberName) -> String {
        peer_url(object, member)
    }

    fn without_user(&self) -> &'static str {
        "`etcdctl --user root auth disable` lets the operator continue, but everyone can read and write; \
         `etcdctl auth enable` ends that"
    }

    fn refuses(&self, old: &EtcdClusterSpec, new: &EtcdClusterSpec) -> Option<Problem> {
        refusal(version(old), version(new))
    }
}

/// The version of an accepted spec. One that does not parse is never accepted; should a record hold
/// one all the same, the lowest version has the fewest flags.
fn version(spec: &EtcdClusterSpec) -> Version {
    known(&spec.version).unwrap_or(Version::new(3, 4, 0))
}

fn version_problem(text: &str) -> Option<Problem> {
    match known(text) {
        Ok(version) => warning(version).map(|it| Problem::warning("spec.version", it)),
        Err(why) => Some(Problem::refused("spec.version", why)),
    }
}

/// The definitions refuse these too; a spec may be older than its definition.
fn env_problem(name: &str) -> Option<Problem> {
    (!env::may_set(name)).then(|| {
        let field = format!("spec.pod.etcdEnv[{name}]");
        Problem::refused(field, "is set by the operator: remove it")
    })
}

fn storage_problem(data: &EmptyDir) -> Option<Problem> {
    (!matches!(data.medium.as_deref(), None | Some("" | "Memory")))
        .then(|| Problem::refused("spec.storage.emptyDir.medium", "must be \"\" or \"Memory\""))
}
