//! How full the members' databases are: what is told of it, and how room is made again.
//!
//! The quota counts a member's file. Once the file of one reaches it (the alarm NOSPACE) etcd refuses everybody's
//! writes until the alarm is withdrawn, whatever room there is by then. What is deleted or compacted leaves free pages
//! in the file, and only a defragmentation makes it smaller. That blocks its member, so it is asked for where it frees
//! something by what the members say, and not again where it did not. History is given up only where that is not
//! enough, and the alarm is withdrawn when every file is well below its quota.

use endstate_core::{
    AppStep, Cluster, Complaint, Member, MemberName, Precondition, Storage, quorum,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{ClusterFacts, Database, MemberFacts, NoSpace};
use crate::spec::{EtcdClusterSpec, ROLE};

/// The step that gives the space that a member's database does not use back to the file system.
pub const DEFRAGMENT: &str = "Defragment";
/// The step that gives history up.
pub const COMPACT: &str = "Compact";
/// Its argument: all before this revision.
pub const REVISION: &str = "revision";
/// The step that withdraws the alarms that members have no space left.
pub const WITHDRAW_NOSPACE: &str = "WithdrawNoSpace";

/// By which variable a user sets the quota, and what etcd's own is.
const QUOTA: (&str, u64) = ("ETCD_QUOTA_BACKEND_BYTES", 2 << 30);
/// How the variables begin by which a user chooses what becomes of history.
const AUTO_COMPACTION: &str = "ETCD_AUTO_COMPACTION_";

/// From so many hundredths of its quota on a database is said to be short of space.
const SHORT: u64 = 80;
/// Below so many it has room.
const ROOM: u64 = 90;
/// A defragmentation that does not free so many is not worth it.
const WORTH: u64 = 5;
/// etcd keeps so many entries of its log for members that are behind. Who lacks more is sent a database, and a
/// defragmentation meanwhile has spoiled data (before 3.5.23 and 3.6.5).
const BEHIND_MAX: u64 = 5_000;

/// Who makes room where members have no space left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpaceRemedy {
    /// The operator.
    #[default]
    Auto,
    /// A person.
    Manual,
}

impl SpaceRemedy {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// By which history older than an hour is given up, unless a user chooses. An hour is far more than watches that were
/// cut off need, or the deltas of a backup; a database that keeps everything fills up.
pub(crate) fn compaction(spec: &EtcdClusterSpec) -> impl Iterator<Item = (&'static str, String)> {
    let chosen = spec.env.iter().any(|it| it.0.starts_with(AUTO_COMPACTION));
    let own = [
        ("ETCD_AUTO_COMPACTION_MODE", "periodic".to_owned()),
        ("ETCD_AUTO_COMPACTION_RETENTION", "1h".to_owned()),
    ];
    own.into_iter().filter(move |_| spec.compacts && !chosen)
}

/// What is due to make room. What a member is at work on is, whatever became of its reason: nothing stops it.
pub(crate) fn steps(spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<AppStep> {
    let facts = cluster.facts.read::<ClusterFacts>()?;
    match facts.at_work {
        Some((name, member)) if name == DEFRAGMENT => Some(defragment(&member)),
        Some((name, member)) => Some(AppStep::new(name, member)),
        None => way_out(spec, cluster, &facts.no_space?).ok(),
    }
}

/// What is told of space, if it is short.
pub(crate) fn complaint(spec: &EtcdClusterSpec, cluster: &Cluster) -> Option<Complaint> {
    let databases = databases(spec, cluster);
    let fullest = databases.iter().max_by_key(|it| it.1.hundredths());
    let told = fullest.map(|(member, it)| {
        let quota = it.quota >> 20;
        format!(
            "the database of {} is at {} % of its quota of {quota} MiB",
            member.name,
            it.hundredths()
        )
    });
    let Some(no_space) = no_space(cluster) else {
        let short = fullest.filter(|it| it.1.hundredths() >= SHORT)?;
        let least = least(&databases);
        let hint = match short.1.frees(least) {
            true => "a defragmentation makes it smaller (EtcdTask)",
            false => LARGER,
        };
        return Some(Complaint::warning("SpaceShort", format!("{}; {hint}", told?)));
    };
    let name = |id: &String| {
        let member = cluster.members.iter().find(|it| *it.id == **id);
        member.map_or_else(|| format!("a former member ({id})"), |it| it.name.to_string())
    };
    let who = no_space.full.iter().map(name).collect::<Vec<_>>().join(", ");
    let way = match steps(spec, cluster).map_or_else(|| way_out(spec, cluster, &no_space), Ok) {
        Ok(step) if step.dangerous && is_small(cluster) => {
            "a defragmentation blocks its member, so scale to 3 (spec.size)".to_owned()
        }
        Ok(step) => format!("{} of {} makes room", step.name, step.member),
        Err(way) => way.to_owned(),
    };
    let told = told.map(|it| format!("; {it}")).unwrap_or_default();
    let message = format!("writes are refused because no space was left to {who}{told}; {way}");
    Some(Complaint::new("SpaceExhausted", message))
}

/// What a person does where nothing else helps.
const LARGER: &str = "delete keys, or raise ETCD_QUOTA_BACKEND_BYTES, and before that the volume, which has to hold it twice";

/// What makes room next, or what that lacks.
fn way_out(
    spec: &EtcdClusterSpec,
    cluster: &Cluster,
    no_space: &NoSpace,
) -> Result<AppStep, &'static str> {
    let leader = cluster.leader().ok_or("nobody leads")?;
    let databases = databases(spec, cluster);
    if spec.space_remedy == SpaceRemedy::Manual {
        return Err(
            "compact, defragment (EtcdTask) and then `etcdctl alarm disarm`, or set spec.spaceRemedy to Auto",
        );
    }
    if databases.len() < cluster.voters().count() {
        return Err("not every member says how full it is");
    }
    if databases.iter().all(|it| it.1.has_room()) {
        return Ok(AppStep::new(WITHDRAW_NOSPACE, leader.name.clone()));
    }
    let least = least(&databases);
    let due: Vec<_> = databases.iter().filter(|it| !it.1.has_room() && it.1.frees(least)).collect();
    if let Some((member, database)) = due.iter().min_by_key(|it| (it.0.leads, &it.0.name)) {
        return match (keeps_up(leader, member), holds_copy(spec, database)) {
            (false, _) => {
                Err("a member is behind, and is not defragmented before it has caught up")
            }
            (_, false) => Err(
                "grow the volume first (spec.storage.volume.size): a defragmentation writes a copy",
            ),
            _ => Ok(defragment(&member.name)),
        };
    }
    match no_space.compacted {
        None => Err("it is not known yet how much history there is"),
        Some(true) => Err(LARGER),
        Some(false) => {
            let revision = no_space.revision.to_string();
            Ok(AppStep::new(COMPACT, leader.name.clone()).with(REVISION, revision))
        }
    }
}

fn defragment(member: &MemberName) -> AppStep {
    let role = || ROLE.into();
    let step = AppStep::new(DEFRAGMENT, member.clone()).dangerous();
    step.needs(Precondition::Healthy { role: role() })
        .needs(Precondition::UpToDate { role: role() })
}

/// Whether no member can be spared.
fn is_small(cluster: &Cluster) -> bool {
    let voters = cluster.voters().count();
    voters.saturating_sub(1) < quorum(voters)
}

/// Whether a member gets what the others have from their logs.
fn keeps_up(leader: &Member, member: &Member) -> bool {
    let behind = member
        .position
        .as_ref()
        .zip(leader.position.as_ref())
        .map(|(has, ahead)| has.behind(ahead));
    // Who has more than the leader said a moment before lacks nothing.
    behind.is_none_or(|it| it.is_none_or(|it| it <= BEHIND_MAX))
}

/// Whether the volume of a member, as far as its size is known, holds a copy of what is in use beside the file.
fn holds_copy(spec: &EtcdClusterSpec, database: &Database) -> bool {
    let Some(Storage::Volume(volume)) = &spec.storage else { return true };
    volume.bytes().is_none_or(|it| it > database.size.saturating_add(database.in_use))
}

fn no_space(cluster: &Cluster) -> Option<NoSpace> {
    cluster.facts.read::<ClusterFacts>()?.no_space
}

/// The voters that say how full they are.
fn databases<'c>(spec: &EtcdClusterSpec, cluster: &'c Cluster) -> Vec<(&'c Member, Database)> {
    let of = |member: &'c Member| {
        let database = member.facts.read::<MemberFacts>()?.database.filter(|it| it.in_use > 0)?;
        let quota = if database.quota == 0 { quota(spec) } else { database.quota };
        Some((member, Database { quota, ..database }))
    };
    cluster.voters().filter_map(of).collect()
}

/// How much the data needs: all have the same, and some have given more of it back than others.
fn least(databases: &[(&Member, Database)]) -> u64 {
    databases.iter().map(|it| it.1.in_use).min().unwrap_or_default()
}

fn quota(spec: &EtcdClusterSpec) -> u64 {
    let set = spec.env.iter().find(|it| it.0 == QUOTA.0).and_then(|it| it.1.parse::<i64>().ok());
    match set {
        None | Some(0) => QUOTA.1,
        // A negative one is none.
        Some(it) => u64::try_from(it).unwrap_or(u64::MAX),
    }
}

impl Database {
    fn part(&self, hundredths: u64) -> u64 {
        self.quota / 100 * hundredths
    }

    fn hundredths(&self) -> u64 {
        self.size / (self.quota / 100).max(1)
    }

    fn has_room(&self) -> bool {
        self.size < self.part(ROOM)
    }

    /// Whether a defragmentation makes it smaller, by what the data needs and by what came of the last one.
    fn frees(&self, needed: u64) -> bool {
        let beyond = |it: u64, what: u64| it > what.saturating_add(self.part(WORTH));
        let has_changed = |(size, in_use)| beyond(self.size, size) || beyond(in_use, self.in_use);
        beyond(self.size, needed) && self.defragmented.is_none_or(has_changed)
    }
}
