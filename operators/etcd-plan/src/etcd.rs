//! The `App` of etcd: what the planner needs to know about it.

use endstate_core::tls::Tls;
use endstate_core::{
    App, AppStep, Beside, Certificate, Cluster, Complaint, Formation, Identity, Launch, LaunchOf,
    MayStop, Member, MemberName, Operations, Platform, Problem, Role, Shortage, Stage, Storage,
    Tended, Topology, User, Version, View,
};

use crate::auth::{self, Declared, USER_KIND};
use crate::change;
use crate::env;
use crate::launch::{self, peer_url};
use crate::space::{self, BEHIND_MAX, DEFRAGMENT};
use crate::spec::{APPLICATION, EtcdClusterSpec, ROLE, ROOT};
use crate::version::{known, warning};

/// The most members a cluster may have: more only make writes slower.
const SIZE_MAX: i32 = 7;

/// The step that changes the address by which a member is listed.
pub const MOVE_ADDRESS: &str = "MoveAddress";
/// Its argument: the address.
pub const ADDRESS: &str = "address";

/// The kind of what is carried out once.
pub const TASK_KIND: &str = "EtcdTask";

/// The kind of the objects by which users of the first etcd operator ask for a restore.
pub const RESTORE_KIND: &str = "EtcdRestore";

/// What can be asked for once.
pub const OPERATIONS: Operations = Operations::new(TASK_KIND, &[DEFRAGMENT])
    .fronts(&[RESTORE_KIND])
    .restoring()
    .of_caught_up(BEHIND_MAX);

/// etcd, for the planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Etcd;

impl App for Etcd {
    type Spec = EtcdClusterSpec;

    fn name(&self) -> &'static str {
        APPLICATION
    }

    fn validate(&self, object: &Identity, spec: &EtcdClusterSpec) -> Vec<Problem> {
        let mut problems = vec![];
        problems.extend(Problem::of_name(&object.name));
        problems.extend(Problem::of_size(spec.size, SIZE_MAX));
        problems.extend(version_problem(&spec.version));
        problems.extend(spec.env.iter().filter_map(|(name, _)| env_problem(name, spec.runs())));
        let storage = [spec.storage.as_ref(), spec.wal.as_ref()];
        problems.extend(Storage::problems("spec.storage", storage, "wal"));
        problems.extend(spec.tls.problems(object));
        problems.extend(spec.unused.iter().map(Problem::unused));
        problems
    }

    /// Whether members are on volumes, what is secured, and whether history is given up in time, is chosen once. A
    /// cluster that was accepted before there was a choice has none of it. What may be in their logs is remembered.
    fn settle(
        &self,
        spec: &EtcdClusterSpec,
        accepted: Option<&EtcdClusterSpec>,
        platform: &Platform,
    ) -> EtcdClusterSpec {
        let accepted_storage = accepted.map(|it| it.storage.clone().unwrap_or_default());
        let storage = Some(Storage::settled(spec.storage.clone(), accepted_storage, platform));
        let (logged_since, learners) =
            (change::logged_since(spec, accepted), change::learners(spec, accepted));
        let tls = spec.tls.settle(accepted.map(|it| &it.tls));
        let auth = spec.auth.clone().or_else(|| accepted?.auth.clone());
        let compacts = accepted.is_none_or(|it| it.compacts);
        EtcdClusterSpec { storage, tls, logged_since, learners, auth, compacts, ..spec.clone() }
    }

    fn topology(&self, spec: &EtcdClusterSpec) -> Topology {
        // Raft: members join as learners, leadership is transferred, and etcd assigns the ids.
        let size = usize::try_from(spec.size).unwrap_or(0);
        let changes_minor = spec.snapshots || spec.next.is_some();
        let at_once = spec.learners.filter(|_| !changes_minor).unwrap_or(1);
        // Data is restored once: the others copy it from who has it.
        let formation = if spec.restore.is_some() { Formation::One } else { Formation::AllAtOnce };
        let members = Role::voting(ROLE, size).at_once(at_once.into()).formation(formation);
        let members = members.recovery(spec.quorum_recovery.into());
        Topology::new(spec.version.clone(), [members]).paused(spec.paused)
    }

    fn launch(&self, member: &LaunchOf<'_, EtcdClusterSpec>) -> Launch {
        launch::launch(member, member.spec.runs())
    }

    fn certificates(&self, object: &Identity, spec: &EtcdClusterSpec) -> Vec<Certificate> {
        // etcd takes the name of a client's certificate for its user.
        spec.tls.certificates(object, ROOT)
    }

    fn user(&self, object: &Beside) -> Option<User> {
        let (declared, name) = Declared::of(object)?;
        let is_other = object.kind == USER_KIND && name != ROOT;
        is_other.then(|| User { name, by_certificate: declared.password.is_none() })
    }

    fn address(&self, object: &Identity, spec: &EtcdClusterSpec, member: &MemberName) -> String {
        peer_url(object, spec, member)
    }

    fn without_user(&self) -> &'static str {
        "put root's password into a secret (key \"password\") and name it in spec.auth.rootSecret, with \
         spec.auth.enabled: true"
    }

    fn refuses(
        &self,
        old: &EtcdClusterSpec,
        new: &EtcdClusterSpec,
        seen: &View,
    ) -> Option<Problem> {
        let auths = [old.auth.as_ref(), new.auth.as_ref()];
        let users = auth::refuses(old.runs(), new.runs(), auths);
        users
            .or_else(|| change::refusal(old, new, seen))
            .or_else(|| Tls::refuses(&old.tls, &new.tls))
    }

    fn stage(
        &self,
        running: &[&EtcdClusterSpec],
        to: &EtcdClusterSpec,
        (seen, known): (&View, bool),
    ) -> Stage<EtcdClusterSpec> {
        let mut stage = change::stage(running, to, seen);
        let running: Vec<_> = running.iter().map(|it| &it.tls).collect();
        let changes_minor = stage.spec.runs().minor != to.runs().minor;
        stage.spec.tls = match running.first() {
            Some(in_force) if !known || changes_minor => (*in_force).clone(),
            _ => Tls::toward(&running, &to.tls),
        };
        stage
    }

    /// Those of a change of the version, [`MOVE_ADDRESS`], those about users, and those that make room.
    fn steps(&self, spec: &EtcdClusterSpec, cluster: &Cluster) -> Vec<AppStep> {
        let moves = move_addresses(spec, cluster);
        let users = auth::steps(spec, cluster);
        let room = space::steps(spec, cluster);
        change::steps(spec, cluster).into_iter().chain(moves).chain(users).chain(room).collect()
    }

    fn complaint(&self, spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<Complaint> {
        space::complaint(spec, cluster)
    }

    fn withdraws_alarms(&self) -> bool {
        true
    }

    fn tend(&self, spec: &EtcdClusterSpec, cluster: &Cluster) -> Vec<Tended> {
        auth::tend(spec, cluster)
    }

    fn operations(&self) -> Option<Operations> {
        Some(OPERATIONS)
    }

    fn lacks(&self, spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<String> {
        auth::lacks(spec, cluster)
    }

    /// In a downgrade none is taken away before the older minor can open every member's data. While members of two
    /// minors run, none is taken away beside one that nobody here added: a version that reads the list of members from
    /// elsewhere may bring back who was removed (etcd #20967).
    fn may_stop(&self, cluster: &Cluster, names: &[&MemberName]) -> MayStop {
        match change::holds(cluster) {
            Some(message) => MayStop::NotYet(Shortage::Application { message }),
            None => MayStop::of_majority(cluster, names),
        }
    }
}

/// A member whose listed address is of another scheme than the one that it listens with has it changed. A learner's is
/// left alone: before 3.5.31 and 3.6.12 etcd would give it a vote.
fn move_addresses(spec: &EtcdClusterSpec, cluster: &Cluster) -> Vec<AppStep> {
    let settled = |it: &&Member| it.recorded && it.votes && !it.outdated && it.health.is_healthy();
    let step = |it: &Member| {
        let address = launch::with_scheme(it.address.as_deref()?, spec)?;
        Some(AppStep::new(MOVE_ADDRESS, it.name.clone()).with(ADDRESS, address))
    };
    cluster.members.iter().filter(settled).filter_map(step).collect()
}

fn version_problem(text: &str) -> Option<Problem> {
    match known(text) {
        Ok(version) => warning(version).map(|it| Problem::warning("spec.version", it)),
        Err(why) => Some(Problem::refused("spec.version", why)),
    }
}

/// The definitions refuse some of these too; a spec may be older than its definition.
fn env_problem(name: &str, version: Version) -> Option<Problem> {
    let why = match env::may_set(name) {
        true => env::unknown_to(name, version)?,
        false => "is set by the operator: remove it".to_owned(),
    };
    Some(Problem::refused(format!("spec.pod.etcdEnv[{name}]"), why))
}

#[cfg(test)]
mod tests {
    use endstate_core::{EmptyDir, VolumeSpec};

    use super::*;

    #[test]
    fn where_the_data_is_kept_is_chosen_once() {
        let mut asked = EtcdClusterSpec::new(3, "3.5.16");
        asked.tls = Tls::default().settle(Some(&Tls::default()));
        asked.compacts = true;
        let with = |storage: Storage| EtcdClusterSpec { storage: Some(storage), ..asked.clone() };
        let volume = || with(VolumeSpec::default().into());
        let none = Platform::default();
        let mut platform = Platform::default();
        platform.default_storage_class = Some("standard".into());
        assert_eq!(Etcd.settle(&asked, None, &platform), volume());
        assert_eq!(Etcd.settle(&asked, None, &none), with(Storage::default()));
        // What was chosen stays, whatever the platform provides by now.
        assert_eq!(Etcd.settle(&asked, Some(&volume()), &none), volume());
        assert_eq!(Etcd.settle(&asked, Some(&asked), &platform), with(Storage::default()));
        // Who names one gets it.
        let memory = EmptyDir { medium: Some("Memory".into()), ..EmptyDir::default() };
        let named = with(memory.into());
        assert_eq!(Etcd.settle(&named, Some(&volume()), &platform), named);
    }
}
