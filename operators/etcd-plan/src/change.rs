//! How a cluster gets from one minor to another: what is refused, the stages on the way, and what etcd itself is asked
//! for.
//!
//! Members of two minors work together, and every member's log is read by the next minor, with two exceptions
//! ([`reads_from`]). What a member logged before its last snapshot it never reads again; so a stage in which each
//! snapshots at once comes before such a change. A member without a volume cannot do that: its successor gets the whole
//! log from the leader.
//!
//! Down goes by etcd's own way: a step asks for it, etcd lowers the version that the members have agreed on, each makes
//! its data such that the older minor opens it, and then members follow one by one; when all have, etcd ends it. Where
//! the newer minor was never agreed on, because a member still runs the older, members simply go back.

use endstate_core::{AppStep, Cluster, Precondition, Problem, Stage, Storage, Version, View};

use crate::facts::{ClusterFacts, MemberFacts, Versions};
use crate::spec::{EtcdClusterSpec, ROLE};
use crate::version::{Path, path, reads_from};

/// Begins a downgrade; the argument says to which version.
pub const ENABLE_DOWNGRADE: &str = "EnableDowngrade";
/// Ends one that is not wanted any more.
pub const CANCEL_DOWNGRADE: &str = "CancelDowngrade";
/// The argument of [`ENABLE_DOWNGRADE`]: minor versions as etcd wants them, such as "3.6".
pub const TO: &str = "to";

/// The first minor that lists as many learners as it is told.
const LEARNERS_SINCE: u32 = 6;
/// How many: each copies from the leader.
const LEARNERS: u8 = 2;

/// The lowest minor whose requests may be in the log of members that go from one accepted spec to another; nothing if
/// that is the minor they run.
pub(crate) fn logged_since(
    spec: &EtcdClusterSpec,
    accepted: Option<&EtcdClusterSpec>,
) -> Option<u32> {
    let since = |it: &EtcdClusterSpec| it.logged_since.unwrap_or(it.runs().minor);
    accepted.map(since).filter(|it| *it < spec.runs().minor)
}

/// How many learners members are told to list. Each checks that for itself, so members that were told otherwise would
/// have other lists: it is chosen for a new cluster, or at a roll within a minor, and used when all run by it.
pub(crate) fn learners(spec: &EtcdClusterSpec, accepted: Option<&EtcdClusterSpec>) -> Option<u8> {
    let minor = spec.runs().minor;
    let rolls = |it: &EtcdClusterSpec| it.runs().minor == minor && it.version != spec.version;
    let chosen = if accepted.is_none_or(rolls) { Some(LEARNERS) } else { accepted?.learners };
    chosen.filter(|_| minor >= LEARNERS_SINCE)
}

/// Why a cluster cannot go from one spec to another.
pub(crate) fn refusal(
    old: &EtcdClusterSpec,
    new: &EtcdClusterSpec,
    seen: &View,
) -> Option<Problem> {
    let (from, to) = (old.runs(), new.runs());
    if from.minor == to.minor {
        let why = "etcd is being downgraded, and so small a cluster cannot go on with that: wait until it is over";
        let small = new.size < old.size && replaces(old, new.size).is_some();
        return (small && Versions::of(seen).goes_down())
            .then(|| Problem::refused("spec.size", why));
    }
    if goes_back(from, to, seen) {
        return None;
    }
    let refused = |why: String| Some(Problem::refused("spec.version", why));
    let because = match path(from, to) {
        Path::Refused(why) => return refused(why),
        _ if (&old.storage, &old.wal) != (&new.storage, &new.wal) => {
            "the storage and the minor version change one after the other: undo one of them"
                .to_owned()
        }
        way => match cannot(old, to, new.size) {
            Some(why) if way == Path::Down => {
                format!("etcd lets no member join an older minor during a downgrade, and {why}")
            }
            Some(why) => {
                format!(
                    "a new member reads the whole log, in which may be what 3.{} cannot read, and {why}",
                    to.minor
                )
            }
            None => return None,
        },
    };
    refused(format!("cannot go from {from} to {to}: {because}"))
}

/// Why members that a change to another minor has to find on their data will not be.
fn cannot(now: &EtcdClusterSpec, to: Version, size: i32) -> Option<&'static str> {
    let needs = to < now.runs() || must_snapshot(now, to);
    needs.then(|| replaces(now, size)).flatten()
}

/// Whether members go back to the minor that some of them still run.
fn goes_back(from: Version, to: Version, seen: &View) -> bool {
    let works_beside = matches!(path(to, from), Path::Up);
    from.minor == to.minor + 1 && works_beside && Versions::of(seen).still_at(to.minor)
}

/// Why members cannot be restarted on their data, which some changes need: those of a cluster of one or two never are,
/// because it would have no quorum, and without a volume the data goes with the pod. A successor joins instead.
fn replaces(old: &EtcdClusterSpec, size: i32) -> Option<&'static str> {
    if !matches!(old.storage, Some(Storage::Volume(_))) {
        return Some(
            "members without volumes are replaced, not restarted: give them volumes first (spec.storage.volume)",
        );
    }
    matches!(size, 1 | 2).then_some(
        "members of so small a cluster are replaced, not restarted: grow it first (spec.size 3 or more)",
    )
}

/// Whether the log may hold what another minor cannot read: requests of one that is too old, or a second learner,
/// which one that knows one takes for refused. (etcd snapshots as a downgrade begins, not if it crashes then.)
fn must_snapshot(spec: &EtcdClusterSpec, to: Version) -> bool {
    let older = spec.logged_since.unwrap_or(spec.runs().minor) < reads_from(to.minor);
    older || spec.learners.is_some() && to.minor < LEARNERS_SINCE
}

/// What members are brought to next, from the specs that they may run, the one in force first.
pub(crate) fn stage(
    running: &[&EtcdClusterSpec],
    to: &EtcdClusterSpec,
    seen: &View,
) -> Stage<EtcdClusterSpec> {
    let Some((now, others)) = running.split_first() else { return to.clone().into() };
    let (from, goal) = (now.runs(), to.runs());
    let mut minors: Vec<_> = others.iter().map(|it| it.runs().minor).chain([from.minor]).collect();
    minors.sort_unstable();
    minors.dedup();
    // Nothing is begun, or what was begun goes on: whoever is of another minor is of the one before or after.
    if from.minor == goal.minor {
        return to.clone().into();
    }
    let hold = EtcdClusterSpec {
        size: to.size,
        paused: to.paused,
        quorum_recovery: to.quorum_recovery,
        space_remedy: to.space_remedy,
        next: None,
        ..(*now).clone()
    };
    let versions = Versions::of(seen);
    let turns = minors.len() == 2 && minors.contains(&goal.minor);
    if turns && (goal > from || goes_back(from, goal, seen)) {
        return to.clone().into();
    }
    // A roll that is under way is finished first.
    if minors.len() > 1 || others.iter().any(|it| it.runs() != from) {
        return hold.into();
    }
    if let Some(why) = cannot(now, goal, to.size) {
        return Stage::from(hold).waits(why);
    }
    match path(from, goal) {
        Path::Up | Path::Down
            if must_snapshot(now, goal) && !running.iter().all(|it| it.snapshots) =>
        {
            EtcdClusterSpec { snapshots: true, ..hold }.into()
        }
        Path::Up => up(EtcdClusterSpec { next: Some(goal), ..hold }, to, &versions),
        Path::Down => down(EtcdClusterSpec { next: Some(goal), ..hold }, to, &versions),
        Path::Refused(why) => Stage::from(hold).waits(why),
        Path::Same | Path::Roll => to.clone().into(),
    }
}

fn up(hold: EtcdClusterSpec, to: &EtcdClusterSpec, seen: &Versions) -> Stage<EtcdClusterSpec> {
    match lacks(&hold, seen) {
        Some(lacks) => Stage::from(hold).waits(lacks),
        None => to.clone().into(),
    }
}

/// The data is compared before etcd is asked, because members change what they have on disk then.
fn down(hold: EtcdClusterSpec, to: &EtcdClusterSpec, seen: &Versions) -> Stage<EtcdClusterSpec> {
    let minor = to.runs().minor;
    if seen.agreed_on(minor) && seen.stored_for(minor) {
        return to.clone().into();
    }
    let lacks = match seen.goes_down_to(minor) {
        false => lacks(&hold, seen),
        true => None,
    };
    let lowered = || format!("not every member's data is such that 3.{minor} opens it yet");
    Stage::from(hold).waits(lacks.unwrap_or_else(lowered))
}

/// What a change of the minor lacks before it may begin.
fn lacks(now: &EtcdClusterSpec, seen: &Versions) -> Option<String> {
    let minor = now.runs().minor;
    if !seen.agreed_on(minor) {
        return Some(format!("not every member says that the members have agreed on 3.{minor}"));
    }
    match seen.same_data() {
        Some(true) => None,
        Some(false) => {
            Some("the members differ in their data: replace those that are wrong".into())
        }
        None => Some("the data of all members has not been compared yet".into()),
    }
}

/// What etcd is asked for. It checks the version of a downgrade itself before it begins one, and refuses to begin one
/// twice; so what is due is said by what members say and never by an answer. Whoever ends a downgrade by hand, while
/// members follow, has it begun again: an older member would not start beside what the newer ones have agreed on.
pub(crate) fn steps(spec: &EtcdClusterSpec, cluster: &Cluster) -> Vec<AppStep> {
    let Some(leader) = cluster.leader() else { return vec![] };
    let facts = leader.facts.read::<MemberFacts>().unwrap_or_default();
    let compared = cluster.facts.read::<ClusterFacts>().and_then(|it| it.same_data) == Some(true);
    let runs = spec.runs().minor;
    let down = spec.next.map(|it| it.minor).filter(|it| *it < runs);
    let goal = down.unwrap_or(runs);
    let newer = facts.cluster_version.is_some_and(|it| it.minor > goal);
    match facts.downgrade.map(|it| it.minor) {
        None if newer && (down.is_none() || compared) => {
            let step = AppStep::new(ENABLE_DOWNGRADE, leader.name.clone());
            let healthy = Precondition::Healthy { role: ROLE.into() };
            vec![step.with(TO, format!("3.{goal}")).needs(healthy)]
        }
        Some(to) if to < goal => vec![AppStep::new(CANCEL_DOWNGRADE, leader.name.clone())],
        _ => vec![],
    }
}

/// Why no member may be taken away while the minor changes.
pub(crate) fn holds(cluster: &Cluster) -> Option<String> {
    let facts: Vec<MemberFacts> = cluster.members.iter().filter_map(|it| it.facts.read()).collect();
    let minor = |it: Option<Version>| it.map(|it| it.minor);
    let goes_to = facts.iter().find_map(|it| it.downgrade);
    let opens = |it: &MemberFacts| {
        let newer = it.version.is_some_and(|it| Some(it.minor) > minor(goes_to));
        let lowered = [it.cluster_version, it.storage_version];
        !newer || lowered.iter().all(|it| minor(*it) == minor(goes_to))
    };
    if let Some(to) = goes_to.filter(|_| !facts.iter().all(opens)) {
        return Some(format!("not every member's data is such that 3.{} opens it yet", to.minor));
    }
    let mut minors = facts.iter().filter_map(|it| minor(it.version));
    let first = minors.next();
    let mixed = minors.any(|it| Some(it) != first);
    let stranger = cluster.members.iter().find(|it| mixed && !it.recorded)?;
    let why = "was added by nobody here, and members of two minor versions run";
    Some(format!("{} {why}: remove it, or go back", stranger.name))
}
