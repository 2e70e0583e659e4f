//! How full the members' databases are: what is told of it, and how room is made again.
//!
//! The quota counts a member's file. Once the file of one reaches it (the alarm NOSPACE) etcd refuses everybody's
//! writes until the alarm is withdrawn, whatever room there is by then. What is deleted or compacted leaves free pages
//! in the file, and only a defragmentation makes it smaller. That blocks its member, so it is asked for where it frees
//! something by what the members say, and not again where it did not. History is given up only where that is not
//! enough, and the alarm is withdrawn when every file is well below its quota.

use endstate_core::{
    AppStep, Cluster, Complaint, Files, FilesRoom, Fullness, MemberName, Precondition, Storage,
};

use crate::facts::{ClusterFacts, MemberFacts, NoSpace};
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
/// How the variables begin by which a user chooses what becomes of history, and what it is otherwise. An hour is far
/// more than watches that were cut off need, or the deltas of a backup; a database that keeps everything fills up.
const AUTO_COMPACTION: &str = "ETCD_AUTO_COMPACTION_";
const COMPACTION: [(&str, &str); 2] =
    [("ETCD_AUTO_COMPACTION_MODE", "periodic"), ("ETCD_AUTO_COMPACTION_RETENTION", "1h")];

/// etcd keeps so many entries of its log for members that are behind. Who lacks more is sent a database, and a
/// defragmentation meanwhile has spoiled data (before 3.5.23 and 3.6.5).
pub(crate) const BEHIND_MAX: u64 = 5_000;

/// What a person does where nothing else helps.
const LARGER: &str = "delete keys, or raise ETCD_QUOTA_BACKEND_BYTES, and before that the volume, which has to hold it twice";

/// And where nothing is done without one.
const MANUAL: &str = "compact, defragment (EtcdTask) and then `etcdctl alarm disarm`, or set spec.spaceRemedy to Auto";

/// The variables by which members give history up in time.
pub(crate) fn compaction(spec: &EtcdClusterSpec) -> impl Iterator<Item = (&'static str, String)> {
    let chosen = spec.env.iter().any(|it| it.0.starts_with(AUTO_COMPACTION));
    let own = COMPACTION.into_iter().filter(move |_| spec.compacts && !chosen);
    own.map(|(name, value)| (name, value.to_owned()))
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
    let files = files(spec, cluster);
    let fullest = files.fullest();
    let told = fullest.map_or_else(String::new, |(member, it)| {
        let (name, share, quota) = (&member.name, it.hundredths(), it.bound >> 20);
        format!("the database of {name} is at {share} % of its quota of {quota} MiB; ")
    });
    let Some(no_space) = cluster.facts.read::<ClusterFacts>()?.no_space else {
        let short = fullest.filter(|it| it.1.is_short())?.1;
        let way = if files.shrinks(&short) {
            "a defragmentation makes it smaller (EtcdTask)"
        } else {
            LARGER
        };
        return Some(Complaint::warning("SpaceShort", told + way));
    };
    let name = |id: &String| {
        let member = cluster.members.iter().find(|it| *it.id == **id);
        member.map_or_else(|| format!("a former member ({id})"), |it| it.name.to_string())
    };
    let who = no_space.full.iter().map(name).collect::<Vec<_>>().join(", ");
    let way = match steps(spec, cluster).map_or_else(|| way_out(spec, cluster, &no_space), Ok) {
        Ok(step) => format!("{} of {} makes room", step.name, step.member),
        Err(way) => way.to_owned(),
    };
    let message = format!("writes are refused because no space was left to {who}; {told}{way}");
    Some(Complaint::new("SpaceExhausted", message))
}

/// What makes room next, or what that lacks.
fn way_out(
    spec: &EtcdClusterSpec,
    cluster: &Cluster,
    no_space: &NoSpace,
) -> Result<AppStep, &'static str> {
    let leader = cluster.leader().ok_or("nobody leads")?;
    if !spec.space_remedy.is_auto() {
        return Err(MANUAL);
    }
    let volume = match &spec.storage {
        Some(Storage::Volume(it)) => it.bytes(),
        _ => None,
    };
    let files = files(spec, cluster);
    let has_history = no_space.compacted == Some(false);
    let compact = || {
        let revision = no_space.revision.to_string();
        AppStep::new(COMPACT, leader.name.clone()).with(REVISION, revision)
    };
    match files.room(leader, BEHIND_MAX, volume) {
        FilesRoom::Enough => Ok(AppStep::new(WITHDRAW_NOSPACE, leader.name.clone())),
        // Nobody is blocked for little.
        FilesRoom::Rewrite(_) if has_history && files.are_crowded() => Ok(compact()),
        FilesRoom::Rewrite(member) => Ok(defragment(&member)),
        FilesRoom::Exhausted if has_history => Ok(compact()),
        FilesRoom::Exhausted if no_space.compacted.is_some() => Err(LARGER),
        FilesRoom::Exhausted => Err("it is not known yet how much history there is"),
        FilesRoom::Lacks(what) => Err(what),
    }
}

fn defragment(member: &MemberName) -> AppStep {
    let step = AppStep::new(DEFRAGMENT, member.clone()).dangerous();
    let step = step.needs(Precondition::Healthy { role: ROLE.into() });
    let step = step.needs(Precondition::UpToDate { role: ROLE.into() });
    step.needs(Precondition::CaughtUp { role: ROLE.into(), entries: BEHIND_MAX })
}

/// The files of the voters that say how full they are, each with its quota: a negative one is none.
fn files<'c>(spec: &EtcdClusterSpec, cluster: &'c Cluster) -> Files<'c> {
    let set = spec.env.iter().find(|it| it.0 == QUOTA.0).and_then(|it| it.1.parse::<i64>().ok());
    let told = set.filter(|it| *it != 0);
    let told = told.map_or(QUOTA.1, |it| u64::try_from(it).unwrap_or(u64::MAX));
    Files::of(cluster, |member| {
        let file = member.facts.read::<MemberFacts>()?.database.filter(|it| it.in_use > 0)?;
        Some(Fullness { bound: if file.bound == 0 { told } else { file.bound }, ..file })
    })
}
